// `hearth backup` and `hearth restore`.

#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "app/command_parts.h"
#include "app/commands.h"
#include "app/last_backup.h"
#include "backup/backup.h"
#include "base/text.h"
#include "base/time.h"
#include "hub/git_dir.h"

namespace hearth::app {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// To standard error: what goes on is for people, the result for programs too.
void say_progress(const std::string& line) {
  std::fputs((line + "\n").c_str(), stderr);
}

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

std::string size_text(uint64_t bytes) {
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

int64_t number(uint64_t value) {
  return static_cast<int64_t>(value);
}

json::array texts(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

void say_problems(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) say("  " + problem);
}

/// Tags that are older than the table of tags are noted before the first backup, and once.
void note_tags(Instance& instance) {
  if (instance.installation.tags_known) return;
  std::string after;
  while (true) {
    auto page = instance.parts.repositories.list(after);
    for (const hub::Repo& repo : page) {
      try {
        instance.parts.receive.note_tags(repo);
      } catch (const Error&) {
        // Removed meanwhile; or damaged, which the backup tells.
      }
    }
    if (page.empty()) break;
    after = page.back().id;
  }
  hub::set_tags_known(*instance.database);
}

/// Restored objects are packed in another way than those that the ledger has measured.
void measure_git(Instance& instance) {
  std::string after;
  while (true) {
    auto page = instance.parts.repositories.list(after);
    if (page.empty()) return;
    for (const hub::Repo& repo : page) {
      instance.parts.ledger.measure_git(repo, instance.parts.repositories.open_git(repo));
    }
    after = page.back().id;
  }
}

int list_backups(const BackupCommandOptions& wanted) {
  json::array list;
  for (const backup::SnapshotInfo& snapshot : backup::list_snapshots(wanted.folder)) {
    list.push_back(json::object{{"snapshot", snapshot.name},
                                {"createdAt", iso8601_ms(snapshot.created_ms)},
                                {"files", number(snapshot.file_count)},
                                {"bytes", number(snapshot.total_bytes)},
                                {"problems", number(snapshot.problem_count)}});
    if (wanted.as_json) continue;
    say(fmt::format(
        "{}  {} files, {}{}", snapshot.name, snapshot.file_count, size_text(snapshot.total_bytes),
        snapshot.problem_count == 0 ? "" : fmt::format(", {} problems", snapshot.problem_count)));
  }
  if (wanted.as_json) say(json::serialize(list));
  return 0;
}

int check_backups(const BackupCommandOptions& wanted) {
  backup::CheckReport report = backup::check_folder(wanted.folder);
  if (wanted.as_json) {
    say(json::serialize(json::object{{"snapshots", number(report.snapshot_count)},
                                     {"pieces", number(report.piece_count)},
                                     {"bytes", number(report.checked_bytes)},
                                     {"problems", texts(report.problems)}}));
  } else {
    say(fmt::format("{} snapshots, {} pieces, {}: {}", report.snapshot_count, report.piece_count,
                    size_text(report.checked_bytes),
                    report.problems.empty() ? "all whole" : "with problems"));
    say_problems(report.problems);
  }
  return report.problems.empty() ? 0 : 1;
}

int take_backup(const Settings& settings, const BackupCommandOptions& wanted) {
  Instance instance(settings);
  auto begin = SteadyClock::now();
  note_tags(instance);
  backup::Source source{
      .data_dir = instance.settings.data_dir,
      .database = *instance.database,
      .clock = instance.clock,
      .git_dir = [&](const std::string& id) { return hub::git_dir(instance.context(), id); },
      .hub_id = instance.installation.hub_id,
      .installation_id = instance.installation.id,
      .program_version = HEARTH_VERSION};
  backup::BackupOptions options{.folder = fs::absolute(wanted.folder),
                                .keep_count = wanted.keep_count};
  if (!wanted.as_json) options.say = say_progress;
  backup::BackupReport report = backup::back_up(source, options);
  double seconds = seconds_since(begin);
  if (report.problems.empty()) {
    note_backup(instance.settings.data_dir,
                {.ended_ms = instance.clock.now_ms(), .total_bytes = report.total_bytes});
  }
  if (wanted.as_json) {
    say(json::serialize(json::object{{"snapshot", report.snapshot},
                                     {"files", number(report.file_count)},
                                     {"repositories", number(report.repository_count)},
                                     {"rows", number(report.row_count)},
                                     {"bytes", number(report.total_bytes)},
                                     {"copiedBytes", number(report.copied_bytes)},
                                     {"freedBytes", number(report.freed_bytes)},
                                     {"seconds", seconds},
                                     {"problems", texts(report.problems)}}));
  } else {
    say(
        fmt::format("snapshot {}: {} files, {} repositories, {} rows, {}; {} of that copied in "
                    "{:.1f} s",
                    report.snapshot, report.file_count, report.repository_count, report.row_count,
                    size_text(report.total_bytes), size_text(report.copied_bytes), seconds));
    if (!report.problems.empty()) {
      say(fmt::format("{} things could not be copied as they should be:", report.problems.size()));
      say_problems(report.problems);
    }
  }
  return report.problems.empty() ? 0 : 1;
}

}  // namespace

int backup_command(const Settings& settings, const BackupCommandOptions& wanted) {
  if (wanted.list) return list_backups(wanted);
  if (wanted.check) return check_backups(wanted);
  return take_backup(settings, wanted);
}

int restore_command(Settings settings, const RestoreCommandOptions& wanted) {
  settings.data_dir = fs::absolute(settings.data_dir);
  auto begin = SteadyClock::now();
  hub::HubContext context;
  context.data_dir = settings.data_dir;
  backup::Target target{.data_dir = settings.data_dir,
                        .database_url = settings.database_url(),
                        .git_dir = [&](const std::string& id) { return hub::git_dir(context, id); },
                        .clock = system_clock()};
  backup::RestoreReport report =
      backup::restore(fs::absolute(wanted.folder), wanted.snapshot, target,
                      wanted.as_json ? [](const std::string&) {} : say_progress);
  hub::write_installation_file(settings.data_dir, report.installation_id);
  backup::end_restore(settings.data_dir);
  double seconds = seconds_since(begin);
  if (!wanted.as_json) {
    say(fmt::format("restored {}: {} files, {} repositories, {} rows, {} in {:.1f} s",
                    report.snapshot, report.file_count, report.repository_count, report.row_count,
                    size_text(report.restored_bytes), seconds));
    if (!report.problems.empty()) {
      say("When the snapshot was taken, this was damaged or missing:");
      say_problems(report.problems);
    }
  } else {
    say(json::serialize(json::object{{"snapshot", report.snapshot},
                                     {"files", number(report.file_count)},
                                     {"repositories", number(report.repository_count)},
                                     {"rows", number(report.row_count)},
                                     {"bytes", number(report.restored_bytes)},
                                     {"seconds", seconds},
                                     {"problems", texts(report.problems)}}));
  }
  Instance instance(settings);
  measure_git(instance);
  if (!wanted.verify) return 0;
  return verify_command(instance, /*rebuild=*/false, wanted.as_json);
}

}  // namespace hearth::app
