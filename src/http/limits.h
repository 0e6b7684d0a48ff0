#pragma once
// Every number that bounds the server, with where it comes from.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace hearth::http {

/// Limits of one server. The defaults are for people; tests make them small.
struct Limits {
  // Sizes, in bytes.
  uint64_t head_bytes_max = 64 * 1024;  // Request line and headers; nginx allows 4 x 8 KiB, signed
                                        // xorb URLs and long cookies need more.
  uint64_t target_bytes_max = 32 * 1024;  // Python clients repeat `expand=` and `filter=` in long
                                          // queries; signed URLs are cut at about 8 kB (xet 5.4).
  uint64_t header_count_max = 100;        // As Apache's LimitRequestFields.
  uint64_t chunk_line_bytes_max = 256;    // Size and extension of a chunk; nobody sends extensions.
  uint64_t trailer_bytes_max = 4096;      // Trailers are read and dropped.
  uint64_t body_block_bytes = 256 * 1024;  // One write into a sink. Larger gains nothing measurable
                                           // over the cost of a thread hop (about 20 us).
  uint64_t send_step_bytes = 2 * 1024 * 1024;  // One sendfile call: 0.34 CPU s/GiB (stack 3), and
                                               // other connections wait at most about 1 ms.
  uint64_t drain_bytes_max = 256 * 1024;  // Unread body that is read to keep a connection alive.
  uint64_t linger_bytes_max =
      32 * 1024 * 1024;  // Unread body read before a close, so that a client
                         // that is still sending can read the answer.

  // Waits (style section 5: every wait ends).
  std::chrono::milliseconds head_wait{10'000};
  std::chrono::milliseconds keep_alive_wait{75'000};  // As nginx; httpx itself drops after 5 s.
  std::chrono::milliseconds body_idle{30'000};
  std::chrono::milliseconds stream_idle{30'000};
  std::chrono::milliseconds handler_wait{60'000};
  std::chrono::milliseconds linger_wait{5'000};
  std::chrono::milliseconds stop_wait{20'000};
  std::chrono::milliseconds queue_wait{
      3'000};                           // hf-xet sleeps 3^k s after a 503 and ignores
                                        // Retry-After, so queue for seconds first (xet 5.8).
  std::chrono::milliseconds tick{250};  // How exactly deadlines and lost peers are noticed.
  uint64_t body_rate_min_bytes_s =
      256;  // A body slower than this over all is cut (slowhttptest -B).

  // Counts.
  uint64_t connections_max = 4096;
  uint64_t queue_max =
      1024;  // New requests that wait for a pool thread; work begun is never refused.
};

}  // namespace hearth::http
