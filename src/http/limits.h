#pragma once
// Every number that bounds the server, with where it comes from.

#include <chrono>
#include <cstdint>

namespace hearth::http {

/// Limits of one server. The defaults are for people; tests make them small.
struct Limits {
  // Sizes, in bytes.

  // Request line and headers. nginx allows 4 x 8 KiB; signed xorb URLs and cookies need more.
  uint64_t head_bytes_max = uint64_t{64} * 1024;
  // Python clients repeat `expand=` and `filter=`; signed URLs are cut at about 8 kB (xet 5.4).
  uint64_t target_bytes_max = uint64_t{32} * 1024;
  // As Apache's LimitRequestFields.
  uint64_t header_count_max = 100;
  // The extensions of one chunk; no client sends any.
  uint64_t chunk_line_bytes_max = 256;
  // Trailers are read and dropped.
  uint64_t trailer_bytes_max = 4096;
  // One write into a sink: 4,000 thread hops of about 20 us a GiB.
  uint64_t body_block_bytes = uint64_t{256} * 1024;
  // One turn of sendfile: 0.34 CPU s a GiB (stack reference, section 3), and other connections of
  // the loop wait about 1 ms at most.
  uint64_t send_step_bytes = uint64_t{2} * 1024 * 1024;
  // Text that all answers together may hold while they are sent; files and generators are beside
  // it. What would pass it is answered 503, but for short answers.
  uint64_t held_bytes_max = uint64_t{256} * 1024 * 1024;
  uint64_t held_short_bytes_max = uint64_t{64} * 1024;
  // Unread body that is read to keep a connection alive.
  uint64_t drain_bytes_max = uint64_t{256} * 1024;
  // Unread body read before a close, so that a client that is still sending can read the answer.
  // A xorb has up to 64 MiB, and hf-xet retries for minutes when a refusal is lost in a reset.
  uint64_t linger_bytes_max = uint64_t{128} * 1024 * 1024;

  // Waits (style, section 5: every wait ends).

  // The whole handshake; the head's own time starts after it.
  std::chrono::milliseconds tls_handshake_wait{10'000};
  std::chrono::milliseconds head_wait{10'000};
  // As nginx; httpx itself lets go of a connection after 5 s.
  std::chrono::milliseconds keep_alive_wait{75'000};
  std::chrono::milliseconds body_idle{30'000};
  // A body slower than this over all is cut too (slowhttptest -B).
  uint64_t body_rate_min_bytes_s = 256;
  std::chrono::milliseconds stream_idle{30'000};
  // Who takes less than this in such a time counts as idle.
  uint64_t read_rate_min_bytes_s = 1024;
  std::chrono::milliseconds handler_wait{60'000};
  // A new request waits this long for a pool thread before it is refused. hf-xet sleeps 3^k s after
  // a 503 and ignores Retry-After, so seconds here are cheaper (xet 5.8).
  std::chrono::milliseconds queue_wait{3'000};
  std::chrono::milliseconds linger_wait{10'000};
  std::chrono::milliseconds stop_wait{20'000};
  // How exactly deadlines and lost peers are noticed.
  std::chrono::milliseconds tick{250};

  // Counts.

  // A cluster's clients keep theirs. An idle one takes a few KiB; fewer where descriptors do not
  // suffice.
  uint64_t connections_max = 12'288;
  // From nine tenths of that, connections that have been idle for this long are closed.
  std::chrono::milliseconds crowded_idle{1'000};
  // New requests that wait for a pool thread. Work that has begun is never refused.
  uint64_t queue_max = 1024;
};

}  // namespace hearth::http
