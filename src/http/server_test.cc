// The server with real sockets on the loopback: requests, bodies, limits.

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "http/server_fixture.h"

namespace hearth::http {
namespace {

using std::chrono::milliseconds;
using testing::Client;
using testing::eventually;
using testing::quick_options;
using testing::Reply;
using testing::ServerTest;

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

TEST_F(ServerTest, TextThatSlowReadersLeaveInMemoryIsBounded) {
  constexpr size_t kLarge = 8'000'000;  // More than the kernel's buffers take.
  app_.routes["/large"] = [](const RequestHead&) {
    return Plan::respond([] { return Response::text(std::string(kLarge, 'x')); });
  };
  ServerOptions options = quick_options();
  options.limits.held_bytes_max = 2 * kLarge;
  start(options);
  const std::string ask = "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
  Client one = client();
  Client two = client();
  for (Client* slow : {&one, &two}) slow->send(ask);
  ASSERT_TRUE(eventually([&] { return server_->metrics().held_bytes == 2 * kLarge; }));
  Client third = client();
  Reply refused = third.request(ask);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "2");
  EXPECT_EQ(server_->metrics().requests_refused, 1u);
  // Short answers and answers without a body are still given.
  EXPECT_EQ(third.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  third.send("HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(third.read(true).status, 200);
  for (Client* slow : {&one, &two}) EXPECT_EQ(slow->read().body.size(), kLarge);
  ASSERT_TRUE(eventually([&] { return server_->metrics().held_bytes == 0; }));
  EXPECT_EQ(third.request(ask).body.size(), kLarge);
}

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

TEST_F(ServerTest, IdleConnectionsMakeRoomWhenItIsCrowded) {
  ServerOptions options = quick_options();
  options.limits.connections_max = 10;
  options.limits.crowded_idle = milliseconds(50);
  start(options);
  std::vector<Client> idle;
  for (int i = 0; i < 9; ++i) idle.push_back(client());
  for (Client& one : idle) {
    EXPECT_EQ(one.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  }
  Client tenth = client();
  EXPECT_EQ(tenth.request("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").body, "hello");
  EXPECT_TRUE(eventually([&] { return server_->metrics().connections_active <= 9; }));
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
