// Whole conversations from strangers, over a socket: the server answers with well-framed responses
// and closes; it neither crashes nor hangs. 0xff in the input parts what is sent at once.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <unistd.h>

#include "http/http.h"
#include "http/range.h"
#include "http/test_client.h"

namespace hearth::http {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// Makes the path's length in blocks.
class Blocks : public Generator {
 public:
  explicit Blocks(size_t count) : left_(count) {}
  bool next(std::string& block) override {
    block.assign(left_ % 7, 'b');
    return left_-- > 0;
  }

 private:
  size_t left_;
};

class FuzzApp : public App {
 public:
  std::variant<Plan, Response> begin(const RequestHead& head) override {
    switch (head.raw_path.size() % 5) {
      case 0:
        return Plan::with_text(64, [](std::string body) { return Response::text(body); });
      case 1:
        return Response::json("{}", 403);
      case 2:
        return Plan::respond([&head] {
          return Response::stream(std::make_unique<Blocks>(head.raw_path.size()), "text/plain");
        });
      case 3: {
        Ranged thing;
        thing.size_bytes = 100;
        thing.append = [](ByteRange range, Body& body) {
          body.emplace_back(std::string(range.length_bytes, 'r'));
        };
        return serve_ranged(head, thing);
      }
      default:
        throw Error(ErrorKind::kInvalid, head.raw_path);
    }
  }
  Response on_error(std::exception_ptr error, const RequestHead&) override {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& known) {
      return Response::text(known.what(), 400);
    }
  }
};

ServerOptions options_for(const std::string& path) {
  ServerOptions options;
  options.listen = {{"unix:" + path, 0}};
  options.pool_threads = 1;
  return options;
}

}  // namespace
}  // namespace hearth::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path =
      std::filesystem::temp_directory_path() / ("hearth-http-fuzz-" + std::to_string(getpid()));
  static hearth::http::FuzzApp app;
  static hearth::http::Server server(hearth::http::options_for(path), app);

  hearth::http::testing::Client client(path);
  hearth::http::require(client.connected());
  std::string_view text(reinterpret_cast<const char*>(data), size);
  while (!text.empty()) {
    size_t end = std::min(text.find('\xff'), text.size());
    if (!client.send(text.substr(0, end))) break;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  client.shutdown_send();
  std::string received = client.read_all();
  hearth::http::require(received.empty() || received.starts_with("HTTP/1.1 "));
  return 0;
}
