#include "app/serve.h"

#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include <pthread.h>
#include <signal.h>

#include "api/api.h"
#include "app/instance.h"
#include "base/log.h"
#include "base/text.h"
#include "http/http.h"

namespace hearth::app {
namespace {

constexpr int64_t kHousekeepingMs = 60'000;
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
    throw Error(ErrorKind::kInvalid, "--listen wants ADDRESS:PORT, for example 127.0.0.1:8080.");
  }
  return {.address = address, .port = static_cast<uint16_t>(std::stoi(port))};
}

/// Runs a function every minute until it is destroyed. Failures are logged, the next turn comes.
class Housekeeping {
 public:
  explicit Housekeeping(std::function<void()> turn)
      : thread_([this, turn = std::move(turn)] { run(turn); }) {}
  ~Housekeeping() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void run(const std::function<void()>& turn) {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      try {
        turn();
      } catch (const std::exception& error) {
        log_warning("housekeeping: {}", error.what());
      }
      lock.lock();
      changed_.wait_for(lock, std::chrono::milliseconds(kHousekeepingMs),
                        [&] { return stopping_; });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

std::string origin_of(const Settings& settings, const http::Listen& listen, uint16_t port) {
  if (!settings.public_url.empty()) return settings.public_url;
  std::string host =
      listen.address.find(':') != std::string::npos ? "[" + listen.address + "]" : listen.address;
  if (host == "0.0.0.0" || host == "127.0.0.1" || host == "[::]") host = "localhost";
  return "http://" + host + ":" + std::to_string(port);
}

}  // namespace

int serve(const Settings& settings) {
  // Before any thread starts, so that all of them leave these signals to sigwait below.
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  http::Listen listen = parse_listen(settings.listen);
  make_dirs(fs::absolute(settings.data_dir));
  DataLock lock(fs::absolute(settings.data_dir));
  Instance instance(settings);
  instance.parts.repositories.catch_up();

  api::HubApp app(instance.services());
  http::ServerOptions options;
  options.listen = {listen};
  options.pool_threads = settings.pool_threads;
  http::Server server(options, app);

  hub::TaskRunner runner(instance.tasks);
  instance.register_tasks(runner);
  instance.tasks.expire_leases();  // Of a process that was killed: the lock says that it is gone.
  runner.start();
  Housekeeping housekeeping([&instance] {
    int64_t now_ms = instance.clock.now_ms();
    instance.downloads.flush();
    instance.downloads.refresh_ranks();
    instance.accounts.remove_expired();
    instance.tasks.remove_ended_before(now_ms - kEndedTaskMs);
    instance.blobs.remove_stale_uploads(now_ms, kStaleUploadMs);
  });

  std::string bound =
      listen.address.find(':') != std::string::npos ? "[" + listen.address + "]" : listen.address;
  if (instance.accounts.needs_setup()) {
    say("This hub has no administrator yet. Open this link once to become it:");
    say("    " + origin_of(instance.settings, listen, server.port()) + "/setup/" +
        instance.accounts.create_setup_token());
    say("or run: hearth user add NAME --admin --data " + instance.settings.data_dir.string());
  }
  say("listening on http://" + bound + ":" + std::to_string(server.port()));

  int signal_number = 0;
  sigwait(&stop_signals, &signal_number);
  log_info("stopping: requests that run have {} s to end", options.limits.stop_wait.count() / 1000);
  server.stop();
  runner.stop();
  return 0;
}

}  // namespace hearth::app
