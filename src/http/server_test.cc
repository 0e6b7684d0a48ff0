// The server with real sockets on the loopback.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
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

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  Client client = this->client();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
      "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
      "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read().body, "one");
  EXPECT_EQ(client.read().body, "hello");
  EXPECT_EQ(client.read().body, "two");
  EXPECT_EQ(client.read().status, 404);
}

TEST_F(ServerTest, ClosesWhenAskedAndForHttp10) {
  start();
  Client client = this->client();
  Reply reply = client.request("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(client.closed());
  Client old = this->client();
  EXPECT_EQ(old.request("GET /hello HTTP/1.0\r\n\r\n").body, "hello");
  EXPECT_TRUE(old.closed());
  Client kept = this->client();
  reply = kept.request("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(reply.header("Connection"), "keep-alive");
  EXPECT_EQ(kept.request("GET /hello HTTP/1.0\r\n\r\n").body, "hello");
}

TEST_F(ServerTest, HeadHasTheLengthAndNoBody) {
  app_.routes["/probe"] = [](const RequestHead&) {
    return Plan::respond([] { return Response::empty(200).with(kContentLength, "12345"); });
  };
  start();
  Client client = this->client();
  client.send("HEAD /hello HTTP/1.1\r\nHost: h\r\nAccept-Encoding: identity\r\n\r\n");
  EXPECT_EQ(client.read(true).header("Content-Length"), "5");
  client.send("HEAD /probe HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.read(true).header("Content-Length"), "12345");
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
}

TEST_F(ServerTest, EchoesTheClientsTraceId) {
  start();
  Client client = this->client();
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHost: h\r\nx-amzn-trace-id: abc-1\r\n\r\n")
                .header("X-Request-Id"),
            "abc-1");
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHost: h\r\nX-Request-Id: a\"b\r\n\r\n")
                .header("X-Request-Id")
                .size(),
            32u);
}

TEST_F(ServerTest, ReadsBodiesOfAnySizeInBoundedBlocks) {
  struct HashSink : BodySink {
    void write(std::span<const uint8_t> block) override {
      largest = std::max(largest, block.size());
      hash.update(block);
    }
    void finish() override { finished = true; }
    Sha256 hash;
    size_t largest = 0;
    bool finished = false;
  };
  app_.routes["/hash"] = [](const RequestHead&) {
    Plan plan;
    plan.body_bytes_max = 1 << 30;
    auto sink = std::make_unique<HashSink>();
    plan.handle = [sink = sink.get()] {
      EXPECT_TRUE(sink->finished);
      EXPECT_LE(sink->largest, 256u * 1024);
      return Response::text(sink->hash.finish_hex());
    };
    plan.sink = std::move(sink);
    return plan;
  };
  start();
  std::string body(9'000'001, 'x');
  for (size_t i = 0; i < body.size(); i += 997) body[i] = static_cast<char>(i);
  std::string expected = sha256_hex(body);
  Client client = this->client();
  client.send("PUT /hash HTTP/1.1\r\nHost: h\r\nContent-Length: 9000001\r\n\r\n");
  EXPECT_EQ(client.request(body).body, expected);

  client.send("PUT /hash HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (size_t at = 0; at < body.size(); at += 100'000) {
    std::string piece = body.substr(at, 100'000);
    client.send(fmt::format("{:x}\r\n", piece.size()) + piece + "\r\n");
  }
  EXPECT_EQ(client.request("0\r\nX-Trailer: dropped\r\n\r\n").body, expected);
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
}

TEST_F(ServerTest, SendsContinueOnlyWhenTheBodyIsWanted) {
  app_.routes["/refused"] = [](const RequestHead&) {
    return Response::json(R"({"error":"no"})", 403);
  };
  start();
  Client client = this->client();
  Reply reply = client.request(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(reply.status, 100);
  EXPECT_EQ(client.request("ok").body, "ok");

  reply = client.request(
      "POST /refused HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.header("Connection"), "close");

  Client second = this->client();
  reply = second.request(
      "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(reply.status, 413);
}

TEST_F(ServerTest, RefusesBodiesOverTheLimitHoweverSent) {
  app_.routes["/small"] = [](const RequestHead&) {
    return Plan::with_text(10, [](std::string body) { return Response::text(body); });
  };
  start();
  for (bool chunked : {false, true}) {
    Client client = this->client();
    std::string framing = chunked ? "Transfer-Encoding: chunked" : "Content-Length: 10";
    std::string head = "POST /small HTTP/1.1\r\nHost: h\r\n";
    EXPECT_EQ(client
                  .request(head + framing + "\r\n\r\n" +
                           (chunked ? "a\r\n0123456789\r\n0\r\n\r\n" : "0123456789"))
                  .body,
              "0123456789");
    framing = chunked ? "Transfer-Encoding: chunked" : "Content-Length: 11";
    Reply reply = client.request(head + framing + "\r\n\r\n" +
                                 (chunked ? "b\r\n01234567890\r\n0\r\n\r\n" : "01234567890"));
    EXPECT_EQ(reply.status, 413);
  }
}

TEST_F(ServerTest, ARefusedUploadThatIsStillSendingReadsItsAnswer) {
  start();
  Client client = this->client();
  client.send("PUT /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n");
  client.send(std::string(20'000'000, 'x'));
  Reply reply = client.read();
  EXPECT_EQ(reply.status, 404);
  EXPECT_TRUE(client.closed());
}

TEST_F(ServerTest, ASmallUnwantedBodyKeepsTheConnection) {
  start();
  Client client = this->client();
  EXPECT_EQ(
      client.request("POST /nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").status,
      404);
  EXPECT_EQ(client.request("POST /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").body,
            "hello");
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string gunzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, 15 + 16);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST_F(ServerTest, InflatesGzipBodiesUnderTheSameLimit) {
  app_.routes["/plain"] = [](const RequestHead&) {
    Plan plan = Plan::with_text(100, [](std::string body) { return Response::text(body); });
    plan.allow_gzip = false;
    return plan;
  };
  start();
  auto post = [&](std::string path, std::string body, std::string encoding = "gzip") {
    Client client = this->client();
    return client.request(fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Encoding: {}\r\n"
                                      "Content-Length: {}\r\n\r\n",
                                      path, encoding, body.size()) +
                          body);
  };
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += static_cast<char>('a' + i % 23);
  EXPECT_EQ(post("/echo", gzip(text)).body, text);
  EXPECT_EQ(post("/echo", gzip("a") + gzip("b")).body, "ab");
  EXPECT_EQ(post("/echo", gzip(std::string(1 << 20, 'x'))).status, 200);
  EXPECT_EQ(post("/echo", gzip(std::string((1 << 20) + 1, 'x'))).status, 413);
  EXPECT_EQ(post("/echo", gzip(std::string(40 << 20, 'x'))).status, 413);
  EXPECT_EQ(post("/echo", "not gzip at all").status, 400);
  EXPECT_EQ(post("/echo", gzip(text).substr(0, gzip(text).size() / 2)).status, 400);
  EXPECT_EQ(post("/echo", "x", "br").status, 415);
  EXPECT_EQ(post("/plain", gzip("x")).status, 415);
}

TEST_F(ServerTest, CompressesTextThatTheClientTakesCompressed) {
  app_.routes["/json"] = [](const RequestHead&) {
    return Plan::respond([] { return Response::json("[" + std::string(5000, '1') + "]"); });
  };
  app_.routes["/tagged"] = [](const RequestHead&) {
    return Plan::respond(
        [] { return Response::text(std::string(5000, '1')).with(kEtag, "\"abc\""); });
  };
  start();
  Client client = this->client();
  Reply reply =
      client.request("GET /json HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, gzip;q=0.5\r\n\r\n");
  EXPECT_EQ(reply.header("Content-Encoding"), "gzip");
  EXPECT_EQ(reply.header("Vary"), "Accept-Encoding");
  EXPECT_LT(reply.body.size(), 200u);
  EXPECT_EQ(gunzip(reply.body).size(), 5002u);
  for (std::string fields : {"Accept-Encoding: identity\r\n", "Accept-Encoding: gzip;q=0\r\n", "",
                             "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n"}) {
    reply = client.request("GET /json HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n");
    EXPECT_EQ(reply.body.size(), 5002u) << fields;
  }
  client.send("HEAD /json HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
  EXPECT_EQ(client.read(true).header("Content-Length"), "5002");
  reply = client.request("GET /tagged HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
  EXPECT_EQ(reply.body.size(), 5000u);
  reply = client.request("GET /hello HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
  EXPECT_EQ(reply.body, "hello");
}

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

/// Blocks handlers until it is opened.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    opened_.wait_for(lock, std::chrono::seconds(10), [this] { return open_; });
    --inside_;
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  int inside() {
    std::lock_guard lock(mutex_);
    return inside_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  int inside_ = 0;
};

TEST_F(ServerTest, AFullPoolAnswers503AfterAShortWait) {
  Gate gate;
  app_.routes["/gate"] = [&](const RequestHead&) {
    return Plan::respond([&] {
      gate.pass();
      return Response::text("through");
    });
  };
  ServerOptions options = quick_options();
  options.pool_threads = 1;
  options.limits.queue_max = 1;
  options.limits.queue_wait = milliseconds(100);
  start(options);
  Client first = client();
  first.send("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return gate.inside() == 1; }));
  Client waiting = client();
  waiting.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_->metrics().queue_length == 1; }));
  Reply refused = client().request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "2");
  EXPECT_EQ(waiting.read().status, 503);
  EXPECT_EQ(server_->metrics().requests_refused, 2u);
  gate.open();
  EXPECT_EQ(first.read().body, "through");
  EXPECT_EQ(waiting.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
}

TEST_F(ServerTest, AHandlerThatTakesTooLongIsAnswered504) {
  Gate gate;
  app_.routes["/gate"] = [&](const RequestHead&) {
    Plan plan = Plan::respond([&] {
      gate.pass();
      return Response::text("through");
    });
    plan.handler_wait = milliseconds(150);
    return plan;
  };
  app_.routes["/patient"] = [&](const RequestHead&) {
    Plan plan = Plan::with_text(100, [&](std::string) {
      gate.pass();
      return Response::text("through");
    });
    plan.handler_wait = milliseconds(10'000);
    return plan;
  };
  ServerOptions options = quick_options();
  options.limits.handler_wait = milliseconds(50);
  options.limits.queue_wait = milliseconds(50);
  start(options);
  Client patient = client();
  patient.send("POST /patient HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
  Client client = this->client();
  Reply reply = client.request("GET /gate HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reply.status, 504);
  EXPECT_TRUE(client.closed());
  gate.open();
  EXPECT_EQ(patient.read().body, "through");
}

TEST_F(ServerTest, SlowHeadsAndBodiesAreCut) {
  ServerOptions options = quick_options();
  options.limits.head_wait = milliseconds(60);
  options.limits.body_idle = milliseconds(60);
  options.limits.keep_alive_wait = milliseconds(60);
  start(options);
  Client head = client();
  EXPECT_EQ(head.request("GET /hello HTTP/1.1\r\nHos").status, 408);
  EXPECT_TRUE(head.closed());
  Client body = client();
  EXPECT_EQ(body.request("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab").status,
            408);
  EXPECT_TRUE(body.closed());
  Client silent = client();
  EXPECT_TRUE(silent.closed());
  Client idle = client();
  EXPECT_EQ(idle.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  EXPECT_TRUE(idle.closed());
}

TEST_F(ServerTest, AReaderThatStopsReadingIsCut) {
  auto file = sparse_file();
  app_.routes["/file"] = [file](const RequestHead&) {
    return Plan::respond([file] {
      Response response;
      response.body.emplace_back(FileRange{file, 0, 200 << 20});
      return response;
    });
  };
  ServerOptions options = quick_options();
  options.limits.stream_idle = milliseconds(60);
  start(options);
  Client client(server_->port(), 4096);
  client.send("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server_->metrics().timeouts == 1; }));
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_active == 0; }));
}

TEST_F(ServerTest, ASinkThatFailsEndsTheUploadEarly) {
  struct Full : BodySink {
    void write(std::span<const uint8_t>) override {
      throw Error(ErrorKind::kInvalid, "The disk said no.");
    }
  };
  app_.routes["/full"] = [](const RequestHead&) {
    Plan plan;
    plan.body_bytes_max = 1 << 30;
    plan.sink = std::make_unique<Full>();
    plan.handle = []() -> Response { throw std::logic_error("unreachable"); };
    return plan;
  };
  start();
  Client client = this->client();
  client.send("PUT /full HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
  client.send(std::string(8'000'000, 'x'));
  Reply reply = client.read();
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.body, "The disk said no.");
}

TEST_F(ServerTest, ASinkWaitsForItsDescriptorWithoutAThread) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  // Fill the pipe, so that it is not writable.
  fcntl(writer.get(), F_SETFL, O_NONBLOCK);
  std::string filler(65536, 'f');
  while (write(writer.get(), filler.data(), filler.size()) > 0) {
  }
  fcntl(writer.get(), F_SETFL, 0);
  struct PipeSink : BodySink {
    explicit PipeSink(int fd_in) : fd(fd_in) {}
    void write(std::span<const uint8_t> block) override {
      EXPECT_EQ(::write(fd, block.data(), block.size()), static_cast<ssize_t>(block.size()));
    }
    int wait_fd() const override { return fd; }
    int fd;
  };
  app_.routes["/child"] = [&](const RequestHead&) {
    Plan plan;
    plan.body_bytes_max = 1000;
    plan.sink = std::make_unique<PipeSink>(writer.get());
    plan.handle = [] { return Response::text("fed"); };
    return plan;
  };
  ServerOptions options = quick_options();
  options.pool_threads = 1;
  start(options);
  Client client = this->client();
  client.send("POST /child HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nfood");
  EXPECT_EQ(this->client().request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  std::string drained(65536, '\0');
  ASSERT_GT(read(reader.get(), drained.data(), drained.size()), 0);
  EXPECT_EQ(client.read().body, "fed");
}

TEST_F(ServerTest, MalformedRequestsAreRefusedAndTheConnectionClosed) {
  start();
  const std::pair<std::string, int> cases[] = {
      {"GET /hello HTTP/1.1\nHost: h\n\n", 400},
      {"GET /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
       400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
      {"GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"GET /hello HTTP/1.1\r\nHost: h\r\nX: " + std::string(70'000, 'a') + "\r\n\r\n", 431},
      {"GET /hello HTTP/3.0\r\nHost: h\r\n\r\n", 505},
  };
  for (const auto& [request, status] : cases) {
    Client client = this->client();
    client.send(request);
    Reply reply = client.read();
    EXPECT_EQ(reply.status, status) << request.substr(0, 200);
    EXPECT_EQ(reply.header("Connection"), "close");
    EXPECT_TRUE(reply.body.starts_with("{\"error\":\"")) << reply.body;
    EXPECT_NE(reply.header("X-Error-Message"), "(absent)");
    client.shutdown_send();
    EXPECT_TRUE(client.closed());
  }
  EXPECT_EQ(server_->metrics().requests_malformed, std::size(cases));
}

TEST_F(ServerTest, ConnectionsOverTheLimitAreToldSo) {
  ServerOptions options = quick_options();
  options.limits.connections_max = 1;
  start(options);
  Client first = client();
  EXPECT_EQ(first.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  Client second = client();
  Reply reply = second.read();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, R"({"error":"Too many connections. Please retry."})");
  EXPECT_TRUE(second.closed());
  first.close();
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_active == 0; }));
  EXPECT_EQ(client().request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
}

TEST_F(ServerTest, ListensOnSeveralAddressesAndUnixSockets) {
  auto path = std::filesystem::temp_directory_path() / ("h-" + random_alphanumeric(12));
  ServerOptions options = quick_options();
  options.listen = {{"127.0.0.1", 0}, {"127.0.0.1", 0}, {"unix:" + path.string(), 0}};
  app_.routes["/where"] = [](const RequestHead& head) {
    return Plan::respond([&head] {
      return Response::text(fmt::format("{} {}", head.remote_address, head.local_port));
    });
  };
  start(options);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(Client(server_->port(i)).request("GET /where HTTP/1.1\r\nHost: h\r\n\r\n").body,
              fmt::format("127.0.0.1 {}", server_->port(i)));
  }
  Client local(path.string());
  EXPECT_EQ(local.request("GET /where HTTP/1.1\r\nHost: h\r\n\r\n").body, "unix 0");
  server_->stop();
  EXPECT_FALSE(std::filesystem::exists(path));
  options.listen = {{"not an address", 0}};
  EXPECT_THROW(Server(options, app_), Error);
}

TEST_F(ServerTest, ManyClientsAtOnceOnTwoEdgeThreads) {
  ServerOptions options = quick_options();
  options.edge_threads = 2;
  start(options);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int c = 0; c < 5; ++c) {
        Client client = this->client();
        for (int i = 0; i < 20; ++i) {
          std::string body = fmt::format("{} {} {}", t, c, i);
          Reply reply = client.request(fmt::format(
              "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
          right += reply.body == body;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 800);
  EXPECT_EQ(server_->metrics().requests, 800u);
}

}  // namespace
}  // namespace hearth::http
