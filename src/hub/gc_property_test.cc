// What is referred to is never taken, what is not goes when its time is over: random lives of a
// hub, with collections in between, some of them killed at a random durable step.
//
// HEARTH_GC_STEPS and HEARTH_GC_SEED: how many steps (default 1,000), and a run to be repeated.

#include <cstdlib>
#include <random>

#include "base/process.h"
#include "hub/gc.h"
#include "hub/hub_test_data.h"
#include "hub/lfs_files.h"
#include "xet/chunker.h"
#include "xet/shard.h"

namespace hearth::hub {
namespace {

using xet::kDayMs;

constexpr const char* kFolder = "HEARTH_GC_TEST_FOLDER";
constexpr const char* kTime = "HEARTH_GC_TEST_TIME_MS";

uint64_t number_from(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

/// A file as hf-xet would send it: one xorb, one shard.
struct Packed {
  xet::MerkleHash xorb;
  xet::MerkleHash first_chunk;
  Bytes xorb_bytes;
  Bytes shard;
  std::string sha256;
};

Packed pack(const std::string& content) {
  xet::XorbBuilder builder;
  std::vector<xet::SizedHash> leaves;
  std::vector<xet::MerkleHash> hashes;
  xet::Chunker chunker;
  Bytes chunk;
  auto add = [&] {
    hashes.push_back(xet::chunk_hash(chunk));
    leaves.push_back({.hash = hashes.back(), .size_bytes = chunk.size()});
    builder.add(chunk, hashes.back());
    chunk.clear();
  };
  for (ByteView left = as_bytes(content); !left.empty();) {
    auto step = chunker.next(left);
    chunk.insert(chunk.end(), left.begin(),
                 left.begin() + static_cast<ptrdiff_t>(step.consumed_bytes));
    left = left.subspan(step.consumed_bytes);
    if (step.is_cut) add();
  }
  if (!chunk.empty()) add();
  Packed packed{.xorb = builder.hash(),
                .first_chunk = hashes.front(),
                .xorb_bytes = {},
                .shard = {},
                .sha256 = sha256_hex(content)};
  ByteView bytes = builder.serialized();
  packed.xorb_bytes.assign(bytes.begin(), bytes.end());
  const xet::ChunkTable& table = builder.table();
  xet::ShardXorb listed{.hash = packed.xorb,
                        .unpacked_bytes = static_cast<uint32_t>(table.unpacked_bytes()),
                        .chunks = {}};
  for (uint32_t i = 0; i < table.count(); ++i) {
    listed.chunks.push_back({.hash = table.chunks[i].hash,
                             .unpacked_begin_bytes = table.unpacked_begin(i),
                             .unpacked_bytes = table.unpacked_length(i)});
  }
  xet::Shard shard{.files = {{.hash = xet::file_hash(leaves),
                              .terms = {{.xorb = packed.xorb,
                                         .unpacked_bytes = static_cast<uint32_t>(content.size()),
                                         .chunk_begin = 0,
                                         .chunk_end = table.count()}},
                              .range_hashes = {xet::range_hash(hashes)},
                              .sha256 = packed.sha256}},
                   .xorbs = {listed}};
  packed.shard = xet::write_shard(shard);
  return packed;
}

class Life {
 public:
  Life(TestHub& hub, uint64_t seed) : hub_(hub), dice_(seed) {
    for (size_t i = 0; i < 12; ++i) {
      std::string content;
      // The second half of each is the first of the next: chunks in common.
      for (size_t half = i; half < i + 2; ++half) {
        std::mt19937_64 bytes(half + 1);
        for (size_t k = 0; k < 3000; ++k) {
          uint64_t word = bytes();
          content.append(reinterpret_cast<const char*>(&word), sizeof word);
        }
      }
      contents_.push_back(content);
      packed_.push_back(pack(content));
    }
  }

  void step() {
    std::vector<Repo> repos = hub_.parts.repositories.list();
    uint64_t kind = roll(26);
    if (repos.size() < 2 || (kind == 0 && repos.size() < 6)) {
      hub_.create("alice/r" + std::to_string(++names_));
      return;
    }
    Repo repo = repos[roll(repos.size())];
    Repo other = repos[roll(repos.size())];
    size_t which = roll(contents_.size());
    try {
      act(kind, repo, other, which);
    } catch (const Error& error) {
      // What a client may be told at any time; what must not be is found by check().
      ASSERT_TRUE(error.kind() == ErrorKind::kConflict || error.kind() == ErrorKind::kInvalid ||
                  error.kind() == ErrorKind::kNotFound || error.kind() == ErrorKind::kUnprocessable)
          << "at kind " << kind << ": " << error.what() << " " << error.detail();
    }
  }

  /// The ledger says what a recount says.
  void check_ledger() {
    for (const Repo& repo : hub_.parts.repositories.list()) {
      auto git = hub_.parts.repositories.open_git(repo);
      ASSERT_EQ(hub_.parts.ledger.why_wrong(repo, &git).value_or(""), "") << repo.id;
    }
    ASSERT_EQ(join(hub_.parts.ledger.wrong_sums(), "\n"), "");
  }

  /// Everything that any commit names is there, byte for byte; deleted repositories included.
  void check() {
    std::vector<Repo> repos = hub_.parts.repositories.list();
    for (const DeletedRepo& gone : hub_.parts.repositories.deleted()) repos.push_back(gone.repo);
    for (const Repo& repo : repos) {
      auto git = hub_.parts.repositories.open_git(repo);
      for (const git::NewBlob& blob : git.all_pointers()) {
        ASSERT_NO_THROW({
          auto source = hub_.large_files.open_large(repo.id, blob.pointer->sha256);
          ASSERT_EQ(sha256_hex(blob::read_all(*source)), blob.pointer->sha256);
        }) << repo.id
           << " lost " << blob.pointer->sha256;
      }
    }
  }

  void check_all() {
    check();
    hub_.run_tasks();
    EXPECT_EQ(hub_.problems(), "");
    for (const auto& report : {hub_.large_files.verify_xorbs(), hub_.large_files.verify_files(),
                               hub_.large_files.verify_shards(), hub_.large_files.verify_objects(),
                               hub_.large_files.verify_index(), hub_.blobs.verify()}) {
      EXPECT_EQ(join(report.problems, "\n"), "");
    }
  }

  /// Long after the last change nothing is stored but what a commit names.
  void check_that_the_rest_goes() {
    for (int round = 0; round < 3; ++round) {
      hub_.clock.advance_ms(30 * kDayMs);
      ASSERT_FALSE(hub_.collect().held_off);
    }
    std::set<std::string> blobs;
    std::set<std::string> xorbs;
    for (const Repo& repo : hub_.parts.repositories.list()) {
      auto git = hub_.parts.repositories.open_git(repo);
      for (const git::NewBlob& blob : git.all_pointers()) {
        blobs.insert(blob.pointer->sha256);
        auto object = hub_.large_files.find(repo.id, blob.pointer->sha256);
        ASSERT_TRUE(object);
        if (!object->file_hash) continue;
        auto recipe = hub_.large_files.recipe_of(repo.id, *object->file_hash);
        for (const xet::Term& term : recipe->terms) xorbs.insert(term.xorb.text());
      }
    }
    EXPECT_TRUE(hub_.parts.repositories.deleted().empty());
    hub_.blobs.for_each([&](const std::string& sha256, uint64_t) {
      EXPECT_TRUE(blobs.contains(sha256)) << "left over: blob " << sha256;
    });
    // A way to put a file together that is not the one in use gives its repository a right all the
    // same, as long as it has the file: its xorb stays for that.
    for (const Packed& packed : packed_) {
      if (blobs.contains(packed.sha256)) xorbs.insert(packed.xorb.text());
    }
    for (const auto& entry :
         fs::recursive_directory_iterator(hub_.large_files.data_dir() / "xorbs")) {
      if (!entry.is_regular_file()) continue;
      std::string name = entry.path().filename().string();
      EXPECT_TRUE(xorbs.contains(name)) << "left over: xorb " << name;
    }
  }

  uint64_t roll(uint64_t sides) { return dice_() % sides; }
  /// How often a client built on an answer.
  uint64_t built() const { return built_; }

 private:
  void act(uint64_t kind, const Repo& repo, const Repo& other, size_t which) {
    const std::string& sha256 = packed_[which].sha256;
    std::string path = "f" + std::to_string(roll(5));
    switch (kind) {
      case 0:
      case 1:
        hub_.put(repo, "small" + std::to_string(roll(5)), std::to_string(dice_()));
        break;
      case 2:
      case 3:  // By Git LFS
        hub_.upload(repo, contents_[which]);
        name(repo, path, sha256);
        break;
      case 4:
      case 5:  // By Xet
        send(repo, which);
        name(repo, path, sha256);
        break;
      case 6:  // Never committed, or later
        roll(2) == 0 ? (void)hub_.upload(repo, contents_[which]) : send(repo, which);
        promised_[{repo.id, sha256}] = hub_.clock.now_ms();
        break;
      case 7:  // What was uploaded, or what a client was told that it need not send
      case 8:
        if (roll(2) == 0 && !hub_.large_files.promise(repo.id, {sha256}).empty()) {
          promised_[{repo.id, sha256}] = hub_.clock.now_ms();
        }
        keep_promise(repo, path, sha256);
        break;
      case 9:
        hub_.large_files.ingest(repo.id, sha256, {.drop_whole = true});
        break;
      case 10:
      case 11:
        hub_.commit(repo, [&](CommitDraft& draft) { draft.delete_file(path); });
        break;
      case 12:
        hub_.parts.commits.super_squash(hub_.by(hub_.alice), repo, "main", "");
        break;
      case 13:
        hub_.parts.commits.create_branch(hub_.by(hub_.alice), repo, "b" + std::to_string(roll(3)),
                                         {});
        break;
      case 14:
        hub_.parts.commits.delete_branch(hub_.by(hub_.alice), repo, "b" + std::to_string(roll(3)));
        break;
      case 15:  // Back to a commit that perhaps nothing reaches any more
        if (commits_.contains(repo.id)) {
          NewBranch from;
          from.starting_point = commits_[repo.id];
          from.overwrite = true;
          hub_.parts.commits.create_branch(hub_.by(hub_.alice), repo, "b" + std::to_string(roll(3)),
                                           from);
        }
        break;
      case 16:
        roll(3) == 0 ? hub_.parts.repositories.remove_for_good(Actor::command_line(), repo)
                     : hub_.parts.repositories.remove(Actor::command_line(), repo);
        break;
      case 17:
        for (const DeletedRepo& gone : hub_.parts.repositories.deleted()) {
          hub_.parts.repositories.undelete(Actor::command_line(), gone.repo);
          break;
        }
        break;
      case 18:
        hub_.parts.repositories.move(hub_.by(hub_.alice), repo,
                                     *RepoId::parse("acme/m" + std::to_string(++names_)));
        break;
      case 19:
        hub_.parts.repositories.duplicate(
            hub_.by(hub_.alice), repo,
            {.repo_id = *RepoId::parse("alice/d" + std::to_string(++names_))});
        break;
      case 20:
        hub_.database.write([&](db::Tx& tx) {
          return xet::XetStore::copy_object(tx, repo.id, other.id, sha256, hub_.clock.now_ms());
        });
        if (hub_.large_files.find(other.id, sha256)) name(other, path, sha256);
        break;
      case 21:
        hub_.commit(repo, [&](CommitDraft& draft) { draft.put("pr", std::to_string(dice_())); },
                    {"propose"}, {"main", true});
        break;
      case 22:
        ask(repo, which);
        break;
      case 23:
        build_on_answer(repo, which);
        break;
      default:
        hub_.clock.advance_ms(static_cast<int64_t>(dice_() % static_cast<uint64_t>(kDayMs)));
    }
  }

  void name(const Repo& repo, const std::string& path, const std::string& sha256) {
    commits_[repo.id] =
        hub_.commit(repo, [&](CommitDraft& draft) { draft.put_large(path, sha256); }).commit_oid;
  }

  /// Sends a file as hf-xet with a cache would: not the xorb that was sent in the last 21 days.
  void send(const Repo& repo, size_t which) {
    const Packed& packed = packed_[which];
    xet::Caller caller{.user_id = hub_.alice.user_id, .repo_id = repo.id};
    auto sent = sent_ms_.find(which);
    if (sent == sent_ms_.end() || hub_.clock.now_ms() - sent->second > 21 * kDayMs) {
      auto upload = hub_.large_files.begin_xorb(packed.xorb, caller);
      upload.write(packed.xorb_bytes);
      upload.commit();
      sent_ms_[which] = hub_.clock.now_ms();
    }
    auto registration = hub_.large_files.begin_shard(packed.shard, caller, {});
    try {
      while (!registration.step()) {
      }
    } catch (const Error& error) {
      ADD_FAILURE() << "a client's cache is not honoured: " << error.what();
    }
  }

  /// Bob's client, which has the content but not sent it, asks for its first chunk.
  void ask(const Repo& repo, size_t which) {
    xet::Caller caller{.user_id = hub_.bob.user_id, .repo_id = repo.id};
    auto answer = hub_.large_files.dedup_answer(
        packed_[which].first_chunk, caller, [&](const std::string& id) { return id == repo.id; });
    if (!answer) return;
    // It tells of other xorbs, too: of files with chunks in common.
    for (size_t other = 0; other < packed_.size(); ++other) {
      if (!std::ranges::search(*answer, packed_[other].xorb.view()).empty()) {
        told_[other] = {repo.id, hub_.clock.now_ms()};
      }
    }
  }

  /// Within the fourteen days that an answer lasts, his client refers to what it told of. It has
  /// nothing to fall back to.
  void build_on_answer(const Repo& repo, size_t which) {
    auto told = told_.find(which);
    if (told == told_.end()) return;
    const auto& [told_of, at_ms] = told->second;
    bool lasts = hub_.clock.now_ms() - at_ms <= 14 * kDayMs;
    bool readable = hub_.parts.repositories.find_by_id(told_of).has_value();
    if (!lasts || !readable) return;
    xet::Caller caller{.user_id = hub_.bob.user_id, .repo_id = repo.id};
    auto registration = hub_.large_files.begin_shard(
        packed_[which].shard, caller,
        [&](const std::string& id) { return id == told_of || id == repo.id; });
    try {
      while (!registration.step()) {
      }
      ++built_;
    } catch (const Error& error) {
      ADD_FAILURE() << "an answer was not kept to: " << error.what();
    }
  }

  void keep_promise(const Repo& repo, const std::string& path, const std::string& sha256) {
    auto at = promised_.find({repo.id, sha256});
    bool kept = at != promised_.end() && hub_.clock.now_ms() - at->second <= 2 * kDayMs;
    try {
      name(repo, path, sha256);
    } catch (const Error& error) {
      if (kept) ADD_FAILURE() << "a promise was broken: " << error.what();
    }
  }

  TestHub& hub_;
  std::mt19937_64 dice_;
  std::vector<std::string> contents_;
  std::vector<Packed> packed_;
  std::map<std::pair<std::string, std::string>, int64_t> promised_;
  std::map<size_t, int64_t> sent_ms_;
  std::map<size_t, std::pair<std::string, int64_t>> told_;  // By content: the repository, and when
  uint64_t built_ = 0;
  std::map<std::string, std::string> commits_;
  uint64_t names_ = 0;
};

TEST(GcProperty, DISABLED_VictimOfTheTestBelow) {
  const char* folder = std::getenv(kFolder);
  ASSERT_NE(folder, nullptr) << "runs as a child only";
  auto database = db::Database::open("sqlite:" + (fs::path(folder) / "hearth.db").string());
  TestHub hub(*database, folder);
  hub.clock.advance_ms(static_cast<int64_t>(number_from(kTime, 0)) - hub.clock.now_ms());
  hub.collect();
}

void collect_and_be_killed(TestHub& hub, uint64_t at_step) {
  ChildOptions options;
  options.argv = {fs::read_symlink("/proc/self/exe").string(),
                  "--gtest_filter=GcProperty.DISABLED_VictimOfTheTestBelow",
                  "--gtest_also_run_disabled_tests"};
  options.environment = {{kFolder, hub.large_files.data_dir().string()},
                         {kTime, std::to_string(hub.clock.now_ms())},
                         {"HEARTH_FAILPOINTS", "crash@" + std::to_string(at_step)}};
  ChildResult result = run_child(options);
  ASSERT_TRUE(result.status == 0 || result.status == 128 + 9) << result.status << result.out;
}

void live(TestHub& hub, uint64_t seed, uint64_t step_count, bool with_kills, uint64_t* built) {
  SCOPED_TRACE("HEARTH_GC_SEED=" + std::to_string(seed));
  int64_t now_ms = system_clock().now_ms();  // Files on the disk have its time.
  hub.clock.advance_ms(now_ms - hub.clock.now_ms());
  Life life(hub, seed);
  for (uint64_t step = 0; step < step_count && !::testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    life.step();
    // A recount reads every repository: what is wrong after one step is still so a few later.
    if (step % 8 == 0) life.check_ledger();
    if (life.roll(8) == 0) {
      if (with_kills && life.roll(4) == 0) {
        collect_and_be_killed(hub, 1 + life.roll(60));
      } else {
        hub.collect({.dry_run = life.roll(4) == 0});
      }
      life.check_ledger();
      life.check();
    }
    if (life.roll(250) == 0) life.check_all();
    hub.tasks.remove_ended_before(hub.clock.now_ms());
  }
  if (::testing::Test::HasFailure()) return;
  life.check_all();
  life.check_that_the_rest_goes();
  life.check_all();
  *built += life.built();
}

TEST(GcProperty, WhatIsReferredToIsNeverTakenAndTheRestGoes) {
  uint64_t seed = number_from("HEARTH_GC_SEED", std::random_device()());
  uint64_t step_count = number_from("HEARTH_GC_STEPS", 1'000);
  uint64_t built = 0;
  // A new hub every thousand steps: each ends with the proof that what is not needed goes.
  for (uint64_t done = 0; done < step_count && !HasFailure(); done += 1'000, ++seed) {
    db::for_each_engine([&](db::TestDatabase& database) {
      bool sqlite = database->engine() == db::Engine::kSqlite;
      if (!sqlite && done > 0) return;
      TestHub hub(database);
      live(hub, seed, std::min<uint64_t>(sqlite ? 1'000 : 100, step_count - done), sqlite, &built);
    });
    std::printf("%llu steps, the last seed was %llu\n",
                static_cast<unsigned long long>(std::min(done + 1'000, step_count)),
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
  }
  // Some eight times in a life of a thousand steps, but in short ones perhaps never.
  if (step_count >= 10'000) EXPECT_GT(built, 0u) << "nobody built on an answer";
}

}  // namespace
}  // namespace hearth::hub
