#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

TEST(Repositories, NewModelHasOneCommitWithAttributes) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    EXPECT_EQ(hub.paths(repo), std::vector<std::string>{".gitattributes"});
    auto page = hub.parts.contents.commits(repo, hub.parts.contents.resolve(repo, "main"), {});
    ASSERT_EQ(page.commits.size(), 1u);
    EXPECT_EQ(page.commits[0].title, "initial commit");
    EXPECT_EQ(page.commits[0].users, std::vector<std::string>{"alice"});
    EXPECT_EQ(page.total_count, 1u);
    EXPECT_EQ(hub.fresh(repo).head_oid, page.commits[0].oid);
    auto config = hub.parts.repositories.open_git(repo).config();
    EXPECT_EQ(config.name, "alice/tiny");
    EXPECT_EQ(config.repo_id, repo.id);
  });
}

TEST(Repositories, NewSpaceHasACardAndStaticFiles) {
  for_each_hub([](TestHub& hub) {
    Repo repo =
        hub.parts.repositories.create(hub.by(hub.alice), {.type = RepoType::kSpace,
                                                          .repo_id = *RepoId::parse("acme/app"),
                                                          .sdk = "static",
                                                          .files = {{"style.css", "body {}"}}});
    EXPECT_EQ(hub.paths(repo),
              (std::vector<std::string>{".gitattributes", "README.md", "index.html", "style.css"}));
    EXPECT_EQ(hub.text(repo, "style.css"), "body {}");
    EXPECT_NE(hub.text(repo, "README.md")->find("sdk: \"static\""), std::string::npos);
  });
}

TEST(Repositories, TakenNameIsAConflictThatTellsWhose) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/Tiny");
    try {
      hub.create("alice/tiny");
      FAIL();
    } catch (const RepoExists& error) {
      EXPECT_EQ(error.message(), "You already created this model repo");
      EXPECT_EQ(error.existing().repo_id.full(), "alice/Tiny");
    }
    hub.create("alice/tiny", RepoType::kDataset);  // Another type is another name.
    EXPECT_EQ(hub.parts.repositories.list().size(), 2u);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Repositories, ForeignNamespaceIsForbidden) {
  for_each_hub([](TestHub& hub) {
    auto error = error_of([&] {
      hub.parts.repositories.create(hub.by(hub.bob), {.repo_id = *RepoId::parse("alice/x")});
    });
    EXPECT_EQ(error.kind(), ErrorKind::kForbidden);
  });
}

TEST(Repositories, RefusedInitialFileLeavesNothing) {
  for_each_hub([](TestHub& hub) {
    for (const InitialFile& file : {InitialFile{"../x", "a"}, InitialFile{"a/.git/config", "a"},
                                    InitialFile{"README.md", "---\nlicense: [\n---\n"},
                                    InitialFile{"big", std::string((10u << 20) + 1, 'x')}}) {
      EXPECT_THROW(hub.parts.repositories.create(
                       hub.by(hub.alice), {.repo_id = *RepoId::parse("alice/x"), .files = {file}}),
                   Error);
    }
    EXPECT_TRUE(hub.parts.repositories.list().empty());
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Repositories, MovedRepositoryIsFoundByItsOldName) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/old");
    Repo moved = hub.parts.repositories.move(hub.by(hub.alice), repo, *RepoId::parse("acme/new"));
    EXPECT_EQ(moved.repo_id.full(), "acme/new");
    auto found = hub.parts.repositories.find(RepoType::kModel, *RepoId::parse("Alice/Old"));
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->moved);
    EXPECT_EQ(found->repo.repo_id.full(), "acme/new");
    EXPECT_FALSE(hub.parts.repositories.find(RepoType::kModel, *RepoId::parse("acme/new"))->moved);

    hub.run_tasks();
    EXPECT_EQ(hub.parts.repositories.open_git(moved).config().name, "acme/new");
    EXPECT_EQ(hub.problems(), "");

    // A new repository takes the old name over.
    Repo taker = hub.create("alice/old");
    found = hub.parts.repositories.find(RepoType::kModel, *RepoId::parse("alice/old"));
    EXPECT_FALSE(found->moved);
    EXPECT_EQ(found->repo.id, taker.id);
    try {
      hub.parts.repositories.move(hub.by(hub.alice), moved, *RepoId::parse("alice/old"));
      FAIL();
    } catch (const RepoExists& error) {
      EXPECT_EQ(error.message(), "A model repository called alice/old already exists");
    }
  });
}

TEST(Repositories, RepositoryRemovedForGoodIsGoneWithItsFolder) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "a.txt", "a");
    hub.parts.repositories.remove_for_good(Actor::command_line(), repo);
    EXPECT_FALSE(hub.parts.repositories.find(RepoType::kModel, repo.repo_id));
    EXPECT_EQ(error_of([&] {
                hub.parts.repositories.remove_for_good(Actor::command_line(), repo);
              }).code(),
              "RepoNotFound");
    hub.run_tasks();
    EXPECT_FALSE(fs::exists(hub.parts.repositories.git_dir(repo)));
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Repositories, SettingsChangeOnlyWhatIsNamed) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.parts.repositories.update(Actor::command_line(), repo, {.gated = Gated::kAuto});
    Repo now = hub.parts.repositories.update(Actor::command_line(), repo, {.is_private = true});
    EXPECT_TRUE(now.is_private);
    EXPECT_EQ(hub.fresh(repo).gated, Gated::kAuto);
    EXPECT_TRUE(hub.fresh(repo).is_private);
  });
}

TEST(Repositories, ACopyHasHistoryTagsAndLargeFilesOfItsOwn) {
  for_each_hub([](TestHub& hub) {
    Repo source = hub.create("alice/tiny");
    std::string sha256 = hub.upload(source, "large content");
    hub.commit(source, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    hub.put(source, "a.txt", "one");
    hub.parts.commits.create_branch(hub.by(hub.alice), source, "side", {});
    hub.parts.commits.create_tag(hub.by(hub.alice), source, "v1", "main", "annotated");
    hub.commit(source, [](CommitDraft& draft) { draft.put("pr.txt", "x"); }, {"proposed"},
               {"main", true});
    std::string unnamed = hub.upload(source, "uploaded and never committed");

    Repo copy = hub.parts.repositories.duplicate(hub.by(hub.alice), hub.fresh(source),
                                                 {.repo_id = *RepoId::parse("acme/copy")});
    auto refs = hub.parts.contents.refs(copy);
    EXPECT_EQ(refs.branches.size(), 2u);
    ASSERT_EQ(refs.tags.size(), 1u);
    EXPECT_EQ(refs.tags[0].target_commit, hub.parts.contents.refs(source).tags[0].target_commit);
    EXPECT_TRUE(refs.pull_requests.empty());
    EXPECT_EQ(hub.fresh(copy).head_oid, hub.fresh(source).head_oid);
    EXPECT_TRUE(hub.large_files.find(copy.id, sha256));
    EXPECT_FALSE(hub.large_files.find(copy.id, unnamed));
    EXPECT_EQ(hub.problems(), "");

    hub.put(copy, "a.txt", "two");
    EXPECT_EQ(hub.text(source, "a.txt"), "one");
    hub.parts.repositories.remove_for_good(Actor::command_line(), source);
    hub.run_tasks();
    EXPECT_EQ(hub.large_files.open_large(copy.id, sha256)->size_bytes(), 13u);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Repositories, ACopyIsAsPrivateAndAsGatedAsItsSourceUnlessItsMakerSaysOtherwise) {
  for_each_hub([](TestHub& hub) {
    Repo source = hub.create("alice/tiny");
    source = hub.parts.repositories.update(Actor::command_line(), source,
                                           {.is_private = true, .gated = Gated::kManual});
    Repo copy = hub.parts.repositories.duplicate(hub.by(hub.alice), source,
                                                 {.repo_id = *RepoId::parse("alice/copy")});
    EXPECT_TRUE(copy.is_private);
    EXPECT_EQ(hub.fresh(copy).gated, Gated::kManual);
    Repo open = hub.parts.repositories.duplicate(
        hub.by(hub.alice), source, {.repo_id = *RepoId::parse("alice/open"), .is_private = false});
    EXPECT_FALSE(hub.fresh(open).is_private);
    EXPECT_EQ(hub.fresh(open).gated, Gated::kManual);
    EXPECT_THROW(hub.parts.repositories.duplicate(hub.by(hub.alice), source,
                                                  {.repo_id = *RepoId::parse("alice/open")}),
                 RepoExists);
    auto error = error_of([&] {
      hub.parts.repositories.duplicate(hub.by(hub.bob), source,
                                       {.repo_id = *RepoId::parse("acme/copy")});
    });
    EXPECT_EQ(error.kind(), ErrorKind::kForbidden);
  });
}

TEST(Repositories, VerifyTellsOfDamage) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "large content");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    EXPECT_EQ(hub.problems(), "");

    fs::remove(hub.blobs.path_of(sha256));
    auto problems = hub.parts.repositories.verify().problems;
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_NE(problems[0].find(sha256), std::string::npos);

    auto git = hub.parts.repositories.open_git(repo);
    auto head = git.ref_commit("refs/heads/main");
    auto before = git.commit_info(*head).parents.at(0);
    git.update_ref_cas({"refs/heads/main", head, before});
    EXPECT_NE(hub.problems().find("its index stands at commit"), std::string::npos);
    git.update_ref_cas({"refs/heads/main", before, head});

    fs::path orphan =
        hub.parts.repositories.git_dir(repo).parent_path() / "000000000000000000000000.git";
    fs::create_directories(orphan);
    EXPECT_EQ(hub.parts.repositories.verify().problems.size(), 2u);

    fs::remove_all(hub.parts.repositories.git_dir(repo));
    problems = hub.parts.repositories.verify().problems;
    EXPECT_EQ(problems.size(), 2u);
  });
}

TEST(Repositories, WhatACreationCouldNotTakeAwayGoesAtTheNextStart) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    fs::path left = hub.parts.repositories.git_dir(repo).string() + ".new-abcdefgh";
    fs::path other = left.parent_path() / "0123456789abcdef01234567.git.new-abcdefgh";
    make_dirs(left);
    make_dirs(other);
    EXPECT_EQ(hub.problems(), "");
    hub.parts.repositories.catch_up();
    EXPECT_FALSE(fs::exists(left));
    EXPECT_FALSE(fs::exists(other));
    EXPECT_EQ(hub.problems(), "");
  });
}

}  // namespace
}  // namespace hearth::hub
