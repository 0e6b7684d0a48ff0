// docs/limits.md, from the constants themselves. tests/wire/limits_test.py tries each row of the
// tables that name an answer at its limit, one below and one above.

#include <array>

#include <fmt/format.h>

#include "api/api.h"
#include "api/doc_text.h"
#include "api/limits.h"
#include "api/rate_limit.h"
#include "cards/cards.h"
#include "git/names.h"
#include "http/limits.h"
#include "hub/accounts.h"
#include "hub/commits.h"
#include "hub/limits.h"
#include "xet/shard.h"
#include "xet/xorb.h"

namespace hearth::api {
namespace {

enum class Unit { kCount, kBytes, kMilliseconds };

struct Limit {
  std::string_view of;
  uint64_t value;
  Unit unit;
  std::string_view beyond;  // What a client gets.
  std::string_view why;
};

constexpr http::Limits kServer;

const std::array kRequests = {
    Limit{"request line and headers, together", kServer.head_bytes_max, Unit::kBytes, "431",
          "nginx takes 32 KiB by default; signed URLs and cookies need more"},
    Limit{"the target of a request (path and query)", kServer.target_bytes_max, Unit::kBytes, "414",
          "clients repeat `expand=` and `filter=`; signed URLs take 8 KiB"},
    Limit{"headers of one request", kServer.header_count_max, Unit::kCount, "431",
          "as Apache's LimitRequestFields"},
};

/// Of all clients together.
const std::array kServerWide = {
    Limit{"connections", kServer.connections_max, Unit::kCount,
          "the oldest idle ones are closed, then new ones", "three files each; `ulimit -n`"},
    Limit{"requests that wait for a thread", kServer.queue_max, Unit::kCount, "503",
          "ours; clients try again"},
    Limit{"text of answers that are being sent", kServer.held_bytes_max, Unit::kBytes,
          "503, but for answers below 64 KiB", "memory; files and streams do not count"},
};

const std::array kCommits = {
    Limit{"operations in one commit", hub::kOperationsMax, Unit::kCount, "413",
          "they are held in memory; the hosted hub recommends 100 files a commit"},
    Limit{"one line of a commit's body", kCommitLineBytesMax, Unit::kBytes, "413",
          "a file of 10 MiB in base64, its path, and room"},
    Limit{"a file that is sent inside a commit", hub::kRegularBytesMax, Unit::kBytes, "413",
          "the hosted hub's; larger ones go by Xet or Git LFS. A push is refused likewise"},
    Limit{"the summary of a commit, and its description", hub::kMessageBytesMax, Unit::kBytes,
          "413", "ours"},
    Limit{"the path of a file", git::kPathBytesMax, Unit::kBytes, "422",
          "ours; what a clone can check out on common systems is not longer"},
    Limit{"one part of a path", git::kPathPartBytesMax, Unit::kBytes, "422",
          "what file systems take"},
    Limit{"files in one request of preupload", hub::kPreuploadFilesMax, Unit::kCount, "400",
          "huggingface_hub sends 256, @huggingface/hub 100"},
};

const std::array kBatches = {
    Limit{"paths in one request of paths-info", hub::kPathsInfoMax, Unit::kCount, "400",
          "the hosted hub's"},
    Limit{"objects in one batch of Git LFS", kBatchObjectsMax, Unit::kCount, "413",
          "huggingface_hub sends 256, git-lfs and @huggingface/hub 100"},
    Limit{"one object of Git LFS", kObjectBytesMax, Unit::kBytes, "422 for that object",
          "ours; the disk ends before"},
    Limit{"large files that one request deletes", kLfsDeletionsMax, Unit::kCount, "400",
          "huggingface_hub sends as many"},
    Limit{"large files that one request shares with another repository", kSharedFilesMax,
          Unit::kCount, "400", "huggingface_hub sends 500"},
    Limit{"files in one request of Xet reconstructions", kReconstructionsMax, Unit::kCount, "413",
          "ours"},
    Limit{"conditions of one list (searches, filters, apps …)", hub::kFilterCountMax, Unit::kCount,
          "400", "each is looked up"},
    Limit{"one condition of a list", hub::kFilterBytesMax, Unit::kBytes, "400",
          "longer than any tag"},
};

const std::array kNames = {
    Limit{"the name of a repository", hub::kNameBytesMax, Unit::kBytes, "400",
          "huggingface_hub's own check"},
    Limit{"the name of a person or an organisation", hub::kNamespaceBytesMax, Unit::kBytes,
          "refused on the command line", "ours"},
    Limit{"the full name of a person or an organisation", hub::kFullnameBytesMax, Unit::kBytes,
          "refused on the command line", "ours"},
    Limit{"an e-mail address", hub::kEmailBytesMax, Unit::kBytes, "refused on the command line",
          "RFC 5321"},
    Limit{"a password", hub::kPasswordBytesMax, Unit::kBytes, "refused on the command line",
          "ours; at least 8"},
    Limit{"the name of an access token", hub::kTokenNameBytesMax, Unit::kBytes,
          "refused on the command line", "ours"},
    Limit{"access tokens of one person", hub::kTokensOfOneUserMax, Unit::kCount,
          "refused on the command line", "ours"},
    Limit{"the name of a branch or tag", git::kRefNameBytesMax, Unit::kBytes, "400", "git's files"},
    Limit{"one part of a branch's or tag's name", git::kRefPartBytesMax, Unit::kBytes, "400",
          "a file name, and git's `.lock` behind it"},
    Limit{"the title of a discussion", hub::kDiscussionTitleBytesMax, Unit::kBytes, "413", "ours"},
    Limit{"a comment", hub::kMessageBytesMax, Unit::kBytes, "413", "ours"},
};

/// More is asked for without an error, and less is given.
const std::array kCuts = {
    Limit{"entries in one page of a tree", hub::kTreePageMax, Unit::kCount,
          "that many, and `Link` to the next page", "the hosted hub's"},
    Limit{"entries in one page of a tree with last commits", hub::kExpandedTreePageMax,
          Unit::kCount, "likewise", "the hosted hub's"},
    Limit{"commits in one page", hub::kCommitsPageMax, Unit::kCount, "likewise", "ours"},
    Limit{"repositories in one page of a list", hub::kListPageMax, Unit::kCount, "likewise",
          "the hosted hub's"},
    Limit{"repositories in one page of a list with files or cards", hub::kFullListPageMax,
          Unit::kCount, "likewise", "ours: they may be large"},
    Limit{"large files in one page of lfs-files", kLfsFilesPageMax, Unit::kCount, "likewise",
          "ours"},
    Limit{"commits that pages of the history reach", hub::kHistoryMax, Unit::kCount,
          "400: clone to read on", "ours: pages are found by walking there"},
    Limit{"tags that a card and its files give a repository", cards::kTagCountMax, Unit::kCount,
          "the first are kept", "each is a row of an index"},
    Limit{"one tag", cards::kTagBytesMax, Unit::kBytes, "the tag is left out", "ours"},
    Limit{"plain files that one commit copies from other revisions", hub::kCopiedBytesMax,
          Unit::kBytes, "413: make several commits", "they are read and written anew"},
    Limit{"scopes of one fine-grained token", hub::kTokenScopesMax, Unit::kCount, "refused",
          "ours"},
    Limit{"parts of one upload by Git LFS", kObjectPartsMax, Unit::kCount, "parts are made larger",
          "as S3"},
    Limit{"byte ranges in one request for data of Xet", kDataRangesMax, Unit::kCount, "416",
          "what a data URL signs, and some room"},
    Limit{"a xorb", xet::kXorbBodyBytesMax, Unit::kBytes, "413", "hf-xet's own limit"},
    Limit{"a shard", xet::kShardBytesMax, Unit::kBytes, "413", "hf-xet's own limit"},
};

uint64_t ms(std::chrono::milliseconds time) {
  return static_cast<uint64_t>(time.count());
}

const std::array kTimes = {
    Limit{"a handshake of TLS", ms(kServer.tls_handshake_wait), Unit::kMilliseconds,
          "the connection is closed", "ours"},
    Limit{"the whole head of a request", ms(kServer.head_wait), Unit::kMilliseconds, "408",
          "slow senders of headers"},
    Limit{"a pause in a body", ms(kServer.body_idle), Unit::kMilliseconds, "408",
          "slow senders of bodies; over all a body brings 256 bytes a second at least"},
    Limit{"a pause of who reads the answer", ms(kServer.stream_idle), Unit::kMilliseconds,
          "the connection is closed", "slow readers; less than 1 KiB a second counts as a pause"},
    Limit{"between two requests of a connection", ms(kServer.keep_alive_wait), Unit::kMilliseconds,
          "the connection is closed", "as nginx"},
    Limit{"for a free thread", ms(kServer.queue_wait), Unit::kMilliseconds, "503",
          "clients' own pauses after a 503 are longer"},
    Limit{"a request once its body is there, unless routes.md says more", ms(kServer.handler_wait),
          Unit::kMilliseconds, "504", "ours"},
};

std::string text_of(const Limit& limit) {
  switch (limit.unit) {
    case Unit::kCount:
      return count_text(limit.value);
    case Unit::kBytes:
      return size_text(limit.value);
    case Unit::kMilliseconds:
      return count_text(limit.value / 1000) + " s";
  }
  return "";
}

template <typename Rows>
std::string table(std::string_view title, std::string_view about, std::string_view beyond,
                  const Rows& rows) {
  std::string out =
      fmt::format("\n## {}\n\n{}\n\n| what | limit | {} | where the number comes from |\n", title,
                  about, beyond);
  out += "| --- | --- | --- | --- |\n";
  for (const Limit& row : rows) {
    out += fmt::format("| {} | {} | {} | {} |\n", row.of, text_of(row), row.beyond, row.why);
  }
  return out;
}

}  // namespace

std::string limits_markdown() {
  std::string out =
      "# Limits\n\n"
      "Made by `hearth limits` from the program's own constants; do not edit. A client that goes\n"
      "beyond a limit gets the status below with a sentence in `error` and `X-Error-Message`,\n"
      "and nothing is changed. How large a body may be and how long a request may take stands in\n"
      "[routes.md](routes.md) for each route (413, 504); how many requests a caller may make, and\n"
      "how often passwords may be guessed, in [operating.md](operating.md) (429).\n";
  constexpr std::string_view kBeyond = "beyond it";
  constexpr std::string_view kTried =
      "Each is tried at its limit, one below and one above (`tests/wire/limits_test.py`).";
  out += table("Requests", kTried, kBeyond, kRequests);
  out += table("Commits and files", kTried, kBeyond, kCommits);
  out += table("Batches and lists", kTried, kBeyond, kBatches);
  out += table("Names and texts", kTried, kBeyond, kNames);
  out += table("Pages and other amounts", "Most of these are no errors: what is more is cut.",
               "more", kCuts);
  out += table("The server as a whole", "Of all clients together.", kBeyond, kServerWide);
  out += table("Times", "How long the hub waits.", "after that", kTimes);
  return out;
}

}  // namespace hearth::api
