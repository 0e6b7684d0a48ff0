// The server with real sockets on the loopback: files, streams, and peers that go away.

#include <atomic>
#include <filesystem>
#include <future>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "base/bytes.h"
#include "http/range.h"
#include "http/server_fixture.h"

namespace hearth::http {
namespace {

using std::chrono::milliseconds;
using testing::Client;
using testing::eventually;
using testing::quick_options;
using testing::Reply;
using testing::ServerTest;

/// A file of 200 MiB that occupies one block: zeros around "marker" at 100 MiB.
std::shared_ptr<Fd> sparse_file() {
  auto path = std::filesystem::temp_directory_path() /
              fmt::format("hearth-http-test-{}", random_alphanumeric(12));
  auto fd = std::make_shared<Fd>(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  std::filesystem::remove(path);
  EXPECT_EQ(ftruncate(fd->get(), 200 << 20), 0);
  EXPECT_EQ(pwrite(fd->get(), "marker", 6, 100 << 20), 6);
  return fd;
}

TEST_F(ServerTest, SendsFileRangesAndMultipart) {
  auto file = sparse_file();
  app_.routes["/file"] = [file](const RequestHead& head) {
    return Plan::respond([file, &head] {
      Ranged thing;
      thing.size_bytes = 200 << 20;
      thing.etag = "\"tag\"";
      thing.append = [file](ByteRange range, Body& body) {
        body.emplace_back(FileRange{file, range.offset_bytes, range.length_bytes});
      };
      return serve_ranged(head, thing);
    });
  };
  start();
  Client client = this->client();
  auto get = [&](std::string fields) {
    return client.request("GET /file HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
  };
  Reply reply = get("Range: bytes=104857600-104857605\r\n");
  EXPECT_EQ(reply.status, 206);
  EXPECT_EQ(reply.body, "marker");
  EXPECT_EQ(reply.header("Content-Range"), "bytes 104857600-104857605/209715200");
  EXPECT_EQ(reply.header("ETag"), "\"tag\"");

  reply = get("Range: bytes=0-9999999\r\n");
  EXPECT_EQ(reply.body.size(), 10'000'000u);
  EXPECT_EQ(get("Range: bytes=-1\r\n").body, std::string(1, '\0'));
  EXPECT_EQ(get("Range: bytes=209715200-\r\n").status, 416);
  EXPECT_EQ(get("If-None-Match: \"tag\"\r\n").status, 304);

  reply = get("Range: bytes=104857602-104857603,0-1,104857600-104857600\r\n");
  EXPECT_EQ(reply.status, 206);
  std::string type = reply.header("Content-Type");
  ASSERT_TRUE(type.starts_with("multipart/byteranges; boundary=")) << type;
  std::string boundary = type.substr(type.find('=') + 1);
  EXPECT_GE(boundary.size(), 32u);
  auto part = [&](std::string range, std::string bytes) {
    return "--" + boundary + "\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes " +
           range + "/209715200\r\n\r\n" + bytes + "\r\n";
  };
  EXPECT_EQ(reply.body, part("104857602-104857603", "rk") + part("0-1", std::string(2, '\0')) +
                            part("104857600-104857600", "m") + "--" + boundary + "--\r\n");

  client.send("HEAD /file HTTP/1.1\r\nHost: h\r\nAccept-Encoding: identity\r\n\r\n");
  EXPECT_EQ(client.read(true).header("Content-Length"), "209715200");
  reply = get("");
  EXPECT_EQ(reply.body.size(), 209715200u);
  EXPECT_EQ(reply.body.substr(100 << 20, 6), "marker");
}

TEST_F(ServerTest, AFileThatIsTooShortCutsTheConnection) {
  auto file = sparse_file();
  app_.routes["/file"] = [file](const RequestHead&) {
    return Plan::respond([file] {
      Response response;
      response.body.emplace_back(FileRange{file, (200 << 20) - 10, 20});
      return response;
    });
  };
  start();
  Client client = this->client();
  Reply reply = client.request("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_FALSE(reply.complete);
  EXPECT_TRUE(eventually([&] { return !app_.outcomes().empty(); }));
  EXPECT_FALSE(app_.outcomes().front().complete);
}

/// Says what stands in a pipe, until its other end is closed.
class PipeGenerator : public Generator {
 public:
  PipeGenerator(Fd pipe, std::atomic<int>& alive) : pipe_(std::move(pipe)), alive_(alive) {
    ++alive_;
  }
  ~PipeGenerator() override { --alive_; }
  bool next(std::string& block) override {
    char bytes[1000];
    ssize_t count = read(pipe_.get(), bytes, sizeof bytes);
    if (count > 0) block.assign(bytes, static_cast<size_t>(count));
    return count > 0;
  }
  int wait_fd() const override { return pipe_.get(); }

 private:
  Fd pipe_;
  std::atomic<int>& alive_;
};

class PipeTest : public ServerTest {
 protected:
  PipeTest() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_ = Fd(ends[0]);
    write_end_ = Fd(ends[1]);
    app_.routes["/pipe"] = [this](const RequestHead&) {
      return Plan::respond([this] {
        return Response::stream(std::make_unique<PipeGenerator>(std::move(read_end_), alive_),
                                "text/event-stream");
      });
    };
  }
  void put(std::string_view text) { write_all(write_end_, as_bytes(text)); }

  std::atomic<int> alive_{0};
  Fd read_end_;
  Fd write_end_;
};

TEST_F(PipeTest, AStreamThatWaitsHoldsNoThread) {
  ServerOptions options = quick_options();
  options.pool_threads = 1;
  start(options);
  Client client = this->client();
  client.send("GET /pipe HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return alive_ == 1; }));
  EXPECT_EQ(this->client().request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  put("one ");
  EXPECT_EQ(this->client().request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  put("two");
  write_end_.reset();
  Reply reply = client.read();
  EXPECT_EQ(reply.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(reply.body, "one two");
  EXPECT_TRUE(reply.complete);
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
}

TEST_F(PipeTest, Http10StreamsEndWithTheConnection) {
  start();
  Client client = this->client();
  client.send("GET /pipe HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  put("bytes");
  write_end_.reset();
  Reply reply = client.read();
  EXPECT_EQ(reply.header("Transfer-Encoding"), "(absent)");
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_EQ(reply.body, "bytes");
}

TEST_F(PipeTest, AStreamEndsWhenItsPeerHangsUp) {
  start();
  {
    Client client = this->client();
    client.send("GET /pipe HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return alive_ == 1; }));
  }
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_active == 0; }));
}

TEST_F(PipeTest, AStreamWithoutProgressIsCut) {
  ServerOptions options = quick_options();
  options.limits.stream_idle = milliseconds(50);
  start(options);
  Client client = this->client();
  client.send("GET /pipe HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(client.read().complete);
  EXPECT_TRUE(eventually([&] { return alive_ == 0; }));
  EXPECT_EQ(server_->metrics().timeouts, 1u);
}

TEST_F(PipeTest, AGracefulStopLetsAStreamEnd) {
  start();
  Client client = this->client();
  Client idle = this->client();
  EXPECT_EQ(idle.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  client.send("GET /pipe HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return alive_ == 1; }));
  auto stopped = std::async(std::launch::async, [&] { server_->stop(); });
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(eventually([&] { return !this->client().connected(); }));
  put("last words");
  write_end_.reset();
  EXPECT_EQ(client.read().body, "last words");
  EXPECT_TRUE(client.closed());
  stopped.get();
  EXPECT_EQ(alive_, 0);
}

TEST_F(PipeTest, AStopCutsWhatDoesNotEnd) {
  ServerOptions options = quick_options();
  options.limits.stop_wait = milliseconds(50);
  start(options);
  Client client = this->client();
  client.send("GET /pipe HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return alive_ == 1; }));
  server_->stop();
  EXPECT_EQ(alive_, 0);
  EXPECT_FALSE(client.read().complete);
}

/// Makes `count` blocks; the announced length may lie.
class BlockGenerator : public Generator {
 public:
  BlockGenerator(int count, std::optional<uint64_t> announced, bool fail_at_end = false)
      : left_(count), announced_(announced), fail_at_end_(fail_at_end) {}
  bool next(std::string& block) override {
    if (left_ == 0) {
      if (fail_at_end_) throw Error(ErrorKind::kCorrupt, "The file is damaged.");
      return false;
    }
    block.assign(100'000, static_cast<char>('a' + left_ % 26));
    return --left_ > 0 || fail_at_end_;
  }
  std::optional<uint64_t> length_bytes() const override { return announced_; }

 private:
  int left_;
  std::optional<uint64_t> announced_;
  bool fail_at_end_;
};

TEST_F(ServerTest, GeneratorsOfKnownLengthAreHeldToIt) {
  auto route = [&](std::string path, std::optional<uint64_t> announced, bool fail = false) {
    app_.routes[path] = [=](const RequestHead&) {
      return Plan::respond([=] {
        return Response::stream(std::make_unique<BlockGenerator>(50, announced, fail),
                                "application/octet-stream");
      });
    };
  };
  route("/right", 5'000'000);
  route("/fewer", 5'000'001);
  route("/more", 4'999'999);
  route("/unknown", std::nullopt);
  route("/broken", std::nullopt, true);
  start();
  auto get = [&](std::string path) {
    return this->client().request("GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
  };
  EXPECT_EQ(get("/right").body.size(), 5'000'000u);
  EXPECT_EQ(get("/right").header("Content-Length"), "5000000");
  EXPECT_FALSE(get("/fewer").complete);
  EXPECT_FALSE(get("/more").complete);
  Reply reply = get("/unknown");
  EXPECT_TRUE(reply.complete);
  EXPECT_EQ(reply.body.size(), 5'000'000u);
  EXPECT_FALSE(get("/broken").complete);
}

TEST_F(ServerTest, AGeneratorIsWokenForItsHeartbeat) {
  struct Heart : Generator {
    Heart() : never(eventfd(0, EFD_CLOEXEC)) {}
    bool next(std::string& block) override {
      block = "beat ";
      return ++beats < 3;
    }
    int wait_fd() const override { return never.get(); }
    milliseconds wake_every() const override { return milliseconds(20); }
    Fd never;
    int beats = 0;
  };
  app_.routes["/heart"] = [](const RequestHead&) {
    return Plan::respond(
        [] { return Response::stream(std::make_unique<Heart>(), "text/event-stream"); });
  };
  start();
  EXPECT_EQ(client().request("GET /heart HTTP/1.1\r\nHost: h\r\n\r\n").body, "beat beat beat ");
}

TEST_F(ServerTest, AHandlerLearnsThatItsPeerIsGone) {
  std::atomic<bool> running{false};
  std::atomic<bool> learned{false};
  app_.routes["/slow"] = [&](const RequestHead& head) {
    return Plan::respond([&running, &learned, peer = head.peer] {
      running = true;
      learned = eventually([&] { return peer->gone(); });
      return Response::text("late");
    });
  };
  start();
  {
    Client client = this->client();
    client.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return running.load(); }));
  }
  EXPECT_TRUE(eventually([&] { return learned.load(); }));
}

TEST_F(ServerTest, APeerThatOnlyStoppedSendingGetsItsAnswer) {
  start();
  Client client = this->client();
  client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  client.shutdown_send();
  EXPECT_EQ(client.read().body, "hello");
}

/// "/file": 200 MB, more than all buffers on the way take.
void route_large_file(testing::TestApp& app) {
  auto file = sparse_file();
  app.routes["/file"] = [file](const RequestHead&) {
    return Plan::respond([file] {
      Response response;
      response.body.emplace_back(FileRange{file, 0, 200 << 20});
      return response;
    });
  };
}

TEST_F(ServerTest, AReaderThatStopsReadingIsCut) {
  route_large_file(app_);
  ServerOptions options = quick_options();
  options.limits.stream_idle = milliseconds(60);
  start(options);
  Client client(server_->port(), 4096);
  client.send("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server_->metrics().timeouts == 1; }));
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_active == 0; }));
}

TEST_F(ServerTest, AReaderThatIsSlowAndSteadyIsNotCut) {
  route_large_file(app_);
  ServerOptions options = quick_options();
  options.limits.stream_idle = milliseconds(200);
  start(options);
  Client client(server_->port(), 4096);
  client.send("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  // The kernel holds megabytes of it: at this rate there is room again only after seconds.
  char piece[4096];
  for (int i = 0; i < 120; ++i) {
    ASSERT_GT(recv(client.fd(), piece, sizeof piece, 0), 0);
    poll(nullptr, 0, 10);
  }
  EXPECT_EQ(server_->metrics().timeouts, 0u);
  EXPECT_TRUE(eventually([&] { return server_->metrics().timeouts == 1; })) << "now it has stopped";
}

TEST_F(ServerTest, APeerThatHangsUpDuringAFileCostsNothing) {
  route_large_file(app_);
  start();
  for (int i = 0; i < 10; ++i) {
    Client client = this->client();
    client.send("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
    char byte = 0;
    EXPECT_EQ(recv(client.fd(), &byte, 1, 0), 1);
  }
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_active == 0; }));
  ASSERT_EQ(app_.outcomes().size(), 10u);
  for (const Outcome& outcome : app_.outcomes()) EXPECT_FALSE(outcome.complete);
}

TEST_F(ServerTest, AnUploadThatBreaksOffIsNeverFinished) {
  struct Watcher : BodySink {
    explicit Watcher(std::atomic<int>& state_in) : state(state_in) { state = 1; }
    ~Watcher() override { state = finished ? 3 : 2; }
    void write(std::span<const uint8_t>) override {}
    void finish() override { finished = true; }
    std::atomic<int>& state;
    bool finished = false;
  };
  std::atomic<int> state{0};
  std::atomic<bool> handled{false};
  app_.routes["/put"] = [&](const RequestHead&) {
    Plan plan;
    plan.body_bytes_max = 1 << 30;
    plan.sink = std::make_unique<Watcher>(state);
    plan.handle = [&handled] {
      handled = true;
      return Response::empty(200);
    };
    return plan;
  };
  start();
  for (std::string framing : {"Content-Length: 1000", "Transfer-Encoding: chunked"}) {
    Client client = this->client();
    client.send("PUT /put HTTP/1.1\r\nHost: h\r\n" + framing + "\r\n\r\n5\r\nhello\r\n");
    ASSERT_TRUE(eventually([&] { return state == 1; }));
    client.close();
    EXPECT_TRUE(eventually([&] { return state == 2; }));
  }
  EXPECT_FALSE(handled);
}

}  // namespace
}  // namespace hearth::http
