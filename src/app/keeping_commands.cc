// What is kept how long: deleting repositories and bringing them back, collecting garbage.

#include <cstdio>
#include <iostream>

#include "app/command_parts.h"
#include "app/commands.h"
#include "base/time.h"

namespace hearth::app {

using hub::Actor;

void repo_delete(Instance& instance, const RepoDeleteOptions& options) {
  hub::Repo repo = require_repo(instance, options.repo);
  bool for_good = options.for_good || instance.settings.undelete_days == 0;
  if (!options.yes) {
    std::fprintf(stderr, "This deletes %s and everything in it%s. Type its name to go on: ",
                 repo.repo_id.full().c_str(), for_good ? " for good" : "");
    std::string typed;
    std::getline(std::cin, typed);
    if (typed != repo.repo_id.full()) throw Error(ErrorKind::kInvalid, "Nothing was deleted.");
  }
  if (for_good) {
    instance.parts.repositories.remove_for_good(Actor::command_line(), repo);
    return say("Deleted " + repo.repo_id.full() + " for good.");
  }
  instance.parts.repositories.remove(Actor::command_line(), repo);
  say("Deleted " + repo.repo_id.full() + ". For " +
      std::to_string(instance.settings.undelete_days) +
      " days 'hearth repo undelete' brings it back.");
}

void repo_deleted(Instance& instance, bool as_json) {
  json::array list;
  std::vector<std::vector<std::string>> rows = {
      {"ID", "TYPE", "REPOSITORY", "DELETED", "KEPT UNTIL"}};
  for (const hub::DeletedRepo& gone : instance.parts.repositories.deleted()) {
    json::object entry = repo_object(gone.repo);
    entry["deletedAt"] = iso8601_ms(gone.deleted_ms);
    entry["keptUntil"] = iso8601_ms(gone.kept_until_ms);
    list.push_back(std::move(entry));
    rows.push_back({gone.repo.id, std::string(hub::to_string(gone.repo.type)),
                    gone.repo.repo_id.full(), iso8601_ms(gone.deleted_ms),
                    iso8601_ms(gone.kept_until_ms)});
  }
  as_json ? say_json(list) : say_table(rows);
}

void repo_undelete(Instance& instance, const std::string& name, const std::string& as) {
  hub::Repositories& repositories = instance.parts.repositories;
  auto gone = repositories.find_deleted(name);
  if (!gone) {
    NamedRepo named = parse_repo(name);
    for (hub::DeletedRepo& candidate : repositories.deleted()) {
      if (candidate.repo.type != named.type ||
          candidate.repo.repo_id.key() != named.repo_id.key()) {
        continue;
      }
      gone = std::move(candidate);
      break;  // The one that was deleted last.
    }
  }
  if (!gone) {
    throw Error(ErrorKind::kNotFound, "No deleted repository '" + name +
                                          "' can be brought back. 'hearth repo deleted' lists "
                                          "those that can.");
  }
  std::optional<hub::RepoId> other;
  if (!as.empty()) other = value_or_throw(hub::RepoId::parse(as), "The new name");
  try {
    hub::Repo back = repositories.undelete(Actor::command_line(), gone->repo, other);
    say(back.repo_id.full() + " is back.");
  } catch (const hub::RepoExists& taken) {
    throw Error(ErrorKind::kConflict, "There is a " + std::string(hub::to_string(gone->repo.type)) +
                                          " called " + taken.existing().repo_id.full() +
                                          " by now. Name another with --as.");
  }
}

void gc_command(Instance& instance, const GcCommandOptions& options) {
  hub::GcReport report = instance.gc.run({.dry_run = options.dry_run});
  if (options.as_json) return say_json(report.to_json());
  std::vector<std::vector<std::string>> rows = {
      {options.dry_run ? "WOULD GO" : "GONE", "COUNT", "BYTES"}};
  auto add = [&](const std::string& kind, const xet::Collected& found, bool has_bytes = true) {
    rows.push_back(
        {kind, std::to_string(found.count), has_bytes ? std::to_string(found.bytes) : "-"});
  };
  add("deleted repositories", report.repositories, false);
  add("large files that no commit names", report.objects);
  add("files that no repository has", report.stored.files);
  add("  stored whole files", report.stored.blobs);
  add("  stored xorbs", report.stored.xorbs);
  add("  stored shards", report.stored.shards);
  add("  caches", report.stored.caches);
  add("git repositories that were tidied", report.git);
  add("interrupted uploads", report.uploads, false);
  say_table(rows);
  say(std::string(options.dry_run ? "This would free " : "Freed ") +
      std::to_string(report.freed_bytes()) + " bytes on the disk. " +
      std::to_string(report.waiting.count) + " large files of " +
      std::to_string(report.waiting.bytes) + " bytes wait for their time to be over.");
  if (options.dry_run) {
    say("What becomes free only when these have gone is not counted here, nor are git's objects.");
  }
  if (report.busy_count > 0) {
    say(std::to_string(report.busy_count) +
        " repositories were left for the next time: see the log.");
  }
  if (report.held_off) say("A backup runs: what it may need was left for the next time.");
}

int scrub_command(Instance& instance, bool only_list, bool as_json) {
  hub::ScrubReport report;
  if (only_list) {
    report.damaged = instance.scrubber.damaged();
  } else {
    report = instance.scrubber.run();
  }
  if (as_json) {
    say_json(report.to_json());
    return report.damaged.empty() ? 0 : 1;
  }
  if (!only_list) {
    std::vector<std::vector<std::string>> rows = {{"READ", "COUNT", "BYTES"}};
    for (const auto& kind : report.kinds) {
      rows.push_back({std::string(kind.kind), std::to_string(kind.read_count),
                      std::to_string(kind.read_bytes)});
    }
    say_table(rows);
  }
  if (report.damaged.empty()) {
    say(only_list ? "Nothing is known to be damaged." : "All is whole.");
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"DAMAGED", "NAME", "FOUND", "WHY"}};
  for (const hub::DamagedFile& file : report.damaged) {
    rows.push_back({file.kind, file.name, iso8601_ms(file.found_ms), file.why});
  }
  say_table(rows);
  say("None of it is served. Uploads of the same content take the place of whole files and xorbs "
      "(blob, xorb); for the rest see docs/storage.md, \"Damage\".");
  return 1;
}

}  // namespace hearth::app
