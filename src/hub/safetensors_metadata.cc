#include "hub/safetensors_metadata.h"

#include "models/models.h"

namespace hearth::hub {
namespace {

constexpr uint64_t kIndexBytesMax = 16u << 20;    // 100,000 tensors take about 8 MiB.
constexpr uint64_t kHeadersBytesMax = 64u << 20;  // In memory while the answer is made.

FileAnswer require_file(Contents& contents, const Repo& repo, const Revision& revision,
                        std::string_view path) {
  auto file = contents.find_file(repo, revision, path);
  if (!file) {
    throw Error(ErrorKind::kNotFound, "Entry not found: " + std::string(path),
                {.code = "EntryNotFound"});
  }
  return std::move(*file);
}

[[noreturn]] void throw_unreadable(std::string_view path, const ParseError& error) {
  throw Error(ErrorKind::kUnprocessable,
              std::string(path) + " cannot be read: " + error.message + ".");
}

Bytes read_part(const blob::Source& source, uint64_t offset, uint64_t length) {
  Bytes bytes(length);
  bytes.resize(source.read(offset, bytes));
  return bytes;
}

std::string header_of(const blob::Source& source, std::string_view path) {
  auto header =
      models::read_safetensors_header({source.size_bytes(), [&](uint64_t offset, uint64_t length) {
                                         return read_part(source, offset, length);
                                       }});
  if (!header) throw_unreadable(path, header.error());
  return std::move(*header);
}

}  // namespace

std::string safetensors_metadata(Contents& contents, const Repo& repo, const Revision& revision,
                                 std::string_view path) {
  FileAnswer index = require_file(contents, repo, revision, path);
  if (index.size_bytes > kIndexBytesMax) {
    throw Error(ErrorKind::kTooLarge, "The index " + std::string(path) + " is larger than 16 MiB.");
  }
  Bytes bytes = read_part(*index.source, 0, index.size_bytes);
  auto shards = models::safetensors_index_shards(as_text(bytes));
  if (!shards) throw_unreadable(path, shards.error());
  json::object about;
  auto parsed = parse_json(as_text(bytes));
  if (const json::object* metadata = get_object(parsed->as_object(), "metadata")) {
    about["metadata"] = *metadata;
  }
  std::string answer = "{\"index\":" + json::serialize(about) + ",\"headers\":{";
  std::string_view folder = path.substr(0, path.rfind('/') + 1);
  for (const std::string& shard : *shards) {
    std::string at = std::string(folder) + shard;
    std::string header = header_of(*require_file(contents, repo, revision, at).source, at);
    if (answer.size() + header.size() > kHeadersBytesMax) {
      throw Error(ErrorKind::kTooLarge,
                  "The headers of this model are longer than 64 MiB together: read them one by one "
                  "(get_safetensors_metadata).");
    }
    if (answer.back() != '{') answer += ',';
    answer += json::serialize(json::value(shard)) + ":" + header;
  }
  return answer + "}}";
}

}  // namespace hearth::hub
