#pragma once
// Rows of discussions, pull requests and their events.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "db/db.h"
#include "hub/community.h"
#include "hub/contents.h"
#include "hub/receive_store.h"

namespace hearth::hub {

struct DiscussionRow {
  std::string repo_id;
  int64_t num = 0;
  bool is_pull_request = false;
  std::string title;
  std::string author_id;
  std::string status;  // draft, open, closed, merged
  std::string base_ref;
  std::string merge_commit_oid;
  bool pinned = false;
  int64_t comment_count = 0;
  int64_t created_ms = 0;
};

struct EventRow {
  std::string id;
  std::string type;
  std::string author_id;
  int64_t created_ms = 0;
  json::object data;
};

/// A person as the clients show them. An empty name: the account is gone.
struct Person {
  std::string name;
  std::string fullname;
};

std::optional<DiscussionRow> find_discussion(db::Tx& tx, std::string_view repo_id, int64_t num);
void insert_discussion(db::Tx& tx, const DiscussionRow& row);

struct DiscussionList {
  std::vector<DiscussionRow> rows;
  int64_t total_count = 0;
};
DiscussionList list_discussions(db::Tx& tx, std::string_view repo_id,
                                const DiscussionFilter& filter);

void set_discussion_title(db::Tx& tx, std::string_view repo_id, int64_t num,
                          std::string_view title);
void set_discussion_status(db::Tx& tx, std::string_view repo_id, int64_t num,
                           std::string_view status, std::string_view merge_commit_oid);

/// Adds an event at the end; comments are counted.
void append_event(db::Tx& tx, std::string_view repo_id, int64_t num, const EventRow& event);
std::vector<EventRow> list_events(db::Tx& tx, std::string_view repo_id, int64_t num);
std::optional<EventRow> find_event(db::Tx& tx, std::string_view repo_id, int64_t num,
                                   std::string_view event_id);
void set_event_data(db::Tx& tx, std::string_view event_id, const json::object& data);

Person find_person(db::Tx& tx, std::string_view user_id);

/// "1" of refs/pr/1.
std::optional<int64_t> pull_request_of_ref(std::string_view ref);

/// What a finished move of a ref means for pull requests: opened, merged, or new commits.
void complete_pull_request(db::Tx& tx, const RefUpdateRow& row,
                           const std::vector<CommitEntry>& commits);

/// The data of a new comment event; `author` as the clients show it.
json::object comment_data(std::string_view text, int64_t time_ms, const Person& author);

}  // namespace hearth::hub
