#pragma once
// One request and everything that belongs to it.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/body_decoder.h"
#include "http/http.h"

namespace hearth::http {

/// Whether the peer is gone, for handlers.
class PeerState : public Peer {
 public:
  bool gone() const noexcept override { return gone_.load(std::memory_order_relaxed); }
  void set_gone() noexcept { gone_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> gone_{false};
};

/// Shared by the connection and the job that the pool runs for it: a job that takes too long goes
/// on after its connection has ended. At any time only one of the two touches it; the atomics are
/// for the connection's look at its clock.
///
/// The functions below run on the pool but where they say otherwise, do not throw, and leave
/// errors in `response`.
struct Exchange {
  RequestHead head;
  std::optional<Plan> plan;
  std::unique_ptr<BodySink> gunzip;
  std::optional<Response> response;  // Destroyed before what its generators may refer to.

  std::vector<uint8_t> block;  // The body block on its way to the sink.
  std::string made;            // What a generator made.
  bool more = false;           // Whether it will make more.
  uint64_t made_bytes = 0;     // By the current generator.
  bool generator_failed = false;
  std::atomic<int64_t> handler_wait_ms{0};

  /// Asks the App; handles at once if there is no body to wait for.
  void begin(App& app, bool compress);
  /// Checks the body's size and encoding against the plan and makes room for blocks. On the edge:
  /// it does not block.
  void prepare_body(App& app, const Limits& limits);
  /// Gives the first `count` bytes of `block` to the sink; with `last`, finishes and handles.
  void take_block(App& app, size_t count, bool last, bool compress);
  /// Lets the App word an error of the edge's own.
  void fail(App& app, const Error& error);
  /// Asks a generator for the next bytes, into `made`, and holds it to its announced length.
  void generate(Generator& generator);
  /// Of the response's parts that are text.
  uint64_t text_bytes() const;
  /// Whether it has a sink or a generator: they may own children or large files, so the pool shall
  /// let them go.
  bool may_block_when_destroyed() const;

 private:
  void handle(bool compress);
  void take_exception(App& app) noexcept;
};

/// How far a request's body has come.
struct RequestBody {
  RequestBody(const RequestHead& head, const Limits& limits);
  /// Whether what is left can be read and dropped so that the connection may go on.
  bool rest_is_small(const Limits& limits) const;

  BodyDecoder decoder;
  bool continue_pending = false;  // The client waits for 100 Continue, and did not get it.
  bool broken = false;            // Framing lost, or the client too slow: nothing more to read.
  uint64_t received_bytes = 0;
};

/// The 504 for an exchange that the pool still holds and may write into: one of its own.
std::shared_ptr<Exchange> make_late_answer(const Exchange& overdue);

/// Removes parts without bytes.
void drop_empty_parts(Body& body);

/// An answer that the edge makes without the App: {"error": message} and X-Error-Message.
Response edge_error(int status, std::string_view message);

}  // namespace hearth::http
