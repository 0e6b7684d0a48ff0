#include "xet/xet.h"

#include <atomic>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "db/test_database.h"
#include "xet/chunker.h"
#include "xet/xet_test_data.h"

namespace hearth::xet {
namespace {

using testing::expected;
using testing::hash_of;
using testing::text_of;
using testing::vector_file;
using testing::vector_input;

const Caller kAlice{.user_id = "alice", .repo_id = "repo-a"};
const Caller kBob{.user_id = "bob", .repo_id = "repo-b"};
bool nobody_reads(const std::string&) {
  return false;
}

/// A store in a folder and on a database of its own.
struct Fixture {
  explicit Fixture(db::Database& database)
      : dir(fs::temp_directory_path() / ("hearth-xet-" + random_alphanumeric(12))),
        blobs(dir),
        store(database, blobs, clock, {.data_dir = dir, .secret = std::string(32, 's')}) {}
  ~Fixture() { remove_tree(dir); }

  void upload_xorb(const MerkleHash& hash, ByteView body, const Caller& caller) {
    XorbUpload upload = store.begin_xorb(hash, caller);
    while (!body.empty()) {
      ByteView piece = body.first(std::min<size_t>(body.size(), 50000));
      upload.write(piece);
      body = body.subspan(piece.size());
    }
    upload.commit();
  }
  void upload_vector_xorb(const std::string& name, const Caller& caller) {
    upload_xorb(xorb_name(name), vector_file(name + ".xorb"), caller);
  }
  static MerkleHash xorb_name(const std::string& name) {
    return hash_of(expected().at(name).as_object().at("xorb").as_object().at("hash"));
  }
  static std::string sha256_name(const std::string& name) {
    return text_of(expected().at(name).as_object().at("sha256"));
  }
  static MerkleHash file_name(const std::string& name) {
    return hash_of(expected().at(name).as_object().at("file_hash"));
  }
  void register_shard(ByteView shard, const Caller& caller, const MayReadRepo& may_read = {}) {
    ShardRegistration registration = store.begin_shard(shard, caller, may_read);
    while (!registration.step()) {
    }
  }
  void upload_vector(const std::string& name, const Caller& caller,
                     const MayReadRepo& may_read = {}) {
    upload_vector_xorb(name, caller);
    register_shard(vector_file(name + ".shard"), caller, may_read);
  }
  void damage(const fs::path& path, uint64_t at) {
    fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
    std::FILE* file = std::fopen(path.c_str(), "r+b");
    std::fseek(file, static_cast<long>(at), SEEK_SET);
    int byte = std::fgetc(file);
    std::fseek(file, static_cast<long>(at), SEEK_SET);
    std::fputc(byte ^ 1, file);
    std::fclose(file);
  }

  fs::path dir;
  FakeClock clock;
  blob::BlobStore blobs;
  XetStore store;
};

Bytes content_of(const blob::Source& source) {
  std::string text = blob::read_all(source);
  return Bytes(text.begin(), text.end());
}

/// The words of the refusal.
std::string refusal(const std::function<void()>& action, ErrorKind kind = ErrorKind::kInvalid) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    return error.message();
  }
  return "";
}

class Xet : public ::testing::TestWithParam<db::Engine> {
 protected:
  db::TestDatabase database_{GetParam()};
  Fixture at_{*database_};
};

INSTANTIATE_TEST_SUITE_P(OnEachEngine, Xet, ::testing::ValuesIn(db::test_engines()),
                         [](const auto& info) {
                           return info.param == db::Engine::kSqlite ? "Sqlite" : "Postgres";
                         });

TEST(XetStore, AnUploadIsReadAgainOnEveryEngine) {
  db::for_each_engine([](db::TestDatabase& database) {
    Fixture at(*database);
    at.upload_vector("v1", kAlice);
    at.upload_vector("v2", kAlice);
    at.upload_vector("v3", kAlice);
    for (const char* name : {"v1", "v2", "v3"}) {
      auto object = at.store.find("repo-a", Fixture::sha256_name(name));
      ASSERT_TRUE(object) << name;
      EXPECT_EQ(object->file_hash, Fixture::file_name(name));
      auto source = at.store.open_large("repo-a", Fixture::sha256_name(name));
      EXPECT_EQ(content_of(*source), vector_input(name));
    }
    EXPECT_EQ(at.store.list("repo-a", {}).size(), 3u);
    EXPECT_EQ(at.store.list("repo-a", {.after_sha256 = "5", .limit = 1}).size(), 1u);
    auto many = at.store.find_many("repo-a", {Fixture::sha256_name("v1"), std::string(64, '0')});
    EXPECT_EQ(many.size(), 1u);
    EXPECT_FALSE(at.store.find("repo-b", Fixture::sha256_name("v1")));
    for (const auto& report : {at.store.verify_xorbs(), at.store.verify_files(),
                               at.store.verify_shards(), at.store.verify_objects()}) {
      EXPECT_EQ(report.checked_count, 3u);
      EXPECT_TRUE(report.problems.empty()) << report.problems.front();
    }
  });
}

TEST_P(Xet, AnyRangeReadsAsTheFile) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  Bytes whole = vector_input("v2");
  auto source = at_.store.open_large("repo-a", Fixture::sha256_name("v2"));
  for (size_t begin = 0; begin < whole.size(); begin += 6151) {
    for (size_t length : {size_t{1}, size_t{5000}, size_t{131072}, size_t{300000}}) {
      Bytes out(length);
      size_t got = source->read(begin, out);
      ASSERT_EQ(got, std::min(length, whole.size() - begin));
      EXPECT_TRUE(std::equal(out.begin(), out.begin() + static_cast<ptrdiff_t>(got),
                             whole.begin() + static_cast<ptrdiff_t>(begin)));
    }
  }
  Bytes out(10);
  EXPECT_EQ(source->read(whole.size(), out), 0u);
}

TEST_P(Xet, PartsCoverARangeAndPlainChunksAreFileRanges) {
  at_.upload_vector("v1", kAlice);
  Bytes whole = vector_input("v1");
  auto source = at_.store.open_large("repo-a", Fixture::sha256_name("v1"));
  bool has_file_part = false;
  for (auto [begin, length] :
       {std::pair<size_t, size_t>{0, 300000}, {5, 40000}, {100000, 999999}}) {
    Bytes joined;
    for (const blob::Part& part : source->parts(begin, length)) {
      EXPECT_EQ(part.offset_bytes, begin + joined.size());
      Bytes piece(part.length_bytes);
      if (part.fd) {
        has_file_part = true;
        EXPECT_EQ(read_at(*part.fd, part.file_offset_bytes, piece), piece.size());
      } else {
        EXPECT_EQ(source->read(part.offset_bytes, piece), piece.size());
      }
      joined.insert(joined.end(), piece.begin(), piece.end());
    }
    size_t end = std::min(begin + length, whole.size());
    EXPECT_EQ(joined, Bytes(whole.begin() + static_cast<ptrdiff_t>(begin),
                            whole.begin() + static_cast<ptrdiff_t>(end)));
  }
  EXPECT_TRUE(has_file_part);
  EXPECT_TRUE(source->parts(300000, 1).empty());
}

TEST_P(Xet, AMaterialisedFileIsWhole) {
  at_.upload_vector("v3", kAlice);
  auto source = at_.store.open_large("repo-a", Fixture::sha256_name("v3"));
  blob::PinnedFile pinned = source->materialize();
  EXPECT_EQ(sha256_hex(read_file(pinned.path)), Fixture::sha256_name("v3"));
  fs::remove_all(at_.dir / "cache");
  EXPECT_EQ(file_size_bytes(*pinned.fd), 200000u);
  EXPECT_EQ(sha256_hex(read_file(source->materialize().path)), Fixture::sha256_name("v3"));
}

TEST_P(Xet, XorbsThatAreNotWhatTheyAreCalledLeaveNothing) {
  Bytes body = vector_file("v3.xorb");
  EXPECT_NE(refusal([&] { at_.upload_xorb(Fixture::xorb_name("v1"), body, kAlice); }), "");
  Bytes cut(body.begin(), body.end() - 1);
  EXPECT_NE(refusal([&] { at_.upload_xorb(Fixture::xorb_name("v3"), cut, kAlice); }), "");
  EXPECT_NE(refusal([&] { at_.upload_xorb(Fixture::xorb_name("v3"), {}, kAlice); }), "");
  EXPECT_FALSE(at_.store.find_table(Fixture::xorb_name("v3")));
  for (const char* folder : {"xorbs", "uploads"}) {
    for (const auto& entry : fs::recursive_directory_iterator(at_.dir / folder)) {
      EXPECT_FALSE(entry.is_regular_file()) << entry.path();
    }
  }
}

TEST_P(Xet, AFooterIsNotStored) {
  at_.upload_xorb(Fixture::xorb_name("v1"), vector_file("v1.with-footer.xorb"), kAlice);
  EXPECT_EQ(at_.store.open_xorb(Fixture::xorb_name("v1"))->size_bytes(),
            vector_file("v1.xorb").size());
  at_.register_shard(vector_file("v1.with-lookup-and-footer.shard"), kAlice);
  EXPECT_EQ(content_of(*at_.store.open_large("repo-a", Fixture::sha256_name("v1"))),
            vector_input("v1"));
}

TEST_P(Xet, TheBytesThatCameFirstStay) {
  at_.upload_vector("v1", kAlice);
  // The same chunks, all stored plain: another packing, the same name.
  Bytes data = vector_input("v1");
  Bytes plain;
  size_t at = 0;
  for (size_t length : chunk_lengths(data)) {
    auto count = static_cast<uint32_t>(length);
    std::array<uint8_t, kRecordHeaderBytes> header;
    write_record_header({.scheme = Scheme::kNone, .payload_bytes = count, .unpacked_bytes = count},
                        header);
    plain.insert(plain.end(), header.begin(), header.end());
    plain.insert(plain.end(), data.begin() + static_cast<ptrdiff_t>(at),
                 data.begin() + static_cast<ptrdiff_t>(at + length));
    at += length;
  }
  at_.upload_xorb(Fixture::xorb_name("v1"), plain, kBob);
  EXPECT_EQ(at_.store.open_xorb(Fixture::xorb_name("v1"))->size_bytes(),
            vector_file("v1.xorb").size());
  EXPECT_TRUE(at_.store.verify_xorbs().problems.empty());
  EXPECT_TRUE(at_.store.may_reference(Fixture::xorb_name("v1"), kBob, nobody_reads));
}

TEST_P(Xet, AXorbWhoseRowWasLostInACrashGetsItAgain) {
  at_.upload_vector_xorb("v1", kAlice);
  database_->write([](db::Tx& tx) { tx.execute("DELETE FROM xorb"); });
  XetStore fresh(*database_, at_.blobs, at_.clock,
                 {.data_dir = at_.dir, .secret = std::string(32, 's')});
  EXPECT_FALSE(fresh.find_table(Fixture::xorb_name("v1")));
  at_.upload_vector_xorb("v1", kAlice);
  EXPECT_TRUE(fresh.find_table(Fixture::xorb_name("v1")));
}

TEST_P(Xet, AShardIsRefusedWithoutItsXorbs) {
  EXPECT_NE(refusal([&] { at_.register_shard(vector_file("v1.shard"), kAlice); }).find("Xet cache"),
            std::string::npos);
  at_.upload_vector_xorb("v2", kAlice);
  EXPECT_NE(refusal([&] { at_.register_shard(vector_file("v2.shard"), kAlice); }), "");
  EXPECT_FALSE(at_.store.find("repo-a", Fixture::sha256_name("v2")));
}

TEST_P(Xet, ForeignXorbsMayBeReferredToOnlyByReaders) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector_xorb("v2", kBob);
  Bytes shard = vector_file("v2.shard");
  std::string hidden = refusal([&] { at_.register_shard(shard, kBob, nobody_reads); });
  EXPECT_NE(hidden, "");
  EXPECT_FALSE(at_.store.find("repo-b", Fixture::sha256_name("v2")));
  // In the same words as for one that is not there at all.
  db::TestDatabase other{GetParam()};
  Fixture empty(*other);
  empty.upload_vector_xorb("v2", kBob);
  EXPECT_EQ(refusal([&] { empty.register_shard(shard, kBob, nobody_reads); }), hidden);

  at_.register_shard(shard, kBob, [](const std::string& repo) { return repo == "repo-a"; });
  EXPECT_EQ(content_of(*at_.store.open_large("repo-b", Fixture::sha256_name("v2"))),
            vector_input("v2"));
}

TEST_P(Xet, TheRightOfAnUploaderEnds) {
  at_.upload_vector_xorb("v1", kAlice);
  EXPECT_TRUE(at_.store.may_reference(Fixture::xorb_name("v1"), kAlice, nobody_reads));
  EXPECT_FALSE(at_.store.may_reference(Fixture::xorb_name("v1"), kBob, nobody_reads));
  EXPECT_FALSE(at_.store.may_reference(Fixture::xorb_name("v1"),
                                       {.user_id = "", .repo_id = "repo-b"}, nobody_reads));
  at_.clock.advance_ms(23LL * 24 * 3600 * 1000);
  EXPECT_FALSE(at_.store.may_reference(Fixture::xorb_name("v1"), kAlice, nobody_reads));
}

TEST_P(Xet, EveryWrongNumberOrHashOfAShardIsRefused) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector_xorb("v2", kAlice);
  Bytes good = vector_file("v2.shard");
  struct Field {
    size_t offset;
    size_t length;
    const char* what;
  };
  // Entries: 0 header, 1 file, 2-3 terms, 4-5 range hashes, 6 sha256, 7 bookend, 8 xorb, 9-12
  // chunks, 13 bookend.
  std::vector<Field> fields = {{0, 40, "header"},
                               {1 * 48, 32, "file hash"},
                               {1 * 48 + 36, 4, "term count"},
                               {2 * 48, 32, "xorb of a term"},
                               {2 * 48 + 36, 12, "lengths of a term"},
                               {3 * 48 + 36, 12, "lengths of a term"},
                               {4 * 48, 32, "range hash"},
                               {5 * 48, 32, "range hash"},
                               {6 * 48, 32, "sha256"},
                               {8 * 48, 32, "xorb hash"},
                               {8 * 48 + 36, 8, "chunk count and sum"},
                               {9 * 48, 32, "chunk hash"},
                               {10 * 48 + 32, 8, "chunk lengths"}};
  for (const Field& field : fields) {
    for (size_t i = 0; i < field.length; ++i) {
      Bytes bad = good;
      bad[field.offset + i] ^= static_cast<uint8_t>(1u << (i % 8));
      EXPECT_NE(refusal([&] { at_.register_shard(bad, kAlice); }), "")
          << field.what << " byte " << i;
    }
  }
  EXPECT_FALSE(at_.store.find("repo-a", Fixture::sha256_name("v2")));
  at_.register_shard(good, kAlice);
  EXPECT_TRUE(at_.store.find("repo-a", Fixture::sha256_name("v2")));
}

TEST_P(Xet, TermsInAnotherOrderAreNotTheFile) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector_xorb("v2", kAlice);
  Shard shard = parse_shard(vector_file("v2.shard")).value();
  std::swap(shard.files[0].terms[0], shard.files[0].terms[1]);
  std::swap(shard.files[0].range_hashes[0], shard.files[0].range_hashes[1]);
  EXPECT_NE(refusal([&] { at_.register_shard(write_shard(shard), kAlice); }), "");
}

TEST_P(Xet, AClaimedSha256IsNotBelieved) {
  at_.upload_vector_xorb("v1", kAlice);
  Shard shard = parse_shard(vector_file("v1.shard")).value();
  shard.files[0].sha256 = Fixture::sha256_name("v2");
  std::string words = refusal([&] { at_.register_shard(write_shard(shard), kAlice); });
  EXPECT_NE(words.find(Fixture::sha256_name("v1")), std::string::npos);
  EXPECT_FALSE(at_.store.find("repo-a", Fixture::sha256_name("v2")));
  EXPECT_FALSE(at_.store.find("repo-a", Fixture::sha256_name("v1")));
  // Nor after the true one is known.
  at_.register_shard(vector_file("v1.shard"), kAlice);
  EXPECT_NE(refusal([&] { at_.register_shard(write_shard(shard), kAlice); }), "");
  EXPECT_FALSE(at_.store.find("repo-a", Fixture::sha256_name("v2")));
}

TEST_P(Xet, AShardWithoutSha256GetsTheOneWeComputed) {
  at_.upload_vector_xorb("v1", kAlice);
  Shard shard = parse_shard(vector_file("v1.shard")).value();
  shard.files[0].sha256.reset();
  ShardRegistration registration = at_.store.begin_shard(write_shard(shard), kAlice, {});
  while (!registration.step()) {
  }
  EXPECT_TRUE(registration.was_new());
  EXPECT_EQ(registration.progress().verified_bytes, 300000u);
  EXPECT_EQ(registration.progress().total_bytes, 300000u);
  EXPECT_TRUE(at_.store.find("repo-a", Fixture::sha256_name("v1")));
  Shard stored =
      parse_shard(as_bytes(read_file(at_.store.shard_path(registration.stored_hash())))).value();
  EXPECT_EQ(stored.files[0].sha256, Fixture::sha256_name("v1"));
}

TEST_P(Xet, RangeHashesAreRequired) {
  at_.upload_vector_xorb("v1", kAlice);
  Shard shard = parse_shard(vector_file("v1.shard")).value();
  shard.files[0].range_hashes.clear();
  EXPECT_NE(refusal([&] { at_.register_shard(write_shard(shard), kAlice); }), "");
}

TEST_P(Xet, RegisteringTwiceIsTheSame) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v1", kBob);
  EXPECT_TRUE(at_.store.find("repo-b", Fixture::sha256_name("v1")));
  EXPECT_EQ(at_.store.verify_files().checked_count, 1u);
}

TEST_P(Xet, RecipesAreGivenOnlyToTheRepositoryThatHasTheFile) {
  at_.upload_vector("v1", kAlice);
  auto recipe = at_.store.recipe_of("repo-a", Fixture::file_name("v1"));
  ASSERT_TRUE(recipe);
  EXPECT_FALSE(at_.store.recipe_of("repo-b", Fixture::file_name("v1")));
  Reconstruction plan = at_.store.plan(*recipe, FileRange{100, 1u << 30});
  EXPECT_EQ(plan.offset_into_first_range_bytes, 100u);
  EXPECT_EQ(plan.terms.back().chunk_end, 4u);
  refusal([&] { at_.store.plan(*recipe, FileRange{300000, 300001}); },
          ErrorKind::kRangeNotSatisfiable);
}

TEST_P(Xet, ChunkQuestionsAreAnsweredForWhatTheCallerMayKnow) {
  at_.upload_vector("v1", kAlice);
  MerkleHash first = hash_of(expected().at("dedup_response").as_object().at("query_chunk"));
  auto answer = at_.store.dedup_answer(first, kAlice, nobody_reads);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->size(), vector_file("v1.dedup-response.shard").size());
  EXPECT_FALSE(at_.store.dedup_answer(first, kBob, nobody_reads));
  auto for_bob = at_.store.dedup_answer(first, kBob, [](const std::string&) { return true; });
  ASSERT_TRUE(for_bob);
  EXPECT_NE(*for_bob, *answer) << "each person has a key of their own";
  EXPECT_EQ(*at_.store.dedup_answer(first, kAlice, nobody_reads), *answer);
  at_.clock.advance_ms(8LL * 24 * 3600 * 1000);
  Bytes later = *at_.store.dedup_answer(first, kAlice, nobody_reads);
  EXPECT_FALSE(std::equal(later.end() - 128, later.end() - 96, answer->end() - 128));
  EXPECT_FALSE(at_.store.dedup_answer(MerkleHash{}, kAlice, nobody_reads));
}

/// Whether an answer to a question lists the xorb.
bool tells_of(const std::optional<Bytes>& answer, const std::string& name) {
  const MerkleHash hash = Fixture::xorb_name(name);
  return answer && !std::ranges::search(*answer, hash.view()).empty();
}

TEST_P(Xet, AChunkQuestionIsAnsweredWithTheRestOfAFileThatTheCallerMayRead) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);  // Of the xorb of v1 and one of its own.
  at_.upload_vector("v1", kBob);
  MerkleHash first = hash_of(expected().at("dedup_response").as_object().at("query_chunk"));
  // As the real ones it looks into the database.
  auto reads = [&](const std::string& readable) {
    return [this, readable](const std::string& repo_id) {
      return database_->read([&](db::Tx&) { return repo_id == readable; });
    };
  };
  auto for_alice = at_.store.dedup_answer(first, kAlice, reads("repo-a"));
  EXPECT_TRUE(tells_of(for_alice, "v1"));
  EXPECT_TRUE(tells_of(for_alice, "v2"));
  auto for_bob = at_.store.dedup_answer(first, kBob, reads("repo-b"));
  EXPECT_TRUE(tells_of(for_bob, "v1"));
  EXPECT_FALSE(tells_of(for_bob, "v2")) << "a repository that bob may not read has it";
  // Another repository that may be read tells of it, too.
  EXPECT_TRUE(tells_of(at_.store.dedup_answer(first, kBob, reads("repo-a")), "v2"));
  // Whoever sent a xorb may know of it, which says nothing of the file.
  auto for_nobody = at_.store.dedup_answer(first, kBob, nobody_reads);
  EXPECT_TRUE(tells_of(for_nobody, "v1"));
  EXPECT_FALSE(tells_of(for_nobody, "v2"));
  // What is to come again is not told of.
  database_->write([](db::Tx& tx) {
    tx.execute("INSERT INTO damaged (kind, name, why, found_ms) VALUES ('xorb', ?1, 'a test', 1)",
               {Fixture::xorb_name("v2").text()});
  });
  auto without = at_.store.dedup_answer(first, kAlice, reads("repo-a"));
  EXPECT_TRUE(tells_of(without, "v1"));
  EXPECT_FALSE(tells_of(without, "v2"));
}

TEST_P(Xet, AnAnswerToldOfIsNotCollected) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  at_.clock.advance_ms(30LL * 24 * 3600 * 1000);
  MerkleHash first = hash_of(expected().at("dedup_response").as_object().at("query_chunk"));
  auto all_read = [](const std::string&) { return true; };
  EXPECT_TRUE(tells_of(at_.store.dedup_answer(first, kAlice, all_read), "v2"));
  int64_t now_ms = at_.clock.now_ms();
  database_->read([&](db::Tx& tx) {
    auto row = tx.query_one("SELECT last_ref_ms FROM xorb WHERE hash = ?1",
                            {Fixture::xorb_name("v2").view()});
    EXPECT_EQ(row->get_int(0), now_ms);
  });
}

TEST_P(Xet, AXorbThatTheReadersRepositoryIsNotMadeOfIsNotToldOf) {
  // Bob has the same content, and its first xorb; the rest of it he packed otherwise. The row of
  // the file still tells how alice packed it, together with something of her own.
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  at_.upload_vector("v1", kBob);
  database_->write([](db::Tx& tx) {
    tx.execute(
        "INSERT INTO repo_lfs (repo_id, sha256, size_bytes, file_hash, created_ms)"
        " SELECT 'repo-b', sha256, size_bytes, file_hash, created_ms FROM repo_lfs"
        " WHERE sha256 = ?1",
        {Fixture::sha256_name("v2")});
  });
  MerkleHash first = hash_of(expected().at("dedup_response").as_object().at("query_chunk"));
  auto reads_b = [](const std::string& repo_id) { return repo_id == "repo-b"; };
  auto answer = at_.store.dedup_answer(first, kBob, reads_b);
  EXPECT_TRUE(tells_of(answer, "v1"));
  EXPECT_FALSE(tells_of(answer, "v2"));
}

TEST_P(Xet, TheXorbsOfOlderFilesAreNotedLater) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  auto noted = [&] {
    return database_->read([](db::Tx& tx) {
      return tx.query_one("SELECT COUNT(*) FROM xet_file_xorb d")->get_int(0);
    });
  };
  EXPECT_EQ(noted(), 3);
  database_->write([](db::Tx& tx) { tx.execute("DELETE FROM xet_file_xorb AS every_one"); });
  EXPECT_TRUE(at_.store.verify_index().problems.empty()) << "it costs bytes and nothing else";
  at_.store.note_xorbs_of_files([] {});
  EXPECT_EQ(noted(), 3);
  at_.store.note_xorbs_of_files([] {});
  EXPECT_EQ(noted(), 3);
  database_->write([](db::Tx& tx) {
    tx.execute("DELETE FROM xet_file_xorb WHERE xorb_hash = ?1", {Fixture::xorb_name("v1").view()});
    tx.execute("INSERT INTO xet_file_xorb (xorb_hash, file_hash) VALUES (?1, ?2)",
               {Fixture::xorb_name("v2").view(), Fixture::file_name("v1").view()});
  });
  EXPECT_EQ(at_.store.verify_index().problems.size(), 2u);
  at_.store.rebuild();
  EXPECT_TRUE(at_.store.verify_index().problems.empty());
  EXPECT_EQ(noted(), 3);
}

TEST_P(Xet, DamageIsFoundAndNotServedAndANewUploadRepairsIt) {
  at_.upload_vector("v1", kAlice);
  fs::path path = at_.store.xorb_path(Fixture::xorb_name("v1"));
  at_.damage(path, 30000);
  auto source = at_.store.open_large("repo-a", Fixture::sha256_name("v1"));
  EXPECT_NE(refusal([&] { blob::read_all(*source); }, ErrorKind::kCorrupt), "");
  EXPECT_EQ(at_.store.verify_xorbs().problems.size(), 1u);
  EXPECT_EQ(at_.store.verify_files().problems.size(), 1u);
  at_.upload_vector_xorb("v1", kBob);
  EXPECT_TRUE(at_.store.verify_xorbs().problems.empty());
  EXPECT_EQ(content_of(*at_.store.open_large("repo-a", Fixture::sha256_name("v1"))),
            vector_input("v1"));
  fs::remove(path);
  EXPECT_EQ(at_.store.verify_xorbs().problems.size(), 1u);
  EXPECT_EQ(at_.store.verify_files().problems.size(), 1u);
}

TEST_P(Xet, ADamagedShardIsFound) {
  at_.upload_vector("v1", kAlice);
  for (const auto& entry : fs::recursive_directory_iterator(at_.dir / "shards")) {
    if (entry.is_regular_file()) at_.damage(entry.path(), 100);
  }
  // The shard, and the file that only it described.
  EXPECT_EQ(at_.store.verify_shards().problems.size(), 2u);
}

TEST_P(Xet, ALostShardIsFound) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  EXPECT_TRUE(at_.store.verify_shards().problems.empty());
  fs::remove_all(at_.dir / "shards");
  fs::create_directories(at_.dir / "shards");
  EXPECT_EQ(at_.store.verify_shards().problems.size(), 2u);
}

TEST_P(Xet, TheTablesAreMadeAgainFromTheFiles) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  db::TestDatabase empty{GetParam()};
  XetStore again(*empty, at_.blobs, at_.clock,
                 {.data_dir = at_.dir, .secret = std::string(32, 's')});
  blob::VerifyReport report = again.rebuild();
  EXPECT_EQ(report.checked_count, 4u);
  EXPECT_TRUE(report.problems.empty());
  EXPECT_TRUE(again.relink("repo-a", {.sha256 = Fixture::sha256_name("v2"), .size_bytes = 400000}));
  EXPECT_FALSE(again.relink("repo-a", {.sha256 = Fixture::sha256_name("v1"), .size_bytes = 1}));
  EXPECT_FALSE(
      again.relink("repo-a", {.sha256 = Fixture::sha256_name("v3"), .size_bytes = 200000}));
  EXPECT_EQ(content_of(*again.open_large("repo-a", Fixture::sha256_name("v2"))),
            vector_input("v2"));
  MerkleHash first = hash_of(expected().at("dedup_response").as_object().at("query_chunk"));
  EXPECT_TRUE(again.dedup_answer(first, kAlice, [](const std::string&) { return true; }));
  EXPECT_TRUE(again.verify_xorbs().problems.empty());
}

TEST_P(Xet, WholeFilesAreObjectsToo) {
  std::string sha256 = at_.blobs.put("small");
  refusal([&] { at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = 6}); });
  refusal([&] { at_.store.link_whole("repo-a", {.sha256 = std::string(64, '1')}); });
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = 5});
  EXPECT_EQ(blob::read_all(*at_.store.open_large("repo-a", sha256)), "small");
  EXPECT_FALSE(at_.store.find("repo-a", sha256)->file_hash);
  refusal([&] { at_.store.open_large("repo-b", sha256); }, ErrorKind::kNotFound);
  at_.blobs.remove(sha256);
  refusal([&] { at_.store.open_large("repo-a", sha256); }, ErrorKind::kCorrupt);
  EXPECT_EQ(at_.store.verify_objects().problems.size(), 1u);
}

TEST_P(Xet, IngestingAWholeFileGivesTheClientsHash) {
  Bytes data = vector_input("v2");
  std::string sha256 = at_.blobs.put(as_text(data));
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.ingest("repo-a", sha256, {});
  EXPECT_EQ(at_.store.find("repo-a", sha256)->file_hash, Fixture::file_name("v2"));
  EXPECT_TRUE(at_.blobs.size_of(sha256));
  auto recipe = at_.store.recipe_of("repo-a", Fixture::file_name("v2"));
  ASSERT_TRUE(recipe);
  EXPECT_EQ(content_of(*at_.store.open_recipe(*recipe)), data);
  EXPECT_TRUE(at_.store.verify_files().problems.empty());
  at_.store.ingest("repo-a", sha256, {.drop_whole = true});
  EXPECT_FALSE(at_.blobs.size_of(sha256));
  EXPECT_EQ(content_of(*at_.store.open_large("repo-a", sha256)), data);
}

TEST_P(Xet, IngestingSharesChunksWithinARepository) {
  at_.upload_vector("v1", kAlice);
  Bytes data = vector_input("v2");
  std::string sha256 = at_.blobs.put(as_text(data));
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.link_whole("repo-b", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.ingest("repo-a", sha256, {.drop_whole = true});
  EXPECT_TRUE(at_.blobs.size_of(sha256)) << "repo-b has it only whole";
  auto recipe = at_.store.recipe_of("repo-a", Fixture::file_name("v2"));
  ASSERT_EQ(recipe->terms.size(), 2u);
  EXPECT_EQ(recipe->terms[0].xorb, Fixture::xorb_name("v1"));
  EXPECT_EQ(recipe->terms[1].xorb, Fixture::xorb_name("v2"));
  at_.store.ingest("repo-b", sha256, {.drop_whole = true});
  EXPECT_FALSE(at_.blobs.size_of(sha256));
  EXPECT_EQ(content_of(*at_.store.open_large("repo-b", sha256)), data);
}

TEST_P(Xet, IngestingRepeatedContentStoresItOnce) {
  Bytes once = testing::split_mix(5, 400000);
  Bytes data = testing::joined({once, once, once});
  std::string sha256 = at_.blobs.put(as_text(data));
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.ingest("repo-a", sha256, {.drop_whole = true});
  EXPECT_EQ(content_of(*at_.store.open_large("repo-a", sha256)), data);
  uint64_t stored_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(at_.dir / "xorbs")) {
    if (entry.is_regular_file()) stored_bytes += entry.file_size();
  }
  EXPECT_LT(stored_bytes, 2 * once.size());
}

TEST_P(Xet, AnUploadWhoseFileBecameChunksForAnotherRepositoryIsTaken) {
  Bytes data = vector_input("v3");
  std::string sha256 = at_.blobs.put(as_text(data));
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.ingest("repo-a", sha256, {.drop_whole = true});
  // Between the end of this one's upload and its record.
  EXPECT_FALSE(at_.blobs.size_of(sha256));
  at_.store.link_whole("repo-b", {.sha256 = sha256, .size_bytes = data.size()});
  EXPECT_EQ(content_of(*at_.store.open_large("repo-b", sha256)), data);
  EXPECT_THROW(at_.store.link_whole("repo-c", {.sha256 = sha256, .size_bytes = data.size() + 1}),
               Error);
}

TEST_P(Xet, AWholeFileIsNeverDroppedBesideChunksThatCannotBeRead) {
  Bytes data = vector_input("v3");
  std::string sha256 = at_.blobs.put(as_text(data));
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.ingest("repo-a", sha256, {.drop_whole = true});
  ASSERT_FALSE(at_.blobs.size_of(sha256));
  auto recipe = at_.store.recipe_of("repo-a", *at_.store.find("repo-a", sha256)->file_hash);
  for (const char* repo : {"repo-b", "repo-a"}) {  // Which nobody has noted as damaged.
    fs::path xorb = at_.store.xorb_path(recipe->terms.front().xorb);
    std::string bytes = read_file(xorb, 64u << 20);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    fs::remove(xorb);
    write_durably(xorb, bytes);
    ASSERT_EQ(at_.blobs.put(as_text(data)), sha256);
    at_.store.link_whole(repo, {.sha256 = sha256, .size_bytes = data.size()});
    at_.store.ingest(repo, sha256, {.drop_whole = true});
    EXPECT_FALSE(at_.blobs.size_of(sha256)) << "made good, it is stored once";
    EXPECT_EQ(content_of(*at_.store.open_large("repo-a", sha256)), data) << repo;
    EXPECT_EQ(content_of(*at_.store.open_large("repo-b", sha256)), data) << repo;
    EXPECT_TRUE(at_.store.verify_files().problems.empty());
    recipe = at_.store.recipe_of("repo-a", *at_.store.find("repo-a", sha256)->file_hash);
  }
}

TEST_P(Xet, AWholeFileDroppedForOneRepositoryIsFoundInChunksByAnother) {
  Bytes data = vector_input("v3");
  std::string sha256 = at_.blobs.put(as_text(data));
  at_.store.link_whole("repo-a", {.sha256 = sha256, .size_bytes = data.size()});
  at_.store.ingest("repo-a", sha256, {});
  at_.store.link_whole("repo-b", {.sha256 = sha256, .size_bytes = data.size()});
  at_.blobs.remove(sha256);  // The collector looked just before the row of repo-b appeared.
  EXPECT_EQ(content_of(*at_.store.open_large("repo-b", sha256)), data);
}

TEST_P(Xet, ARepositoryThatTheCallerMayNotReadGivesNoRights) {
  at_.upload_vector("v1", kAlice);
  MerkleHash xorb = Fixture::xorb_name("v1");
  Caller proposer{.user_id = "bob", .repo_id = "repo-a"};
  EXPECT_FALSE(at_.store.may_reference(xorb, proposer, nobody_reads));
  EXPECT_TRUE(at_.store.may_reference(xorb, proposer, [](const std::string&) { return true; }));
  EXPECT_TRUE(at_.store.may_reference(xorb, proposer, {}));
}

TEST_P(Xet, ManyAtOnceStoreAndReadTheSame) {
  std::vector<std::thread> threads;
  std::atomic<int> done = 0;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      Caller caller{.user_id = "user" + std::to_string(i), .repo_id = "repo" + std::to_string(i)};
      try {
        for (const char* name : {"v1", "v3"}) at_.upload_vector(name, caller);
        auto source = at_.store.open_large(caller.repo_id, Fixture::sha256_name("v1"));
        if (content_of(*source) == vector_input("v1")) ++done;
      } catch (const Error& error) {
        ADD_FAILURE() << error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 6);
  EXPECT_TRUE(at_.store.verify_xorbs().problems.empty());
  EXPECT_TRUE(at_.store.verify_files().problems.empty());
}

TEST_P(Xet, OneSourceIsReadByManyAtOnce) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v2", kAlice);
  auto source = at_.store.open_large("repo-a", Fixture::sha256_name("v2"));
  Bytes whole = vector_input("v2");
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (size_t i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (size_t at = i * 1000; at + 5000 < whole.size(); at += 37000) {
        Bytes out(5000);
        source->read(at, out);
        if (!std::equal(out.begin(), out.end(), whole.begin() + static_cast<ptrdiff_t>(at))) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(Xet, RepositoriesAreCopiedAndForgotten) {
  at_.upload_vector("v1", kAlice);
  at_.upload_vector("v3", kAlice);
  std::string v1 = Fixture::sha256_name("v1");
  database_->write([&](db::Tx& tx) {
    XetStore::copy_repo(tx, "repo-a", "repo-c", 1);
    EXPECT_TRUE(XetStore::copy_object(tx, "repo-a", "repo-d", v1, 1));
    EXPECT_FALSE(XetStore::copy_object(tx, "repo-b", "repo-d", v1, 1));
    EXPECT_TRUE(XetStore::find_in(tx, "repo-d", v1));
    XetStore::forget_repo(tx, "repo-a");
  });
  EXPECT_FALSE(at_.store.find("repo-a", v1));
  EXPECT_EQ(at_.store.list("repo-c", {}).size(), 2u);
  EXPECT_EQ(at_.store.list("repo-d", {}).size(), 1u);
  EXPECT_EQ(content_of(*at_.store.open_large("repo-d", v1)), vector_input("v1"));
  MerkleHash xorb = Fixture::xorb_name("v1");
  EXPECT_TRUE(at_.store.may_reference(xorb, kBob,
                                      [](const std::string& repo) { return repo == "repo-d"; }));
  EXPECT_FALSE(at_.store.may_reference(xorb, kBob,
                                       [](const std::string& repo) { return repo == "repo-a"; }));
}

}  // namespace
}  // namespace hearth::xet
