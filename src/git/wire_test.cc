// Plain git as the client, with a loop-back transport of pipes in place of HTTP: `git fetch-pack
// --stateless-rpc` and `git send-pack --stateless-rpc` are what git's own HTTP helper runs.

#include <functional>
#include <memory>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "base/error_of.h"
#include "base/text.h"
#include "git/pktline.h"
#include "git/test_repo.h"

namespace hearth::git {
namespace {

std::string all_output(UploadPack& upload) {
  std::string out, block;
  while (true) {
    pollfd wait = {upload.output_fd(), POLLIN, 0};
    ::poll(&wait, 1, 10'000);
    bool more = upload.next(block);
    out += block;
    if (!more) return out;
  }
}

std::string packet(std::string_view text) {
  std::string out;
  internal::append_packet(out, text);
  return out;
}

/// A pack of what `revisions` says ("A", "^B"), as a push carries it.
std::string pack_of(const fs::path& work, std::string_view revisions, bool thin = true) {
  std::vector<std::string> arguments = {"pack-objects", "--revs", "--stdout", "-q"};
  if (thin) arguments.push_back("--thin");
  ChildResult result = plain_git(work, arguments, revisions);
  EXPECT_EQ(result.status, 0) << result.err;
  return result.out;
}

std::string push_body(const std::vector<PushCommand>& commands, std::string_view pack,
                      std::string_view capabilities = "report-status-v2 side-band-64k") {
  std::string body;
  for (const PushCommand& command : commands) {
    std::string line = command.old_oid.hex() + " " + command.new_oid.hex() + " " + command.ref;
    if (body.empty()) line += '\0' + std::string(capabilities);
    body += packet(line);
  }
  return body + "0000" + std::string(pack);
}

/// What a sink does: in blocks of `block_bytes`.
void receive(ReceivePack& pack, std::string_view body, size_t block_bytes = 1000) {
  while (!body.empty()) {
    pack.write(as_bytes(body.substr(0, block_bytes)));
    body.remove_prefix(std::min(block_bytes, body.size()));
  }
  pack.finish();
}

/// A work tree whose origin is the repository.
class WorkTree {
 public:
  explicit WorkTree(const TestRepo& repo) : path_(repo.folder() / "work") {
    git_output(repo.folder(), {"clone", "-q", repo.dir().string(), "work"});
  }
  Oid commit(const std::string& name, std::string_view content, const std::string& message = "x") {
    make_dirs((path_ / name).parent_path());
    write_durably(path_ / name, content);
    git_output(path_, {"add", "-A"});
    git_output(path_, {"commit", "-q", "-m", message});
    return head();
  }
  Oid head() const { return *Oid::parse(git_output(path_, {"rev-parse", "HEAD"})); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(Advertise, UploadPackAnswersInEachProtocol) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"a", "1"}});
  std::string v0 = advertise_refs(repo.dir(), Service::kUploadPack, "");
  EXPECT_TRUE(v0.starts_with("001e# service=git-upload-pack\n0000"));
  EXPECT_NE(v0.find(head.hex() + " refs/heads/main\n"), std::string::npos);
  EXPECT_NE(v0.find("filter"), std::string::npos);
  std::string v1 = advertise_refs(repo.dir(), Service::kUploadPack, "version=1");
  EXPECT_NE(v1.find("version 1\n"), std::string::npos);
  std::string v2 = advertise_refs(repo.dir(), Service::kUploadPack, "version=2");
  EXPECT_TRUE(v2.starts_with("000eversion 2\n"));
  EXPECT_NE(v2.find("ls-refs"), std::string::npos);
  // Text that is no protocol never reaches a child.
  EXPECT_EQ(advertise_refs(repo.dir(), Service::kUploadPack, "version=2; rm -rf /"), v0);
}

TEST(Advertise, ReceivePackListsRefsUnpeeledAndSaysWhatItCan) {
  TestRepo repo;
  std::string empty = advertise_refs(repo.dir(), Service::kReceivePack, "");
  EXPECT_TRUE(empty.starts_with("001f# service=git-receive-pack\n0000"));
  EXPECT_NE(empty.find(std::string(40, '0') + " capabilities^{}" + '\0'), std::string::npos);
  Oid head = repo.commit("main", {{"a", "1"}});
  GitRepo open = repo.open();
  Oid tag = open.write_tag_object("v1", head, {.name = "A", .email = "a@x"}, "m");
  open.create_ref("refs/tags/v1", tag);
  std::string out = advertise_refs(repo.dir(), Service::kReceivePack, "");
  EXPECT_NE(out.find(head.hex() + " refs/heads/main" + '\0' + "report-status report-status-v2"),
            std::string::npos);
  EXPECT_NE(out.find(tag.hex() + " refs/tags/v1\n"), std::string::npos);
  EXPECT_EQ(out.find("atomic"), std::string::npos);
  EXPECT_EQ(out.find("push-options"), std::string::npos);
  EXPECT_TRUE(out.ends_with("0000"));
}

TEST(UploadPack, AnswersLsRefsAndFetchOfProtocolTwo) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"a", "1"}});
  UploadPack list(repo.dir(), packet("command=ls-refs\n") + "0001" + packet("peel\n") + "0000",
                  "version=2");
  EXPECT_EQ(all_output(list),
            packet(head.hex() + " HEAD\n") + packet(head.hex() + " refs/heads/main\n") + "0000");
  UploadPack fetch(repo.dir(),
                   packet("command=fetch\n") + "0001" + packet("want " + head.hex() + "\n") +
                       packet("done\n") + "0000",
                   "version=2");
  std::string out = all_output(fetch);
  EXPECT_TRUE(out.starts_with(packet("packfile\n")));
  EXPECT_NE(out.find("PACK"), std::string::npos);
  EXPECT_TRUE(out.ends_with("0000"));
}

TEST(UploadPack, AnswersProtocolZero) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"a", "1"}});
  UploadPack fetch(
      repo.dir(),
      packet("want " + head.hex() + " side-band-64k ofs-delta\n") + "0000" + packet("done\n"), "");
  std::string out = all_output(fetch);
  EXPECT_TRUE(out.starts_with(packet("NAK\n")));
  EXPECT_NE(out.find("PACK"), std::string::npos);
}

TEST(UploadPack, AcknowledgementsOfALongNegotiationDoNotBlock) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"a", "1"}});
  std::string request =
      packet("want " + head.hex() + " multi_ack_detailed side-band-64k\n") + "0000";
  // 60,000 haves that are there: each is acknowledged, far more than a pipe holds.
  for (int i = 0; i < 60'000; ++i) request += packet("have " + head.hex() + "\n");
  request += "0000";
  UploadPack fetch(repo.dir(), request, "");
  EXPECT_GT(all_output(fetch).size(), 1'000'000u);
}

TEST(UploadPack, NonsenseIsAnErrorAndNoHang) {
  TestRepo repo;
  repo.commit("main", {{"a", "1"}});
  for (std::string_view request :
       std::initializer_list<std::string_view>{"", "xyzw", "0003", "ffff", "0032want zzz\n0000"}) {
    UploadPack fetch(repo.dir(), request, "");
    std::string out = all_output(fetch);
    EXPECT_TRUE(out.empty() || out.substr(4).starts_with("ERR ")) << out;
  }
  EXPECT_EQ(kind_of([&] {
              UploadPack fetch(repo.dir(), std::string(kUploadRequestBytesMax + 1, 'x'), "");
            }),
            ErrorKind::kTooLarge);
}

TEST(UploadPack, OnlySoManyRunAtATime) {
  TestRepo repo;
  repo.commit("main", {{"a", "1"}});
  std::vector<std::unique_ptr<UploadPack>> running;
  auto start = [&] { running.push_back(std::make_unique<UploadPack>(repo.dir(), "0000", "")); };
  for (int i = 0; i < 32; ++i) start();
  EXPECT_EQ(kind_of(start), ErrorKind::kUnavailable);
  running.pop_back();
  start();
}

TEST(UploadPack, UnknownCommitIsRefusedInTheAnswer) {
  TestRepo repo;
  repo.commit("main", {{"a", "1"}});
  UploadPack fetch(repo.dir(), packet("want " + std::string(40, 'a') + "\n") + "0000", "");
  EXPECT_NE(all_output(fetch).find("ERR upload-pack: not our ref"), std::string::npos);
}

TEST(ReceivePack, TakesANewBranch) {
  TestRepo repo;
  WorkTree work(repo);
  Oid head = work.commit("a/b.txt", "hello");
  ReceivePack pack(repo.dir());
  receive(pack, push_body({{"refs/heads/main", Oid{}, head}}, pack_of(work.path(), "HEAD\n")), 7);
  ASSERT_EQ(pack.unpack_error(), "");
  ASSERT_EQ(pack.request().commands.size(), 1u);
  EXPECT_TRUE(pack.request().commands[0].is_create());
  EXPECT_TRUE(pack.request().has("side-band-64k"));
  EXPECT_FALSE(repo.open().has_object(head));
  NewObjects brought = GitRepo::open_with(repo.dir(), pack.quarantine()).new_objects({head});
  ASSERT_EQ(brought.commits, std::vector<Oid>{head});
  ASSERT_EQ(brought.blobs.size(), 1u);
  EXPECT_EQ(brought.blobs[0].path, "a/b.txt");
  EXPECT_EQ(brought.blobs[0].blob_bytes, 5u);
  EXPECT_TRUE(brought.bad_paths.empty());
  pack.quarantine().migrate();
  repo.open().create_ref("refs/heads/main", head);
  EXPECT_TRUE(repo.open().fsck().empty());
  EXPECT_EQ(repo.open().read_file_at(head, "a/b.txt", 100), "hello");
}

TEST(ReceivePack, ThinPackOfAChangeIsCompletedAndOnlyNewBlobsAreTold) {
  TestRepo repo;
  std::string large;
  for (int i = 0; i < 5000; ++i) large += "line " + std::to_string(i) + "\n";
  Oid before = repo.commit("main", {{"big.txt", large}, {"other/keep", "k"}});
  WorkTree work(repo);
  work.commit("big.txt", large + "one more\n");
  LfsPointer pointer{std::string(64, 'c'), 77};
  Oid head = work.commit("other/m.bin", pointer.format());
  ReceivePack pack(repo.dir());
  receive(pack, push_body({{"refs/heads/main", before, head}},
                          pack_of(work.path(), "HEAD\n^" + before.hex() + "\n")));
  ASSERT_EQ(pack.unpack_error(), "");
  NewObjects brought = GitRepo::open_with(repo.dir(), pack.quarantine()).new_objects({head});
  EXPECT_EQ(brought.commits.size(), 2u);
  ASSERT_EQ(brought.blobs.size(), 2u);
  EXPECT_EQ(brought.blobs[0].path, "big.txt");
  EXPECT_EQ(brought.blobs[0].pointer, std::nullopt);
  EXPECT_EQ(brought.blobs[1].path, "other/m.bin");
  EXPECT_EQ(brought.blobs[1].pointer, pointer);
}

TEST(ReceivePack, MissingObjectsAreFound) {
  TestRepo repo;
  WorkTree work(repo);
  Oid first = work.commit("a", "1");
  Oid second = work.commit("b", "2");
  // Only the second commit: its parent, or an unchanged blob, is nowhere.
  ReceivePack pack(repo.dir());
  receive(pack, push_body({{"refs/heads/main", Oid{}, second}},
                          pack_of(work.path(), "HEAD\n^" + first.hex() + "\n", false)));
  EXPECT_NE(pack.unpack_error(), "");
  EXPECT_EQ(kind_of([&] { repo.open().new_objects({second}); }), ErrorKind::kInvalid);
  // The same when the rest of such objects stands in the repository, reached by no ref.
  std::string none = std::string(40, 'a');
  for (std::string_view entry : {"100644 blob ", "040000 tree "}) {
    std::string tree =
        git_output(repo.dir(), {"mktree", "--missing"}, std::string(entry) + none + "\tx\n");
    Oid commit = *Oid::parse(git_output(repo.dir(), {"commit-tree", tree, "-m", "x"}));
    EXPECT_EQ(kind_of([&] { repo.open().new_objects({commit}); }), ErrorKind::kInvalid);
  }
}

TEST(ReceivePack, BrokenPacksAreRefusedInTheReport) {
  TestRepo repo;
  WorkTree work(repo);
  Oid head = work.commit("a", std::string(5000, 'x') + "y");
  std::string pack_bytes = pack_of(work.path(), "HEAD\n");
  std::string flipped = pack_bytes;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 0x40);
  std::string lying = pack_bytes;
  lying[11] = static_cast<char>(lying[11] + 1);  // one object more than there is
  for (const std::string& bad :
       {std::string(), std::string("PACK"), std::string("nonsense"), flipped, lying,
        pack_bytes.substr(0, pack_bytes.size() / 2), pack_bytes.substr(0, pack_bytes.size() - 1)}) {
    ReceivePack pack(repo.dir());
    receive(pack, push_body({{"refs/heads/main", Oid{}, head}}, bad));
    EXPECT_NE(pack.unpack_error(), "");
    std::string report = pack.report({{"refs/heads/main", "unpacker error"}}, {});
    EXPECT_NE(report.find("unpack "), std::string::npos);
    EXPECT_EQ(report.find("unpack ok"), std::string::npos);
    EXPECT_EQ(report.find(repo.folder().string()), std::string::npos);
  }
  EXPECT_TRUE(repo.open().fsck().empty());
}

TEST(ReceivePack, LimitsEndAPush) {
  TestRepo repo;
  WorkTree work(repo);
  Oid head = work.commit("a", to_hex(random_bytes(100'000)));
  std::string body = push_body({{"refs/heads/main", Oid{}, head}}, pack_of(work.path(), "HEAD\n"));
  ReceivePack small(repo.dir(), {.pack_bytes_max = 10'000});
  EXPECT_EQ(kind_of([&] { receive(small, body); }), ErrorKind::kTooLarge);
  // A file that is small in the pack and huge in memory: index-pack may not grow without end.
  work.commit("zeros", std::string(64u << 20, '\0'));
  Oid bomb = work.commit("zeros", std::string(64u << 20, '\0') + "x");
  ReceivePack pack(repo.dir(), {.memory_bytes_max = 60u << 20});
  receive(pack, push_body({{"refs/heads/main", Oid{}, bomb}}, pack_of(work.path(), "HEAD\n")),
          256 * 1024);
  EXPECT_NE(pack.unpack_error(), "");
}

TEST(ReceivePack, ObjectsThatGitsFsckRefusesAreRefused) {
  TestRepo repo;
  WorkTree work(repo);
  Oid blob = *Oid::parse(git_output(work.path(), {"hash-object", "-w", "--stdin"}, "evil"));
  for (std::string_view name : {".git", "..", ".", ".GIT", "git~1", "a/b"}) {
    std::string tree = "100644 " + std::string(name) + '\0' + std::string(as_text(blob.bytes));
    std::string tree_oid = git_output(
        work.path(), {"hash-object", "-w", "-t", "tree", "--literally", "--stdin"}, tree);
    std::string commit = git_output(work.path(), {"commit-tree", tree_oid, "-m", "x"});
    Oid head = *Oid::parse(commit);
    ReceivePack pack(repo.dir());
    receive(pack,
            push_body({{"refs/heads/main", Oid{}, head}}, pack_of(work.path(), commit + "\n")));
    EXPECT_NE(pack.unpack_error(), "") << name;
    EXPECT_EQ(pack.unpack_error().find("Unhandled"), std::string::npos);
  }
}

TEST(ReceivePack, PathsThatTheApiCouldNotNameAreTold) {
  TestRepo repo;
  WorkTree work(repo);
  work.commit("fine", "1");
  std::string blob = git_output(work.path(), {"hash-object", "-w", "--stdin"}, "x");
  git_output(work.path(), {"update-index", "--add", "--cacheinfo", "100644," + blob + ",a\\b"});
  git_output(work.path(), {"update-index", "--add", "--cacheinfo", "100644," + blob + ",d/\xff"});
  git_output(work.path(), {"commit", "-q", "-m", "bad"});
  ReceivePack pack(repo.dir());
  receive(pack,
          push_body({{"refs/heads/main", Oid{}, work.head()}}, pack_of(work.path(), "HEAD\n")));
  ASSERT_EQ(pack.unpack_error(), "");
  NewObjects brought = GitRepo::open_with(repo.dir(), pack.quarantine()).new_objects({work.head()});
  EXPECT_EQ(brought.bad_paths.size(), 2u);
}

TEST(ReceivePack, TreesThatUnfoldWithoutEndAreRefused) {
  TestRepo repo;
  WorkTree work(repo);
  // Ten folders in each of ten levels, all the same one: a few objects, 10^10 paths.
  std::string tree = git_output(work.path(), {"hash-object", "-w", "--stdin"}, "x");
  std::string kind = "100644 blob ";
  for (int level = 0; level < 10; ++level) {
    std::string text;
    for (int i = 0; i < 10; ++i) text += kind + tree + "\t" + std::to_string(i) + "\n";
    tree = git_output(work.path(), {"mktree"}, text);
    kind = "040000 tree ";
  }
  std::string commit = git_output(work.path(), {"commit-tree", tree, "-m", "bomb"});
  Oid head = *Oid::parse(commit);
  ReceivePack pack(repo.dir());
  receive(pack, push_body({{"refs/heads/main", Oid{}, head}}, pack_of(work.path(), commit + "\n")));
  ASSERT_EQ(pack.unpack_error(), "");
  EXPECT_EQ(kind_of([&] { GitRepo::open_with(repo.dir(), pack.quarantine()).new_objects({head}); }),
            ErrorKind::kInvalid);
}

TEST(ReceivePack, TagsAreFollowedToTheirCommits) {
  TestRepo repo;
  WorkTree work(repo);
  Oid head = work.commit("a", "1");
  git_output(work.path(), {"tag", "-a", "v1", "-m", "m"});
  Oid tag = *Oid::parse(git_output(work.path(), {"rev-parse", "v1"}));
  git_output(work.path(), {"tag", "-a", "blob", "-m", "m", head.hex() + ":a"});
  Oid odd = *Oid::parse(git_output(work.path(), {"rev-parse", "blob"}));
  ReceivePack pack(repo.dir());
  receive(pack, push_body({{"refs/tags/v1", Oid{}, tag}, {"refs/tags/blob", Oid{}, odd}},
                          pack_of(work.path(), tag.hex() + "\n" + odd.hex() + "\n")));
  ASSERT_EQ(pack.unpack_error(), "");
  GitRepo open = GitRepo::open_with(repo.dir(), pack.quarantine());
  EXPECT_EQ(open.new_objects({tag}).commits, std::vector<Oid>{head});
  EXPECT_EQ(kind_of([&] { open.new_objects({odd}); }), ErrorKind::kInvalid);
}

TEST(ReceivePack, DeletionsNeedNoPack) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"a", "1"}});
  ReceivePack pack(repo.dir());
  receive(pack, push_body({{"refs/heads/x", head, Oid{}}}, ""));
  EXPECT_EQ(pack.unpack_error(), "");
  EXPECT_TRUE(pack.request().commands[0].is_delete());
  ReceivePack odd(repo.dir());
  receive(odd, push_body({{"refs/heads/x", head, Oid{}}}, "PACKxxxx"));
  EXPECT_NE(odd.unpack_error(), "");
}

TEST(ReceivePack, ProbeHasNoCommands) {
  TestRepo repo;
  ReceivePack pack(repo.dir());
  receive(pack, "0000");
  EXPECT_TRUE(pack.is_probe());
}

TEST(ReceivePack, CommandListsThatAreNoneAreInvalid) {
  TestRepo repo;
  std::string zero = Oid{}.hex();
  for (const std::string& body :
       {std::string(), std::string("00"), std::string("xxxx"), std::string("0003"), packet("hello"),
        packet("hello") + "0000", packet(zero + " " + zero) + "0000",
        packet(zero + " " + zero + " ") + "0000", packet("shallow xyz") + "0000", "0001" + zero,
        packet(zero + zero + "  refs/heads/x") + "0000",
        packet(std::string(40, 'g') + " " + zero + " refs/heads/x") + "0000",
        packet(zero + " " + zero + " refs/heads/" + std::string(5000, 'x')) + "0000"}) {
    ReceivePack pack(repo.dir());
    EXPECT_EQ(kind_of([&] { receive(pack, body); }), ErrorKind::kInvalid) << body;
  }
}

TEST(ReceivePack, ReportFollowsWhatTheClientAskedFor) {
  TestRepo repo;
  Oid head = repo.commit("main", {{"a", "1"}});
  std::vector<PushResult> results = {{"refs/heads/x", ""}, {"refs/heads/y", "not\nallowed"}};
  std::string status = packet("unpack ok\n") + packet("ok refs/heads/x\n") +
                       packet("ng refs/heads/y not allowed\n") + "0000";
  PushCommand command{"refs/heads/x", head, Oid{}};
  ReceivePack plain(repo.dir());
  receive(plain, push_body({command}, "", "report-status"));
  EXPECT_EQ(plain.report(results, {"hi"}), status);
  ReceivePack silent(repo.dir());
  receive(silent, push_body({command}, "", "quiet"));
  EXPECT_EQ(silent.report(results, {}), "");
  ReceivePack banded(repo.dir());
  receive(banded, push_body({command}, "", "report-status-v2 side-band-64k agent=x"));
  std::string expected = packet("\2hello\n") + packet("\2you\n") + packet("\1" + status) + "0000";
  EXPECT_EQ(banded.report(results, {"hello\nyou"}), expected);
}

}  // namespace
}  // namespace hearth::git
