// Guessing passwords: what it costs the guesser, and that it costs nobody else anything.

#include "hub/wrong_passwords.h"

#include <gtest/gtest.h>

#include "base/error_of.h"
#include "db/test_database.h"
#include "hub/accounts.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kRight = "correct horse";

struct Door {
  explicit Door(db::TestDatabase& test_database)
      : database(test_database), accounts(*test_database, clock) {
    accounts.create_user(Actor::command_line(), {.name = "alice", .password = std::string(kRight)});
  }

  /// The seconds to wait, 0 for a wrong password, or -1 for a session.
  int knock(std::string_view name, std::string_view password, std::string_view address) {
    try {
      accounts.sign_in(name, password, address);
      return -1;
    } catch (const Error& error) {
      EXPECT_TRUE(error.kind() == ErrorKind::kUnauthenticated ||
                  error.kind() == ErrorKind::kRateLimited);
      return error.retry_after_s();
    }
  }

  /// As `knock`, without the work of hashing: the try is counted and never ends well.
  bool guess(std::string_view name, std::string_view address) {
    try {
      database->write([&](db::Tx& tx) { begin_password_try(tx, name, address, clock.now_ms()); });
      return true;
    } catch (const Error& error) {
      EXPECT_EQ(ErrorKind::kRateLimited, error.kind());
      return false;
    }
  }

  int64_t row_count() {
    return database->read([](db::Tx& tx) {
      return tx.query_one("SELECT count(*) FROM wrong_password WHERE forget_ms > ?1", {int64_t{0}})
          ->get_int(0);
    });
  }

  db::TestDatabase& database;
  FakeClock clock;
  Accounts accounts;
};

void at_a_door(const std::function<void(Door&)>& test) {
  db::for_each_engine([&](db::TestDatabase& database) {
    SCOPED_TRACE(database->engine() == db::Engine::kSqlite ? "SQLite" : "PostgreSQL");
    Door door(database);
    test(door);
  });
}

TEST(WrongPasswords, LockOutOnlyTheAddressTheyCameFrom) {
  at_a_door([](Door& door) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(0, door.knock("alice", "wrong", "192.0.2.1"));
    EXPECT_EQ(1, door.knock("ALICE", kRight, "192.0.2.1:99"));
    EXPECT_EQ(-1, door.knock("alice", kRight, "192.0.2.2"));
    EXPECT_EQ(1, door.knock("alice", kRight, "192.0.2.1"));  // That freed nobody else.
  });
}

TEST(WrongPasswords, ANetworkOfIpv6IsOneAddress) {
  at_a_door([](Door& door) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(0, door.knock("alice", "wrong", "2001:db8::" + std::to_string(i)));
    }
    EXPECT_EQ(1, door.knock("alice", kRight, "2001:db8::ffff"));
    EXPECT_EQ(-1, door.knock("alice", kRight, "2001:db8:0:1::1"));
  });
}

TEST(WrongPasswords, OfANameThatNobodyHasAreAnsweredAlike) {
  at_a_door([](Door& door) {
    for (const char* name : {"alice", "nobody"}) {
      for (int i = 0; i < 5; ++i) EXPECT_EQ(0, door.knock(name, "wrong", "192.0.2.1"));
      EXPECT_EQ(1, door.knock(name, "wrong", "192.0.2.1"));
    }
    for (const char* name : {"alice", "nobody"}) {
      for (int i = 0; i < 200; ++i) door.guess(name, "198.51.100." + std::to_string(i));
      EXPECT_EQ(60, door.knock(name, "wrong", "203.0.113.1"));
    }
  });
}

TEST(WrongPasswords, WaitAQuarterOfAnHourAtMost) {
  at_a_door([](Door& door) {
    for (int i = 0; i < 5; ++i) door.guess("alice", "192.0.2.1");
    for (int expected_s : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900}) {
      EXPECT_EQ(expected_s, door.knock("alice", kRight, "192.0.2.1"));
      door.clock.advance_ms(expected_s * 1000);
      EXPECT_TRUE(door.guess("alice", "192.0.2.1"));
    }
    door.clock.advance_ms(900'000);
    EXPECT_EQ(-1, door.knock("alice", kRight, "192.0.2.1"));
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(door.guess("alice", "192.0.2.1"));
  });
}

TEST(WrongPasswords, FromVeryManyAddressesAreSlowedDownButNotForAddressesThatAreKnown) {
  at_a_door([](Door& door) {
    EXPECT_EQ(-1, door.knock("alice", kRight, "192.0.2.1"));
    const auto address = [](int64_t i) {
      return "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    };
    int64_t tried = 0;
    while (door.guess("alice", address(tried))) ++tried;
    EXPECT_EQ(kFreeFromNewAddresses, tried);
    EXPECT_EQ(60, door.knock("alice", kRight, "203.0.113.1"));  // A place that is new.
    EXPECT_EQ(-1, door.knock("alice", kRight, "192.0.2.1"));
    EXPECT_EQ(60, door.knock("alice", kRight, "203.0.113.1"));  // That does not free it.
    door.clock.advance_ms(kWaitFromNewAddressesMs);
    EXPECT_TRUE(door.guess("alice", address(++tried)));
    EXPECT_FALSE(door.guess("alice", address(++tried)));
    door.clock.advance_ms(kPasswordDayMs);
    EXPECT_EQ(-1, door.knock("alice", kRight, "203.0.113.1"));
    EXPECT_TRUE(door.guess("alice", address(++tried)));
    EXPECT_TRUE(door.guess("alice", address(++tried)));
  });
}

TEST(WrongPasswords, AreNotWhatPeopleWhoSignInFromManyPlacesAreTakenFor) {
  at_a_door([](Door& door) {
    for (int i = 0; i < 2 * kFreeFromNewAddresses; ++i) {
      const std::string address = "10.0.0." + std::to_string(i);
      EXPECT_TRUE(door.guess("alice", address));
      door.database->write(
          [&](db::Tx& tx) { end_password_try(tx, "alice", address, door.clock.now_ms()); });
    }
  });
}

TEST(WrongPasswords, AreForgottenWithANewPassword) {
  at_a_door([](Door& door) {
    for (int i = 0; i < 200; ++i) door.guess("alice", "10.0.0." + std::to_string(i));
    for (int i = 0; i < 5; ++i) door.guess("alice", "10.0.0.1");
    EXPECT_LT(0, door.knock("alice", kRight, "10.0.0.1"));
    door.accounts.set_password(Actor::command_line(), "Alice", "battery staple");
    EXPECT_EQ(-1, door.knock("alice", "battery staple", "10.0.0.1"));
  });
}

TEST(WrongPasswords, AreBoundedInTimeAndNumber) {
  at_a_door([](Door& door) {
    door.guess("alice", "10.0.0.1");
    EXPECT_EQ(2, door.row_count());
    door.clock.advance_ms(kPasswordDayMs - 1);
    door.accounts.remove_expired();
    EXPECT_EQ(2, door.row_count());
    door.clock.advance_ms(1);
    door.accounts.remove_expired();
    EXPECT_EQ(0, door.row_count());

    EXPECT_EQ(-1, door.knock("alice", kRight, "10.0.0.1"));
    const int64_t kept = door.row_count();
    for (int i = 0; i < 10; ++i) {
      door.guess("nobody" + std::to_string(i), "10.0.0.2");
      door.clock.advance_ms(1);
    }
    const auto trim = [&](int64_t rows_max) {
      door.database->write(
          [&](db::Tx& tx) { remove_old_password_tries(tx, door.clock.now_ms(), rows_max); });
    };
    trim(kept + 20);
    EXPECT_EQ(kept + 20, door.row_count());
    trim(7);
    EXPECT_GE(7, door.row_count());
    EXPECT_LT(0, door.row_count());
    // What is known is the last to go: that address is still not held up by the others.
    for (int i = 0; i < 200; ++i) door.guess("alice", "10.0.1." + std::to_string(i));
    EXPECT_EQ(-1, door.knock("alice", kRight, "10.0.0.1"));
  });
}

TEST(WrongPasswords, GuessesAtManyNamesDoNotMakeThoseAtOneForgotten) {
  at_a_door([](Door& door) {
    for (int i = 0; i < kFreeWrongPasswords; ++i) EXPECT_TRUE(door.guess("alice", "10.0.0.1"));
    EXPECT_FALSE(door.guess("alice", "10.0.0.1"));
    for (int i = 0; i < 40; ++i) {
      door.clock.advance_ms(1);
      door.guess("nobody-" + std::to_string(i), "10.0.9.9");
    }
    door.database->write(
        [&](db::Tx& tx) { remove_old_password_tries(tx, door.clock.now_ms(), 10); });
    EXPECT_EQ(10, door.row_count());
    EXPECT_FALSE(door.guess("alice", "10.0.0.1"));
  });
}

}  // namespace
}  // namespace hearth::hub
