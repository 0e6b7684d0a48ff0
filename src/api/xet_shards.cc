// Registering a shard, with its progress told line by line.
#include <chrono>

#include "api/xet_call.h"
#include "base/log.h"
#include "hub/ledger.h"

namespace hearth::api {
namespace {

// A line a second: clients wait up to 300 s for the next one (xet 5.7), people less.
constexpr auto kLineEvery = std::chrono::seconds(1);

/// The first step, which looks at the shard, and whether there is room for what it registers:
/// before its bytes are hashed.
void first_step(xet::ShardRegistration& registration, hub::Ledger& ledger, const hub::Repo& repo) {
  registration.step();
  std::vector<hub::Ledger::WantedFile> wanted;
  for (xet::ShardRegistration::File& file : registration.files()) {
    wanted.push_back({std::move(file.sha256), file.size_bytes});
  }
  ledger.require_room(repo, wanted);
}

class ShardProgress : public http::Generator {
 public:
  ShardProgress(xet::XetStore& store, std::string shard, xet::Caller caller,
                xet::MayReadRepo may_read, std::string request_id, hub::Ledger& ledger,
                hub::Repo repo)
      : store_(store),
        ledger_(ledger),
        repo_(std::move(repo)),
        shard_(std::move(shard)),
        caller_(std::move(caller)),
        may_read_(std::move(may_read)),
        request_id_(std::move(request_id)) {}

  bool next(std::string& block) override {
    // Only the words of an error line reach the user; those of a 400 would not. So everything that
    // can go wrong goes wrong here.
    try {
      return advance(block);
    } catch (const Error& error) {
      log_info("a shard was refused [{}]: {}", request_id_, error.what());
      bool again = error.kind() == ErrorKind::kUnavailable;
      block += line({{"type", "error"}, {"message", error.message()}, {"retryable", again}});
    } catch (const std::exception& error) {
      log_error("a shard failed [{}]: {}", request_id_, error.what());
      block += line({{"type", "error"},
                     {"message", "The server made a mistake. Its log says more."},
                     {"retryable", false}});
    }
    return false;
  }

 private:
  static std::string line(const json::object& object) { return json::serialize(object) + "\n"; }

  bool advance(std::string& block) {
    if (!registration_) {
      registration_.emplace(store_.begin_shard(as_bytes(shard_), caller_, may_read_));
      shard_.clear();
      shard_.shrink_to_fit();
      first_step(*registration_, ledger_, repo_);
    }
    auto until = std::chrono::steady_clock::now() + kLineEvery;
    while (std::chrono::steady_clock::now() < until) {
      bool was_committing = registration_->progress().committing;
      if (registration_->step()) {
        block += line({{"type", "result"}, {"result", registration_->was_new() ? 1 : 0}});
        return false;
      }
      if (registration_->progress().committing && !was_committing) {
        block += line({{"type", "committing"}, {"stage", "syncing"}});
        return true;
      }
    }
    auto progress = registration_->progress();
    block += line({{"type", "validating"},
                   {"verified", progress.verified_bytes},
                   {"total", progress.total_bytes}});
    return true;
  }

  xet::XetStore& store_;
  hub::Ledger& ledger_;
  hub::Repo repo_;
  std::string shard_;
  xet::Caller caller_;
  xet::MayReadRepo may_read_;
  std::string request_id_;
  std::optional<xet::ShardRegistration> registration_;
};

}  // namespace

http::Response post_shard_v2(Call& call) {
  return http::Response::stream(
      std::make_unique<ShardProgress>(*call.services.xet, std::move(call.body), cas_caller(call),
                                      may_read_of(call), call.head.request_id,
                                      *call.services.ledger, call.repo()),
      "application/x-ndjson");
}

http::Response post_shard_v1(Call& call) {
  xet::ShardRegistration registration =
      call.services.xet->begin_shard(as_bytes(call.body), cas_caller(call), may_read_of(call));
  first_step(registration, *call.services.ledger, call.repo());
  while (!registration.step()) {
    if (call.head.peer->gone()) {
      throw Error(ErrorKind::kUnavailable, "The client left before its shard was registered.");
    }
  }
  return reply(json::object{{"result", registration.was_new() ? 1 : 0},
                            {"shard_hash", registration.stored_hash().text()}});
}

}  // namespace hearth::api
