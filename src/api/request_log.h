#pragma once
// One line in the log for each request, and what of a request may stand in a log at all.

#include <atomic>
#include <mutex>
#include <string>

#include "api/api.h"
#include "api/rate_limit.h"

namespace hearth::api {

/// What is known of a request when its line is written. Any thread.
class RequestNote : public http::AppNote {
 public:
  void set_route(const Route& route) { route_ = &route; }
  const Route* route() const { return route_; }
  void set_user(const std::string& name);
  std::string user() const;
  void set_address(const std::string& address);
  std::string address() const;
  /// Where the caller stands with its quota; nothing: the route has none, or nobody counted yet.
  void set_rate(const RateState& rate);
  std::optional<RateState> rate() const;
  /// Time that the program itself spent: deciding and handling, without waiting for the peer.
  void add_work(std::chrono::microseconds time) { work_us_ += time.count(); }
  std::chrono::microseconds work() const { return std::chrono::microseconds(work_us_.load()); }

 private:
  std::atomic<const Route*> route_{nullptr};
  std::atomic<int64_t> work_us_{0};
  mutable std::mutex mutex_;
  std::string user_;
  std::string address_;
  std::optional<RateState> rate_;
};

/// The note of a request that HubApp sees.
RequestNote& note_of(const http::RequestHead& head);

/// Adds the time from its making to its end to the note.
class WorkTimer {
 public:
  explicit WorkTimer(RequestNote& note) : note_(note) {}
  ~WorkTimer() {
    note_.add_work(std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - start_));
  }
  WorkTimer(const WorkTimer&) = delete;
  WorkTimer& operator=(const WorkTimer&) = delete;

 private:
  RequestNote& note_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The path as it may stand in a log: without single-use links, cut to a bearable length.
std::string loggable_path(const http::RequestHead& head);
/// The query likewise: of parameters that are not known to be harmless only the names, so that
/// signatures, codes and tokens of links stay out.
std::string loggable_query(const http::RequestHead& head);

struct RequestLogOptions {
  bool each_request = true;
  /// A request at which the program itself worked longer is a warning. 0: never.
  int slow_ms = 5'000;
};

/// On an edge thread: does not block. Level info; warning when it was slow.
void log_request(const RequestLogOptions& options, const http::RequestHead& head,
                 const http::Outcome& outcome);

}  // namespace hearth::api
