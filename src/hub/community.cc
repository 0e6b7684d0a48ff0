#include "hub/community.h"

#include <map>

#include "base/text.h"
#include "base/time.h"
#include "db/db.h"
#include "git/git.h"
#include "hub/access.h"
#include "hub/authorship.h"
#include "hub/community_store.h"
#include "hub/limits.h"
#include "hub/plain_text.h"
#include "hub/receive.h"
#include "hub/repositories.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kMain = "refs/heads/main";
constexpr int kMergeAttemptsMax = 10;

std::string checked_title(std::string_view title) {
  title = trim(title);
  if (title.empty()) throw Error(ErrorKind::kInvalid, "A discussion needs a title.");
  if (title.size() > kDiscussionTitleBytesMax) {
    throw Error(ErrorKind::kTooLarge, "A title has at most 1000 bytes.");
  }
  require_plain_text(title, "The title");
  return std::string(title);
}

std::string checked_text(std::string_view text) {
  require_plain_text(text, "The comment");
  return std::string(trim(text));
}

DiscussionRow require_discussion(db::Tx& tx, const std::string& repo_id, int64_t num) {
  auto row = find_discussion(tx, repo_id, num);
  if (!row) throw Error(ErrorKind::kNotFound, "There is no discussion of this number.");
  return *row;
}

/// Looks people up once each.
class People {
 public:
  explicit People(db::Tx& tx) : tx_(tx) {}

  const Person& find(const std::string& id) {
    auto at = people_.find(id);
    if (at == people_.end()) at = people_.emplace(id, find_person(tx_, id)).first;
    return at->second;
  }

  /// Adds `author` as the clients read it; absent means "deleted".
  void add_author(json::object& object, const std::string& id) {
    const Person& person = find(id);
    if (person.name.empty()) return;
    object["author"] = json::object{{"name", person.name},
                                    {"fullname", person.fullname},
                                    {"avatarUrl", "/avatars/" + person.name + ".svg"},
                                    {"type", "user"}};
  }

 private:
  db::Tx& tx_;
  std::map<std::string, Person> people_;
};

json::object event_json(People& people, const EventRow& event) {
  json::object object;
  object["id"] = event.id;
  object["type"] = event.type;
  object["createdAt"] = iso8601_ms(event.created_ms);
  people.add_author(object, event.author_id);
  object["data"] = event.data;
  return object;
}

json::object head_json(People& people, const Repo& repo, const DiscussionRow& row) {
  json::object object;
  object["title"] = row.title;
  object["num"] = row.num;
  people.add_author(object, row.author_id);
  object["createdAt"] = iso8601_ms(row.created_ms);
  object["status"] = row.status;
  object["repo"] = json::object{{"name", repo.repo_id.full()}, {"type", to_string(repo.type)}};
  object["isPullRequest"] = row.is_pull_request;
  object["numComments"] = row.comment_count;
  object["pinned"] = row.pinned;
  return object;
}

std::string pull_request_ref(int64_t num) {
  return std::string(git::kPullRequestPrefix) + std::to_string(num);
}

}  // namespace

Community::Community(HubContext context, Repositories& repositories, Receive& receive,
                     Contents& contents)
    : context_(std::move(context)),
      repositories_(repositories),
      receive_(receive),
      contents_(contents) {}

json::object Community::create(const Caller& caller, const Repo& repo,
                               const NewDiscussion& wanted) {
  context_.access->require(&caller.identity, repo, RepoAction::kDiscuss);
  if (repo.discussions_disabled) {
    throw Error(ErrorKind::kForbidden, "Discussions are disabled for this repository.");
  }
  std::string title = checked_title(wanted.title);
  std::string description = checked_text(wanted.description);
  int64_t num = 0;
  if (wanted.is_pull_request) {
    RepoLock held = receive_.lock(repo);
    git::GitRepo git = repositories_.open_git(repo);
    std::string base = git.require_revision("main").commit.hex();
    Change change;
    change.kind = ChangeKind::kBranch;
    change.ref.new_oid = base;
    change.open = OpenPullRequest{.title = title,
                                  .description = description,
                                  .base_ref = std::string(kMain),
                                  .base_oid = base,
                                  .is_draft = true};
    num = receive_.apply(held, caller.actor(), repo, git, nullptr, std::move(change)).value();
  } else {
    num = context_.database->write([&](db::Tx& tx) {
      int64_t now_ms = context_.clock->now_ms();
      DiscussionRow row;
      row.repo_id = repo.id;
      row.num = next_discussion_number(tx, repo.id);
      row.title = title;
      row.author_id = caller.identity.user_id;
      row.status = "open";
      row.created_ms = now_ms;
      insert_discussion(tx, row);
      if (!description.empty()) {
        Person author{caller.identity.name, caller.identity.fullname};
        append_event(tx, repo.id, row.num,
                     {new_object_id(), "comment", row.author_id, now_ms,
                      comment_data(description, now_ms, author)});
      }
      json::object detail;
      detail["num"] = row.num;
      context_.audit->append(tx, caller.actor(), "discussion.create", repo.id, detail);
      return row.num;
    });
  }
  return details(repo, num, {});
}

json::object Community::list(const Repo& repo, const DiscussionFilter& filter) {
  DiscussionFilter keyed = filter;
  keyed.author = to_lower(filter.author);
  keyed.page = std::min<uint64_t>(filter.page, 1u << 20);
  return context_.database->read([&](db::Tx& tx) {
    DiscussionList found = list_discussions(tx, repo.id, keyed);
    People people(tx);
    json::array discussions;
    for (const DiscussionRow& row : found.rows) {
      discussions.push_back(head_json(people, repo, row));
    }
    json::object answer;
    answer["discussions"] = std::move(discussions);
    answer["count"] = found.total_count;
    answer["start"] = keyed.page * kDiscussionsPerPage;
    return answer;
  });
}

json::object Community::details(const Repo& repo, int64_t num, DetailsOptions options) {
  DiscussionRow row;
  json::object answer = context_.database->read([&](db::Tx& tx) {
    row = require_discussion(tx, repo.id, num);
    People people(tx);
    json::object object = head_json(people, repo, row);
    json::array events;
    for (const EventRow& event : list_events(tx, repo.id, num)) {
      events.push_back(event_json(people, event));
    }
    object["events"] = std::move(events);
    return object;
  });
  if (!row.is_pull_request) return answer;
  json::object changes;
  changes["base"] = row.base_ref;
  changes["mergeCommitId"] = nullptr;
  if (!row.merge_commit_oid.empty()) changes["mergeCommitId"] = row.merge_commit_oid;
  answer["changes"] = std::move(changes);
  answer["filesWithConflicts"] = json::array();
  git::GitRepo git = repositories_.open_git(repo);
  auto head = git.ref_commit(pull_request_ref(num));
  auto base = git.ref_commit(row.base_ref);
  if (head && base && (row.status == "open" || row.status == "draft")) {
    answer["filesWithConflicts"] = conflicts(repo, *base, *head);
  }
  if (options.with_diff) {
    // Of a merged one, against where the base stood before: today's base holds it all.
    std::string from = base ? base->hex() : std::string();
    if (auto merge = git::Oid::parse(row.merge_commit_oid)) {
      auto parents = git.commit_info(*merge).parents;
      if (!parents.empty()) from = parents.front().hex();
    }
    answer["diff"] = head && !from.empty()
                         ? contents_.diff(repo, from, head->hex(), {.three_dots = true})
                         : std::string();
  }
  return answer;
}

json::array Community::conflicts(const Repo& repo, const git::Oid& base, const git::Oid& head) {
  json::array paths;
  // Most pull requests start at the base's head: nothing to merge, nothing to write.
  git::GitRepo git = repositories_.open_git(repo);
  if (git.is_ancestor(base, head) || git.is_ancestor(head, base)) return paths;
  git::Quarantine quarantine(repositories_.git_dir(repo));
  git::GitRepo scratch = git::GitRepo::open_with(repositories_.git_dir(repo), quarantine);
  for (const std::string& path : scratch.merge_trees(base, head).conflict_paths) {
    paths.push_back(json::string(path));
  }
  return paths;
}

json::object Community::comment(const Caller& caller, const Repo& repo, int64_t num,
                                std::string_view text) {
  context_.access->require(&caller.identity, repo, RepoAction::kDiscuss);
  std::string checked = checked_text(text);
  if (checked.empty()) throw Error(ErrorKind::kInvalid, "A comment needs a text.");
  return context_.database->write([&](db::Tx& tx) {
    require_discussion(tx, repo.id, num);
    int64_t now_ms = context_.clock->now_ms();
    Person author{caller.identity.name, caller.identity.fullname};
    EventRow event{new_object_id(), "comment", caller.identity.user_id, now_ms,
                   comment_data(checked, now_ms, author)};
    append_event(tx, repo.id, num, event);
    note(tx, caller, repo, num, "discussion.comment");
    People people(tx);
    return event_json(people, event);
  });
}

json::object Community::rename(const Caller& caller, const Repo& repo, int64_t num,
                               std::string_view title) {
  std::string checked = checked_title(title);
  return context_.database->write([&](db::Tx& tx) {
    DiscussionRow row = require_discussion(tx, repo.id, num);
    require_author_or_writer(caller, repo, row.author_id);
    json::object data;
    data["from"] = row.title;
    data["to"] = checked;
    EventRow event{new_object_id(), "title-change", caller.identity.user_id,
                   context_.clock->now_ms(), std::move(data)};
    set_discussion_title(tx, repo.id, num, checked);
    append_event(tx, repo.id, num, event);
    note(tx, caller, repo, num, "discussion.rename");
    People people(tx);
    return event_json(people, event);
  });
}

json::object Community::set_status(const Caller& caller, const Repo& repo, int64_t num,
                                   std::string_view status, std::string_view comment) {
  if (status != "open" && status != "closed") {
    throw Error(ErrorKind::kInvalid, "The status is \"open\" or \"closed\".");
  }
  std::string text = checked_text(comment);
  return context_.database->write([&](db::Tx& tx) {
    DiscussionRow row = require_discussion(tx, repo.id, num);
    require_author_or_writer(caller, repo, row.author_id);
    if (row.status == "merged") {
      throw Error(ErrorKind::kConflict, "A merged pull request stays merged.");
    }
    int64_t now_ms = context_.clock->now_ms();
    if (!text.empty()) {
      Person author{caller.identity.name, caller.identity.fullname};
      append_event(tx, repo.id, num,
                   {new_object_id(), "comment", caller.identity.user_id, now_ms,
                    comment_data(text, now_ms, author)});
    }
    json::object data;
    data["status"] = status;
    if (!text.empty()) data["reason"] = text;
    EventRow event{new_object_id(), "status-change", caller.identity.user_id, now_ms,
                   std::move(data)};
    set_discussion_status(tx, repo.id, num, status, "");
    append_event(tx, repo.id, num, event);
    note(tx, caller, repo, num, "discussion.status");
    People people(tx);
    return event_json(people, event);
  });
}

json::object Community::edit_comment(const Caller& caller, const Repo& repo, int64_t num,
                                     std::string_view event_id, std::string_view text) {
  context_.access->require(&caller.identity, repo, RepoAction::kDiscuss);
  std::string checked = checked_text(text);
  return context_.database->write([&](db::Tx& tx) {
    EventRow event = require_comment(tx, repo, num, event_id);
    if (event.author_id != caller.identity.user_id) {
      throw Error(ErrorKind::kForbidden, "Only its author may edit a comment.");
    }
    int64_t now_ms = context_.clock->now_ms();
    json::object before = event.data["latest"].as_object();
    json::object after = before;
    after["raw"] = checked;
    after["html"] =
        comment_data(checked, now_ms, {caller.identity.name, {}})["latest"].as_object()["html"];
    after["updatedAt"] = iso8601_ms(now_ms);
    event.data["edited"] = true;
    event.data["latest"] = std::move(after);
    event.data["history"].as_array().push_back(std::move(before));
    event.data["numEdits"] = event.data["history"].as_array().size();
    set_event_data(tx, event.id, event.data);
    note(tx, caller, repo, num, "discussion.edit");
    People people(tx);
    return event_json(people, event);
  });
}

json::object Community::hide_comment(const Caller& caller, const Repo& repo, int64_t num,
                                     std::string_view event_id) {
  return context_.database->write([&](db::Tx& tx) {
    EventRow event = require_comment(tx, repo, num, event_id);
    require_author_or_writer(caller, repo, event.author_id);
    event.data["hidden"] = true;
    json::object& latest = event.data["latest"].as_object();
    latest["raw"] = "This comment has been hidden";
    latest["html"] = "This comment has been hidden";
    event.data["history"] = json::array();
    set_event_data(tx, event.id, event.data);
    note(tx, caller, repo, num, "discussion.hide");
    People people(tx);
    return event_json(people, event);
  });
}

std::string Community::merge(const Caller& caller, const Repo& repo, int64_t num,
                             std::string_view comment) {
  context_.access->require(&caller.identity, repo, RepoAction::kWrite);
  std::string text = checked_text(comment);
  RepoLock held = receive_.lock(repo);
  receive_.finish_pending(repo);  // It may be a merge of this one.
  fs::path dir = repositories_.git_dir(repo);
  for (int attempt = 0; attempt < kMergeAttemptsMax; ++attempt) {
    DiscussionRow row =
        context_.database->read([&](db::Tx& tx) { return require_discussion(tx, repo.id, num); });
    if (!row.is_pull_request || row.status != "open") {
      throw Error(ErrorKind::kConflict, "Only an open pull request can be merged; this one is " +
                                            (row.is_pull_request ? row.status : "a discussion") +
                                            ".");
    }
    git::Quarantine quarantine(dir);
    git::GitRepo git = git::GitRepo::open_with(dir, quarantine);
    auto base = git.ref_commit(row.base_ref);
    auto head = git.ref_commit(pull_request_ref(num));
    if (!base || !head) {
      throw Error(ErrorKind::kConflict, "The branch that this pull request goes to is gone.");
    }
    git::Merged merged = git.merge_trees(*base, *head);
    if (!merged.conflict_paths.empty()) {
      throw Error(ErrorKind::kConflict, "This pull request conflicts with its base in: " +
                                            join(merged.conflict_paths, ", "));
    }
    git::Signature author = signature_of(caller.actor(), context_.clock->now_ms());
    git::Oid commit = git.write_commit(merged.tree, {*base, *head}, author, author,
                                       row.title + " (#" + std::to_string(num) + ")\n" +
                                           (text.empty() ? std::string() : "\n" + text + "\n"));
    Change change;
    change.kind = ChangeKind::kMerge;
    change.ref = {.ref = row.base_ref, .old_oid = base->hex(), .new_oid = commit.hex()};
    change.merge = MergePullRequest{.num = num, .comment = text};
    try {
      git::GitRepo plain = git::GitRepo::open(dir);
      receive_.apply(held, caller.actor(), repo, plain, &quarantine, std::move(change));
      return commit.hex();
    } catch (const Error& error) {
      if (error.code() != "RefMoved") throw;
    }
  }
  throw Error(ErrorKind::kUnavailable, "Others keep changing this branch. Please try again.");
}

bool Community::may_push(const Identity& identity, const Repo& repo, int64_t num) {
  if (context_.access->may(&identity, repo, RepoAction::kWrite)) return true;
  if (!context_.access->may(&identity, repo, RepoAction::kDiscuss)) return false;
  auto row = context_.database->read([&](db::Tx& tx) { return find_discussion(tx, repo.id, num); });
  return row && row->is_pull_request && row->author_id == identity.user_id;
}

void Community::require_open(const Repo& repo, int64_t num) {
  auto row = context_.database->read([&](db::Tx& tx) { return find_discussion(tx, repo.id, num); });
  if (row && (row->status == "closed" || row->status == "merged")) {
    throw Error(ErrorKind::kForbidden, "This pull request is " + row->status + ".");
  }
}

void Community::require_author_or_writer(const Caller& caller, const Repo& repo,
                                         const std::string& author_id) {
  context_.access->require(&caller.identity, repo, RepoAction::kDiscuss);
  if (author_id == caller.identity.user_id) return;
  context_.access->require(&caller.identity, repo, RepoAction::kWrite);
}

EventRow Community::require_comment(db::Tx& tx, const Repo& repo, int64_t num,
                                    std::string_view event_id) {
  auto event = find_event(tx, repo.id, num, to_lower(event_id));
  if (!event || event->type != "comment") {
    throw Error(ErrorKind::kNotFound, "There is no such comment.");
  }
  if (get_bool(event->data, "hidden").value_or(false)) {
    throw Error(ErrorKind::kConflict, "A hidden comment stays hidden.");
  }
  return *event;
}

void Community::note(db::Tx& tx, const Caller& caller, const Repo& repo, int64_t num,
                     std::string_view action) {
  json::object detail;
  detail["num"] = num;
  context_.audit->append(tx, caller.actor(), action, repo.id, detail);
}

}  // namespace hearth::hub
