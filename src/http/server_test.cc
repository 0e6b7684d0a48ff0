// The server with real sockets on the loopback.

#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <zlib.h>

#include "base/hash.h"
#include "http/http.h"
#include "http/range.h"
#include "http/test_client.h"

namespace hearth::http {
namespace {

using std::chrono::milliseconds;
using testing::Client;
using testing::eventually;
using testing::Reply;

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
      int status = known.kind() == ErrorKind::kTooLarge  ? 413
                   : known.kind() == ErrorKind::kInvalid ? 400
                                                         : 500;
      return Response::text(known.message(), status);
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

ServerOptions quick_options() {
  ServerOptions options;
  options.pool_threads = 4;
  options.limits.tick = milliseconds(10);
  return options;
}

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

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  start();
  Client client = this->client();
  for (int i = 0; i < 3; ++i) {
    Reply reply = client.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "hello");
    EXPECT_EQ(reply.header("Content-Length"), "5");
    EXPECT_EQ(reply.header("Server"), "hearth");
    EXPECT_EQ(reply.header("X-Request-Id").size(), 32u);
    EXPECT_NE(reply.header("Date").find("GMT"), std::string::npos);
    EXPECT_EQ(reply.header("Connection"), "(absent)");
  }
  EXPECT_EQ(server_->metrics().connections_accepted, 1u);
  EXPECT_EQ(server_->metrics().requests, 3u);
}

}  // namespace
}  // namespace hearth::http
