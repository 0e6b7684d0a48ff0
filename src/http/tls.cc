#include "http/tls.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ctime>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "http/certificate.h"

namespace hearth::http {
namespace {

// What is encrypted before it is sent: 16 records a system call.
constexpr size_t kSealBytes = size_t{256} * 1024;
// The most that one record holds (RFC 8446, section 5.1).
constexpr size_t kRecordBytes = size_t{16} * 1024;
// One read of a file on its way; on the stack.
constexpr size_t kFileBytes = size_t{64} * 1024;
// What a session reads from its socket at once; given back when it is empty.
constexpr size_t kReadAheadBytes = size_t{64} * 1024;
constexpr size_t kIdleBytesMax = size_t{4} * 1024;
// The intermediate list of Mozilla's guidelines 5.7 without those that need DH parameters: every
// client since 2014 speaks one of them, and all have forward secrecy.
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

std::shared_ptr<SSL_CTX> make_context(const TlsFiles& files);
std::string stamp_of(const TlsFiles& files);
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*);
// A BIO that appends to the std::string that is its data.
BIO* make_appender(std::string& out);

[[noreturn]] void throw_openssl(std::string_view doing) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  throw Error(ErrorKind::kInvalid,
              fmt::format("TLS: {}: {}.", doing, reason ? reason : "OpenSSL does not say why"));
}

}  // namespace

TlsIdentity::TlsIdentity(TlsFiles files)
    : files_(std::move(files)), context_(make_context(files_)), stamp_(stamp_of(files_)) {}

bool TlsIdentity::reload(bool even_if_unchanged) {
  // Looked at before the files are read: a change in between is seen the next time.
  std::string stamp = stamp_of(files_);
  {
    std::lock_guard lock(mutex_);
    if (!even_if_unchanged && stamp == stamp_) return false;
    stamp_ = stamp;
  }
  try {
    std::shared_ptr<SSL_CTX> fresh = make_context(files_);
    std::lock_guard lock(mutex_);
    context_ = std::move(fresh);
  } catch (const Error& error) {
    log_error("http: the TLS certificate was not replaced, the old one is still used: {}",
              error.message());
    return false;
  }
  log_info("http: the TLS certificate {} is in use", files_.cert_file);
  return true;
}

std::shared_ptr<ssl_ctx_st> TlsIdentity::context() const {
  std::lock_guard lock(mutex_);
  return context_;
}

TlsSession::TlsSession(const TlsIdentity& identity, int socket)
    : socket_(socket), ssl_(SSL_new(identity.context().get()), SSL_free) {
  BIO* reader = BIO_new_socket(socket, BIO_NOCLOSE);
  BIO* writer = make_appender(out_);
  if (!ssl_ || !reader || !writer) throw std::bad_alloc();
  SSL_set0_rbio(ssl_.get(), reader);
  SSL_set0_wbio(ssl_.get(), writer);
  SSL_set_accept_state(ssl_.get());
}

TlsSession::~TlsSession() = default;

TlsStep TlsSession::shake_hands() {
  ERR_clear_error();
  return step_of(SSL_do_handshake(ssl_.get()));
}

TlsStep TlsSession::read(std::span<uint8_t> room, size_t& count) {
  count = 0;
  // A peer may ask for answers of the protocol (key updates) and never read them.
  if (out_.size() - sent_ > kSealBytes) return TlsStep::kFailed;
  while (count < room.size()) {
    ERR_clear_error();
    size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), room.data() + count, room.size() - count, &got);
    if (result <= 0) return count > 0 ? TlsStep::kDone : step_of(result);
    count += got;
  }
  return TlsStep::kDone;
}

bool TlsSession::seal(Pieces& pieces, uint64_t& sealed_bytes) {
  std::array<char, kRecordBytes> gathered;  // Small pieces, so that they share a record.
  size_t left = kSealBytes;
  while (left > 0) {
    size_t count = 0;
    const char* from = gathered.data();
    for (std::string_view& piece : pieces) {
      if (count == 0 && piece.size() >= kRecordBytes) {
        from = piece.data();
        count = std::min(piece.size(), left);
        piece.remove_prefix(count);
        break;
      }
      const size_t taken = std::min(piece.size(), kRecordBytes - count);
      piece.copy(gathered.data() + count, taken);
      piece.remove_prefix(taken);
      count += taken;
    }
    if (count == 0) return true;
    if (!seal_bytes(from, count)) return false;
    sealed_bytes += count;
    left -= std::min(left, count);
  }
  return true;
}

bool TlsSession::seal_file(const Fd& file, FileLeft& left, uint64_t& sealed_bytes) {
  std::array<char, kFileBytes> block;
  for (size_t sealed = 0; sealed < kSealBytes && left.length_bytes > 0;) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(block.size(), left.length_bytes));
    const ssize_t count =
        pread(file.get(), block.data(), wanted, static_cast<off_t>(left.offset_bytes));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      log_error("http: a file cannot be read, or is shorter than its response announced");
      return false;
    }
    const auto taken = static_cast<size_t>(count);
    if (!seal_bytes(block.data(), taken)) return false;
    left.offset_bytes += taken;
    left.length_bytes -= taken;
    sealed_bytes += taken;
    sealed += taken;
  }
  return true;
}

void TlsSession::seal_end() {
  if (broken_ || !SSL_is_init_finished(ssl_.get())) return;
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

Sent TlsSession::flush() {
  while (sent_ < out_.size()) {
    const ssize_t count =
        ::send(socket_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Sent::kWouldBlock : Sent::kFailed;
    }
    sent_ += static_cast<size_t>(count);
  }
  out_.clear();
  sent_ = 0;
  return Sent::kAll;
}

void TlsSession::shrink() {
  if (out_.empty() && out_.capacity() > kIdleBytesMax) out_.shrink_to_fit();
}

TlsStep TlsSession::step_of(int result) {
  if (result > 0) return TlsStep::kDone;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return TlsStep::kWantsRead;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStep::kEnd;
    default:  // Writing never waits: the appender takes everything.
      broken_ = true;
      if (const char* reason = ERR_reason_error_string(ERR_peek_last_error())) {
        log_debug("http: a TLS connection ends: {}", reason);
      }
      ERR_clear_error();
      return TlsStep::kFailed;
  }
}

bool TlsSession::seal_bytes(const void* bytes, size_t count) {
  if (broken_) return false;
  ERR_clear_error();
  size_t written = 0;
  // Into memory, so all of it or nothing.
  if (SSL_write_ex(ssl_.get(), bytes, count, &written) == 1 && written == count) return true;
  broken_ = true;
  return false;
}

namespace {

std::shared_ptr<SSL_CTX> make_context(const TlsFiles& files) {
  CertificateFacts facts = read_certificate(files);
  if (!facts.key_matches) {
    throw Error(ErrorKind::kInvalid, "The TLS key " + files.key_file +
                                         " does not belong to the certificate " + files.cert_file +
                                         ".");
  }
  if (facts.key_readable_by_others) {
    log_warning("http: the TLS key {} can be read by others: chmod 600 it", files.key_file);
  }
  if (facts.not_after_ms < int64_t{std::time(nullptr)} * 1000) {
    log_warning("http: the TLS certificate {} has expired", files.cert_file);
  }
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) throw_openssl("making a context");
  SSL_CTX* ctx = context.get();
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               // A peer that ends without close_notify has ended; what it sent
                               // carries its own length.
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, kReadAheadBytes);
  // Sessions are resumed by tickets; the server keeps none.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  constexpr unsigned char kName[] = "hearth";
  SSL_CTX_set_session_id_context(ctx, kName, sizeof kName - 1);
  SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, nullptr);
  if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(ctx, kCiphers12) != 1 ||
      SSL_CTX_set_ciphersuites(ctx, kCiphers13) != 1) {
    throw_openssl("choosing ciphers");
  }
  if (SSL_CTX_use_certificate_chain_file(ctx, files.cert_file.c_str()) != 1) {
    throw_openssl("using the certificate " + files.cert_file);
  }
  if (SSL_CTX_use_PrivateKey_file(ctx, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw_openssl("using the key " + files.key_file);
  }
  return context;
}

std::string stamp_of(const TlsFiles& files) {
  std::string stamp;
  for (const std::string& path : {files.cert_file, files.key_file}) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      stamp += "absent ";
      continue;
    }
    // ctime: a key that could not be read is tried again when its rights were mended.
    stamp += fmt::format("{}:{}:{}:{}.{}:{}.{} ", status.st_dev, status.st_ino, status.st_size,
                         status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                         status.st_ctim.tv_nsec);
  }
  return stamp;
}

// A client that names its protocols and not ours would not understand our answers.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_bytes, kOurs, sizeof kOurs - 1, offered,
                            offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

int append(BIO* bio, const char* bytes, int count) {
  static_cast<std::string*>(BIO_get_data(bio))->append(bytes, static_cast<size_t>(count));
  return count;
}

long control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* make_appender(std::string& out) {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "appender");
    BIO_meth_set_write(method, append);
    BIO_meth_set_ctrl(method, control);
    return method;
  }();
  BIO* bio = BIO_new(kMethod);
  if (!bio) return nullptr;
  BIO_set_data(bio, &out);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace
}  // namespace hearth::http
