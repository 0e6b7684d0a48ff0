#include "app/command_line.h"

#include <cstdio>
#include <functional>
#include <map>

#include <CLI/CLI.hpp>
#include <sys/stat.h>

#include "api/api.h"
#include "api/openapi.h"
#include "app/commands.h"
#include "app/machine.h"
#include "app/serve.h"
#include "app/settings.h"
#include "base/log.h"

namespace hearth::app {
namespace {

/// Every command of the program, bound to the values that its options fill.
class CommandLine {
 public:
  CommandLine() {
    root_.set_version_flag("--version", HEARTH_VERSION);
    root_.require_subcommand(1);
    add_serve();
    add_user();
    add_token();
    add_org();
    add_repo();
    add_quota();
    add_backup();
    add_rest();
  }

  int run(int argc, char** argv) {
    try {
      load_config_file(argc, argv);
      root_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return root_.exit(error) == 0 ? 0 : 2;
    }
    set_log_format(chosen_->log_format == "json" ? LogFormat::kJson : LogFormat::kText);
    set_log_level(chosen_->log_level == "debug"     ? LogLevel::kDebug
                  : chosen_->log_level == "warning" ? LogLevel::kWarning
                  : chosen_->log_level == "error"   ? LogLevel::kError
                                                    : LogLevel::kInfo);
    if (chosen_ != &none_) work_as_owner_of(chosen_->data_dir);
    return action_();
  }

 private:
  CLI::App* add(CLI::App& parent, const char* name, const char* description, const char* examples) {
    CLI::App* command = parent.add_subcommand(name, description);
    command->footer(std::string("\nExamples:\n") + examples);
    add_common_options(*command, settings_[command]);
    return command;
  }

  CLI::App* group(const char* name, const char* description) {
    CLI::App* command = root_.add_subcommand(name, description);
    command->require_subcommand(1);
    return command;
  }

  /// A command that works on the data folder, whether a server runs on it or not.
  void on_data(CLI::App* command, std::function<int(Instance&)> run) {
    command->callback([this, command, run = std::move(run)] {
      chosen_ = &settings_[command];
      action_ = [this, command, run] {
        if (command != first_of_all_) require_data_folder();
        Instance instance(*chosen_);
        return run(instance);
      };
    });
  }
  /// A mistyped folder is not an empty hub that is all in order.
  void require_data_folder() const {
    if (is_data_folder(chosen_->data_dir)) return;
    throw Error(ErrorKind::kNotFound,
                chosen_->data_dir.string() +
                    " is not a data folder. Name the hub's with --data or HEARTH_DATA; "
                    "'hearth serve' or 'hearth user add' makes a new one.");
  }
  void on_data(CLI::App* command, std::function<void(Instance&)> run) {
    on_data(command, std::function<int(Instance&)>([run = std::move(run)](Instance& instance) {
              run(instance);
              return 0;
            }));
  }
  template <typename Fn>
  void act(CLI::App* command, Fn run) {
    on_data(command, std::function<void(Instance&)>(std::move(run)));
  }

  void limit_option(CLI::App* command) {
    command->add_option("--limit", limit_, "At most so many, the newest first")
        ->check(CLI::Range(1, 1'000'000'000))
        ->capture_default_str();
  }
  void json_flag(CLI::App* command) {
    command->add_flag("--json", as_json_, "Print JSON, for programs");
  }

  void add_serve() {
    CLI::App* serve_command = add(
        root_, "serve", "Run the hub",
        "  hearth serve --data ./data --listen 127.0.0.1:8080\n"
        "  hearth serve --data /srv/hearth --listen 0.0.0.0:80 --public-url https://hub.example\n"
        "Settings may also stand in DATA/hearth.toml (listen = \"0.0.0.0:80\") or in the\n"
        "environment (HEARTH_LISTEN); a flag is stronger than that, and that than the file.\n");
    add_server_options(*serve_command, settings_[serve_command]);
    serve_command->callback([this, serve_command] {
      chosen_ = &settings_[serve_command];
      action_ = [this] { return serve(*chosen_); };
    });
  }

  void add_user() {
    CLI::App* users = group("user", "People");
    CLI::App* make = add(*users, "add", "Make a user",
                         "  hearth user add alice --admin --password-stdin < password.txt\n");
    first_of_all_ = make;
    make->add_option("name", user_.name, "The name, also of the namespace")->required();
    make->add_option("--fullname", user_.fullname, "The name that people read");
    make->add_option("--email", user_.email, "An e-mail address");
    make->add_flag("--admin", user_.is_admin, "May administer the hub");
    make->add_flag("--password-stdin", user_.password_stdin, "Read a password from standard input");
    act(make, [this](Instance& instance) { user_add(instance, user_); });

    CLI::App* list = add(*users, "list", "List users", "  hearth user list --json\n");
    json_flag(list);
    act(list, [this](Instance& instance) { user_list(instance, as_json_); });

    CLI::App* passwd = add(*users, "passwd", "Change a password (read from standard input)",
                           "  hearth user passwd alice\n");
    passwd->add_option("name", name_, "The user")->required();
    act(passwd, [this](Instance& instance) { user_passwd(instance, name_); });

    CLI::App* disable = add(*users, "disable", "Lock a user out; everything stays",
                            "  hearth user disable alice\n  hearth user disable alice --undo\n");
    disable->add_option("name", name_, "The user")->required();
    disable->add_flag("--undo", undo_, "Let the user in again");
    act(disable, [this](Instance& instance) { user_disable(instance, name_, !undo_); });
  }

  void add_token() {
    CLI::App* tokens = group("token", "Access tokens");
    CLI::App* make =
        add(*tokens, "add", "Make a token; it is printed alone on the last line",
            "  export HF_TOKEN=$(hearth token add alice --name laptop --role write)\n"
            "  hearth token add alice --name ci --role fine-grained --can write:acme/tiny "
            "--can read:acme\n");
    make->add_option("user", token_.user, "Whose token")->required();
    make->add_option("--name", token_.name, "What it is called")->required();
    make->add_option("--role", token_.role, "read, write or fine-grained")
        ->required()
        ->check(CLI::IsMember({"read", "write", "fine-grained"}));
    make->add_option("--can", token_.rights,
                     "read:TARGET, discuss:TARGET or write:TARGET; a user, an organisation or a "
                     "repository; may be given several times")
        ->allow_extra_args(false);
    make->add_option("--expires-days", token_.expires_days, "Ends by itself after so many days")
        ->check(CLI::Range(1, 36500));
    make->add_option("--value", token_.value, "A token made elsewhere (hf_…) instead of a new one");
    act(make, [this](Instance& instance) { token_add(instance, token_); });

    CLI::App* list = add(*tokens, "list", "List a user's tokens", "  hearth token list alice\n");
    list->add_option("user", name_, "Whose tokens")->required();
    json_flag(list);
    act(list, [this](Instance& instance) { token_list(instance, name_, as_json_); });

    CLI::App* revoke =
        add(*tokens, "revoke", "End a token at once", "  hearth token revoke alice laptop\n");
    revoke->add_option("user", name_, "Whose token")->required();
    revoke->add_option("token", other_, "What it is called")->required();
    act(revoke, [this](Instance& instance) { token_revoke(instance, name_, other_); });
  }

  void add_org() {
    CLI::App* orgs = group("org", "Organisations");
    CLI::App* make =
        add(*orgs, "add", "Make an organisation",
            "  hearth org add acme --owner alice\n"
            "  hearth org add lab --owner alice --fullname \"The Lab\" --private-by-default\n");
    make->add_option("name", org_.name, "The name, also of the namespace")->required();
    make->add_option("--owner", org_.owner, "The user who becomes its admin")->required();
    make->add_option("--fullname", org_.fullname, "The name that people read");
    make->add_flag("--private-by-default", org_.private_by_default,
                   "Its repositories are private when their maker says nothing of it");
    act(make, [this](Instance& instance) { org_add(instance, org_); });

    CLI::App* list = add(*orgs, "list", "List organisations", "  hearth org list --json\n");
    json_flag(list);
    act(list, [this](Instance& instance) { org_list(instance, as_json_); });

    CLI::App* members = orgs->add_subcommand("member", "Members of an organisation");
    members->require_subcommand(1);
    CLI::App* join = add(*members, "add", "Add a member, or change the role",
                         "  hearth org member add acme bob --role write\n");
    join->add_option("org", name_, "The organisation")->required();
    join->add_option("user", other_, "The user")->required();
    join->add_option("--role", role_, "read, contributor, write or admin")
        ->required()
        ->check(CLI::IsMember({"read", "contributor", "write", "admin"}));
    act(join, [this](Instance& instance) { org_member_add(instance, name_, other_, role_); });

    CLI::App* leave =
        add(*members, "remove", "Remove a member", "  hearth org member remove acme bob\n");
    leave->add_option("org", name_, "The organisation")->required();
    leave->add_option("user", other_, "The user")->required();
    act(leave, [this](Instance& instance) { org_member_remove(instance, name_, other_); });

    CLI::App* show = add(*members, "list", "List members", "  hearth org member list acme\n");
    show->add_option("org", name_, "The organisation")->required();
    json_flag(show);
    act(show, [this](Instance& instance) { org_member_list(instance, name_, as_json_); });
  }

  void add_repo() {
    CLI::App* repos = group("repo", "Repositories");
    CLI::App* list =
        add(*repos, "list", "List repositories", "  hearth repo list --owner alice --json\n");
    list->add_option("--owner", name_, "Only those of this user or organisation");
    json_flag(list);
    act(list, [this](Instance& instance) { repo_list(instance, name_, as_json_); });

    CLI::App* info = add(*repos, "info", "Show one repository",
                         "  hearth repo info alice/tiny\n  hearth repo info datasets/alice/set\n");
    info->add_option("repo", name_, "alice/tiny, datasets/alice/set or spaces/alice/demo")
        ->required();
    json_flag(info);
    act(info, [this](Instance& instance) { repo_info(instance, name_, as_json_); });

    CLI::App* remove =
        add(*repos, "delete", "Delete a repository; it can be brought back for a while",
            "  hearth repo delete alice/tiny --yes\n"
            "  hearth repo delete alice/secret --for-good\n");
    remove
        ->add_option("repo", repo_delete_.repo,
                     "alice/tiny, datasets/alice/set or spaces/alice/demo")
        ->required();
    remove->add_flag("--yes", repo_delete_.yes, "Do not ask");
    remove->add_flag("--for-good", repo_delete_.for_good, "Nobody can bring it back");
    add_undelete_option(*remove, settings_[remove]);
    act(remove, [this](Instance& instance) { repo_delete(instance, repo_delete_); });

    CLI::App* deleted = add(*repos, "deleted", "List deleted repositories that can be brought back",
                            "  hearth repo deleted --json\n");
    json_flag(deleted);
    act(deleted, [this](Instance& instance) { repo_deleted(instance, as_json_); });

    CLI::App* undelete =
        add(*repos, "undelete", "Bring a deleted repository back",
            "  hearth repo undelete alice/tiny\n"
            "  hearth repo undelete datasets/alice/set --as alice/set-of-before\n");
    undelete
        ->add_option("repo", name_,
                     "Its name as in 'repo delete', or the id that 'repo deleted' shows")
        ->required();
    undelete->add_option("--as", other_, "Another name for it, such as alice/other");
    add_quota_options(*undelete, settings_[undelete]);
    act(undelete, [this](Instance& instance) { repo_undelete(instance, name_, other_); });
  }

  void add_quota() {
    CLI::App* quota = add(
        root_, "quota", "Show what is stored for whom, or say how much that may be",
        "  hearth quota\n"
        "  hearth quota alice --json\n"
        "  hearth quota alice 500GB\n"
        "  hearth quota acme unlimited\n"
        "  hearth quota acme default\n"
        "KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024. 'default' is what\n"
        "--user-quota and --org-quota say. What is there stays, even when it is more.\n");
    quota->add_option("namespace", name_, "A user or an organisation (default: all of them)");
    quota->add_option("size", other_, "An amount, unlimited or default");
    json_flag(quota);
    add_quota_options(*quota, settings_[quota]);
    act(quota, [this](Instance& instance) { quota_command(instance, name_, other_, as_json_); });
  }

  void add_backup() {
    CLI::App* make = add(
        root_, "backup", "Copy the hub, as it is now, into a folder of backups",
        "  hearth backup /mnt/backups/hearth --data /srv/hearth --keep 30\n"
        "  hearth backup /mnt/backups/hearth --list\n"
        "The hub may work meanwhile. Only what is new since the last backup is copied. The folder\n"
        "holds the hub's secrets. Exits with 1 when something could not be copied.\n");
    make->add_option("folder", backup_.folder, "The folder of backups; made if it is absent")
        ->required();
    make->add_option("--keep", backup_.keep_count, "Remove older snapshots than the newest so many")
        ->check(CLI::Range(1, 1'000'000));
    make->add_flag("--list", backup_.list, "Only list the snapshots");
    make->add_flag("--check", backup_.check, "Only read all backups and compare their hashes");
    make->add_flag("--json", backup_.as_json, "Print JSON, for programs");
    make->callback([this, make] {
      chosen_ = &settings_[make];
      action_ = [this] {
        if (!backup_.list && !backup_.check) require_data_folder();
        return backup_command(*chosen_, backup_);
      };
    });

    CLI::App* restore =
        add(root_, "restore", "Make a hub again from a backup, in an empty folder and database",
            "  hearth restore /mnt/backups/hearth --data /srv/hearth\n"
            "  hearth restore /mnt/backups/hearth --snapshot 2026-01-02T03-04-05-678Z --data "
            "./copy \\\n"
            "      --database postgresql://hearth@localhost/hearth\n"
            "The database may be of another kind than the one that was backed up.\n");
    restore->add_option("folder", restore_.folder, "The folder of backups")->required();
    restore->add_option("--snapshot", restore_.snapshot, "Which one (default: the newest)");
    restore->add_flag("!--no-verify", restore_.verify, "Leave out the 'hearth verify' at the end");
    restore->add_flag("--json", restore_.as_json, "Print JSON, for programs");
    restore->callback([this, restore] {
      chosen_ = &settings_[restore];
      action_ = [this] { return restore_command(*chosen_, restore_); };
    });
  }

  void add_rest() {
    CLI::App* gc = add(root_, "gc", "Remove what nothing refers to any more",
                       "  hearth gc --dry-run\n  hearth gc --json\n"
                       "The hub may work meanwhile; it does the same by itself once a day "
                       "(--gc-interval-hours).\n");
    gc->add_flag("--dry-run", gc_.dry_run, "Only say what would go");
    gc->add_flag("--json", gc_.as_json, "Print JSON, for programs");
    add_gc_options(*gc, settings_[gc]);
    act(gc, [this](Instance& instance) { gc_command(instance, gc_); });

    CLI::App* scrub = add(root_, "scrub", "Read all that is stored, and note what is damaged",
                          "  hearth scrub --data ./data\n  hearth scrub --list\nThe hub may work "
                          "meanwhile; it does the same by itself (--scrub-days). Exits with 1 when "
                          "something is damaged.\n");
    scrub->add_flag("--list", scrub_list_, "Only show what is known to be damaged");
    json_flag(scrub);
    on_data(scrub, std::function<int(Instance&)>([this](Instance& instance) {
              return scrub_command(instance, scrub_list_, as_json_);
            }));

    CLI::App* check = add(root_, "verify", "Compare everything that is stored with its hashes",
                          "  hearth verify --data ./data\n  hearth verify --rebuild\nExits with 1 "
                          "when something is damaged.\n");
    check->add_flag("--rebuild", rebuild_, "First make the indexes again from the stored files");
    json_flag(check);
    on_data(check, std::function<int(Instance&)>([this](Instance& instance) {
              return verify_command(instance, rebuild_, as_json_);
            }));

    CLI::App* doctor = add(root_, "doctor", "Say what is wrong with this installation",
                           "  hearth doctor --data ./data\n");
    add_server_options(*doctor, settings_[doctor]);
    json_flag(doctor);
    doctor->callback([this, doctor] {
      chosen_ = &settings_[doctor];
      action_ = [this] { return doctor_command(*chosen_, as_json_); };
    });

    CLI::App* tasks =
        add(root_, "tasks", "List background work", "  hearth tasks --state failed\n");
    tasks->add_option("--state", name_, "queued, running, done, failed or cancelled");
    limit_option(tasks);
    json_flag(tasks);
    act(tasks, [this](Instance& instance) { task_list(instance, name_, limit_, as_json_); });

    CLI::App* audit = add(root_, "audit", "List who changed what", "  hearth audit --json\n");
    audit->add_option("--target", name_, "Only changes of this id or name");
    limit_option(audit);
    json_flag(audit);
    act(audit, [this](Instance& instance) { audit_list(instance, name_, limit_, as_json_); });

    CLI::App* routes = root_.add_subcommand("routes", "Print every HTTP route as markdown");
    routes->callback([this] {
      action_ = [] {
        std::fputs(api::routes_markdown().c_str(), stdout);
        return 0;
      };
    });

    CLI::App* limits = root_.add_subcommand("limits", "Print every limit of the hub as markdown");
    limits->callback([this] {
      action_ = [] {
        std::fputs(api::limits_markdown().c_str(), stdout);
        return 0;
      };
    });

    CLI::App* openapi = root_.add_subcommand("openapi", "Print the OpenAPI document of the routes");
    openapi->callback([this] {
      action_ = [] {
        std::fputs((api::openapi_json() + "\n").c_str(), stdout);
        return 0;
      };
    });
  }

  CLI::App root_{"Hearth: a hub for models, datasets and spaces on your own machine.\n"};
  // One for each command: the parser reads the environment into the options of all commands, also
  // of those that were not asked for, and would overwrite what a flag has said to a shared one.
  std::map<CLI::App*, Settings> settings_;
  Settings none_;
  Settings* chosen_ = &none_;
  CLI::App* first_of_all_ = nullptr;  // The command that may come before any server has run.
  std::function<int()> action_ = [] { return 2; };
  UserAddOptions user_;
  TokenAddOptions token_;
  hub::NewOrganisation org_;
  std::string name_, other_, role_;
  int64_t limit_ = 1000;
  bool as_json_ = false;
  bool undo_ = false;
  bool rebuild_ = false;
  RepoDeleteOptions repo_delete_;
  GcCommandOptions gc_;
  bool scrub_list_ = false;
  BackupCommandOptions backup_;
  RestoreCommandOptions restore_;
};

int status_of(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kNotFound:
      return 3;
    case ErrorKind::kConflict:
      return 4;
    case ErrorKind::kInvalid:
    case ErrorKind::kUnprocessable:
      return 2;
    default:
      return 1;
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  // What is private on the hub is private on its machine.
  ::umask(0077);
  try {
    CommandLine command_line;
    return command_line.run(argc, argv);
  } catch (const Error& error) {
    std::fprintf(stderr, "hearth: %s\n", error.what());
    return status_of(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hearth: %s\n", error.what());
    return 1;
  }
}

}  // namespace hearth::app
