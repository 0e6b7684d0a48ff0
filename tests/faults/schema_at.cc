// Makes an empty database as a former version of the program left it.
//
//   schema_at URL VERSION [LEFT_OUT…]    runs the migrations up to VERSION, without those left out
//   schema_at --versions                 prints the versions there are, a line each

#include <cstdio>
#include <cstdlib>
#include <set>
#include <string_view>

#include "base/error.h"
#include "db/db.h"

int main(int argc, char** argv) {
  using hearth::db::migrations;
  if (argc == 2 && std::string_view(argv[1]) == "--versions") {
    for (const auto& step : migrations()) std::printf("%ld\n", static_cast<long>(step.version));
    return 0;
  }
  if (argc < 3) {
    std::fprintf(stderr, "schema_at URL VERSION [LEFT_OUT…]\n");
    return 2;
  }
  std::set<int64_t> left_out;
  for (int index = 3; index < argc; ++index) left_out.insert(std::atol(argv[index]));
  std::vector<hearth::db::Migration> steps;
  for (const auto& step : migrations()) {
    if (step.version <= std::atol(argv[2]) && !left_out.contains(step.version))
      steps.push_back(step);
  }
  try {
    hearth::db::Database::open(argv[1])->migrate_with(steps, {});
  } catch (const hearth::Error& error) {
    std::fprintf(stderr, "schema_at: %s\n", error.what());
    return 1;
  }
  return 0;
}
