#include "app/serve.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include <pthread.h>
#include <signal.h>

#include "api/api.h"
#include "app/hub_metrics.h"
#include "app/instance.h"
#include "app/machine.h"
#include "app/readiness.h"
#include "base/log.h"
#include "base/text.h"
#include "http/http.h"

namespace hearth::app {
namespace {

constexpr std::chrono::milliseconds kHousekeepingPause{60'000};
// Lists look at each repository that has changed since.
constexpr std::chrono::milliseconds kListSetsPause{2'000};
// How often the certificate's files are looked at: two calls of stat.
constexpr time_t kCertificateLookS = 10;
// Hugging Face clients resume an upload within a day; parts that nobody touched for two are lost.
constexpr int64_t kStaleUploadMs = int64_t{48} * 3600 * 1000;
constexpr int64_t kEndedTaskMs = int64_t{7} * 24 * 3600 * 1000;

http::Listen parse_listen(const std::string& text) {
  size_t colon = text.rfind(':');
  std::string address = colon == std::string::npos ? "" : text.substr(0, colon);
  std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  if (address.empty()) address = "127.0.0.1";
  if (address == "localhost") address = "127.0.0.1";
  bool digits = !port.empty() && port.size() <= 5 &&
                port.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoi(port) > 65535) {
    throw Error(ErrorKind::kInvalid, "'" + text +
                                         "' is not an address to listen on: ADDRESS:PORT "
                                         "is wanted, for example 127.0.0.1:8080.");
  }
  return {.address = address, .port = static_cast<uint16_t>(std::stoi(port))};
}

/// Runs a function now and again until it is destroyed. Failures are logged, the next turn comes.
class Housekeeping {
 public:
  /// A turn that may take long asks what it is given whether to stop.
  using Turn = std::function<void(const std::function<bool()>& stopping)>;
  Housekeeping(std::chrono::milliseconds pause, Turn turn)
      : pause_(pause), thread_([this, turn = std::move(turn)] { run(turn); }) {}
  ~Housekeeping() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void run(const Turn& turn) {
    auto stopping = [this] {
      std::lock_guard lock(mutex_);
      return stopping_;
    };
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      try {
        turn(stopping);
      } catch (const std::exception& error) {
        log_warning("housekeeping: {}", error.what());
      }
      lock.lock();
      changed_.wait_for(lock, pause_, [&] { return stopping_; });
    }
  }

  const std::chrono::milliseconds pause_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

/// "https://127.0.0.1:8080"
std::string url_of(const http::Listen& listen, uint16_t port) {
  std::string host =
      listen.address.find(':') != std::string::npos ? "[" + listen.address + "]" : listen.address;
  return (listen.tls ? "https://" : "http://") + host + ":" + std::to_string(port);
}

std::string origin_of(const Settings& settings, const http::Listen& listen, uint16_t port) {
  if (!settings.public_url.empty()) return settings.public_url;
  http::Listen named = listen;
  if (named.address == "0.0.0.0" || named.address == "127.0.0.1" || named.address == "::") {
    named.address = "localhost";
  }
  return url_of(named, port);
}

/// The addresses to listen on: `listen` first, and `listen_http` behind it.
std::vector<http::Listen> listens_of(const Settings& settings) {
  if (settings.tls_cert.empty() != settings.tls_key.empty()) {
    throw Error(ErrorKind::kInvalid, "--tls-cert and --tls-key belong together: name both files.");
  }
  std::vector<http::Listen> listens = {parse_listen(settings.listen)};
  listens[0].tls = !settings.tls_cert.empty();
  if (settings.listen_http.empty()) return listens;
  if (!listens[0].tls) {
    throw Error(
        ErrorKind::kInvalid,
        "--listen-http is for beside https: without --tls-cert, --listen is plain already.");
  }
  listens.push_back(parse_listen(settings.listen_http));
  return listens;
}

/// Sends whoever comes to one port to https, and lets the hub answer the others.
class RedirectsToHttps : public http::App {
 public:
  RedirectsToHttps(http::App& hub, std::string public_url)
      : hub_(hub), public_url_(std::move(public_url)) {}

  /// Nothing is redirected before this.
  void set_ports(uint16_t from, uint16_t to) { ports_ = uint32_t{from} << 16 | to; }

  std::shared_ptr<http::AppNote> make_note() noexcept override { return hub_.make_note(); }

  std::variant<http::Plan, http::Response> begin(const http::RequestHead& head) override {
    const uint32_t ports = ports_;
    if (ports == 0 || head.local_port != ports >> 16) return hub_.begin(head);
    std::string origin = public_url_;
    if (origin.empty()) {
      std::string_view host = head.host;
      const size_t colon = host.rfind(':');
      if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
        host = host.substr(0, colon);
      }
      origin = "https://" + std::string(host) + ":" + std::to_string(ports & 0xffff);
    }
    // 308 keeps the method.
    return http::Response::redirect(origin + head.target, 308);
  }
  http::Response on_error(std::exception_ptr error, const http::RequestHead& head) override {
    return hub_.on_error(error, head);
  }
  void on_done(const http::RequestHead& head, const http::Outcome& outcome) noexcept override {
    hub_.on_done(head, outcome);
  }

 private:
  http::App& hub_;
  const std::string public_url_;
  std::atomic<uint32_t> ports_{0};  // From, in the upper half, and to.
};

/// Waits for SIGTERM or SIGINT; looks after the certificate meanwhile.
void wait_for_stop(http::Server& server, const sigset_t& signals) {
  while (true) {
    const timespec look{.tv_sec = kCertificateLookS, .tv_nsec = 0};
    const int signal_number = sigtimedwait(&signals, nullptr, &look);
    if (signal_number == SIGTERM || signal_number == SIGINT) return;
    server.reload_certificate(/*even_if_unchanged=*/signal_number == SIGHUP);
  }
}

/// Goes on serving for a while; SIGTERM or SIGINT ends that.
void drain(int wait_s, const sigset_t& signals) {
  if (wait_s == 0) return;
  log_info("stopping in {} s: /ready says so; a second signal ends the wait", wait_s);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(wait_s);
  while (std::chrono::steady_clock::now() < end) {
    const timespec look{.tv_sec = 1, .tv_nsec = 0};
    const int signal_number = sigtimedwait(&signals, nullptr, &look);
    if (signal_number == SIGTERM || signal_number == SIGINT) return;
  }
}

}  // namespace

int serve(const Settings& settings) {
  // Before any thread starts, so that all of them leave these signals to sigwait below.
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const std::vector<http::Listen> listens = listens_of(settings);
  make_dirs(fs::absolute(settings.data_dir));
  DataLock lock(fs::absolute(settings.data_dir));
  Instance instance(settings);
  instance.parts.repositories.catch_up();

  Readiness readiness(instance.settings.data_dir, *instance.database);
  api::Services services = instance.services();
  services.readiness = [&readiness] { return readiness.look(); };
  api::HubApp app(std::move(services));
  http::ServerOptions options;
  options.listen = listens;
  if (listens[0].tls) options.tls = {settings.tls_cert, settings.tls_key};
  options.pool_threads = settings.pool_threads;
  RedirectsToHttps entrance(app, settings.public_url);
  http::Server server(options, entrance);
  if (listens.size() > 1 && settings.redirect_http) {
    entrance.set_ports(server.port(1), server.port(0));
  }

  add_hub_metrics(instance);
  add_server_metrics(instance, server, options.tls);

  hub::TaskRunner runner(instance.tasks);
  instance.register_tasks(runner);
  instance.tasks.expire_leases();  // Of a process that was killed: the lock says that it is gone.
  runner.start();
  Housekeeping housekeeping(kHousekeepingPause, [&instance](const auto&) {
    int64_t now_ms = instance.clock.now_ms();
    instance.downloads.flush();
    instance.accounts.remove_expired();
    instance.tasks.remove_ended_before(now_ms - kEndedTaskMs);
    instance.blobs.remove_stale_uploads(now_ms, kStaleUploadMs);
    instance.gc.enqueue_if_due(int64_t{instance.settings.gc_interval_hours} * 3600 * 1000);
    instance.scrubber.enqueue_if_due();
  });
  Housekeeping list_sets(kListSetsPause, [&instance](const auto& stopping) {
    instance.list_sets.write_all(stopping);
  });

  if (instance.accounts.needs_setup()) {
    say("This hub has no administrator yet. Open this link once to become it:");
    say("    " + origin_of(instance.settings, listens[0], server.port()) + "/setup/" +
        instance.accounts.create_setup_token());
    say("or run: hearth user add NAME --admin --data " + instance.settings.data_dir.string());
  }
  readiness.set_started();
  for (size_t i = 0; i < listens.size(); ++i) {
    say("listening on " + url_of(listens[i], server.port(i)));
  }

  tell_supervisor("READY=1");
  wait_for_stop(server, signals);
  tell_supervisor("STOPPING=1");
  readiness.set_draining();
  drain(settings.drain_wait_s, signals);
  log_info("stopping: requests that run have {} s to end", options.limits.stop_wait.count() / 1000);
  server.stop();
  runner.stop();
  return 0;
}

}  // namespace hearth::app
