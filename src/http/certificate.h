#pragma once
// What stands in the files of a certificate, for whoever has to judge it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/http.h"

namespace hearth::http {

struct CertificateFacts {
  std::string subject;             // "CN = hub.example"
  std::vector<std::string> names;  // The DNS names and IP addresses that it is for.
  int64_t not_before_ms = 0;
  int64_t not_after_ms = 0;
  bool self_signed = false;
  bool key_matches = false;
  bool key_readable_by_others = false;  // By a group or the world.
};

/// Reads the first certificate of `cert_file` and the key. Throws Error{kInvalid} that says which
/// file is wrong, and how.
CertificateFacts read_certificate(const TlsFiles& files);

/// Whether clients that ask for `host` (a name or a numeric IP address) accept the certificate.
bool certificate_covers(const TlsFiles& files, const std::string& host);

}  // namespace hearth::http
