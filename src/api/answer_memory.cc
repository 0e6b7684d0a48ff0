#include "api/answer_memory.h"

#include <utility>

namespace hearth::api {
namespace {

/// Everything of a request that an answer may depend on. A token's rights stand in the database.
std::string key_of(const Call& call) {
  std::string key = call.public_url();
  for (std::string_view part :
       {std::string_view(call.head.raw_path), std::string_view(call.head.raw_query),
        call.who() == nullptr ? std::string_view() : std::string_view(call.who()->user_id),
        call.who() == nullptr ? std::string_view() : std::string_view(call.who()->credential.id)}) {
    key += '\n';  // Stands in none of the parts: the head's parser refuses it.
    key += part;
  }
  return key;
}

}  // namespace

http::Response AnswerMemory::answer(const Call& call, std::string_view commit_oid,
                                    const std::function<http::Response()>& make) {
  // Taken before anything was read for this request, its caller and repository among it: a change
  // in between makes the answer older than its number, which nobody will ask for again.
  const std::optional<int64_t>& change_number = call.change_number;
  if (!change_number) return make();
  std::string key = key_of(call);
  Entry found = find(key);
  if (found && found->change_number == *change_number && found->commit_oid == commit_oid) {
    http::Response response;
    response.headers = found->headers;
    response.body.emplace_back(found->text);
    return response;
  }
  http::Response response = make();
  const auto* text =
      response.body.size() == 1 ? std::get_if<std::string>(&response.body.front()) : nullptr;
  if (response.status == 200 && text != nullptr) {
    keep(std::make_shared<const Kept>(Kept{.key = std::move(key),
                                           .change_number = *change_number,
                                           .commit_oid = std::string(commit_oid),
                                           .headers = response.headers,
                                           .text = *text}));
  }
  return response;
}

AnswerMemory::Entry AnswerMemory::find(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, found->second);
  return *found->second;
}

void AnswerMemory::keep(Entry entry) {
  if (entry->bytes() > bytes_max_ / 64) return;
  std::lock_guard lock(mutex_);
  auto drop = [&](std::list<Entry>::iterator place) {
    bytes_ -= (*place)->bytes();
    by_key_.erase((*place)->key);
    by_use_.erase(place);
  };
  if (auto older = by_key_.find(entry->key); older != by_key_.end()) drop(older->second);
  while (!by_use_.empty() && bytes_ + entry->bytes() > bytes_max_) drop(std::prev(by_use_.end()));
  bytes_ += entry->bytes();
  by_use_.push_front(std::move(entry));
  by_key_.emplace(by_use_.front()->key, by_use_.begin());
}

}  // namespace hearth::api
