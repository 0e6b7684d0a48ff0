#include "http/certificate.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

namespace hearth::http {
namespace {

template <typename T, void (*kFree)(T*)>
struct Freed {
  void operator()(T* value) const noexcept { kFree(value); }
};
void free_bio(BIO* bio) {
  BIO_free_all(bio);
}
using Bio = std::unique_ptr<BIO, Freed<BIO, free_bio>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES, GENERAL_NAMES_free>>;

Bio open_file(const std::string& path, const char* what);
Certificate load_certificate(const std::string& path);
Key load_key(const std::string& path);
std::vector<std::string> names_of(X509* certificate);
int64_t milliseconds_of(const ASN1_TIME* time);
std::string subject_of(X509* certificate);

}  // namespace

CertificateFacts read_certificate(const TlsFiles& files) {
  ERR_clear_error();
  Certificate certificate = load_certificate(files.cert_file);
  Key key = load_key(files.key_file);
  CertificateFacts facts;
  facts.subject = subject_of(certificate.get());
  facts.names = names_of(certificate.get());
  facts.not_before_ms = milliseconds_of(X509_get0_notBefore(certificate.get()));
  facts.not_after_ms = milliseconds_of(X509_get0_notAfter(certificate.get()));
  facts.self_signed = X509_self_signed(certificate.get(), /*verify_signature=*/0) == 1;
  facts.key_matches = X509_check_private_key(certificate.get(), key.get()) == 1;
  struct stat status{};
  facts.key_readable_by_others =
      ::stat(files.key_file.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
  ERR_clear_error();
  return facts;
}

bool certificate_covers(const TlsFiles& files, const std::string& host) {
  Certificate certificate = load_certificate(files.cert_file);
  return X509_check_host(certificate.get(), host.data(), host.size(), 0, nullptr) == 1 ||
         X509_check_ip_asc(certificate.get(), host.c_str(), 0) == 1;
}

namespace {

Bio open_file(const std::string& path, const char* what) {
  Bio file(BIO_new_file(path.c_str(), "r"));
  if (!file) {
    throw Error(ErrorKind::kInvalid,
                std::string(what) + " " + path + " cannot be read: " + std::strerror(errno) + ".");
  }
  return file;
}

Certificate load_certificate(const std::string& path) {
  Bio file = open_file(path, "The TLS certificate");
  Certificate certificate(PEM_read_bio_X509_AUX(file.get(), nullptr, nullptr, nullptr));
  if (!certificate) {
    throw Error(ErrorKind::kInvalid, "The TLS certificate " + path +
                                         " holds no certificate in PEM form (a block that begins "
                                         "with -----BEGIN CERTIFICATE-----).");
  }
  return certificate;
}

Key load_key(const std::string& path) {
  Bio file = open_file(path, "The TLS key");
  // Without this OpenSSL would ask for a passphrase on the terminal.
  pem_password_cb* no_passphrase = [](char*, int, int, void*) { return -1; };
  Key key(PEM_read_bio_PrivateKey(file.get(), nullptr, no_passphrase, nullptr));
  if (!key) {
    throw Error(ErrorKind::kInvalid, "The TLS key " + path +
                                         " holds no private key in PEM form without a passphrase. "
                                         "To take the passphrase off: openssl pkey -in FILE.");
  }
  return key;
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  Names list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) {
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      const int bytes = ASN1_STRING_length(name->d.iPAddress);
      char text[INET6_ADDRSTRLEN] = {};
      if ((bytes == 4 || bytes == 16) &&
          inet_ntop(bytes == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text,
                    sizeof text) != nullptr) {
        names.emplace_back(text);
      }
    }
  }
  return names;
}

int64_t milliseconds_of(const ASN1_TIME* time) {
  std::tm utc{};
  if (ASN1_TIME_to_tm(time, &utc) != 1) return 0;
  return int64_t{timegm(&utc)} * 1000;
}

std::string subject_of(X509* certificate) {
  Bio memory(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(memory.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE);
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<size_t>(std::max(0L, length))};
}

}  // namespace
}  // namespace hearth::http
