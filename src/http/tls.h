#pragma once
// TLS by OpenSSL, without waiting. Private to the module; OpenSSL's headers stay in tls.cc.
//
// A TlsSession reads records straight from the socket, but writes them into a buffer of its own,
// which flush() sends: so one system call carries many records of 16 KiB, and what was encrypted
// never has to be offered to OpenSSL a second time when the socket is full.

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "http/http.h"
#include "http/transfer.h"

struct ssl_ctx_st;  // SSL_CTX
struct ssl_st;      // SSL

namespace hearth::http {

/// How a step that does not wait ended.
enum class TlsStep { kDone, kWantsRead, kEnd, kFailed };

/// The certificate and key of a server, which may be replaced while it runs. Any thread.
class TlsIdentity {
 public:
  /// Reads the files. Throws Error{kInvalid} that says which file is wrong, and how.
  explicit TlsIdentity(TlsFiles files);

  /// Reads the files again if they have changed since they were last looked at, or anyway with
  /// `even_if_unchanged`. A pair that is not usable is logged, and the old one stays.
  /// Returns whether a new pair is in use. Connections that exist keep what they began with.
  bool reload(bool even_if_unchanged);

  /// The context for a new session; sessions hold it themselves.
  std::shared_ptr<ssl_ctx_st> context() const;

 private:
  const TlsFiles files_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::shared_ptr<ssl_ctx_st> context_;
  std::string stamp_;  // What the files looked like when they were last read.
};

/// One connection's TLS. On its loop's thread.
class TlsSession {
 public:
  /// Reads from `socket`, which stays the caller's and must not block.
  TlsSession(const TlsIdentity& identity, int socket);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Goes on with the handshake; to be called again when the socket is ready for what it wants.
  TlsStep shake_hands();
  /// Fills `room` with what has arrived, as far as it goes; kDone if `count` is above 0.
  TlsStep read(std::span<uint8_t> room, size_t& count);
  /// Encrypts at most 256 KiB of the pieces, cuts them off there and adds them to `sealed_bytes`.
  /// To be flushed before more. False: the session is broken.
  bool seal(Pieces& pieces, uint64_t& sealed_bytes);
  /// As seal, of a file. False also when the file ends before the part does.
  bool seal_file(const Fd& file, FileLeft& left, uint64_t& sealed_bytes);
  /// Says that nothing more will come (close_notify); still to be flushed.
  void seal_end();
  /// Sends what is encrypted.
  Sent flush();
  /// Gives back memory between requests.
  void shrink();

 private:
  TlsStep step_of(int result);
  bool seal_bytes(const void* bytes, size_t count);

  const int socket_;
  std::string out_;  // Encrypted, from sent_ on still to be sent.
  size_t sent_ = 0;
  bool broken_ = false;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
};

}  // namespace hearth::http
