// The server with TLS: what clients agree on with it, certificates that change, and peers that
// speak something else.

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/hash.h"
#include "base/process.h"
#include "http/certificate.h"
#include "http/server_fixture.h"

namespace hearth::http {
namespace {

using std::chrono::milliseconds;
using testing::Client;
using testing::quick_options;
using testing::Reply;
using testing::ServerTest;

constexpr std::string_view kGetHello = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n";

/// What a client insists on.
struct Wishes {
  int version_max = TLS1_3_VERSION;
  std::string alpn = "";     // In wire form.
  std::string ciphers = "";  // Of TLS 1.2, at security level 0.
  SSL_SESSION* session = nullptr;
};

/// A client on TLS that trusts everybody.
class TlsClient : public Client {
 public:
  explicit TlsClient(uint16_t port, const Wishes& wishes = {})
      : Client(port),
        context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free),
        ssl_(nullptr, SSL_free) {
    SSL_CTX_set_max_proto_version(context_.get(), wishes.version_max);
    if (wishes.version_max < TLS1_2_VERSION) SSL_CTX_set_min_proto_version(context_.get(), 0);
    if (!wishes.ciphers.empty()) {
      SSL_CTX_set_security_level(context_.get(), 0);
      SSL_CTX_set_cipher_list(context_.get(), wishes.ciphers.c_str());
    }
    ssl_.reset(SSL_new(context_.get()));
    if (!wishes.alpn.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const uint8_t*>(wishes.alpn.data()),
                          static_cast<unsigned>(wishes.alpn.size()));
    }
    if (wishes.session) SSL_set_session(ssl_.get(), wishes.session);
    SSL_set_fd(ssl_.get(), fd());
    secure_ = SSL_connect(ssl_.get()) == 1;
    ERR_clear_error();
  }

  bool secure() const { return secure_; }
  SSL* ssl() { return ssl_.get(); }
  std::string protocol() const {
    const uint8_t* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &length);
    return {reinterpret_cast<const char*>(name), length};
  }
  std::string subject() const {
    std::unique_ptr<X509, void (*)(X509*)> peer(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    char text[256] = {};
    if (peer) X509_NAME_oneline(X509_get_subject_name(peer.get()), text, sizeof text);
    return text;
  }

 protected:
  ssize_t send_some(std::string_view bytes) override {
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  }
  ssize_t receive_some(std::span<char> room) override {
    return SSL_read(ssl_.get(), room.data(), static_cast<int>(room.size()));
  }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  bool secure_ = false;
};

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    char pattern[] = "/tmp/hearth-tls-XXXXXX";
    folder_ = mkdtemp(pattern);
    files_ = {folder_ + "/cert.pem", folder_ + "/key.pem"};
    make_pair("first");
    app_.routes["/tls"] = [](const RequestHead& head) {
      return Plan::respond([tls = head.tls] { return Response::text(tls ? "yes" : "no"); });
    };
  }
  ~TlsTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    ChildResult result = run_child({.argv = arguments});
    ASSERT_EQ(result.status, 0) << result.err;
  }
  void make_pair(const std::string& name) {
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "2", "-subj", "/CN=" + name, "-addext",
             "subjectAltName=DNS:localhost,DNS:*.hub.example,IP:127.0.0.1", "-keyout",
             files_.key_file, "-out", files_.cert_file});
  }
  Server& start_tls(ServerOptions options = quick_options()) {
    options.tls = files_;
    options.listen = {{.address = "127.0.0.1", .tls = true}, {.address = "127.0.0.1"}};
    return start(options);
  }

  std::string folder_;
  TlsFiles files_;
};

TEST_F(TlsTest, AnswersOverBothVersionsAndOffersHttp11Only) {
  start_tls();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server_->port(), {.version_max = version, .alpn = "\x02h2\x08http/1.1"});
    ASSERT_TRUE(client.secure());
    EXPECT_EQ(SSL_version(client.ssl()), version);
    EXPECT_EQ(client.protocol(), "http/1.1");
    EXPECT_EQ(client.request(kGetHello).body, "hello");
    EXPECT_EQ(client.request("GET /tls HTTP/1.1\r\nHost: h\r\n\r\n").body, "yes");
  }
  Client plain(server_->port(1));
  EXPECT_EQ(plain.request("GET /tls HTTP/1.1\r\nHost: h\r\n\r\n").body, "no");
  EXPECT_FALSE(
      TlsClient(server_->port(), {.version_max = TLS1_1_VERSION, .ciphers = "ALL:@SECLEVEL=0"})
          .secure());
  EXPECT_FALSE(TlsClient(server_->port(), {.alpn = "\x02h2"}).secure());
  EXPECT_FALSE(TlsClient(server_->port(),
                         {.version_max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA"})
                   .secure());
}

TEST_F(TlsTest, MovesBodiesOfAnySizeBothWays) {
  std::string content(5'000'001, '\0');
  std::minstd_rand random(1);
  for (char& byte : content) byte = static_cast<char>(random());
  const std::string path = folder_ + "/content";
  std::ofstream(path) << content;
  auto file = std::make_shared<Fd>(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  app_.routes["/echo"] = [](const RequestHead&) {
    return Plan::with_text(8 << 20, [](std::string body) {
      return Response::bytes(std::move(body), "application/octet-stream");
    });
  };
  app_.routes["/file"] = [file](const RequestHead&) {
    return Plan::respond([file] {
      Response response = Response::empty(200);
      response.body.emplace_back(std::string("before"));
      response.body.emplace_back(FileRange{file, 1, 4'999'999});
      response.body.emplace_back(std::string("behind"));
      return response;
    });
  };
  start_tls();
  TlsClient client(server_->port());
  for (size_t size : {0u, 1u, 16383u, 16384u, 16385u, 262144u, 5'000'001u}) {
    const std::string body = content.substr(0, size);
    Reply reply = client.request(
        fmt::format("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", size, body));
    EXPECT_TRUE(reply.body == body) << size;
    reply = client.request(fmt::format(
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        size ? fmt::format("{:x}\r\n{}\r\n", size, body) : ""));
    EXPECT_TRUE(reply.body == body) << size;
  }
  Reply reply = client.request("GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(reply.body == "before" + content.substr(1, 4'999'999) + "behind");
  EXPECT_EQ(client.request(kGetHello).body, "hello");
}

TEST_F(TlsTest, AFileThatIsTooShortCutsTheConnection) {
  const std::string path = folder_ + "/short";
  std::ofstream(path) << "short";
  auto file = std::make_shared<Fd>(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  app_.routes["/file"] = [file](const RequestHead&) {
    return Plan::respond([file] {
      Response response = Response::empty(200);
      response.body.emplace_back(FileRange{file, 0, 100});
      return response;
    });
  };
  start_tls();
  TlsClient client(server_->port());
  EXPECT_FALSE(client.request("GET /file HTTP/1.1\r\nHost: h\r\n\r\n").complete);
}

TEST_F(TlsTest, SessionsAreResumed) {
  start_tls();
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient first(server_->port(), {.version_max = version});
    first.request(kGetHello);  // TLS 1.3 sends its tickets behind the handshake.
    EXPECT_EQ(SSL_session_reused(first.ssl()), 0);
    std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(SSL_get1_session(first.ssl()),
                                                                 SSL_SESSION_free);
    TlsClient second(server_->port(), {.version_max = version, .session = session.get()});
    EXPECT_EQ(second.request(kGetHello).body, "hello");
    EXPECT_EQ(SSL_session_reused(second.ssl()), 1);
  }
}

TEST_F(TlsTest, ANewCertificateIsTakenUpAndOldConnectionsGoOn) {
  start_tls();
  TlsClient old(server_->port());
  EXPECT_EQ(old.subject(), "/CN=first");
  EXPECT_FALSE(server_->reload_certificate(false));
  make_pair("second");
  EXPECT_TRUE(server_->reload_certificate(false));
  EXPECT_EQ(TlsClient(server_->port()).subject(), "/CN=second");
  EXPECT_EQ(old.request(kGetHello).body, "hello");
}

TEST_F(TlsTest, APairThatDoesNotFitLeavesTheOldOneInUse) {
  start_tls();
  std::ofstream(files_.cert_file) << "-----BEGIN CERTIFICATE-----\nbroken";
  EXPECT_FALSE(server_->reload_certificate(false));
  EXPECT_EQ(TlsClient(server_->port()).request(kGetHello).body, "hello");
  // As a renewal looks between its two files.
  TlsFiles old = files_;
  std::filesystem::copy(files_.key_file, folder_ + "/old.pem");
  make_pair("second");
  std::filesystem::rename(files_.key_file, folder_ + "/new.pem");
  std::filesystem::rename(folder_ + "/old.pem", files_.key_file);
  EXPECT_FALSE(server_->reload_certificate(false));
  EXPECT_EQ(TlsClient(server_->port()).subject(), "/CN=first");
  std::filesystem::rename(folder_ + "/new.pem", files_.key_file);
  EXPECT_TRUE(server_->reload_certificate(false));
  EXPECT_EQ(TlsClient(server_->port()).subject(), "/CN=second");
  std::filesystem::remove(files_.key_file);
  EXPECT_FALSE(server_->reload_certificate(true));
  EXPECT_EQ(TlsClient(server_->port()).subject(), "/CN=second");
}

TEST_F(TlsTest, FilesThatAreWrongAreNamedAtTheStart) {
  auto why = [&](const TlsFiles& files) -> std::string {
    ServerOptions options = quick_options();
    options.tls = files;
    try {
      Server server(options, app_);
    } catch (const Error& error) {
      return error.message();
    }
    return "none";
  };
  EXPECT_THAT(why({folder_ + "/absent", files_.key_file}),
              ::testing::HasSubstr("/absent cannot be read: No such file"));
  EXPECT_THAT(why({files_.cert_file, folder_ + "/absent"}),
              ::testing::HasSubstr("/absent cannot be read: No such file"));
  EXPECT_THAT(why({files_.key_file, files_.key_file}),
              ::testing::HasSubstr("holds no certificate in PEM form"));
  EXPECT_THAT(why({files_.cert_file, files_.cert_file}),
              ::testing::HasSubstr("holds no private key in PEM form"));
  const std::string locked = folder_ + "/locked.pem";
  openssl({"pkey", "-in", files_.key_file, "-aes256", "-passout", "pass:secret", "-out", locked});
  EXPECT_THAT(why({files_.cert_file, locked}), ::testing::HasSubstr("without a passphrase"));
  const TlsFiles first = {folder_ + "/first.pem", files_.key_file};
  std::filesystem::copy(files_.cert_file, first.cert_file);
  make_pair("second");
  EXPECT_THAT(why(first), ::testing::HasSubstr("does not belong to the certificate"));
}

TEST_F(TlsTest, FactsOfACertificate) {
  std::filesystem::permissions(files_.key_file, std::filesystem::perms::owner_read);
  CertificateFacts facts = read_certificate(files_);
  EXPECT_EQ(facts.subject, "CN = first");
  EXPECT_EQ(facts.names, (std::vector<std::string>{"localhost", "*.hub.example", "127.0.0.1"}));
  EXPECT_TRUE(facts.self_signed && facts.key_matches);
  EXPECT_FALSE(facts.key_readable_by_others);
  EXPECT_EQ(facts.not_after_ms - facts.not_before_ms, int64_t{2} * 24 * 3600 * 1000);
  std::filesystem::permissions(files_.key_file, std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  EXPECT_TRUE(read_certificate(files_).key_readable_by_others);
  EXPECT_TRUE(certificate_covers(files_, "localhost"));
  EXPECT_TRUE(certificate_covers(files_, "a.hub.example"));
  EXPECT_TRUE(certificate_covers(files_, "127.0.0.1"));
  EXPECT_FALSE(certificate_covers(files_, "hub.example"));
  EXPECT_FALSE(certificate_covers(files_, "127.0.0.2"));
}

TEST_F(TlsTest, PlainHttpIsToldSo) {
  start_tls();
  for (std::string_view method : {"GET", "DELETE", "OPTIONS"}) {
    Client client(server_->port());
    Reply reply = client.request(fmt::format("{} /hello HTTP/1.1\r\nHost: h\r\n\r\n", method));
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.body, ::testing::HasSubstr("https"));
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(TlsTest, SlowHandshakesAreCut) {
  ServerOptions options = quick_options();
  options.limits.tls_handshake_wait = milliseconds(100);
  start_tls(options);
  Client silent(server_->port());
  EXPECT_TRUE(silent.closed());
  Client begun(server_->port());
  begun.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_TRUE(begun.closed());
  // A byte now and then does not help.
  Client dripping(server_->port());
  std::atomic<bool> stop = false;
  std::thread drip([&] {
    const std::string head("\x16\x03\x01\x40\x00\x01\x00", 7);
    dripping.send(head);
    while (!stop && dripping.send("x")) poll(nullptr, 0, 20);
  });
  EXPECT_TRUE(dripping.closed());
  stop = true;
  drip.join();
  EXPECT_GE(server_->metrics().timeouts, 3u);
}

TEST_F(TlsTest, SlowHeadsOverTlsAreCut) {
  ServerOptions options = quick_options();
  options.limits.head_wait = milliseconds(100);
  start_tls(options);
  TlsClient client(server_->port());
  EXPECT_EQ(client.request("GET /hello HTTP/1.1\r\nHo").status, 408);
  EXPECT_TRUE(client.closed());
}

TEST_F(TlsTest, AReaderThatStopsReadingIsCut) {
  app_.routes["/much"] = [](const RequestHead&) {
    return Plan::respond([] { return Response::text(std::string(64 << 20, 'm')); });
  };
  ServerOptions options = quick_options();
  options.limits.stream_idle = milliseconds(200);
  start_tls(options);
  TlsClient client(server_->port());
  client.send("GET /much HTTP/1.1\r\nHost: h\r\nAccept-Encoding: identity\r\n\r\n");
  EXPECT_TRUE(testing::eventually([&] { return server_->metrics().timeouts > 0; }));
  EXPECT_FALSE(client.read().complete);
}

// A recorded beginning of a handshake, cut at every length and with bytes changed at random: the
// server answers the next client as before.
TEST_F(TlsTest, BrokenHandshakesAndGarbageCostOneConnection) {
  start_tls();
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                       SSL_CTX_free);
  std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
  SSL_set0_rbio(ssl.get(), BIO_new(BIO_s_mem()));
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set0_wbio(ssl.get(), out);
  SSL_connect(ssl.get());
  char* data = nullptr;
  const long length = BIO_get_mem_data(out, &data);
  const std::string hello(data, static_cast<size_t>(length));
  ASSERT_GT(hello.size(), 100u);

  std::minstd_rand random(7);
  for (size_t i = 0; i < 400; ++i) {
    std::string bytes = hello.substr(0, i % 2 ? hello.size() : random() % hello.size());
    for (size_t change = random() % 4; change > 0 && !bytes.empty(); --change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (i % 10 == 0) {
      bytes.resize(1 + random() % 2000);
      for (char& byte : bytes) byte = static_cast<char>(random());
    }
    Client client(server_->port());
    client.send(bytes);
    client.shutdown_send();
    client.read_all();
  }
  EXPECT_EQ(TlsClient(server_->port()).request(kGetHello).body, "hello");
  EXPECT_TRUE(testing::eventually([&] { return server_->metrics().connections_active == 0; }));
}

TEST_F(TlsTest, GarbageBehindTheHandshakeEndsTheConnection) {
  start_tls();
  TlsClient client(server_->port());
  EXPECT_EQ(client.request(kGetHello).body, "hello");
  const std::string garbage(1000, 'G');
  ::send(client.fd(), garbage.data(), garbage.size(), MSG_NOSIGNAL);
  EXPECT_TRUE(client.closed());
}

TEST_F(TlsTest, RenegotiationIsRefused) {
  start_tls();
  TlsClient client(server_->port(), {.version_max = TLS1_2_VERSION});
  EXPECT_EQ(client.request(kGetHello).body, "hello");
  EXPECT_EQ(SSL_renegotiate(client.ssl()), 1);
  EXPECT_LE(SSL_do_handshake(client.ssl()), 0);
}

TEST_F(TlsTest, KeyUpdatesAreAnswered) {
  start_tls();
  TlsClient client(server_->port());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    EXPECT_EQ(client.request(kGetHello).body, "hello");
  }
}

TEST_F(TlsTest, AStopSaysGoodbye) {
  start_tls();
  TlsClient client(server_->port());
  Reply reply = client.request("GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(reply.body, "hello");
  EXPECT_TRUE(client.closed());
  EXPECT_NE(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
}

TEST_F(TlsTest, ManyClientsAtOnceOnTwoEdgeThreads) {
  ServerOptions options = quick_options();
  options.edge_threads = 2;
  start_tls(options);
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10; ++j) {
        TlsClient client(server_->port());
        for (int k = 0; k < 3; ++k) answered += client.request(kGetHello).body == "hello";
      }
    });
  }
  for (int i = 0; i < 10; ++i) server_->reload_certificate(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 240);
}

}  // namespace
}  // namespace hearth::http
