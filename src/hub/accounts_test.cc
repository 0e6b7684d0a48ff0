#include "hub/accounts.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/error_of.h"
#include "base/text.h"
#include "db/test_database.h"
#include "hub/accounts_json.h"

namespace hearth::hub {
namespace {

constexpr std::string_view kClient = "26be6b09-91c5-47da-9861-d2d2bb7a7e36";

/// A hub with one user, alice, whose password is "correct horse".
struct Hub {
  explicit Hub(db::TestDatabase& test_database)
      : database(test_database), accounts(*test_database, clock) {
    alice = accounts.create_user(by, {.name = "Alice",
                                      .fullname = "Alice A.",
                                      .email = "alice@example.org",
                                      .password = "correct horse"});
  }

  db::TestDatabase& database;
  FakeClock clock;
  Accounts accounts;
  Actor by = Actor::command_line();
  User alice;
};

void with_hub(const std::function<void(Hub&)>& test) {
  db::for_each_engine([&](db::TestDatabase& database) {
    SCOPED_TRACE(database->engine() == db::Engine::kSqlite ? "SQLite" : "PostgreSQL");
    Hub hub(database);
    test(hub);
  });
}

template <typename Fn>
std::string oauth_error_of(Fn fn) {
  try {
    fn();
  } catch (const OAuthError& error) {
    return error.error();
  }
  return "nothing was thrown";
}

TEST(Accounts, NamesCompareWithoutCaseAndKeepTheirs) {
  with_hub([](Hub& hub) {
    EXPECT_EQ("Alice", hub.accounts.find_user("aLiCe")->name);
    EXPECT_EQ(ErrorKind::kConflict,
              error_of([&] { hub.accounts.create_user(hub.by, {.name = "ALICE"}); }).kind());
    EXPECT_EQ(std::nullopt, hub.accounts.find_user("bob"));
    EXPECT_EQ(std::nullopt, hub.accounts.find_user(std::string("\0\xff", 2)));
  });
}

TEST(Accounts, PeopleAndOrganisationsShareOneSpaceOfNames) {
  with_hub([](Hub& hub) {
    EXPECT_EQ(ErrorKind::kConflict, error_of([&] {
                                      hub.accounts.create_organisation(
                                          hub.by, {.name = "alice", .owner = "alice"});
                                    }).kind());
    const Organisation acme =
        hub.accounts.create_organisation(hub.by, {.name = "Acme", .owner = "alice"});
    EXPECT_EQ(ErrorKind::kConflict,
              error_of([&] { hub.accounts.create_user(hub.by, {.name = "acme"}); }).kind());
    const auto found = hub.accounts.find_namespace("ACME");
    ASSERT_TRUE(found);
    EXPECT_EQ(NamespaceKind::kOrg, found->kind);
    EXPECT_EQ(acme.id, found->id);
    EXPECT_EQ("Acme", found->name);
    EXPECT_EQ(NamespaceKind::kUser, hub.accounts.find_namespace("alice")->kind);
  });
}

TEST(Accounts, BadNamesAreRefusedWithASentence) {
  with_hub([](Hub& hub) {
    for (const char* name : {"", "a b", "-a", "a-", ".a", "a--b", "a..b", "a.git", "A.GIT", "api",
                             "Datasets", "\xc3\xa9", "a/b", "a\nb"}) {
      const Error error = error_of([&] { hub.accounts.create_user(hub.by, {.name = name}); });
      EXPECT_EQ(ErrorKind::kInvalid, error.kind()) << name;
      EXPECT_TRUE(error.message().ends_with(".")) << error.message();
    }
    EXPECT_NO_THROW(hub.accounts.create_user(hub.by, {.name = std::string(60, 'a')}));
    EXPECT_THROW(hub.accounts.create_user(hub.by, {.name = std::string(61, 'a')}), Error);
    EXPECT_NO_THROW(hub.accounts.create_user(hub.by, {.name = "b"}));
    EXPECT_NO_THROW(hub.accounts.create_user(hub.by, {.name = "a_b-c.9"}));
  });
}

TEST(Accounts, PasswordsHaveALengthBetweenTheLimits) {
  with_hub([](Hub& hub) {
    const auto set = [&](size_t length) {
      hub.accounts.set_password(hub.by, "alice", std::string(length, 'x'));
    };
    EXPECT_EQ(ErrorKind::kInvalid, error_of([&] { set(7); }).kind());
    EXPECT_NO_THROW(set(8));
    EXPECT_NO_THROW(set(1024));
    EXPECT_EQ(ErrorKind::kInvalid, error_of([&] { set(1025); }).kind());
  });
}

TEST(Accounts, SigningInGivesASessionThatSigningOutEnds) {
  with_hub([](Hub& hub) {
    const IssuedSession session = hub.accounts.sign_in("ALICE", "correct horse", "127.0.0.1");
    const auto identity = hub.accounts.authenticate_session(session.value);
    ASSERT_TRUE(identity);
    EXPECT_EQ(hub.alice.id, identity->user_id);
    EXPECT_EQ("Alice A.", identity->fullname);
    EXPECT_EQ("alice@example.org", identity->email);
    EXPECT_EQ(CredentialKind::kSession, identity->credential.kind);
    EXPECT_FALSE(hub.accounts.authenticate_session(session.value + "x"));
    EXPECT_FALSE(hub.accounts.authenticate_session(""));
    hub.accounts.sign_out(session.value);
    EXPECT_FALSE(hub.accounts.authenticate_session(session.value));
  });
}

TEST(Accounts, ASessionLivesFromItsLastUse) {
  with_hub([](Hub& hub) {
    const std::string value = hub.accounts.sign_in("alice", "correct horse", "").value;
    hub.clock.advance_ms(kSessionMs - 1);
    EXPECT_TRUE(hub.accounts.authenticate_session(value));  // Prolongs it.
    hub.clock.advance_ms(kSessionMs - 1);
    EXPECT_TRUE(hub.accounts.authenticate_session(value));
    hub.clock.advance_ms(kSessionMs);
    EXPECT_FALSE(hub.accounts.authenticate_session(value));
    hub.accounts.remove_expired();
  });
}

TEST(Accounts, AWrongNameAndAWrongPasswordGiveTheSameAnswer) {
  with_hub([](Hub& hub) {
    hub.accounts.create_user(hub.by, {.name = "robot"});  // Has no password.
    const Error wrong = error_of([&] { hub.accounts.sign_in("alice", "wrong", ""); });
    const Error nobody = error_of([&] { hub.accounts.sign_in("nobody", "wrong", ""); });
    const Error robot = error_of([&] { hub.accounts.sign_in("robot", "", ""); });
    const Error garbage =
        error_of([&] { hub.accounts.sign_in(std::string("\0\xff", 2), "wrong", ""); });
    for (const Error& error : {wrong, nobody, robot, garbage}) {
      EXPECT_EQ(ErrorKind::kUnauthenticated, error.kind());
      EXPECT_EQ("Invalid username or password.", error.message());
    }
  });
}

TEST(Accounts, WrongPasswordsInARowMakeTheNextOneWait) {
  with_hub([](Hub& hub) {
    const auto sign_in = [&](const char* password) {
      return hub.accounts.sign_in("alice", password, "");
    };
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(ErrorKind::kUnauthenticated, error_of([&] { sign_in("wrong"); }).kind());
    }
    const Error blocked = error_of([&] { sign_in("correct horse"); });
    EXPECT_EQ(ErrorKind::kRateLimited, blocked.kind());
    EXPECT_EQ(1, blocked.retry_after_s());
    hub.clock.advance_ms(1000);
    EXPECT_EQ(ErrorKind::kUnauthenticated, error_of([&] { sign_in("wrong"); }).kind());
    EXPECT_EQ(2, error_of([&] { sign_in("correct horse"); }).retry_after_s());
    hub.clock.advance_ms(2000);
    EXPECT_NO_THROW(sign_in("correct horse"));  // Forgives what was before.
    EXPECT_EQ(ErrorKind::kUnauthenticated, error_of([&] { sign_in("wrong"); }).kind());
    EXPECT_NO_THROW(sign_in("correct horse"));
  });
}

TEST(Accounts, ANewPasswordEndsAllSessions) {
  with_hub([](Hub& hub) {
    const std::string value = hub.accounts.sign_in("alice", "correct horse", "").value;
    hub.accounts.set_password(hub.by, "alice", "battery staple");
    EXPECT_FALSE(hub.accounts.authenticate_session(value));
    EXPECT_THROW(hub.accounts.sign_in("alice", "correct horse", ""), Error);
    EXPECT_NO_THROW(hub.accounts.sign_in("alice", "battery staple", ""));
  });
}

TEST(Accounts, ATokenAuthenticatesUntilItIsRevokedInAnyProcess) {
  with_hub([](Hub& hub) {
    const IssuedToken issued = hub.accounts.create_token(
        hub.by, "alice", {.display_name = "laptop", .role = TokenRole::kWrite});
    EXPECT_TRUE(issued.value.starts_with("hf_"));
    EXPECT_EQ(40u, issued.value.size());
    const auto identity = hub.accounts.authenticate_token(issued.value);
    ASSERT_TRUE(identity);
    EXPECT_EQ(CredentialKind::kWriteToken, identity->credential.kind);
    EXPECT_EQ("laptop", identity->credential.display_name);
    EXPECT_EQ(hub.clock.now_ms(), identity->credential.created_ms);

    const auto other_database = hub.database.open_again();
    Accounts other(*other_database, hub.clock);
    EXPECT_TRUE(other.authenticate_token(issued.value));
    other.revoke_token(hub.by, "alice", "laptop");
    EXPECT_FALSE(hub.accounts.authenticate_token(issued.value));
    EXPECT_EQ(ErrorKind::kNotFound,
              error_of([&] { hub.accounts.revoke_token(hub.by, "alice", "laptop"); }).kind());
  });
}

TEST(Accounts, ATokenIsDeadAtItsExpiry) {
  with_hub([](Hub& hub) {
    const auto issued = hub.accounts.create_token(
        hub.by, "alice", {.display_name = "short", .expires_ms = hub.clock.now_ms() + 1000});
    hub.clock.advance_ms(999);
    EXPECT_TRUE(hub.accounts.authenticate_token(issued.value));
    hub.clock.advance_ms(1);
    EXPECT_FALSE(hub.accounts.authenticate_token(issued.value));
    EXPECT_THROW(hub.accounts.create_token(
                     hub.by, "alice", {.display_name = "late", .expires_ms = hub.clock.now_ms()}),
                 Error);
  });
}

TEST(Accounts, ADisabledUserIsDeadAtOnceAndComesBackWhole) {
  with_hub([](Hub& hub) {
    const auto token = hub.accounts.create_token(hub.by, "alice", {.display_name = "t"});
    const auto session = hub.accounts.sign_in("alice", "correct horse", "");
    hub.accounts.set_disabled(hub.by, "alice", true);
    EXPECT_FALSE(hub.accounts.authenticate_token(token.value));
    EXPECT_FALSE(hub.accounts.authenticate_session(session.value));
    EXPECT_EQ("Invalid username or password.",
              error_of([&] { hub.accounts.sign_in("alice", "correct horse", ""); }).message());
    hub.accounts.set_disabled(hub.by, "alice", false);
    EXPECT_TRUE(hub.accounts.authenticate_token(token.value));
  });
}

TEST(Accounts, TokensOfOneUserHaveDifferentNames) {
  with_hub([](Hub& hub) {
    hub.accounts.create_user(hub.by, {.name = "bob"});
    hub.accounts.create_token(hub.by, "alice", {.display_name = "t"});
    EXPECT_EQ(ErrorKind::kConflict, error_of([&] {
                                      hub.accounts.create_token(hub.by, "alice",
                                                                {.display_name = "t"});
                                    }).kind());
    EXPECT_NO_THROW(hub.accounts.create_token(hub.by, "bob", {.display_name = "t"}));
    EXPECT_EQ(1u, hub.accounts.list_tokens("alice").size());
    EXPECT_THROW(hub.accounts.create_token(hub.by, "alice", {.display_name = ""}), Error);
    EXPECT_THROW(hub.accounts.create_token(hub.by, "alice", {.display_name = "a\nb"}), Error);
    EXPECT_EQ(ErrorKind::kNotFound, error_of([&] {
                                      hub.accounts.create_token(hub.by, "carol",
                                                                {.display_name = "t"});
                                    }).kind());
  });
}

TEST(Accounts, ATokenMadeElsewhereIsTakenOnce) {
  with_hub([](Hub& hub) {
    const std::string value = "hf_" + std::string(20, 'a');
    const auto create = [&](const char* name, const std::string& text) {
      return hub.accounts.create_token(hub.by, "alice", {.display_name = name, .value = text});
    };
    EXPECT_EQ(value, create("one", value).value);
    EXPECT_TRUE(hub.accounts.authenticate_token(value));
    EXPECT_EQ(ErrorKind::kConflict, error_of([&] { create("two", value); }).kind());
    for (const std::string& bad :
         {"hf_" + std::string(19, 'a'), std::string(30, 'a'), "hf_oauth_" + std::string(20, 'a'),
          "hf_" + std::string(198, 'a'), "hf_" + std::string(20, '\n')}) {
      EXPECT_EQ(ErrorKind::kInvalid, error_of([&] { create("bad", bad); }).kind()) << bad;
    }
  });
}

TEST(Accounts, LastUseIsNotedToAFewMinutes) {
  with_hub([](Hub& hub) {
    const auto issued = hub.accounts.create_token(hub.by, "alice", {.display_name = "t"});
    const auto last_used = [&] { return hub.accounts.list_tokens("alice").at(0).last_used_ms; };
    EXPECT_EQ(std::nullopt, last_used());
    hub.accounts.authenticate_token(issued.value);
    const int64_t first = hub.clock.now_ms();
    EXPECT_EQ(first, last_used());
    hub.clock.advance_ms(60'000);
    hub.accounts.authenticate_token(issued.value);
    EXPECT_EQ(first, last_used());
    hub.clock.advance_ms(240'000);
    hub.accounts.authenticate_token(issued.value);
    EXPECT_EQ(first + 300'000, last_used());
  });
}

TEST(Accounts, FineGrainedScopesComeBackAndEntitiesGetTheirIds) {
  with_hub([](Hub& hub) {
    const Organisation acme =
        hub.accounts.create_organisation(hub.by, {.name = "acme", .owner = "alice"});
    const NewAccessToken wanted{
        .display_name = "ci",
        .role = TokenRole::kFineGrained,
        .scopes = {.can_read_gated_repos = true,
                   .global_permissions = {"discussion.write"},
                   .scopes = {{.entity_type = "org",
                               .entity_id = {},
                               .entity_name = "ACME",
                               .permissions = {"repo.content.read", "repo.write"}}}}};
    const auto issued = hub.accounts.create_token(hub.by, "alice", wanted);
    const auto identity = hub.accounts.authenticate_token(issued.value);
    ASSERT_TRUE(identity);
    const Credential& credential = identity->credential;
    EXPECT_EQ(CredentialKind::kFineGrainedToken, credential.kind);
    EXPECT_TRUE(credential.can_read_gated_repos);
    EXPECT_EQ(std::vector<std::string>{"discussion.write"}, credential.global_permissions);
    ASSERT_EQ(1u, credential.scopes.size());
    EXPECT_EQ(acme.id, credential.scopes[0].entity_id);
    EXPECT_EQ("acme", credential.scopes[0].entity_name);
    EXPECT_EQ(2u, credential.scopes[0].permissions.size());

    NewAccessToken missing = wanted;
    missing.display_name = "missing";
    missing.scopes.scopes[0].entity_name = "nobody";
    EXPECT_EQ(ErrorKind::kNotFound,
              error_of([&] { hub.accounts.create_token(hub.by, "alice", missing); }).kind());
  });
}

TEST(Accounts, ScopesOfAnUnknownShapeAreRefused) {
  for (const char* text :
       {R"({"global":"all"})", R"({"global":[1]})", R"({"scoped":[1]})", R"({"scoped":[{}]})",
        R"({"scoped":[{"entity":{"type":"planet"},"permissions":[]}]})"}) {
    EXPECT_EQ(ErrorKind::kInvalid,
              error_of([&] { token_scopes_from_json(parse_json_object(text)); }).kind())
        << text;
  }
}

TEST(Accounts, MembershipsComeWithTheIdentity) {
  with_hub([](Hub& hub) {
    hub.accounts.create_user(hub.by, {.name = "bob"});
    const Organisation acme = hub.accounts.create_organisation(
        hub.by, {.name = "acme", .fullname = "Acme Ltd", .owner = "alice"});
    const auto token = hub.accounts.create_token(hub.by, "bob", {.display_name = "t"});
    const auto orgs = [&] { return hub.accounts.authenticate_token(token.value)->orgs; };
    EXPECT_TRUE(orgs().empty());
    hub.accounts.set_member(hub.by, "acme", "bob", OrgRole::kContributor);
    ASSERT_EQ(1u, orgs().size());
    EXPECT_EQ(acme.id, orgs()[0].org_id);
    EXPECT_EQ("Acme Ltd", orgs()[0].org_fullname);
    EXPECT_EQ(OrgRole::kContributor, orgs()[0].role);
    hub.accounts.set_member(hub.by, "acme", "bob", OrgRole::kWrite);
    EXPECT_EQ(OrgRole::kWrite, orgs()[0].role);
    hub.accounts.remove_member(hub.by, "acme", "bob");
    EXPECT_TRUE(orgs().empty());
  });
}

TEST(Accounts, AnOrganisationKeepsItsLastAdmin) {
  with_hub([](Hub& hub) {
    hub.accounts.create_user(hub.by, {.name = "bob"});
    hub.accounts.create_organisation(hub.by, {.name = "acme", .owner = "alice"});
    const auto demote = [&] { hub.accounts.set_member(hub.by, "acme", "alice", OrgRole::kRead); };
    const auto remove = [&] { hub.accounts.remove_member(hub.by, "acme", "alice"); };
    EXPECT_EQ(ErrorKind::kConflict, error_of(demote).kind());
    EXPECT_EQ(ErrorKind::kConflict, error_of(remove).kind());
    hub.accounts.set_member(hub.by, "acme", "bob", OrgRole::kAdmin);
    EXPECT_NO_THROW(demote());
    EXPECT_NO_THROW(remove());
    EXPECT_EQ(ErrorKind::kNotFound, error_of(remove).kind());
  });
}

TEST(Accounts, MembersAreListedInPages) {
  with_hub([](Hub& hub) {
    hub.accounts.create_organisation(hub.by, {.name = "acme", .owner = "alice"});
    for (const char* name : {"Bob", "carol"}) {
      hub.accounts.create_user(hub.by, {.name = name});
      hub.accounts.set_member(hub.by, "acme", name, OrgRole::kRead);
    }
    auto page = hub.accounts.list_members("acme", {}, 2);
    ASSERT_EQ(2u, page.size());
    EXPECT_EQ("Alice", page[0].name);
    EXPECT_EQ("Bob", page[1].name);
    page = hub.accounts.list_members("acme", "Bob", 2);
    ASSERT_EQ(1u, page.size());
    EXPECT_EQ("carol", page[0].name);
    EXPECT_EQ(ErrorKind::kNotFound, error_of([&] { hub.accounts.list_members("nobody"); }).kind());
  });
}

TEST(Accounts, TheLastAdministratorStays) {
  with_hub([](Hub& hub) {
    hub.accounts.set_admin(hub.by, "alice", true);
    EXPECT_EQ(ErrorKind::kConflict,
              error_of([&] { hub.accounts.set_admin(hub.by, "alice", false); }).kind());
    EXPECT_EQ(ErrorKind::kConflict,
              error_of([&] { hub.accounts.set_disabled(hub.by, "alice", true); }).kind());
    hub.accounts.create_user(hub.by, {.name = "root", .is_admin = true});
    EXPECT_NO_THROW(hub.accounts.set_admin(hub.by, "alice", false));
  });
}

TEST(Accounts, TheSetupLinkMakesOneAdministratorOnce) {
  with_hub([](Hub& hub) {
    EXPECT_TRUE(hub.accounts.needs_setup());  // Alice is no administrator.
    const std::string old_token = hub.accounts.create_setup_token();
    const std::string token = hub.accounts.create_setup_token();
    EXPECT_FALSE(hub.accounts.is_setup_token(old_token));
    EXPECT_TRUE(hub.accounts.is_setup_token(token));
    const NewUser root{.name = "root", .password = "correct horse"};
    EXPECT_EQ(ErrorKind::kNotFound,
              error_of([&] { hub.accounts.use_setup_token("guess", root, ""); }).kind());
    EXPECT_EQ(ErrorKind::kInvalid, error_of([&] {
                                     hub.accounts.use_setup_token(
                                         token, {.name = "root", .password = "short"}, "");
                                   }).kind());
    EXPECT_TRUE(hub.accounts.use_setup_token(token, root, "127.0.0.1").is_admin);
    EXPECT_FALSE(hub.accounts.needs_setup());
    EXPECT_FALSE(hub.accounts.is_setup_token(token));
    EXPECT_EQ(ErrorKind::kNotFound,
              error_of([&] { hub.accounts.use_setup_token(token, {.name = "other"}, ""); }).kind());
  });
}

TEST(Accounts, AnAdministratorMadeByTheCommandLineClosesTheSetupLink) {
  with_hub([](Hub& hub) {
    const std::string token = hub.accounts.create_setup_token();
    const auto other_database = hub.database.open_again();
    Accounts command_line(*other_database, hub.clock);
    command_line.create_user(hub.by, {.name = "root", .is_admin = true});
    EXPECT_FALSE(hub.accounts.needs_setup());
    EXPECT_FALSE(hub.accounts.is_setup_token(token));
    EXPECT_EQ(ErrorKind::kNotFound,
              error_of([&] { hub.accounts.use_setup_token(token, {.name = "other"}, ""); }).kind());
  });
}

TEST(DeviceLogin, ApprovalGivesTokensOnce) {
  with_hub([](Hub& hub) {
    const DeviceCode code = hub.accounts.start_device_login(kClient, "");
    const auto poll = [&] { return hub.accounts.poll_device_login(code.device_code, kClient); };
    EXPECT_EQ(9u, code.user_code.size());
    EXPECT_EQ('-', code.user_code[4]);
    EXPECT_EQ(900, code.expires_in_s);
    EXPECT_EQ("authorization_pending", oauth_error_of(poll));

    const auto session = hub.accounts.sign_in("alice", "correct horse", "");
    const Identity alice = *hub.accounts.authenticate_session(session.value);
    const std::string typed = " " + to_lower(replace_all(code.user_code, "-", ""));
    ASSERT_TRUE(hub.accounts.find_device_request(typed));
    EXPECT_EQ(kClient, hub.accounts.find_device_request(typed)->client_id);
    EXPECT_TRUE(hub.accounts.answer_device_request(alice, typed, true, "127.0.0.1"));
    EXPECT_FALSE(hub.accounts.answer_device_request(alice, typed, true, "127.0.0.1"));
    EXPECT_FALSE(hub.accounts.find_device_request(typed));

    const OAuthTokens tokens = poll();
    EXPECT_TRUE(tokens.access_token.starts_with("hf_oauth_"));
    EXPECT_EQ("invalid_grant", oauth_error_of(poll));
    const auto identity = hub.accounts.authenticate_token(tokens.access_token);
    ASSERT_TRUE(identity);
    EXPECT_EQ("Alice", identity->name);
    EXPECT_EQ(CredentialKind::kOAuth, identity->credential.kind);
    EXPECT_FALSE(hub.accounts.authenticate_token(tokens.refresh_token));
  });
}

TEST(DeviceLogin, PollingTooFastIsSlowedDown) {
  with_hub([](Hub& hub) {
    const DeviceCode code = hub.accounts.start_device_login(kClient, "");
    const auto poll = [&] {
      return oauth_error_of([&] { hub.accounts.poll_device_login(code.device_code, kClient); });
    };
    EXPECT_EQ("authorization_pending", poll());
    hub.clock.advance_ms(3'999);
    EXPECT_EQ("slow_down", poll());  // From now on every 10 s.
    hub.clock.advance_ms(8'999);
    EXPECT_EQ("slow_down", poll());  // 15 s.
    hub.clock.advance_ms(14'000);
    EXPECT_EQ("authorization_pending", poll());
  });
}

TEST(DeviceLogin, DenialAndExpiryAreTold) {
  with_hub([](Hub& hub) {
    const auto session = hub.accounts.sign_in("alice", "correct horse", "");
    const Identity alice = *hub.accounts.authenticate_session(session.value);
    const DeviceCode denied = hub.accounts.start_device_login(kClient, "read-repos");
    EXPECT_TRUE(hub.accounts.answer_device_request(alice, denied.user_code, false, ""));
    EXPECT_EQ("access_denied",
              oauth_error_of([&] { hub.accounts.poll_device_login(denied.device_code, kClient); }));
    const DeviceCode late = hub.accounts.start_device_login(kClient, "");
    hub.clock.advance_ms(kDeviceCodeMs);
    EXPECT_FALSE(hub.accounts.answer_device_request(alice, late.user_code, true, ""));
    hub.accounts.remove_expired();
    EXPECT_EQ("expired_token",
              oauth_error_of([&] { hub.accounts.poll_device_login(late.device_code, kClient); }));
    EXPECT_EQ("invalid_grant",
              oauth_error_of([&] { hub.accounts.poll_device_login("guess", kClient); }));
    EXPECT_EQ("invalid_grant", oauth_error_of([&] {
                hub.accounts.poll_device_login(late.device_code, "someone else");
              }));
    EXPECT_EQ("invalid_scope",
              oauth_error_of([&] { hub.accounts.start_device_login(kClient, "root"); }));
    EXPECT_EQ("invalid_client", oauth_error_of([&] { hub.accounts.start_device_login("", ""); }));
  });
}

TEST(DeviceLogin, ARefreshTokenIsUsedUpAfterAMinute) {
  with_hub([](Hub& hub) {
    const auto session = hub.accounts.sign_in("alice", "correct horse", "");
    const Identity alice = *hub.accounts.authenticate_session(session.value);
    const DeviceCode code = hub.accounts.start_device_login(kClient, "read-repos gated-repos");
    hub.accounts.answer_device_request(alice, code.user_code, true, "");
    const OAuthTokens first = hub.accounts.poll_device_login(code.device_code, kClient);
    EXPECT_TRUE(
        hub.accounts.authenticate_token(first.access_token)->credential.can_read_gated_repos);
    const auto refresh = [&](const OAuthTokens& tokens, std::string_view client) {
      return hub.accounts.refresh_oauth(tokens.refresh_token, client);
    };
    EXPECT_EQ("invalid_grant", oauth_error_of([&] { refresh(first, "someone else"); }));
    const OAuthTokens second = refresh(first, kClient);
    EXPECT_EQ("read-repos gated-repos", second.scope);
    hub.clock.advance_ms(59'999);
    const OAuthTokens twin = refresh(first, kClient);
    hub.clock.advance_ms(1);
    EXPECT_EQ("invalid_grant", oauth_error_of([&] { refresh(first, kClient); }));
    for (const OAuthTokens& tokens : {second, twin}) {
      EXPECT_TRUE(hub.accounts.authenticate_token(tokens.access_token));
    }
    hub.clock.advance_ms(kOAuthAccessMs);
    EXPECT_FALSE(hub.accounts.authenticate_token(second.access_token));
    EXPECT_NO_THROW(refresh(second, kClient));
    hub.accounts.set_disabled(hub.by, "alice", true);
    EXPECT_EQ("invalid_grant", oauth_error_of([&] { refresh(twin, kClient); }));
  });
}

TEST(DeviceLogin, EndingASignInKillsItsTokens) {
  with_hub([](Hub& hub) {
    hub.accounts.create_user(hub.by, {.name = "bob"});
    const auto session = hub.accounts.sign_in("alice", "correct horse", "");
    const Identity alice = *hub.accounts.authenticate_session(session.value);
    const auto log_in = [&] {
      const DeviceCode code = hub.accounts.start_device_login(kClient, "");
      hub.accounts.answer_device_request(alice, code.user_code, true, "");
      return hub.accounts.poll_device_login(code.device_code, kClient);
    };
    const OAuthTokens first = log_in();
    hub.clock.advance_ms(1);
    const OAuthTokens second = log_in();
    const auto sign_ins = hub.accounts.list_sign_ins("alice");
    ASSERT_EQ(2u, sign_ins.size());
    EXPECT_EQ(kClient, sign_ins[0].client_id);
    const std::string& id = sign_ins[1].id;
    EXPECT_EQ(ErrorKind::kNotFound,
              error_of([&] { hub.accounts.end_sign_in(hub.by, "bob", id); }).kind());
    hub.accounts.end_sign_in(hub.by, "alice", id);
    EXPECT_FALSE(hub.accounts.authenticate_token(first.access_token));
    EXPECT_EQ("invalid_grant",
              oauth_error_of([&] { hub.accounts.refresh_oauth(first.refresh_token, kClient); }));
    EXPECT_TRUE(hub.accounts.authenticate_token(second.access_token));

    // Housekeeping forgets it with the last of its tokens.
    hub.clock.advance_ms(kOAuthAccessMs);
    hub.accounts.remove_expired();
    EXPECT_EQ(1u, hub.accounts.list_sign_ins("alice").size());
    hub.clock.advance_ms(kOAuthRefreshMs);
    hub.accounts.remove_expired();
    EXPECT_TRUE(hub.accounts.list_sign_ins("alice").empty());
  });
}

TEST(Audit, EveryChangeNamesItsActor) {
  with_hub([](Hub& hub) {
    const Audit audit(*hub.database, hub.clock);
    const Actor bob{.user_id = "0123", .name = "bob", .remote_address = "10.0.0.1"};
    hub.accounts.create_token(bob, "alice", {.display_name = "t", .role = TokenRole::kWrite});
    EXPECT_THROW(hub.accounts.create_token(bob, "alice", {.display_name = "t"}), Error);
    auto entries = audit.list();
    ASSERT_EQ(2u, entries.size());
    EXPECT_EQ("token.create", entries[0].action);
    EXPECT_EQ("Alice", entries[0].target);
    EXPECT_EQ("bob", entries[0].actor.name);
    EXPECT_EQ("10.0.0.1", entries[0].actor.remote_address);
    EXPECT_EQ("write", get_string(entries[0].detail, "role"));
    EXPECT_EQ("user.create", entries[1].action);
    EXPECT_EQ("", entries[1].actor.user_id);
    EXPECT_EQ(1u, audit.list({.actor_id = "0123"}).size());
    EXPECT_EQ(1u, audit.list({.target = "Alice", .actor_id = "0123"}).size());
    EXPECT_EQ(1u, audit.list({.target = "Alice", .before_seq = entries[0].seq}).size());
    EXPECT_EQ(1u, audit.list({.limit = 1}).size());
  });
}

}  // namespace
}  // namespace hearth::hub
