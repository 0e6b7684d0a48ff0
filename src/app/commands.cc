#include "app/commands.h"

#include <cstdio>
#include <iostream>

#include <termios.h>
#include <unistd.h>

#include "app/checks.h"
#include "app/command_parts.h"
#include "base/text.h"
#include "base/time.h"

namespace hearth::app {
namespace {

using hub::Actor;

/// One line from standard input; typed without echo when that is a terminal.
std::string read_password(const std::string& prompt) {
  bool terminal = ::isatty(STDIN_FILENO) == 1;
  termios before{};
  if (terminal) {
    std::fputs(prompt.c_str(), stderr);
    ::tcgetattr(STDIN_FILENO, &before);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &silent);
  }
  std::string line;
  std::getline(std::cin, line);
  if (terminal) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
    std::fputs("\n", stderr);
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

hub::User require_user(Instance& instance, const std::string& name) {
  auto user = instance.accounts.find_user(name);
  if (!user) throw Error(ErrorKind::kNotFound, "There is no user '" + name + "'.");
  return std::move(*user);
}

hub::OrgRole require_org_role(const std::string& text) {
  auto role = hub::parse_org_role(text);
  if (!role) {
    throw Error(ErrorKind::kInvalid, "A role is read, contributor, write or admin.");
  }
  return *role;
}

std::string time_text(std::optional<int64_t> time_ms) {
  return time_ms ? iso8601_ms(*time_ms) : "-";
}

json::value time_json(std::optional<int64_t> time_ms) {
  return time_ms ? json::value(iso8601_ms(*time_ms)) : json::value(nullptr);
}

}  // namespace

void user_add(Instance& instance, const UserAddOptions& options) {
  hub::NewUser user{.name = options.name, .fullname = options.fullname};
  if (!options.email.empty()) user.email = options.email;
  if (options.password_stdin) user.password = read_password("Password: ");
  user.is_admin = options.is_admin;
  hub::User made = instance.accounts.create_user(Actor::command_line(), user);
  say("Made the user " + made.name + (made.is_admin ? ", an administrator" : "") + ".");
  if (!made.has_password) {
    say("It has no password: give it one with 'hearth user passwd " + made.name +
        "', or a token with 'hearth token add " + made.name + " --name N --role write'.");
  }
}

void user_list(Instance& instance, bool as_json) {
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "FULL NAME", "RIGHTS", "STATE", "SINCE"}};
  for (const hub::User& user : instance.accounts.list_users()) {
    list.push_back(json::object{{"id", user.id},
                                {"name", user.name},
                                {"fullname", user.fullname},
                                {"email", user.email ? json::value(*user.email) : nullptr},
                                {"isAdmin", user.is_admin},
                                {"disabled", user.disabled},
                                {"hasPassword", user.has_password},
                                {"createdAt", iso8601_ms(user.created_ms)}});
    rows.push_back({user.name, user.fullname, user.is_admin ? "administrator" : "user",
                    user.disabled ? "disabled" : "active", iso8601_day(user.created_ms)});
  }
  as_json ? say_json(list) : say_table(rows);
}

void user_passwd(Instance& instance, const std::string& name) {
  require_user(instance, name);
  instance.accounts.set_password(Actor::command_line(), name, read_password("New password: "));
  say("Changed the password of " + name + "; its sessions have ended.");
}

void user_disable(Instance& instance, const std::string& name, bool disabled) {
  require_user(instance, name);
  instance.accounts.set_disabled(Actor::command_line(), name, disabled);
  say(disabled ? name + " can do nothing any more; everything it owns stays."
               : name + " is active again.");
}

namespace {

/// "write:acme/tiny" as an entry of a fine-grained token. The permissions are the Hub's own words
/// (whoami-v2, auth.accessToken.fineGrained.scoped).
hub::TokenScope scope_of(Instance& instance, std::string_view right) {
  size_t colon = std::min(right.find(':'), right.size());
  std::string_view verb = right.substr(0, colon);
  std::string_view target = right.substr(std::min(colon + 1, right.size()));
  hub::TokenScope scope;
  if (verb == "read") scope.permissions = {"repo.content.read"};
  if (verb == "discuss") scope.permissions = {"repo.content.read", "discussion.write"};
  if (verb == "write") scope.permissions = {"repo.content.read", "discussion.write", "repo.write"};
  if (scope.permissions.empty() || target.empty()) {
    throw Error(ErrorKind::kInvalid, "'" + std::string(right) +
                                         "' is no right. Write read:TARGET, discuss:TARGET or "
                                         "write:TARGET, for example write:acme/tiny.");
  }
  if (target.find('/') != std::string_view::npos) {
    hub::Repo repo = require_repo(instance, target);
    scope.entity_type = hub::to_string(repo.type);
    scope.entity_id = repo.id;
    scope.entity_name = repo.repo_id.full();
    return scope;
  }
  auto found = instance.accounts.find_namespace(target);
  if (!found) {
    throw Error(ErrorKind::kNotFound,
                "There is no user or organisation '" + std::string(target) + "'.");
  }
  scope.entity_type = found->kind == hub::NamespaceKind::kOrg ? "org" : "user";
  scope.entity_name = found->name;
  return scope;
}

}  // namespace

void token_add(Instance& instance, const TokenAddOptions& options) {
  bool fine_grained = options.role == "fine-grained";
  if (fine_grained == options.rights.empty()) {
    throw Error(ErrorKind::kInvalid, fine_grained
                                         ? "A fine-grained token needs at least one --can."
                                         : "--can is for tokens with --role fine-grained.");
  }
  hub::NewAccessToken wanted{.display_name = options.name, .value = options.value};
  wanted.role =
      fine_grained ? hub::TokenRole::kFineGrained : hub::parse_token_role(options.role).value();
  for (const std::string& right : options.rights) {
    wanted.scopes.scopes.push_back(scope_of(instance, right));
  }
  if (options.expires_days > 0) {
    wanted.expires_ms = instance.clock.now_ms() + options.expires_days * 24 * 3600 * 1000;
  }
  hub::IssuedToken issued =
      instance.accounts.create_token(Actor::command_line(), options.user, wanted);
  std::fprintf(stderr, "This token is shown once; only its hash is kept:\n");
  say(issued.value);
}

void token_list(Instance& instance, const std::string& user, bool as_json) {
  require_user(instance, user);
  json::array list;
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "ROLE", "CREATED", "LAST USED", "EXPIRES"}};
  for (const hub::AccessToken& token : instance.accounts.list_tokens(user)) {
    list.push_back(json::object{{"name", token.display_name},
                                {"role", std::string(hub::to_string(token.role))},
                                {"createdAt", iso8601_ms(token.created_ms)},
                                {"lastUsedAt", time_json(token.last_used_ms)},
                                {"expiresAt", time_json(token.expires_ms)}});
    rows.push_back({token.display_name, std::string(hub::to_string(token.role)),
                    iso8601_ms(token.created_ms), time_text(token.last_used_ms),
                    time_text(token.expires_ms)});
  }
  as_json ? say_json(list) : say_table(rows);
}

void token_revoke(Instance& instance, const std::string& user, const std::string& name) {
  instance.accounts.revoke_token(Actor::command_line(), user, name);
  say("Revoked the token '" + name + "' of " + user + ".");
}

void org_add(Instance& instance, const hub::NewOrganisation& wanted) {
  auto made = instance.accounts.create_organisation(Actor::command_line(), wanted);
  say("Made the organisation " + made.name + "; its admin is " + wanted.owner + ".");
}

void org_list(Instance& instance, bool as_json) {
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "FULL NAME", "SINCE"}};
  for (const hub::Organisation& org : instance.accounts.list_organisations()) {
    list.push_back(json::object{{"id", org.id},
                                {"name", org.name},
                                {"fullname", org.fullname},
                                {"createdAt", iso8601_ms(org.created_ms)}});
    rows.push_back({org.name, org.fullname, iso8601_day(org.created_ms)});
  }
  as_json ? say_json(list) : say_table(rows);
}

void org_member_add(Instance& instance, const std::string& org, const std::string& user,
                    const std::string& role) {
  instance.accounts.set_member(Actor::command_line(), org, user, require_org_role(role));
  say(user + " is a member of " + org + " with the role '" + role + "'.");
}

void org_member_remove(Instance& instance, const std::string& org, const std::string& user) {
  instance.accounts.remove_member(Actor::command_line(), org, user);
  say(user + " is not a member of " + org + " any more.");
}

void org_member_list(Instance& instance, const std::string& org, bool as_json) {
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "FULL NAME", "ROLE"}};
  std::string after;
  while (true) {
    auto page = instance.accounts.list_members(org, after);
    if (page.empty()) break;
    for (const hub::Member& member : page) {
      list.push_back(json::object{{"name", member.name},
                                  {"fullname", member.fullname},
                                  {"role", std::string(hub::to_string(member.role))}});
      rows.push_back({member.name, member.fullname, std::string(hub::to_string(member.role))});
    }
    after = page.back().name;
  }
  as_json ? say_json(list) : say_table(rows);
}

void repo_list(Instance& instance, const std::string& namespace_name, bool as_json) {
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"TYPE", "REPOSITORY", "VISIBLE", "CHANGED"}};
  auto add = [&](const hub::Repo& repo) {
    list.push_back(repo_object(repo));
    rows.push_back({std::string(hub::to_string(repo.type)), repo.repo_id.full(),
                    repo.is_private ? "private" : "public", iso8601_ms(repo.updated_ms)});
  };
  if (!namespace_name.empty()) {
    for (const hub::Repo& repo : instance.parts.repositories.list_of_namespace(namespace_name)) {
      add(repo);
    }
  } else {
    std::string after;
    while (true) {
      auto page = instance.parts.repositories.list(after);
      if (page.empty()) break;
      for (const hub::Repo& repo : page) add(repo);
      after = page.back().id;
    }
  }
  as_json ? say_json(list) : say_table(rows);
}

void repo_info(Instance& instance, const std::string& name, bool as_json) {
  hub::Repo repo = require_repo(instance, name);
  json::object object = repo_object(repo);
  object["usedStorage"] = instance.parts.ledger.used_bytes(repo);
  object["gitFolder"] = instance.parts.repositories.git_dir(repo).string();
  if (as_json) return say_json(object);
  for (const auto& [key, value] : object) {
    std::string text =
        value.is_string() ? std::string(as_view(value.get_string())) : json::serialize(value);
    say(std::string(key) + ": " + text);
  }
}

/// Says that a list was cut, where only a person sees it.
void tell_of_more(size_t count, int64_t limit) {
  if (count < static_cast<size_t>(limit)) return;
  std::fprintf(stderr, "There may be more than these %zu: see --limit.\n", count);
}

void task_list(Instance& instance, const std::string& state, int64_t limit, bool as_json) {
  hub::TaskFilter filter;
  filter.limit = limit;
  if (!state.empty()) {
    for (auto known : {hub::TaskState::kQueued, hub::TaskState::kRunning, hub::TaskState::kDone,
                       hub::TaskState::kFailed, hub::TaskState::kCancelled}) {
      if (state == hub::to_string(known)) filter.state = known;
    }
    if (!filter.state) {
      throw Error(ErrorKind::kInvalid, "A state is queued, running, done, failed or cancelled.");
    }
  }
  json::array list;
  std::vector<std::vector<std::string>> rows = {
      {"ID", "KIND", "STATE", "ATTEMPTS", "CREATED", "ERROR"}};
  for (const hub::Task& task : instance.tasks.list(filter)) {
    std::string text(hub::to_string(task.state));
    list.push_back(json::object{{"id", task.id},
                                {"kind", task.kind},
                                {"state", text},
                                {"attempts", task.attempts},
                                {"createdAt", iso8601_ms(task.created_ms)},
                                {"error", task.error ? json::value(*task.error) : nullptr}});
    rows.push_back({task.id, task.kind, text, std::to_string(task.attempts),
                    iso8601_ms(task.created_ms), task.error.value_or("")});
  }
  tell_of_more(list.size(), limit);
  as_json ? say_json(list) : say_table(rows);
}

void audit_list(Instance& instance, const std::string& target, int64_t limit, bool as_json) {
  hub::AuditFilter filter;
  filter.limit = limit;
  if (!target.empty()) filter.target = target;
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"TIME", "WHO", "ACTION", "TARGET", "DETAIL"}};
  for (const hub::AuditEntry& entry : instance.audit.list(filter)) {
    list.push_back(json::object{{"time", iso8601_ms(entry.time_ms)},
                                {"who", entry.actor.name},
                                {"remoteAddress", entry.actor.remote_address},
                                {"action", entry.action},
                                {"target", entry.target},
                                {"detail", entry.detail}});
    rows.push_back({iso8601_ms(entry.time_ms), entry.actor.name, entry.action, entry.target,
                    json::serialize(entry.detail)});
  }
  tell_of_more(list.size(), limit);
  as_json ? say_json(list) : say_table(rows);
}

namespace {

/// Makes everything derived again. A repository that cannot be read is a problem, and no reason to
/// leave the others as they are.
CheckedPart rebuild_all(Instance& instance) {
  CheckedPart part{.name = "rebuilt"};
  part.problems = instance.large_files.rebuild().problems;
  std::string after;
  while (true) {
    auto page = instance.parts.repositories.list(after);
    if (page.empty()) break;
    for (const hub::Repo& repo : page) {
      try {
        instance.parts.receive.rebuild_index(repo);
        instance.parts.ledger.measure_git(repo, instance.parts.repositories.open_git(repo));
        if (auto now = instance.parts.repositories.find_by_id(repo.id)) {
          instance.parts.repositories.read_headers(*now);
        }
        ++part.checked_count;
      } catch (const Error& error) {
        if (!instance.parts.repositories.find_by_id(repo.id)) continue;  // Removed meanwhile.
        part.problems.push_back(std::string(hub::to_string(repo.type)) + " " + repo.repo_id.full() +
                                ": " + error.message());
      }
    }
    after = page.back().id;
  }
  instance.parts.ledger.rebuild_sums();
  instance.list_sets.rebuild();
  return part;
}

}  // namespace

int verify_command(Instance& instance, bool rebuild, bool as_json) {
  std::vector<CheckedPart> parts;
  if (rebuild) parts.push_back(rebuild_all(instance));
  for (CheckedPart& part : verify(instance)) parts.push_back(std::move(part));
  size_t problem_count = 0;
  json::array list;
  for (const CheckedPart& part : parts) {
    problem_count += part.problems.size();
    json::array problems;
    for (const std::string& problem : part.problems) problems.emplace_back(problem);
    list.push_back(json::object{
        {"part", part.name}, {"checked", part.checked_count}, {"problems", std::move(problems)}});
    if (as_json) continue;
    say(part.name + ": " + std::to_string(part.checked_count) + " checked, " +
        (part.problems.empty() ? "all whole"
                               : std::to_string(part.problems.size()) + " with problems"));
    for (const std::string& problem : part.problems) say("  " + problem);
  }
  if (as_json) say_json(list);
  return problem_count == 0 ? 0 : 1;
}

int doctor_command(const Settings& settings, bool as_json) {
  std::unique_ptr<Instance> instance;
  std::string why_not;
  try {
    if (!is_data_folder(settings.data_dir)) {
      why_not = settings.data_dir.string() + " is not a data folder yet; 'hearth serve' makes one";
    } else {
      instance = std::make_unique<Instance>(settings);
    }
  } catch (const Error& error) {
    why_not = error.what();
  }
  int status = 0;
  json::array list;
  for (const Finding& finding : examine(settings, instance.get(), why_not)) {
    std::string level = finding.level == Finding::Level::kFine     ? "fine"
                        : finding.level == Finding::Level::kAdvice ? "advice"
                                                                   : "wrong";
    if (finding.level == Finding::Level::kWrong) status = 1;
    list.push_back(
        json::object{{"level", level}, {"what", finding.what}, {"advice", finding.advice}});
    if (!as_json) {
      say(level + ": " + finding.what + (finding.advice.empty() ? "" : "\n    " + finding.advice));
    }
  }
  if (as_json) say_json(list);
  return status;
}

}  // namespace hearth::app
