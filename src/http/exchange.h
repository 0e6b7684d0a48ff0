#pragma once
// One request and everything that belongs to it.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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
  /// Asks a generator for the next bytes, into `made`.
  void generate(Generator& generator);
  /// Whether it has a sink or a generator: they may own children or large files, so the pool shall
  /// let them go.
  bool may_block_when_destroyed() const;

 private:
  void handle(bool compress);
  void take_exception(App& app) noexcept;
};

/// An answer that the edge makes without the App: {"error": message} and X-Error-Message.
Response edge_error(int status, std::string_view message);

}  // namespace hearth::http
