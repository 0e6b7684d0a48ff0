#include "http/loop.h"

#include <csignal>
#include <ctime>
#include <thread>
#include <unordered_set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <poll.h>

#include "http/asio_types.h"
#include "http/connection.h"
#include "http/response_head.h"

namespace hearth::http {
namespace {

using std::chrono::milliseconds;

constexpr asio::use_awaitable_t<Executor> kAwait;
constexpr SteadyClock::time_point kAnyTime = SteadyClock::time_point::max();

// A listening socket; shared by its accept_loop and the loop, which closes it.
struct Listener {
  Fd socket;
  std::unique_ptr<Descriptor> ready;  // A duplicate of `socket`, in the reactor.
};

Task<> accept_loop(std::shared_ptr<Listener> listener,
                   std::function<milliseconds(const Fd&)> on_readable);

}  // namespace

class Loop::Impl : public ConnectionHost {
 public:
  explicit Impl(Shared& shared);

  asio::io_context& context() override { return context_; }
  Shared& shared() override { return shared_; }
  void add(Connection* connection) override;
  void remove(Connection* connection) override { connections.erase(connection); }
  std::string_view date() override;
  void stop_listening();
  void join();

  // Touched on the loop's thread only.
  std::unordered_set<Connection*> connections;
  std::vector<std::shared_ptr<Listener>> listeners;

 private:
  void arm_tick();
  void on_tick();

  Shared& shared_;
  asio::io_context context_{1};  // One thread runs it.
  asio::executor_work_guard<Executor> guard_;
  Timer tick_;
  bool tick_armed_ = false;
  std::time_t date_s_ = 0;
  std::string date_;
  std::thread thread_;
};

Loop::Impl::Impl(Shared& shared)
    : shared_(shared), guard_(context_.get_executor()), tick_(context_.get_executor()) {
  thread_ = std::thread([this] {
    // sendfile(2) cannot be told not to raise it for a peer that has gone.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    context_.run();
  });
}

void Loop::Impl::add(Connection* connection) {
  connections.insert(connection);
  arm_tick();
}

std::string_view Loop::Impl::date() {
  std::time_t now = std::time(nullptr);
  if (now != date_s_) {
    date_s_ = now;
    date_ = http_date(now);
  }
  return date_;
}

void Loop::Impl::stop_listening() {
  for (auto& listener : listeners) {
    error_code ignored;
    listener->ready->close(ignored);
    listener->socket.reset();
  }
  listeners.clear();
}

void Loop::Impl::join() {
  asio::post(context_, [this] { stop_listening(); });
  guard_.reset();
  if (thread_.joinable()) thread_.join();
}

void Loop::Impl::arm_tick() {
  if (tick_armed_ || connections.empty()) return;
  tick_armed_ = true;
  tick_.expires_after(shared_.limits.tick);
  tick_.async_wait([this](error_code) {
    tick_armed_ = false;
    on_tick();
    arm_tick();
  });
}

void Loop::Impl::on_tick() {
  const SteadyClock::time_point now = SteadyClock::now();
  std::vector<pollfd> sockets;
  std::vector<Connection*> watched;
  const bool crowded = shared_.connections_active() > shared_.limits.connections_max / 10 * 9;
  for (Connection* connection : connections) {
    connection->check_deadline(now);
    if (crowded) connection->close_if_idle(now - shared_.limits.crowded_idle);
    if (!connection->watches_peer()) continue;
    sockets.push_back({connection->native_socket(), POLLRDHUP, 0});
    watched.push_back(connection);
  }
  if (sockets.empty() || poll(sockets.data(), sockets.size(), 0) <= 0) return;
  for (size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i].revents != 0) watched[i]->on_peer_gone();
  }
}

namespace {

Task<> accept_loop(std::shared_ptr<Listener> listener,
                   std::function<milliseconds(const Fd&)> on_readable) {
  Timer pause(listener->ready->get_executor());
  while (listener->ready->is_open()) {
    error_code error;
    co_await listener->ready->async_wait(Descriptor::wait_read,
                                         asio::redirect_error(kAwait, error));
    if (error || !listener->ready->is_open()) co_return;
    milliseconds wait = on_readable(listener->socket);
    if (wait.count() == 0) continue;
    pause.expires_after(wait);
    co_await pause.async_wait(asio::redirect_error(kAwait, error));
  }
}

}  // namespace

Loop::Loop(Shared& shared) : impl_(std::make_unique<Impl>(shared)) {}
Loop::~Loop() {
  join();
}

void Loop::watch_listener(Fd listener_socket, std::function<milliseconds(const Fd&)> on_readable) {
  auto listener = std::make_shared<Listener>();
  listener->socket = std::move(listener_socket);
  listener->ready = std::make_unique<Descriptor>(impl_->context().get_executor());
  listener->ready->assign(fcntl(listener->socket.get(), F_DUPFD_CLOEXEC, 0));
  asio::post(impl_->context(), [impl = impl_.get(), listener,
                                on_readable = std::move(on_readable)] {
    impl->listeners.push_back(listener);
    asio::co_spawn(impl->context(), accept_loop(listener, on_readable), [](std::exception_ptr) {});
  });
}

void Loop::serve(Arrival arrival) {
  asio::post(impl_->context(), [impl = impl_.get(), arrival = std::move(arrival)]() mutable {
    start_connection(*impl, std::move(arrival));
  });
}

void Loop::drain() {
  asio::post(impl_->context(), [impl = impl_.get()] {
    impl->stop_listening();
    for (Connection* connection : impl->connections) connection->close_if_idle(kAnyTime);
  });
}

void Loop::cut() {
  asio::post(impl_->context(), [impl = impl_.get()] {
    for (Connection* connection : impl->connections) connection->cut();
  });
}

void Loop::join() {
  impl_->join();
}

}  // namespace hearth::http
