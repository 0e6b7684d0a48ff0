#include "hub/community_store.h"

#include "base/bytes.h"
#include "base/time.h"
#include "base/url.h"

namespace hearth::hub {
namespace {

#define DISCUSSION_COLUMNS                                                            \
  "d.repo_id, d.num, d.is_pull_request, d.title, d.author_id, d.status, d.base_ref, " \
  "d.merge_commit_oid, d.pinned, d.comment_count, d.created_ms"

DiscussionRow discussion_of(const db::Row& row) {
  DiscussionRow discussion;
  discussion.repo_id = row.get_text(0);
  discussion.num = row.get_int(1);
  discussion.is_pull_request = row.get_bool(2);
  discussion.title = row.get_text(3);
  discussion.author_id = row.get_text(4);
  discussion.status = row.get_text(5);
  discussion.base_ref = row.get_text(6);
  discussion.merge_commit_oid = row.get_text(7);
  discussion.pinned = row.get_bool(8);
  discussion.comment_count = row.get_int(9);
  discussion.created_ms = row.get_int(10);
  return discussion;
}

EventRow event_of(const db::Row& row) {
  EventRow event;
  event.id = row.get_text(0);
  event.type = row.get_text(1);
  event.author_id = row.get_text(2);
  event.created_ms = row.get_int(3);
  event.data = parse_json_object(row.get_text(4));
  return event;
}

}  // namespace

std::optional<DiscussionRow> find_discussion(db::Tx& tx, std::string_view repo_id, int64_t num) {
  constexpr std::string_view kSql =
      "SELECT " DISCUSSION_COLUMNS " FROM discussion d WHERE d.repo_id = ?1 AND d.num = ?2";
  auto row = tx.query_one(kSql, {repo_id, num});
  if (!row) return std::nullopt;
  return discussion_of(*row);
}

void insert_discussion(db::Tx& tx, const DiscussionRow& row) {
  constexpr std::string_view kSql =
      "INSERT INTO discussion (repo_id, num, is_pull_request, title, author_id, status, base_ref,"
      " merge_commit_oid, pinned, comment_count, created_ms, updated_ms)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?10)";
  tx.execute(kSql, {row.repo_id, row.num, row.is_pull_request, row.title, row.author_id, row.status,
                    row.base_ref, row.merge_commit_oid, row.pinned, row.created_ms});
}

DiscussionList list_discussions(db::Tx& tx, std::string_view repo_id,
                                const DiscussionFilter& filter) {
  // -1 and '' stand for "any": the statement stays one constant.
#define DISCUSSION_FILTER                                                           \
  " FROM discussion d WHERE d.repo_id = ?1 AND (?2 = -1 OR d.is_pull_request = ?2)" \
  " AND (?3 = '' OR (?3 = 'open' AND d.status IN ('open', 'draft'))"                \
  " OR (?3 = 'closed' AND d.status IN ('closed', 'merged')))"                       \
  " AND (?4 = '' OR d.author_id IN (SELECT n.id FROM namespace n WHERE n.name_key = ?4))"
  constexpr std::string_view kCount = "SELECT COUNT(*)" DISCUSSION_FILTER;
  constexpr std::string_view kList =
      "SELECT " DISCUSSION_COLUMNS DISCUSSION_FILTER " ORDER BY d.num DESC LIMIT ?5 OFFSET ?6";
#undef DISCUSSION_FILTER
  int64_t kind = filter.is_pull_request ? (*filter.is_pull_request ? 1 : 0) : -1;
  db::Params params = {repo_id, kind, filter.status, filter.author};
  DiscussionList list;
  list.total_count = tx.query_one(kCount, params)->get_int(0);
  params.push_back(kDiscussionsPerPage);
  params.push_back(filter.page * kDiscussionsPerPage);
  for (const db::Row& row : tx.query(kList, params)) list.rows.push_back(discussion_of(row));
  return list;
}

void set_discussion_title(db::Tx& tx, std::string_view repo_id, int64_t num,
                          std::string_view title) {
  constexpr std::string_view kSql =
      "UPDATE discussion SET title = ?3 WHERE repo_id = ?1 AND num = ?2";
  tx.execute(kSql, {repo_id, num, title});
}

void set_discussion_status(db::Tx& tx, std::string_view repo_id, int64_t num,
                           std::string_view status, std::string_view merge_commit_oid) {
  constexpr std::string_view kSql =
      "UPDATE discussion SET status = ?3, merge_commit_oid = ?4 WHERE repo_id = ?1 AND num = ?2";
  tx.execute(kSql, {repo_id, num, status, merge_commit_oid});
}

void append_event(db::Tx& tx, std::string_view repo_id, int64_t num, const EventRow& event) {
  constexpr std::string_view kTouch =
      "UPDATE discussion SET updated_ms = ?3, comment_count = comment_count + ?4"
      " WHERE repo_id = ?1 AND num = ?2";
  constexpr std::string_view kNext =
      "SELECT COALESCE(MAX(position) + 1, 0) FROM discussion_event"
      " WHERE repo_id = ?1 AND num = ?2";
  constexpr std::string_view kSql =
      "INSERT INTO discussion_event (id, repo_id, num, position, type, author_id, created_ms, data)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
  // The update locks the discussion: two writers cannot take one position.
  tx.execute(kTouch, {repo_id, num, event.created_ms, event.type == "comment" ? 1 : 0});
  int64_t position = tx.query_one(kNext, {repo_id, num})->get_int(0);
  tx.execute(kSql, {event.id, repo_id, num, position, event.type, event.author_id, event.created_ms,
                    json::serialize(event.data)});
}

std::vector<EventRow> list_events(db::Tx& tx, std::string_view repo_id, int64_t num) {
  constexpr std::string_view kSql =
      "SELECT id, type, author_id, created_ms, data FROM discussion_event"
      " WHERE repo_id = ?1 AND num = ?2 ORDER BY position";
  std::vector<EventRow> events;
  for (const db::Row& row : tx.query(kSql, {repo_id, num})) events.push_back(event_of(row));
  return events;
}

std::optional<EventRow> find_event(db::Tx& tx, std::string_view repo_id, int64_t num,
                                   std::string_view event_id) {
  constexpr std::string_view kSql =
      "SELECT id, type, author_id, created_ms, data FROM discussion_event"
      " WHERE id = ?3 AND repo_id = ?1 AND num = ?2";
  auto row = tx.query_one(kSql, {repo_id, num, event_id});
  if (!row) return std::nullopt;
  return event_of(*row);
}

void set_event_data(db::Tx& tx, std::string_view event_id, const json::object& data) {
  constexpr std::string_view kSql = "UPDATE discussion_event SET data = ?2 WHERE id = ?1";
  tx.execute(kSql, {event_id, json::serialize(data)});
}

Person find_person(db::Tx& tx, std::string_view user_id) {
  constexpr std::string_view kSql =
      "SELECT n.name, a.fullname FROM namespace n JOIN account a ON a.id = n.id WHERE n.id = ?1";
  auto row = tx.query_one(kSql, {user_id});
  if (!row) return {};
  return {row->get_text(0), row->get_text(1)};
}

json::object comment_data(std::string_view text, int64_t time_ms, const Person& author) {
  json::object latest;
  latest["raw"] = text;
  // Markdown is rendered in the browser; this is the text made safe.
  latest["html"] = "<p>" + html_escape(text) + "</p>";
  latest["updatedAt"] = iso8601_ms(time_ms);
  latest["author"] = json::object{{"name", author.name}};
  json::object data;
  data["edited"] = false;
  data["hidden"] = false;
  data["latest"] = std::move(latest);
  data["history"] = json::array();
  data["numEdits"] = 0;
  data["reactions"] = json::array();
  return data;
}

void complete_pull_request(db::Tx& tx, const RefUpdateRow& row,
                           const std::vector<CommitEntry>& commits) {
  auto num = pull_request_of_ref(row.ref);
  if (const json::object* open = get_object(row.payload, "open"); open != nullptr && num) {
    DiscussionRow discussion;
    discussion.repo_id = row.repo_id;
    discussion.num = *num;
    discussion.is_pull_request = true;
    discussion.title = get_string(*open, "title").value_or("");
    discussion.author_id = row.actor.user_id;
    discussion.status = get_bool(*open, "is_draft").value_or(false) ? "draft" : "open";
    discussion.base_ref = get_string(*open, "base_ref").value_or("");
    discussion.created_ms = row.created_ms;
    insert_discussion(tx, discussion);
    std::string description = get_string(*open, "description").value_or("");
    if (!description.empty()) {
      append_event(tx, row.repo_id, *num,
                   {new_object_id(), "comment", row.actor.user_id, row.created_ms,
                    comment_data(description, row.created_ms, find_person(tx, row.actor.user_id))});
    }
  }
  if (num) {
    for (const CommitEntry& commit : commits) {
      json::object data;
      data["subject"] = commit.title;
      data["oid"] = commit.oid;
      append_event(tx, row.repo_id, *num,
                   {new_object_id(), "commit", row.actor.user_id, row.created_ms, data});
    }
  }
  const json::object* merge = get_object(row.payload, "merge");
  if (merge == nullptr) return;
  int64_t merged = get_int(*merge, "num").value_or(0);
  std::string comment = get_string(*merge, "comment").value_or("");
  if (!comment.empty()) {
    append_event(tx, row.repo_id, merged,
                 {new_object_id(), "comment", row.actor.user_id, row.created_ms,
                  comment_data(comment, row.created_ms, find_person(tx, row.actor.user_id))});
  }
  set_discussion_status(tx, row.repo_id, merged, "merged", row.new_oid);
  json::object data;
  data["status"] = "merged";
  append_event(tx, row.repo_id, merged,
               {new_object_id(), "status-change", row.actor.user_id, row.created_ms, data});
}

}  // namespace hearth::hub
