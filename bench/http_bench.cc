// A server that does nothing but HTTP, to be measured by bench/http.sh: GET /json answers 100 bytes
// of JSON, GET /file the file named on the command line, PUT /sink reads and drops a body.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "http/http.h"
#include "http/range.h"

namespace {

namespace http = hearth::http;

class BenchApp : public http::App {
 public:
  explicit BenchApp(const char* path)
      : file_(std::make_shared<hearth::Fd>(hearth::open_read(path))),
        size_bytes_(hearth::file_size_bytes(*file_)) {}

  std::variant<http::Plan, http::Response> begin(const http::RequestHead& head) override {
    if (head.raw_path == "/json") {
      return http::Plan::respond(
          [] { return http::Response::json("{\"text\":\"" + std::string(88, 'x') + "\"}"); });
    }
    if (head.raw_path == "/sink") {
      http::Plan plan;
      plan.body_bytes_max = uint64_t{1} << 40;
      plan.sink = std::make_unique<http::NullSink>();
      plan.handle = [] { return http::Response::empty(200); };
      return plan;
    }
    http::Ranged thing;
    thing.size_bytes = size_bytes_;
    thing.append = [this](http::ByteRange range, http::Body& body) {
      body.emplace_back(http::FileRange{file_, range.offset_bytes, range.length_bytes});
    };
    return http::serve_ranged(head, thing);
  }
  http::Response on_error(std::exception_ptr, const http::RequestHead&) override {
    return http::Response::empty(500);
  }

 private:
  std::shared_ptr<hearth::Fd> file_;
  uint64_t size_bytes_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: http_bench PORT FILE\n");
    return 2;
  }
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  sigprocmask(SIG_BLOCK, &stop_signals, nullptr);
  BenchApp app(argv[2]);
  http::ServerOptions options;
  options.listen = {{"127.0.0.1", static_cast<uint16_t>(std::atoi(argv[1]))}};
  http::Server server(options, app);
  int signal = 0;
  sigwait(&stop_signals, &signal);
  return 0;
}
