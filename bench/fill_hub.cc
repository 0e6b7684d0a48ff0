// Fills a hub's database with many repositories, to be measured by bench/listing.py and
// bench/start.py:
//
//   fill_hub DATA COUNT [DATABASE_URL]
//
// Each row is written by the hub's own functions from the card, the configuration and the file list
// that a repository of that kind has, in one transaction for many, so it is what as many creations,
// commits, downloads and likes would have written. Of the git folders only the folder itself is
// made: lists never look into one. The words follow Zipf's law, as names, tags, downloads and
// likes of the hosted hub do: a few are everywhere, most are rare. The same arguments give the same
// hub, but for ids and times.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "app/instance.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "cards/vocabulary.h"
#include "hub/downloads_store.h"
#include "hub/facts.h"
#include "hub/git_dir.h"
#include "hub/likes_store.h"
#include "hub/listing.h"
#include "hub/path_index.h"
#include "hub/receive_store.h"
#include "hub/repository_store.h"

namespace {

using namespace std::string_literals;
namespace hub = hearth::hub;

constexpr size_t kBatch = 2000;
constexpr size_t kReposOfUser = 30;
constexpr int64_t kDayMs = 86'400'000;

/// Draws numbers below `count`, the n-th with a weight of 1/n.
class Zipf {
 public:
  explicit Zipf(size_t count) : sums_(count) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sums_[i] = sum += 1.0 / static_cast<double>(i + 1);
  }
  size_t draw(std::mt19937_64& random) const {
    double at = std::uniform_real_distribution<double>(0, sums_.back())(random);
    auto found = std::ranges::lower_bound(sums_, at);
    return std::min<size_t>(static_cast<size_t>(found - sums_.begin()), sums_.size() - 1);
  }

 private:
  std::vector<double> sums_;
};

class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)), zipf_(words_.size()) {}
  const std::string& draw(std::mt19937_64& random) const { return words_[zipf_.draw(random)]; }

 private:
  std::vector<std::string> words_;
  Zipf zipf_;
};

/// The given words, then made-up ones of two to four syllables.
std::vector<std::string> vocabulary(std::vector<std::string> words, size_t count) {
  constexpr std::string_view kSyllables[] = {"ba", "ce", "di", "fo", "gu",   "ha",  "jo",  "ka",
                                             "li", "mo", "na", "pe", "qui",  "ra",  "so",  "ti",
                                             "vu", "wa", "xe", "zo", "stra", "phi", "ler", "mon"};
  std::mt19937_64 random(7);
  while (words.size() < count) {
    std::string word;
    size_t syllable_count = 2 + random() % 3;
    for (size_t i = 0; i < syllable_count; ++i)
      word += kSyllables[random() % std::size(kSyllables)];
    words.push_back(std::move(word));
  }
  return words;
}

std::vector<std::string> texts_of(std::span<const std::string_view> views) {
  return {views.begin(), views.end()};
}

struct Made {
  hub::Repo repo;
  hub::RepoFacts facts;
  hub::LastCommit last;
  std::vector<std::string> files;
  int64_t download_count = 0;
  size_t like_count = 0;
};

class Filler {
 public:
  Filler(hearth::app::Instance& instance, size_t count) : instance_(instance), count_(count) {}

  void run() {
    make_people();
    for (size_t done = 0; done < count_; done += kBatch) {
      std::vector<Made> batch;
      for (size_t i = done; i < std::min(count_, done + kBatch); ++i) batch.push_back(make(i));
      instance_.database->write([&](hearth::db::Tx& tx) {
        for (const Made& made : batch) write(tx, made);
        write_downloads(tx, batch);
      });
      for (const Made& made : batch) {
        // Not make_dirs: nobody needs these after a power cut, and flushing them takes most of the
        // time.
        std::filesystem::create_directories(hub::git_dir(instance_.context(), made.repo.id));
      }
      if (done / 50'000 != (done + kBatch) / 50'000) {
        std::fprintf(stderr, "%zu of %zu\n", done + kBatch, count_);
      }
    }
    // As the hub's own thread does within seconds of each creation; there is no other writer here
    // to leave time to.
    while (instance_.list_sets.write_some() != hub::ListSets::Step::kDone) {
    }
  }

 private:
  void make_people() {
    for (size_t i = 0; i < std::max<size_t>(10, count_ / kReposOfUser); ++i) {
      std::string name = people_words_.draw(random_) + "-" + std::to_string(i);
      people_.push_back(instance_.accounts.create_user(hub::Actor::command_line(), {.name = name}));
    }
    active_ = Zipf(people_.size());
  }

  std::string name_of(size_t number) {
    std::string name = name_words_.draw(random_);
    size_t more = 1 + random_() % 3;
    for (size_t i = 0; i < more; ++i) name += "-" + name_words_.draw(random_);
    // Sizes as people write them; the number keeps names apart.
    if (random_() % 2 == 0) name += "-" + std::to_string(1 + random_() % 70) + "b";
    return name + "-" + std::to_string(number);
  }

  std::string card_of(const hub::Repo& repo) {
    std::string yaml = "---\nlicense: " + licenses_.draw(random_) + "\n";
    yaml += "language:\n- " + languages_.draw(random_) + "\n";
    if (random_() % 5 == 0) yaml += "- " + languages_.draw(random_) + "\n";
    if (repo.type == hub::RepoType::kModel) {
      yaml += "library_name: " + libraries_.draw(random_) + "\n";
      yaml += "pipeline_tag: " + tasks_.draw(random_) + "\n";
      if (random_() % 3 == 0) {
        yaml += "base_model: " + name_words_.draw(random_) + "/" + name_words_.draw(random_) + "\n";
      }
      if (random_() % 3 == 0) yaml += "datasets:\n- " + name_words_.draw(random_) + "/data\n";
    } else if (repo.type == hub::RepoType::kDataset) {
      yaml += "task_categories:\n- " + tasks_.draw(random_) + "\npretty_name: A set of " +
              name_words_.draw(random_) + "\n";
    } else {
      yaml += "title: A demo\nsdk: " + repo.sdk + "\nmodels:\n- " + name_words_.draw(random_) +
              "/" + name_words_.draw(random_) + "\n";
    }
    yaml += "tags:\n";
    size_t tag_count = 1 + random_() % 4;
    for (size_t i = 0; i < tag_count; ++i) yaml += "- " + tag_words_.draw(random_) + "\n";
    std::string body = "---\n# " + repo.repo_id.name + "\n\n";
    for (int i = 0; i < 30; ++i) body += name_words_.draw(random_) + " ";
    return yaml + body + "\n";
  }

  std::vector<std::string> files_of(const hub::Repo& repo) {
    if (repo.type == hub::RepoType::kDataset) {
      return {".gitattributes", "README.md", "data/test.parquet", "data/train.parquet"};
    }
    if (repo.type == hub::RepoType::kSpace) {
      return {".gitattributes", "README.md", "app.py", "requirements.txt"};
    }
    std::vector<std::string> files = {".gitattributes", "README.md",
                                      "config.json",    "model.safetensors",
                                      "tokenizer.json", "tokenizer_config.json"};
    if (random_() % 6 == 0) files.push_back("model-q4.gguf");
    std::ranges::sort(files);
    return files;
  }

  Made make(size_t number) {
    Made made;
    hub::Repo& repo = made.repo;
    repo.id = hearth::new_object_id();
    // The hosted hub has some five models for each dataset and each two Spaces; one Space will do.
    size_t kind = random_() % 12;
    repo.type = kind < 9    ? hub::RepoType::kModel
                : kind < 11 ? hub::RepoType::kDataset
                            : hub::RepoType::kSpace;
    const hub::User& owner = people_[active_.draw(random_)];
    repo.namespace_id = repo.creator_id = owner.id;
    repo.repo_id = {.namespace_name = owner.name, .name = name_of(number)};
    repo.is_private = random_() % 10 == 0;
    repo.gated = random_() % 50 == 0 ? hub::Gated::kAuto : hub::Gated::kNo;
    if (repo.type == hub::RepoType::kSpace) repo.sdk = random_() % 3 == 0 ? "docker" : "gradio";
    // Created over three years.
    repo.created_ms = now_ms_ - static_cast<int64_t>(random_() % (1000 * kDayMs));
    repo.updated_ms =
        repo.created_ms +
        static_cast<int64_t>(random_() % static_cast<uint64_t>(now_ms_ - repo.created_ms));
    repo.head_oid = hearth::sha256_hex(repo.id).substr(0, 40);

    made.files = files_of(repo);
    hub::TalliedFiles files;
    files.tally = hearth::cards::FileTally::of(hub::kind_of(repo.type), made.files);
    for (size_t i = 0; i < made.files.size(); ++i) files.size_bytes += 1000 + random_() % 1'000'000;
    std::map<std::string, std::string, std::less<>> texts = {{"README.md", card_of(repo)}};
    if (repo.type == hub::RepoType::kModel) {
      texts["config.json"] = "{\"model_type\": \"" + architectures_.draw(random_) +
                             "\", \"architectures\": [\"BertForMaskedLM\"]}";
    }
    made.facts = hub::derive_facts(repo.type, repo.head_oid, files, texts);
    made.last = {.oid = repo.head_oid, .title = "Upload", .time_ms = repo.updated_ms};
    std::uniform_real_distribution<double> unit(1e-7, 1);
    made.download_count = static_cast<int64_t>(1 / unit(random_));
    made.like_count = std::min<size_t>(200, static_cast<size_t>(0.5 / unit(random_)));
    return made;
  }

  void write(hearth::db::Tx& tx, const Made& made) {
    const hub::Repo& repo = made.repo;
    HEARTH_ASSERT(hub::insert_repo_row(tx, repo), "names are made to differ");
    hub::RefUpdateRow row;
    row.id = hearth::new_object_id();
    row.repo_id = repo.id;
    row.ref = "refs/heads/main";
    row.new_oid = repo.head_oid;
    row.kind = "create";
    row.actor = {.user_id = repo.creator_id,
                 .name = repo.repo_id.namespace_name,
                 .remote_address = "127.0.0.1"};
    row.created_ms = repo.created_ms;
    hub::insert_done(tx, row);
    hub::PathIndex::Delta delta;
    delta.to_oid = repo.head_oid;
    for (const std::string& path : made.files) {
      delta.changed[path] = made.last;
      if (size_t slash = path.find('/'); slash != path.npos) {
        delta.changed[path.substr(0, slash + 1)] = made.last;
      }
    }
    hub::PathIndex::apply(tx, repo.id, delta);
    hub::set_repo_head(tx, repo.id, repo.head_oid, repo.updated_ms);
    hub::index_repo(tx, repo, made.facts);
    hub::set_ref_head(tx, repo.id, row.ref, {.commit_oid = repo.head_oid, .commit_count = 2});
    if (repo.type == hub::RepoType::kModel && random_() % 2 == 0) {
      hub::ModelHeaders headers;
      int64_t total = int64_t{1} << (20 + random_() % 17);
      headers.safetensors = {{"parameters", {{"F16", total}}}, {"total", total}};
      hub::store_model_headers(tx, repo.id, repo.head_oid, headers);
    }
    size_t first = random_() % people_.size();
    for (size_t i = 0; i < std::min(made.like_count, people_.size()); ++i) {
      hub::insert_like(tx, repo.id, people_[(first + i) % people_.size()].id, now_ms_);
    }
  }

  void write_downloads(hearth::db::Tx& tx, const std::vector<Made>& batch) {
    std::vector<hub::CountedDownloads> counted;
    std::string today = hearth::iso8601_day(now_ms_);
    for (const Made& made : batch) {
      if (made.download_count > 1) counted.push_back({made.repo.id, today, made.download_count});
    }
    hub::add_downloads(tx, counted);
  }

  hearth::app::Instance& instance_;
  size_t count_;
  int64_t now_ms_ = instance_.clock.now_ms();
  std::mt19937_64 random_{42};
  std::vector<hub::User> people_;
  Zipf active_{1};
  Words name_words_{
      vocabulary({"llama",     "qwen", "mistral", "bert", "instruct",         "gguf",    "lora",
                  "gemma",     "chat", "whisper", "t5",   "stable-diffusion", "roberta", "gpt2",
                  "finetuned", "base", "large",   "tiny", "sentiment",        "wav2vec2"},
                 6000)};
  Words people_words_{vocabulary({"acme", "lab", "nlp", "ai"}, 3000)};
  Words tag_words_{vocabulary({"text-generation-inference", "conversational", "medical", "code",
                               "legal", "unsloth", "trl", "merge", "finance", "art"},
                              5000)};
  Words licenses_{texts_of(hearth::cards::license_ids())};
  Words tasks_{texts_of(hearth::cards::task_ids())};
  Words libraries_{std::vector<std::string>{"transformers", "diffusers", "peft", "gguf",
                                            "sentence-transformers", "timm", "keras", "mlx",
                                            "spacy", "stable-baselines3", "flair", "setfit"}};
  Words languages_{std::vector<std::string>{"en", "zh", "fr", "de", "es", "ja", "ru", "ko", "ar",
                                            "pt", "it", "nl", "pl", "tr", "vi", "hi", "fa", "uk"}};
  Words architectures_{std::vector<std::string>{"llama", "bert", "qwen2", "gpt2", "t5", "mistral",
                                                "whisper", "vit", "roberta", "gemma2", "phi3"}};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: fill_hub DATA COUNT [DATABASE_URL]\n");
    return 2;
  }
  try {
    hearth::app::Settings settings;
    settings.data_dir = argv[1];
    if (argc == 4) settings.database = argv[3];
    hearth::app::Instance instance(settings);
    Filler(instance, static_cast<size_t>(std::atoll(argv[2]))).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fill_hub: %s\n", error.what());
    return 1;
  }
  return 0;
}
