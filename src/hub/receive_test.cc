#include <thread>

#include <fmt/format.h>

#include "git/test_repo.h"
#include "hub/hub_test_data.h"
#include "hub/receive_store.h"
#include "hub/repository_store.h"

namespace hearth::hub {
namespace {

/// Someone's clone, and pushes from it as git's client sends them.
class Clone {
 public:
  Clone(TestHub& hub, const Repo& repo) : hub_(hub), repo_(repo), work_(folder_.path() / "work") {
    git::git_output(folder_.path(), {"clone", "-q", git_dir().string(), "work"});
  }

  git::Oid commit(const std::string& path, const std::string& content) {
    make_dirs((work_ / path).parent_path());
    write_durably(work_ / path, content);
    git::git_output(work_, {"add", "-A", "-f"});
    git::git_output(work_, {"commit", "-q", "-m", "push " + path});
    return head();
  }
  git::Oid head() { return *git::Oid::parse(git::git_output(work_, {"rev-parse", "HEAD"})); }
  void fetch() { git::git_output(work_, {"pull", "-q", "--rebase"}); }

  struct Command {
    std::string ref;
    git::Oid old_oid;
    git::Oid new_oid;
  };
  /// The whole answer as text.
  std::string push(const Identity& who, const std::vector<Command>& commands) {
    std::string body;
    std::string wanted;
    for (const Command& command : commands) {
      std::string line = command.old_oid.hex() + " " + command.new_oid.hex() + " " + command.ref;
      if (body.empty()) line += std::string(1, '\0') + "report-status";
      body += fmt::format("{:04x}", line.size() + 4) + line;
      if (!command.new_oid.is_zero()) wanted += command.new_oid.hex() + "\n";
    }
    body += "0000";
    if (!wanted.empty()) {
      body += git::plain_git(work_, {"pack-objects", "--revs", "--stdout", "-q"}, wanted).out;
    }
    git::ReceivePack pack(git_dir());
    pack.write(as_bytes(body));
    pack.finish();
    hub_.clock.advance_ms(1000);
    return hub_.parts.receive.push(hub_.by(who), repo_, pack);
  }
  std::string push_main(const Identity& who, const git::Oid& old_oid) {
    return push(who, {{"refs/heads/main", old_oid, head()}});
  }

 private:
  fs::path git_dir() { return hub_.parts.repositories.git_dir(repo_); }

  TestHub& hub_;
  Repo repo_;
  git::TestFolder folder_;
  fs::path work_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(Receive, PushMovesTheBranchAndTheIndexKnows) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    Clone clone(hub, repo);
    git::Oid before = clone.head();
    clone.commit("README.md", "---\nlicense: mit\n---\n");
    git::Oid after = clone.commit("dir/a.txt", "hello");
    std::string answer = clone.push_main(hub.alice, before);
    EXPECT_TRUE(has(answer, "unpack ok")) << answer;
    EXPECT_TRUE(has(answer, "ok refs/heads/main")) << answer;
    EXPECT_EQ(hub.fresh(repo).head_oid, after.hex());
    EXPECT_EQ(hub.text(repo, "dir/a.txt"), "hello");
    auto info = hub.parts.contents.paths_info(repo, hub.parts.contents.resolve(repo, "main"),
                                              {"dir", "README.md"}, {.expand = true});
    ASSERT_EQ(info.size(), 2u);
    EXPECT_EQ(info[0].last_commit->oid, after.hex());
    EXPECT_EQ(info[1].last_commit->title, "push README.md");
    auto entries = hub.audit.list({.target = repo.id, .actor_id = {}, .before_seq = {}});
    ASSERT_FALSE(entries.empty());
    EXPECT_EQ(entries[0].action, "repo.push");
    EXPECT_EQ(entries[0].actor.name, "alice");
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Receive, PushThatIsBehindIsRefused) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    Clone clone(hub, repo);
    git::Oid before = clone.head();
    clone.commit("a.txt", "theirs");
    auto ours = hub.put(repo, "b.txt", "ours");
    std::string answer = clone.push_main(hub.alice, before);
    EXPECT_TRUE(has(answer, "ng refs/heads/main")) << answer;
    EXPECT_EQ(hub.fresh(repo).head_oid, ours.commit_oid);
    clone.fetch();
    answer = clone.push_main(hub.alice, *git::Oid::parse(ours.commit_oid));
    EXPECT_TRUE(has(answer, "ok refs/heads/main")) << answer;
    EXPECT_TRUE(hub.parts.receive.pending_repos().empty());
  });
}

TEST(Receive, LargePlainFilesAndUnknownPointersAreRefused) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    {
      Clone clone(hub, repo);
      git::Oid before = clone.head();
      clone.commit("big.bin", std::string((10u << 20) + 1, 'x'));
      EXPECT_TRUE(has(clone.push_main(hub.alice, before), "ng refs/heads/main"));
    }
    Clone clone(hub, repo);
    git::Oid before = clone.head();
    std::string content = "weights";
    git::LfsPointer pointer{sha256_hex(content), content.size()};
    clone.commit("model.bin", pointer.format());
    EXPECT_TRUE(has(clone.push_main(hub.alice, before), "ng refs/heads/main"));
    EXPECT_EQ(hub.paths(repo).size(), 1u);
    hub.upload(repo, content);
    EXPECT_TRUE(has(clone.push_main(hub.alice, before), "ok refs/heads/main"));
    EXPECT_EQ(hub.large_bytes(repo), content.size());
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Receive, BrokenCardIsRefusedWithTheReason) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    Clone clone(hub, repo);
    git::Oid before = clone.head();
    clone.commit("README.md", "---\nlicense: [\n---\n");
    std::string answer = clone.push_main(hub.alice, before);
    EXPECT_TRUE(has(answer, "ng refs/heads/main README.md has invalid metadata")) << answer;
  });
}

TEST(Receive, WhoMayMoveWhichRef) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    Clone clone(hub, repo);
    git::Oid before = clone.head();
    git::Oid after = clone.commit("a.txt", "a");
    EXPECT_TRUE(has(clone.push_main(hub.bob, before), "ng refs/heads/main you may not write"));
    std::string answer = clone.push(hub.alice, {{"refs/heads/main", before, git::Oid{}},
                                                {"refs/convert/parquet", git::Oid{}, after},
                                                {"refs/pr/1", git::Oid{}, after},
                                                {"refs/notes/x", git::Oid{}, after},
                                                {"refs/heads/../x", git::Oid{}, after},
                                                {"refs/heads/ok", git::Oid{}, after},
                                                {"refs/tags/v1", git::Oid{}, after}});
    EXPECT_TRUE(has(answer, "ng refs/heads/main Cannot delete")) << answer;
    EXPECT_TRUE(has(answer, "ng refs/convert/parquet")) << answer;
    EXPECT_TRUE(has(answer, "ng refs/pr/1")) << answer;
    EXPECT_TRUE(has(answer, "ng refs/notes/x")) << answer;
    EXPECT_TRUE(has(answer, "ng refs/heads/../x")) << answer;
    EXPECT_TRUE(has(answer, "ok refs/heads/ok")) << answer;
    EXPECT_TRUE(has(answer, "ok refs/tags/v1")) << answer;
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Receive, AuthorPushesToTheirPullRequest) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto opened = hub.parts.community.create(hub.by(hub.bob), repo,
                                             {.title = "mine", .is_pull_request = true});
    EXPECT_EQ(opened["num"].as_int64(), 1);
    Clone clone(hub, repo);
    git::Oid before = clone.head();
    git::Oid after = clone.commit("a.txt", "a");
    Identity carol = hub.person("carol");
    EXPECT_TRUE(has(clone.push(carol, {{"refs/pr/1", before, after}}), "ng refs/pr/1"));
    EXPECT_TRUE(has(clone.push(hub.bob, {{"refs/pr/1", before, after}}), "ok refs/pr/1"));
    auto details = hub.parts.community.details(repo, 1, {.with_diff = true});
    auto& events = details["events"].as_array();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].as_object()["type"], "commit");
    EXPECT_EQ(events[0].as_object()["data"].as_object()["subject"], "push a.txt");
    EXPECT_TRUE(has(std::string(details["diff"].as_string()), "+a"));
    EXPECT_TRUE(has(clone.push(hub.alice, {{"refs/pr/1", after, git::Oid{}}}), "ng refs/pr/1"));
  });
}

TEST(Receive, CatchUpCompletesWhatMovedAndDropsTheRest) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    fs::path dir = hub.parts.repositories.git_dir(repo);
    auto head = git::GitRepo::open(dir).ref_commit("refs/heads/main");
    // As far as a crash between the ref and the index comes.
    git::CommitBuilder builder(dir, head);
    builder.put_blob(git::RepoPath::require("a.txt"), as_bytes("a"));
    git::Signature who{.name = "alice", .email = "a@x", .time_ms = hub.clock.now_ms()};
    auto built =
        builder.build({.author = who, .committer = who, .message = "m", .parents = {*head}});
    builder.quarantine().migrate();
    auto row = [&](const std::string& ref, json::object payload) {
      RefUpdateRow update;
      update.id = new_object_id();
      update.repo_id = repo.id;
      update.ref = ref;
      update.new_oid = built.commit->hex();
      update.kind = "commit";
      update.payload = std::move(payload);
      update.actor = Actor::of(hub.alice, "");
      update.created_ms = hub.clock.now_ms();
      return update;
    };
    hub.database.write([&](db::Tx& tx) {
      auto main = row("refs/heads/main", {});
      main.old_oid = head->hex();
      insert_pending(tx, main);
      insert_pending(tx, row("refs/heads/never", {}));
      json::object open{{"title", "t"},
                        {"description", "d"},
                        {"base_ref", "refs/heads/main"},
                        {"base_oid", head->hex()},
                        {"is_draft", false}};
      next_discussion_number(tx, repo.id);
      insert_pending(tx, row("refs/pr/1", {{"open", open}}));
    });
    git::GitRepo git = git::GitRepo::open(dir);
    git.update_ref_cas({"refs/heads/main", head, built.commit});
    git.create_ref("refs/pr/1", *built.commit);

    hub.parts.repositories.catch_up();
    EXPECT_TRUE(hub.parts.receive.pending_repos().empty());
    EXPECT_EQ(hub.fresh(repo).head_oid, built.commit->hex());
    auto details = hub.parts.community.details(repo, 1, {});
    EXPECT_EQ(details["title"], "t");
    EXPECT_EQ(details["events"].as_array().size(), 2u);
    EXPECT_EQ(hub.problems(), "");
    hub.parts.repositories.catch_up();
    EXPECT_EQ(hub.parts.community.details(repo, 1, {}), details);
  });
}

TEST(Receive, TextThatNoDatabaseTakesNeverMovesARef) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string head = hub.fresh(repo).head_oid;
    auto fill = [](CommitDraft& draft) { draft.put("a.txt", "a"); };
    for (const std::string& bad : {std::string("a\0b", 3), std::string("\xff")}) {
      EXPECT_EQ(error_of([&] { hub.commit(repo, fill, {bad}); }).kind(), ErrorKind::kInvalid);
      EXPECT_EQ(error_of([&] { hub.commit(repo, fill, {"x", bad}); }).kind(), ErrorKind::kInvalid);
      EXPECT_EQ(error_of([&] {
                  hub.parts.community.create(hub.by(hub.bob), repo,
                                             {.title = "x" + bad, .is_pull_request = true});
                }).kind(),
                ErrorKind::kInvalid);
    }
    EXPECT_EQ(hub.fresh(repo).head_oid, head);
    // In a card it may stand: YAML can write it.
    hub.put(repo, "README.md", "---\nlicense: mit\ntags:\n- \"a\\0b\"\ntitle: \"\\0\"\n---\n\0");
    hub.put(repo, "config.json", "{\"model_type\":\"a\\u0000b\",\"architectures\":[\"\\u0000\"]}");
    EXPECT_EQ(hub.problems(), "");
    EXPECT_TRUE(hub.parts.receive.pending_repos().empty());
  });
}

TEST(Receive, TwoProcessesOnOneRepositoryLoseNothing) {
  db::for_each_engine([](db::TestDatabase& database) {
    TestHub one(database);
    Repo repo = one.create("alice/tiny");
    auto connection = database.open_again();
    TestHub other(*connection, database.folder());
    constexpr int kCommits = 5;
    auto work = [&](TestHub& hub, const std::string& name) {
      for (int i = 0; i < kCommits; ++i) {
        auto draft = hub.parts.commits.begin(hub.by(one.alice), repo, {"main"}, {"change"});
        draft.put(name + std::to_string(i), "x");
        draft.commit();
      }
    };
    std::thread thread([&] { work(other, "other"); });
    work(one, "one");
    thread.join();
    EXPECT_EQ(one.paths(repo).size(), 1u + 2 * kCommits);
    one.parts.repositories.catch_up();
    EXPECT_EQ(one.problems(), "");
    auto page = one.parts.contents.commits(repo, one.parts.contents.resolve(repo, "main"), {});
    EXPECT_EQ(page.total_count, 1u + 2 * kCommits);
  });
}

}  // namespace
}  // namespace hearth::hub
