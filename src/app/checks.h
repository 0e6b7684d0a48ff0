#pragma once
// `hearth verify` and `hearth doctor`: what is wrong, in words.

#include <string>
#include <vector>

#include "app/instance.h"

namespace hearth::app {

/// One part of verify: what was looked at, how much of it, and what is wrong.
struct CheckedPart {
  std::string name;
  uint64_t checked_count = 0;
  std::vector<std::string> problems = {};
};

/// Compares every whole blob, xorb, shard, Xet file, large object, git repository and index row
/// with each other. Reads all stored bytes: about 2 s of CPU a GiB. Changes nothing.
std::vector<CheckedPart> verify(Instance& instance);

/// Something about this installation that an operator should know.
struct Finding {
  enum class Level { kFine, kAdvice, kWrong };
  Level level = Level::kFine;
  std::string what;
  std::string advice;  // What to do; empty when it is fine.
};

/// Looks at programs, disk, database, configuration and name resolution. Changes nothing.
/// `instance` is null when the data folder could not be opened; `why_not` says why then.
std::vector<Finding> examine(const Settings& settings, Instance* instance,
                             const std::string& why_not);

}  // namespace hearth::app
