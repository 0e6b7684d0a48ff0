// Deleted repositories: absent for everyone, back as they were, gone for good after a while.

#include "hub/hub_test_data.h"
#include "hub/listing.h"

namespace hearth::hub {
namespace {

constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;

std::optional<FoundRepo> find(TestHub& hub, const std::string& name) {
  return hub.parts.repositories.find(RepoType::kModel, *RepoId::parse(name));
}

size_t listed_count(TestHub& hub) {
  Listing listing(hub.database, hub.access);
  size_t count = 0;
  for (SortKey sort : {SortKey::kTrending, SortKey::kLastModified, SortKey::kDownloads}) {
    ListRequest request;
    request.type = RepoType::kModel;
    request.sort = sort;
    count += listing.list(request, &hub.alice).items.size();
  }
  return count;
}

TEST(RepoDeletion, IsAbsentForEveryoneAndComesBackAsItWas) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    std::string sha256 = hub.upload(repo, "large content");
    hub.commit(repo, [&](CommitDraft& draft) { draft.put_large("model.bin", sha256); });
    hub.commit(repo, [](CommitDraft& draft) { draft.put("new.txt", "x"); }, {"propose"},
               {"main", true});
    repo = hub.parts.repositories.move(hub.by(hub.alice), repo, *RepoId::parse("alice/moved"));
    EXPECT_EQ(listed_count(hub), 3u);
    hub.parts.repositories.remove(Actor::command_line(), repo);
    hub.run_tasks();

    EXPECT_FALSE(find(hub, "alice/moved"));
    EXPECT_FALSE(find(hub, "alice/tiny"));
    EXPECT_FALSE(hub.parts.repositories.find_by_id(repo.id));
    EXPECT_TRUE(hub.parts.repositories.list().empty());
    EXPECT_TRUE(hub.parts.repositories.list_of_namespace("alice").empty());
    EXPECT_EQ(listed_count(hub), 0u);
    EXPECT_EQ(error_of([&] { hub.put(repo, "late.txt", "x"); }).kind(), ErrorKind::kNotFound);
    EXPECT_EQ(error_of([&] { hub.parts.repositories.remove(Actor::command_line(), repo); }).kind(),
              ErrorKind::kNotFound);
    EXPECT_EQ(hub.problems(), "");
    hub.parts.repositories.catch_up();

    Repo back = hub.parts.repositories.undelete(Actor::command_line(), repo);
    EXPECT_EQ(back.repo_id.full(), "alice/moved");
    EXPECT_TRUE(find(hub, "alice/tiny")->moved) << "its former name leads to it again";
    EXPECT_EQ(hub.text(back, "new.txt", "refs/pr/1"), "x");
    EXPECT_EQ(blob::read_all(*hub.large_files.open_large(back.id, sha256)), "large content");
    EXPECT_EQ(listed_count(hub), 3u);
    hub.put(back, "after.txt", "x");
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
    EXPECT_EQ(
        error_of([&] { hub.parts.repositories.undelete(Actor::command_line(), repo); }).kind(),
        ErrorKind::kNotFound);
  });
}

TEST(RepoDeletion, OneThatIsOlderThanListsComesBackIntoThem) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/old");
    hub.parts.repositories.remove(Actor::command_line(), repo);
    hub.database.write([&](db::Tx& tx) {
      for (const char* sql :
           {"DELETE FROM repo_rank WHERE repo_id = ?1", "DELETE FROM repo_facts WHERE repo_id = ?1",
            "DELETE FROM repo_tag WHERE repo_id = ?1"}) {
        tx.execute(sql, {repo.id});
      }
    });
    hub.parts.repositories.undelete(Actor::command_line(), repo);
    hub.run_tasks();
    EXPECT_EQ(listed_count(hub), 3u);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(RepoDeletion, ComesBackUnderAnotherNameWhenItsOwnIsTaken) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "first.txt", "first");
    hub.parts.repositories.remove(Actor::command_line(), repo);
    Repo second = hub.create("alice/TINY");
    EXPECT_THROW(hub.parts.repositories.undelete(Actor::command_line(), repo), RepoExists);
    Repo back =
        hub.parts.repositories.undelete(Actor::command_line(), repo, *RepoId::parse("acme/tiny"));
    EXPECT_EQ(back.namespace_id, hub.accounts.find_namespace("acme")->id);
    EXPECT_EQ(hub.text(back, "first.txt"), "first");
    EXPECT_EQ(find(hub, "alice/tiny")->repo.id, second.id);
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(RepoDeletion, GoesForGoodWhenItsTimeIsOver) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.parts.repositories.remove(Actor::command_line(), repo);
    hub.clock.advance_ms(6 * kDayMs);
    Repo later = hub.create("alice/tiny");
    hub.parts.repositories.remove(Actor::command_line(), later);
    EXPECT_TRUE(hub.parts.repositories.overdue().empty());
    hub.clock.advance_ms(2 * kDayMs);
    auto removed = hub.parts.repositories.remove_overdue(Actor::command_line());
    ASSERT_EQ(removed.size(), 1u);
    EXPECT_EQ(removed[0].repo.id, repo.id);
    EXPECT_FALSE(fs::exists(hub.parts.repositories.git_dir(repo)));
    EXPECT_TRUE(fs::exists(hub.parts.repositories.git_dir(later)));
    EXPECT_EQ(hub.parts.repositories.deleted().size(), 1u);
    hub.run_tasks();
    EXPECT_EQ(hub.problems(), "");
    hub.parts.repositories.undelete(Actor::command_line(), later);
  });
}

TEST(RepoDeletion, KeepsWhatItsDeleterWasToldUnderOtherSettings) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.parts.repositories.remove(Actor::command_line(), repo);
    HubContext other = hub.context();
    other.undelete_ms = kDayMs;  // As 'hearth gc' of somebody who does not know the server's flags.
    RepositoryParts parts(other);
    hub.clock.advance_ms(2 * kDayMs);
    EXPECT_TRUE(parts.repositories.remove_overdue(Actor::command_line()).empty());
    EXPECT_EQ(parts.repositories.deleted().at(0).kept_until_ms, hub.clock.now_ms() + 5 * kDayMs);
    parts.repositories.undelete(Actor::command_line(), repo);
  });
}

}  // namespace
}  // namespace hearth::hub
