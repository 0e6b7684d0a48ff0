#include "hub/hub_test_data.h"

namespace hearth::hub {
namespace {

CommitResult open_by_commit(TestHub& hub, const Identity& who, const Repo& repo,
                            const std::string& path, const std::string& content) {
  return hub.commit_by(who, repo, [&](CommitDraft& draft) { draft.put(path, content); },
                       {"Add " + path, "Why."}, {.revision = "main", .create_pr = true});
}

TEST(Community, OneCounterForBothKinds) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& community = hub.parts.community;
    auto first = community.create(hub.by(hub.bob), repo, {" Hello ", "Text"});
    EXPECT_EQ(first["num"].as_int64(), 1);
    EXPECT_EQ(first["title"], "Hello");
    EXPECT_EQ(first["status"], "open");
    EXPECT_EQ(first["isPullRequest"], false);
    EXPECT_EQ(first["events"].as_array().size(), 1u);
    EXPECT_FALSE(first.contains("changes"));
    auto second = open_by_commit(hub, hub.bob, repo, "a.txt", "a");
    EXPECT_EQ(second.pull_request, 2);
    auto third = community.create(hub.by(hub.bob), repo, {.title = "PR", .is_pull_request = true});
    EXPECT_EQ(third["num"].as_int64(), 3);
    EXPECT_EQ(third["status"], "draft");
    auto list = community.list(repo, {});
    EXPECT_EQ(list["count"].as_int64(), 3);
    EXPECT_EQ(list["discussions"].as_array()[0].as_object()["num"].as_int64(), 3);
    EXPECT_EQ(community.list(repo, {.is_pull_request = true})["count"].as_int64(), 2);
    EXPECT_EQ(community.list(repo, {.author = "Alice"})["count"].as_int64(), 0);
    EXPECT_EQ(community.list(repo, {.author = "nobody"})["count"].as_int64(), 0);
    EXPECT_EQ(community.list(repo, {.status = "closed"})["count"].as_int64(), 0);
    EXPECT_EQ(community.list(repo, {.page = 1})["start"].as_uint64(), kDiscussionsPerPage);
    EXPECT_EQ(error_of([&] { community.details(repo, 9, {}); }).kind(), ErrorKind::kNotFound);
  });
}

TEST(Community, PullRequestOfACommitHasItsChangesAndMerges) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& community = hub.parts.community;
    auto opened = open_by_commit(hub, hub.bob, repo, "a.txt", "from bob");
    ASSERT_EQ(opened.pull_request, 1);
    EXPECT_EQ(hub.paths(repo).size(), 1u);
    auto details = community.details(repo, 1, {.with_diff = true});
    EXPECT_EQ(details["status"], "open");
    EXPECT_EQ(details["changes"].as_object()["base"], "refs/heads/main");
    EXPECT_TRUE(details["changes"].as_object()["mergeCommitId"].is_null());
    EXPECT_EQ(details["filesWithConflicts"].as_array().size(), 0u);
    EXPECT_NE(std::string(details["diff"].as_string()).find("+from bob"), std::string::npos);
    ASSERT_EQ(details["events"].as_array().size(), 2u);
    EXPECT_EQ(details["events"].as_array()[1].as_object()["type"], "commit");

    // More commits on it by its author; not by a reader.
    auto fill = [](CommitDraft& draft) { draft.put("b.txt", "b"); };
    Identity carol = hub.person("carol");
    EXPECT_EQ(error_of([&] { hub.commit_by(carol, repo, fill, {"x"}, {"refs/pr/1"}); }).kind(),
              ErrorKind::kForbidden);
    hub.commit_by(hub.bob, repo, fill, {"more"}, {"refs/pr/1"});
    EXPECT_EQ(error_of([&] { community.merge(hub.by(hub.bob), repo, 1, ""); }).kind(),
              ErrorKind::kForbidden);
    hub.put(repo, "c.txt", "c");
    std::string merged = community.merge(hub.by(hub.alice), repo, 1, "thanks");
    EXPECT_EQ(hub.fresh(repo).head_oid, merged);
    EXPECT_EQ(hub.paths(repo),
              (std::vector<std::string>{".gitattributes", "a.txt", "b.txt", "c.txt"}));
    details = community.details(repo, 1, {});
    EXPECT_EQ(details["status"], "merged");
    EXPECT_EQ(details["changes"].as_object()["mergeCommitId"], json::string(merged));
    EXPECT_EQ(details["events"].as_array().size(), 5u);
    EXPECT_EQ(error_of([&] { community.merge(hub.by(hub.alice), repo, 1, ""); }).kind(),
              ErrorKind::kConflict);
    EXPECT_EQ(error_of([&] { hub.commit_by(hub.bob, repo, fill, {"x"}, {"refs/pr/1"}); }).kind(),
              ErrorKind::kForbidden);
    EXPECT_EQ(hub.parts.contents.refs(repo).pull_requests.size(), 1u);
    EXPECT_EQ(hub.problems(), "");
  });
}

TEST(Community, ConflictsAreNamedAndRefused) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    hub.put(repo, "a.txt", "base\n");
    open_by_commit(hub, hub.bob, repo, "a.txt", "theirs\n");
    auto ours = hub.put(repo, "a.txt", "ours\n");
    auto details = hub.parts.community.details(repo, 1, {});
    ASSERT_EQ(details["filesWithConflicts"].as_array().size(), 1u);
    EXPECT_EQ(details["filesWithConflicts"].as_array()[0], "a.txt");
    auto error = error_of([&] { hub.parts.community.merge(hub.by(hub.alice), repo, 1, ""); });
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
    EXPECT_NE(error.message().find("a.txt"), std::string::npos);
    EXPECT_EQ(hub.fresh(repo).head_oid, ours.commit_oid);
  });
}

TEST(Community, DraftOpensByStatusAndTitlesChange) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& community = hub.parts.community;
    community.create(hub.by(hub.bob), repo, {.title = "PR", .is_pull_request = true});
    EXPECT_EQ(error_of([&] { community.merge(hub.by(hub.alice), repo, 1, ""); }).kind(),
              ErrorKind::kConflict);
    auto event = community.set_status(hub.by(hub.bob), repo, 1, "open", "");
    EXPECT_EQ(event["type"], "status-change");
    EXPECT_EQ(event["data"].as_object()["status"], "open");
    EXPECT_EQ(community.details(repo, 1, {})["status"], "open");
    event = community.rename(hub.by(hub.alice), repo, 1, "Better");
    EXPECT_EQ(event["data"].as_object()["from"], "PR");
    EXPECT_EQ(event["data"].as_object()["to"], "Better");
    Identity carol = hub.person("carol");
    EXPECT_EQ(error_of([&] { community.rename(hub.by(carol), repo, 1, "x"); }).kind(),
              ErrorKind::kForbidden);
    EXPECT_EQ(error_of([&] { community.set_status(hub.by(carol), repo, 1, "closed", ""); }).kind(),
              ErrorKind::kForbidden);
    EXPECT_EQ(
        error_of([&] { community.set_status(hub.by(hub.bob), repo, 1, "merged", ""); }).kind(),
        ErrorKind::kInvalid);
    community.set_status(hub.by(hub.bob), repo, 1, "closed", "no longer needed");
    EXPECT_EQ(community.list(repo, {.status = "closed"})["count"].as_int64(), 1);
  });
}

TEST(Community, CommentsAreEditedAndHidden) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    auto& community = hub.parts.community;
    community.create(hub.by(hub.bob), repo, {"T", "first"});
    auto event = community.comment(hub.by(hub.bob), repo, 1, "<b>hi</b>");
    std::string id(event["id"].as_string());
    auto& latest = event["data"].as_object()["latest"].as_object();
    EXPECT_EQ(latest["raw"], "<b>hi</b>");
    EXPECT_EQ(latest["html"], "<p>&lt;b&gt;hi&lt;/b&gt;</p>");
    EXPECT_EQ(event["author"].as_object()["name"], "bob");
    EXPECT_EQ(community.details(repo, 1, {})["numComments"].as_int64(), 2);
    EXPECT_EQ(error_of([&] { community.edit_comment(hub.by(hub.alice), repo, 1, id, "x"); }).kind(),
              ErrorKind::kForbidden);
    event = community.edit_comment(hub.by(hub.bob), repo, 1, id, "better");
    EXPECT_EQ(event["data"].as_object()["edited"], true);
    EXPECT_EQ(event["data"].as_object()["history"].as_array().size(), 1u);
    event = community.hide_comment(hub.by(hub.alice), repo, 1, id);
    EXPECT_EQ(event["data"].as_object()["hidden"], true);
    EXPECT_EQ(json::serialize(community.details(repo, 1, {})).find("better"), std::string::npos);
    EXPECT_EQ(error_of([&] { community.edit_comment(hub.by(hub.bob), repo, 1, id, "x"); }).kind(),
              ErrorKind::kConflict);
    EXPECT_EQ(error_of([&] {
                community.comment(hub.by(hub.bob), repo, 1, std::string((64u << 10) + 1, 'x'));
              }).kind(),
              ErrorKind::kTooLarge);
    EXPECT_EQ(error_of([&] { community.comment(hub.by(hub.bob), repo, 1, "  "); }).kind(),
              ErrorKind::kInvalid);
  });
}

TEST(Community, DisabledDiscussionsOpenNothing) {
  for_each_hub([](TestHub& hub) {
    Repo repo = hub.create("alice/tiny");
    repo =
        hub.parts.repositories.update(Actor::command_line(), repo, {.discussions_disabled = true});
    EXPECT_EQ(error_of([&] { hub.parts.community.create(hub.by(hub.bob), repo, {"T"}); }).kind(),
              ErrorKind::kForbidden);
    EXPECT_EQ(error_of([&] { open_by_commit(hub, hub.bob, repo, "a.txt", "a"); }).kind(),
              ErrorKind::kForbidden);
  });
}

}  // namespace
}  // namespace hearth::hub
