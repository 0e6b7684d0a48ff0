// Requests from strangers, behind the edge: routes, credentials, cookies, cursors, forms, commits,
// LFS batches, pushes, shards. Whatever comes, the hub answers without an error of its own.
//
// The input is the request as text, with LF: "METHOD target", headers, an empty line, the body. @W
// stands for a token that writes, @R for one that reads.

#include <cstdint>
#include <cstdlib>

#include "app/instance.h"
#include "base/text.h"
#include "hub/repositories.h"

namespace hearth::app {
namespace {

constexpr size_t kBodyBytesMax = 1 << 20;

class NeverGone : public http::Peer {
 public:
  bool gone() const noexcept override { return false; }
};

fs::path new_folder() {
  std::string name = (fs::temp_directory_path() / "hearth-requests-XXXXXX").string();
  return ::mkdtemp(name.data());
}

std::string replaced(std::string text, std::string_view what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

/// A hub with alice, who has a model, a dataset and a Space.
class Hub {
 public:
  Hub() : folder_(new_folder()), instance_({.data_dir = folder_}), app_(instance_.services()) {
    auto by = hub::Actor::command_line();
    instance_.accounts.create_user(by, {.name = "root", .is_admin = true});
    instance_.accounts.create_user(by, {.name = "alice"});
    refill();
  }
  ~Hub() { remove_tree(folder_); }

  /// The answer's status; 0 for a body that the edge would not have let through.
  int ask(std::string_view input) {
    refill();
    std::string text = replaced(replaced(std::string(input), "@W", write_), "@R", read_);
    http::RequestHead head = head_of(text);
    head.note = app_.make_note();
    std::optional<http::Response> response;
    try {
      std::variant<http::Plan, http::Response> decided = app_.begin(head);
      if (auto* refusal = std::get_if<http::Response>(&decided)) return refusal->status;
      auto& plan = std::get<http::Plan>(decided);
      if (body_.size() > plan.body_bytes_max) return 413;
      if (plan.sink) {
        if (!body_.empty()) plan.sink->write(as_bytes(body_));
        plan.sink->finish();
      }
      response = plan.handle();
      read(*response);
    } catch (...) {
      response = app_.on_error(std::current_exception(), head);
    }
    return response->status;
  }

 private:
  /// What an input took away is there for the next.
  void refill() {
    auto by = hub::Actor::command_line();
    if (!instance_.accounts.authenticate_token(write_)) {
      auto token = [&](hub::TokenRole role) {
        std::string name = "t" + std::to_string(++made_);
        return instance_.accounts.create_token(by, "alice", {.display_name = name, .role = role})
            .value;
      };
      write_ = token(hub::TokenRole::kWrite);
      read_ = token(hub::TokenRole::kRead);
    }
    auto alice = instance_.accounts.authenticate_token(write_);
    hub::Caller caller{.identity = *alice, .remote_address = "127.0.0.1"};
    for (auto type : {hub::RepoType::kModel, hub::RepoType::kDataset, hub::RepoType::kSpace}) {
      if (instance_.parts.repositories.find(type, {"alice", "tiny"})) continue;
      instance_.parts.repositories.create(caller,
                                          {.type = type,
                                           .repo_id = {"alice", "tiny"},
                                           .sdk = type == hub::RepoType::kSpace ? "static" : ""});
    }
  }

  http::RequestHead head_of(std::string_view text) {
    size_t end = std::min(text.find("\n\n"), text.size());
    std::string_view lines = text.substr(0, end);
    body_ = text.substr(std::min(end + 2, text.size()));
    http::RequestHead head;
    head.http_version = "1.1";
    head.host = "hub.example";
    head.remote_address = "127.0.0.1";
    head.request_id = "fuzz";
    head.peer = std::make_shared<NeverGone>();
    bool first = true;
    for (std::string_view line : split(lines, '\n')) {
      size_t space = line.find(first ? ' ' : ':');
      std::string_view name = line.substr(0, space);
      std::string_view value = space == std::string_view::npos ? "" : trim(line.substr(space + 1));
      if (first) {
        head.method = name;
        head.target = value.starts_with('/') ? std::string(value) : "/" + std::string(value);
        size_t mark = head.target.find('?');
        head.raw_path = head.target.substr(0, mark);
        if (mark != std::string::npos) head.raw_query = head.target.substr(mark + 1);
      } else if (equals_ignoring_case(name, "Host")) {
        head.host = value;
      } else if (!name.empty()) {
        head.headers.add_raw(std::string(name), std::string(value));
      }
      first = false;
    }
    if (!body_.empty()) head.content_length = body_.size();
    return head;
  }

  void read(http::Response& response) {
    size_t left = kBodyBytesMax;
    for (http::Part& part : response.body) {
      auto* generator = std::get_if<std::unique_ptr<http::Generator>>(&part);
      std::string block;
      while (generator && left > 0 && (*generator)->next(block)) {
        left -= std::min(left, block.size() + 1);
        block.clear();
      }
    }
  }

  fs::path folder_;
  Instance instance_;
  api::HubApp app_;
  std::string write_, read_;
  std::string body_;
  int made_ = 0;
};

}  // namespace
}  // namespace hearth::app

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static hearth::app::Hub hub;
  int status = hub.ask({reinterpret_cast<const char*>(data), size});
  // Not built, busy and full are answers; anything else from 500 on is a bug.
  if (status >= 500 && status != 501 && status != 503 && status != 507) std::abort();
  return 0;
}
