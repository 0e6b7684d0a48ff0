#pragma once
// The commands of the command line, one function a command. Each prints to standard output and
// throws Error for what command_line.cc turns into a message and an exit status.

#include <optional>
#include <string>
#include <vector>

#include "app/instance.h"

namespace hearth::app {

struct UserAddOptions {
  std::string name;
  std::string fullname;
  std::string email;
  bool is_admin = false;
  bool password_stdin = false;
};
void user_add(Instance& instance, const UserAddOptions& options);
void user_list(Instance& instance, bool as_json);
/// Reads the new password from standard input, without echo at a terminal.
void user_passwd(Instance& instance, const std::string& name);
void user_disable(Instance& instance, const std::string& name, bool disabled);

struct TokenAddOptions {
  std::string user;
  std::string name;
  std::string role;   // "read", "write" or "fine-grained"
  std::string value;  // Empty: a random one.
  /// For "fine-grained": "read:TARGET", "discuss:TARGET" or "write:TARGET" with a user, an
  /// organisation or a repository ("acme", "acme/tiny", "datasets/acme/set").
  std::vector<std::string> rights;
  int64_t expires_days = 0;  // 0: never.
};
void token_add(Instance& instance, const TokenAddOptions& options);
void token_list(Instance& instance, const std::string& user, bool as_json);
void token_revoke(Instance& instance, const std::string& user, const std::string& name);

void org_add(Instance& instance, const hub::NewOrganisation& wanted);
void org_list(Instance& instance, bool as_json);
void org_member_add(Instance& instance, const std::string& org, const std::string& user,
                    const std::string& role);
void org_member_remove(Instance& instance, const std::string& org, const std::string& user);
void org_member_list(Instance& instance, const std::string& org, bool as_json);

void repo_list(Instance& instance, const std::string& namespace_name, bool as_json);
/// `repo` is "alice/tiny", "datasets/alice/set" or "spaces/alice/demo".
/// Says what is stored for one namespace, or for all, after setting how much that may be unless
/// `size` is empty.
void quota_command(Instance& instance, const std::string& name, const std::string& size,
                   bool as_json);
void repo_info(Instance& instance, const std::string& repo, bool as_json);
struct RepoDeleteOptions {
  std::string repo;
  bool yes = false;
  bool for_good = false;
};
void repo_delete(Instance& instance, const RepoDeleteOptions& options);
/// Those that can be brought back.
void repo_deleted(Instance& instance, bool as_json);
/// `repo` is a name as above, for the one that was deleted last, or the id that repo_deleted shows.
/// `as` is another name for it, without the type; empty: its own.
void repo_undelete(Instance& instance, const std::string& repo, const std::string& as);

struct GcCommandOptions {
  bool dry_run = false;
  bool as_json = false;
};
void gc_command(Instance& instance, const GcCommandOptions& options);

/// Reads all that is stored, or only shows what is known to be damaged. The exit status: 1 when
/// something is.
int scrub_command(Instance& instance, bool only_list, bool as_json);

void task_list(Instance& instance, const std::string& state, int64_t limit, bool as_json);
void audit_list(Instance& instance, const std::string& target, int64_t limit, bool as_json);

/// The exit status: 1 when something is damaged.
int verify_command(Instance& instance, bool rebuild, bool as_json);
struct BackupCommandOptions {
  std::string folder;
  int keep_count = 0;
  bool list = false;
  bool check = false;
  bool as_json = false;
};
/// The exit status: 1 when something could not be copied, or is damaged in the backup.
int backup_command(const Settings& settings, const BackupCommandOptions& wanted);

struct RestoreCommandOptions {
  std::string folder;
  std::string snapshot;  // Empty: the newest.
  bool verify = true;
  bool as_json = false;
};
/// The exit status: 1 when the restored hub is not whole.
int restore_command(Settings settings, const RestoreCommandOptions& wanted);

int doctor_command(const Settings& settings, bool as_json);

}  // namespace hearth::app
