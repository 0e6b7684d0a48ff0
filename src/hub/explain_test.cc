// Every statement has an index that serves it: no test of this program may read a growing table
// from end to end. What the stores' own tests run is looked at, so a statement without a test
// escapes.

#include <gtest/gtest.h>

#include "db/test_database.h"

namespace hearth::hub {
namespace {

class ExplainEnvironment : public testing::Environment {
 public:
  void TearDown() override {
    // Tables that stay small, or that only the command line lists whole; and the subqueries of
    // hub/listing_query_store, whose own tables have lines of their own. "every_one" is what verify
    // reads whole, and what is only read whole when it has become too large; of "noted" some rows
    // are read.
    for (const std::string& scan : recorder_.scans({"setup_link", "schema_version", "sqlite_schema",
                                                    "d", "counted", "every_one", "noted"})) {
      ADD_FAILURE() << "reads the whole table " << scan;
    }
  }

 private:
  db::PlanRecorder recorder_;
};

[[maybe_unused]] const testing::Environment* const kEnvironment =
    testing::AddGlobalTestEnvironment(new ExplainEnvironment);

}  // namespace
}  // namespace hearth::hub
