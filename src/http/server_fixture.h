#pragma once
// What the tests of the running server share.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <gtest/gtest.h>

#include "http/http.h"
#include "http/test_client.h"

namespace hearth::http::testing {

using std::chrono::milliseconds;

/// An App made of functions by path; what it saw stands in its members.
class TestApp : public App {
 public:
  using Begin = std::function<std::variant<Plan, Response>(const RequestHead&)>;

  std::variant<Plan, Response> begin(const RequestHead& head) override {
    auto found = routes.find(head.raw_path);
    if (found == routes.end()) return Response::json(R"({"error":"Not found"})", 404);
    return found->second(head);
  }
  Response on_error(std::exception_ptr error, const RequestHead&) override {
    try {
      std::rethrow_exception(error);
    } catch (const Error& known) {
      switch (known.kind()) {
        case ErrorKind::kTooLarge:
          return Response::text(known.message(), 413);
        case ErrorKind::kInvalid:
          return Response::text(known.message(), 400);
        case ErrorKind::kUnavailable:
          return Response::text(known.message(), 503)
              .with(kRetryAfter, std::to_string(known.retry_after_s()));
        default:
          return Response::text(known.message(), 500);
      }
    } catch (...) {
      return Response::text("unknown", 500);
    }
  }
  void on_done(const RequestHead& head, const Outcome& outcome) noexcept override {
    std::lock_guard lock(mutex_);
    paths_done_.push_back(head.raw_path);
    outcomes_.push_back(outcome);
  }
  std::vector<Outcome> outcomes() {
    std::lock_guard lock(mutex_);
    return outcomes_;
  }

  std::map<std::string, Begin, std::less<>> routes;

 private:
  std::mutex mutex_;
  std::vector<std::string> paths_done_;
  std::vector<Outcome> outcomes_;
};

/// Notices deadlines within 10 ms.
inline ServerOptions quick_options() {
  ServerOptions options;
  options.pool_threads = 4;
  options.limits.tick = milliseconds(10);
  return options;
}

/// Starts a server on a free port; tests add routes before or after.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    app_.routes["/hello"] = [](const RequestHead&) {
      return Plan::respond([] { return Response::text("hello"); });
    };
    app_.routes["/echo"] = [](const RequestHead&) {
      return Plan::with_text(1 << 20, [](std::string body) { return Response::text(body); });
    };
  }

  Server& start(ServerOptions options = quick_options()) {
    server_ = std::make_unique<Server>(options, app_);
    return *server_;
  }
  Client client() { return Client(server_->port()); }

  TestApp app_;
  std::unique_ptr<Server> server_;
};

}  // namespace hearth::http::testing
