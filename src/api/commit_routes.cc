// Preupload and the NDJSON commit (hub-api 4.4).

#include <array>

#include "api/api.h"
#include "api/limits.h"
#include "base/text.h"
#include "hub/commits.h"
#include "hub/contents.h"
#include "hub/limits.h"

namespace hearth::api {
namespace {

// 256 files with a base64 sample of 512 bytes and a path of 1 KiB, and two attribute files.
constexpr uint64_t kPreuploadBytesMax = 8u << 20;
// The clients keep a batch's inline content at 100 MiB; 12 files of 9 MiB must pass (hub-api 4.4).
constexpr uint64_t kCommitBytesMax = uint64_t{1} << 30;

bool creates_pr(const Call& call) {
  return call.query.flag("create_pr");
}

/// A commit that opens a pull request needs only the right to discuss; whether someone may commit
/// to refs/pr/N is the domain's to say.
void check_commit(Call& call) {
  bool to_pull_request = call.param("rev").starts_with("refs/pr/");
  call.services.access->require(
      call.who(), call.repo(),
      creates_pr(call) || to_pull_request ? hub::RepoAction::kDiscuss : hub::RepoAction::kWrite);
}

http::Response preupload(Call& call) {
  json::object body = call.json_body();
  const json::array* files = get_array(body, "files");
  if (files == nullptr) throw Error(ErrorKind::kInvalid, "The field 'files' must be a list.");
  if (files->size() > hub::kPreuploadFilesMax) {
    throw Error(ErrorKind::kInvalid, "At most 1,000 files in one request.");
  }
  hub::PreuploadRequest request;
  for (const json::value& value : *files) {
    const json::object* file = value.if_object();
    if (file == nullptr) throw Error(ErrorKind::kInvalid, "Each of 'files' must be an object.");
    hub::PreuploadFile wanted;
    wanted.path = require_string(*file, "path");
    auto size = optional_int(*file, "size");
    if (!size || *size < 0) {
      throw Error(ErrorKind::kInvalid, "The 'size' of " + wanted.path + " must be a number.");
    }
    wanted.size_bytes = static_cast<uint64_t>(*size);
    auto sample = from_base64(optional_string(*file, "sample").value_or(""));
    if (!sample)
      throw Error(ErrorKind::kInvalid, "The 'sample' of " + wanted.path + " is not base64.");
    wanted.sample = as_text(*sample);
    request.files.push_back(std::move(wanted));
  }
  request.git_ignore = optional_string(body, "gitIgnore");
  request.git_attributes = optional_string(body, "gitAttributes");
  json::array answers;
  for (const hub::PreuploadAnswer& answer : call.services.commits->preupload(
           call.repo(), call.param("rev"), request, creates_pr(call))) {
    json::object object{{"path", answer.path},
                        {"uploadMode", answer.is_lfs ? "lfs" : "regular"},
                        {"shouldIgnore", answer.should_ignore}};
    if (!answer.oid.empty()) object["oid"] = answer.oid;
    answers.push_back(std::move(object));
  }
  return reply(json::object{{"files", std::move(answers)}});
}

/// Carries out the lines of a commit as they arrive; memory holds one line.
class CommitSink : public http::BodySink {
 public:
  explicit CommitSink(Call& call) : call_(call) {}

  void write(std::span<const uint8_t> block) override {
    std::string_view text = as_text(block);
    while (true) {
      size_t end = text.find('\n');
      if (end == std::string_view::npos) break;
      line_.append(text.substr(0, end));
      take_line();
      text.remove_prefix(end + 1);
    }
    if (line_.size() + text.size() > kCommitLineBytesMax) {
      throw_line_too_long();
    }
    line_.append(text);
  }

  /// @huggingface/hub sends no new line at the end.
  void finish() override {
    take_line();
    if (!draft_) throw Error(ErrorKind::kInvalid, "The commit has no header line.");
  }

  hub::CommitDraft& draft() { return *draft_; }

 private:
  [[noreturn]] static void throw_line_too_long() {
    throw Error(
        ErrorKind::kTooLarge,
        "One line of the commit is longer than 16 MiB: upload large files with LFS or Xet.");
  }

  void take_line() {
    std::string line = std::exchange(line_, {});
    if (trim(line).empty()) return;
    if (line.size() > kCommitLineBytesMax) throw_line_too_long();
    ++line_count_;  // How many operations there may be is the draft's to say.
    auto parsed = parse_json(line, {.depth_max = 16});
    const json::object* object = parsed ? parsed->if_object() : nullptr;
    if (object == nullptr) {
      throw Error(ErrorKind::kInvalid,
                  "Line " + std::to_string(line_count_) + " of the commit is not a JSON object.");
    }
    std::string key = require_string(*object, "key");
    const json::object* value = get_object(*object, "value");
    if (value == nullptr) {
      throw Error(ErrorKind::kInvalid,
                  "Line " + std::to_string(line_count_) + " of the commit has no 'value'.");
    }
    if (key == "header") return begin(*value);
    if (!draft_) throw Error(ErrorKind::kInvalid, "The first line of a commit is its header.");
    apply(key, *value);
  }

  void begin(const json::object& value) {
    if (draft_) throw Error(ErrorKind::kInvalid, "A commit has one header.");
    hub::CommitHeader header{.summary = require_string(value, "summary"),
                             .description = optional_string(value, "description").value_or(""),
                             .parent_commit = optional_string(value, "parentCommit").value_or("")};
    draft_.emplace(call_.services.commits->begin(
        call_.caller(), call_.repo(),
        {.revision = call_.param("rev"), .create_pr = creates_pr(call_)}, std::move(header)));
  }

  void apply(std::string_view key, const json::object& value) {
    if (key == "copyFile" || key == "lfsCopy") {
      if (find(value, "srcRepo") != nullptr) {
        throw Error(ErrorKind::kInvalid,
                    "A commit copies files of its own repository. Download the file and upload it, "
                    "or duplicate the large file to this repository first.");
      }
      draft_->copy(require_string(value, "srcPath"), require_string(value, "path"),
                   optional_string(value, "srcRevision").value_or(""));
      return;
    }
    std::string path = require_string(value, "path");
    // @huggingface/hub renames so: the new content with the path that it had before.
    if (auto old_path = optional_string(value, "oldPath"); old_path && *old_path != path) {
      draft_->delete_file(*old_path);
    }
    if (key == "file") {
      std::string content = require_string(value, "content");
      std::string encoding = optional_string(value, "encoding").value_or("utf-8");
      if (encoding == "base64") {
        auto decoded = from_base64(content);
        if (!decoded) {
          throw Error(ErrorKind::kInvalid, "The content of " + path + " is not base64.");
        }
        draft_->put(path, as_text(*decoded));
      } else if (encoding == "utf-8") {
        draft_->put(path, content);
      } else {
        throw Error(ErrorKind::kInvalid, "The encoding of " + path + " must be base64 or utf-8.");
      }
    } else if (key == "lfsFile") {
      std::string algorithm = optional_string(value, "algo").value_or("sha256");
      if (algorithm != "sha256" && algorithm != "sha_256") {
        throw Error(ErrorKind::kInvalid, "Large files are named by their SHA-256.");
      }
      std::optional<uint64_t> size_bytes;
      if (auto size = optional_int(value, "size"); size && *size >= 0) {
        size_bytes = static_cast<uint64_t>(*size);
      }
      draft_->put_large(path, require_string(value, "oid"), size_bytes);
    } else if (key == "deletedFile") {
      draft_->delete_file(path);
    } else if (key == "deletedFolder") {
      draft_->delete_folder(path);
    } else {
      throw Error(ErrorKind::kInvalid, "A commit knows no operation '" + std::string(key) + "'.");
    }
  }

  Call& call_;
  std::string line_;
  uint64_t line_count_ = 0;
  std::optional<hub::CommitDraft> draft_;
};

std::unique_ptr<http::BodySink> make_commit_sink(Call& call) {
  return std::make_unique<CommitSink>(call);
}

http::Response commit(Call& call) {
  hub::CommitResult result = call.sink<CommitSink>().draft().commit();
  std::string repo_url = call.repo_url(call.repo());
  json::object answer{{"success", true},
                      {"commitOid", result.commit_oid},
                      {"commitUrl", repo_url + "/commit/" + result.commit_oid},
                      {"hookOutput", ""}};
  if (result.pull_request) {
    answer["pullRequestUrl"] = repo_url + "/discussions/" + std::to_string(*result.pull_request);
  }
  return reply(answer);
}

constexpr std::array kCommitQuery = {
    QueryParameter{.name = "create_pr",
                   .type = QueryParameter::Type::kFlag,
                   .what = "Whether the commit opens a pull request against the branch."},
};

constexpr std::array kRoutes = {
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/preupload/{rev}",
          .allow = Allow::kCustom,
          .handler = preupload,
          .summary = "How each file is to be uploaded, and whether it is there already.",
          .source = "huggingface_hub _commit_api.py _fetch_upload_modes",
          .query = kCommitQuery,
          .request = "Preupload",
          .answer = "Preuploaded",
          .body_bytes_max = kPreuploadBytesMax,
          .check = check_commit},
    Route{.method = "POST",
          .pattern = "/api/{types}/{repo}/commit/{rev}",
          .allow = Allow::kCustom,
          .handler = commit,
          .summary = "Makes a commit from lines of JSON: add, delete, copy, large files.",
          .source = "huggingface_hub hf_api.py create_commit; @huggingface/hub commit",
          .query = kCommitQuery,
          .request = "application/x-ndjson CommitLines",
          .answer = "Committed",
          .body_bytes_max = kCommitBytesMax,
          .make_sink = make_commit_sink,
          .check = check_commit,
          .handler_wait_s = 300},
};

}  // namespace

std::span<const Route> commit_routes() {
  return kRoutes;
}

}  // namespace hearth::api
