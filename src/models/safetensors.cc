#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "models/models.h"

// A safetensors file is 8 bytes of length, that many bytes of JSON, and the data. The JSON is one
// object: tensor name -> {dtype, shape, data_offsets}, and __metadata__, texts by name. Headers of
// large models have hundreds of thousands of tensors, so the JSON is read by a scanner that keeps
// numbers only, not by a general parser that would make a tree ten times its size.

namespace hearth::models {
namespace {

constexpr uint64_t kTensorCountMax = 1'000'000;
constexpr size_t kRankMax = 64;
constexpr size_t kSkipDepthMax = 16;  // Of values under unknown keys.
constexpr size_t kMetadataCountMax = 64;
constexpr size_t kMetadataTextBytesMax = 1024;

struct Dtype {
  std::string_view name;
  uint64_t bits;
};

// The format's specification; sub-byte types fill whole bytes as a tensor.
constexpr Dtype kDtypes[] = {{"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
                             {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},     {"F8_E4M3", 8},
                             {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
                             {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
                             {"U32", 32},    {"F32", 32},        {"C64", 64},        {"F64", 64},
                             {"I64", 64},    {"U64", 64}};

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct Tensor {
  std::string dtype;
  bool has_shape = false;
  bool has_offsets = false;
  uint64_t element_count = 1;
  Range range;
};

class HeaderScanner {
 public:
  HeaderScanner(std::string_view text, uint64_t data_bytes)
      : text_(text), data_bytes_(data_bytes) {}

  Parsed<SafetensorsFacts> run() {
    if (!scan() || !check_cover()) return tl::unexpected<ParseError>(std::move(error_));
    return std::move(facts_);
  }

 private:
  bool fail(std::string message) {
    if (error_.message.empty()) error_ = ParseError{std::move(message), at_ + 8};
    return false;
  }

  void skip_space() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
  }
  bool peek_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool take(char c) {
    if (!peek_is(c)) return false;
    ++at_;
    return true;
  }
  bool expect(char c) { return take(c) || fail(std::string("expected '") + c + "' in the header"); }

  /// A JSON string. `out` gets its text without escapes resolved past the simple ones, up to
  /// `bytes_max` bytes; the rest is passed over.
  bool scan_string(std::string* out, size_t bytes_max) {
    if (!expect('"')) return false;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<uint8_t>(c) < 0x20) return fail("control character in a text of the header");
      if (c == '\\') {
        if (at_ >= text_.size()) break;
        char escaped = text_[at_++];
        if (std::string_view("\"\\/bfnrtu").find(escaped) == std::string_view::npos) {
          return fail("bad escape in a text of the header");
        }
        if (escaped == 'u') {
          if (text_.size() - at_ < 4 || !is_hex(text_.substr(at_, 4))) {
            return fail("bad escape in a text of the header");
          }
          at_ += 4;
          c = '?';  // Only names and remarks hold these, and neither is shown in full.
        } else {
          constexpr std::string_view kFrom = "bfnrt";
          constexpr std::string_view kTo = "\b\f\n\r\t";
          size_t which = kFrom.find(escaped);
          c = which == std::string_view::npos ? escaped : kTo[which];
        }
      }
      if (out != nullptr && out->size() < bytes_max) *out += c;
    }
    return fail("the header ends within a text");
  }

  bool scan_number(uint64_t& out) {
    skip_space();
    size_t begin = at_;
    out = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      auto digit = static_cast<uint64_t>(text_[at_] - '0');
      if (out > (std::numeric_limits<uint64_t>::max() - digit) / 10)
        return fail("number too large");
      out = out * 10 + digit;
      ++at_;
    }
    if (at_ > begin + 1 && text_[begin] == '0') return fail("a number begins with 0");
    return at_ > begin || fail("expected a whole number in the header");
  }

  bool scan() {
    if (!is_utf8(text_)) return fail("the header is not UTF-8");
    if (text_.empty() || text_.front() != '{') return fail("the header must begin with '{'");
    if (!take('{')) return false;
    if (!take('}')) {
      do {
        std::string name;
        skip_space();
        size_t begin = at_;
        if (!scan_string(&name, 64)) return false;
        name_hashes_.push_back(hash_of_name(text_.substr(begin, at_ - begin)));
        if (!expect(':')) return false;
        if (name == "__metadata__" ? !scan_metadata() : !scan_tensor()) return false;
      } while (take(','));
      if (!expect('}')) return false;
    }
    skip_space();  // Padding to eight bytes.
    if (at_ != text_.size()) return fail("text after the header");
    // The format forbids it: who reads the one tensor and who the other is not said.
    std::ranges::sort(name_hashes_);
    return std::ranges::adjacent_find(name_hashes_) == name_hashes_.end() ||
           fail("a name stands twice in the header");
  }

  /// Of a name in quotes, however it is spelt.
  static size_t hash_of_name(std::string_view quoted) {
    std::hash<std::string_view> hash;
    if (quoted.find('\\') == std::string_view::npos) {
      return hash(quoted.substr(1, quoted.size() - 2));
    }
    auto name = parse_json(quoted);
    return hash(name ? as_view(name->as_string()) : quoted);
  }

  bool scan_metadata() {
    skip_space();
    if (text_.substr(at_).starts_with("null")) {  // As the format's own library takes it.
      at_ += 4;
      return true;
    }
    if (!expect('{')) return false;
    if (take('}')) return true;
    do {
      std::string key;
      std::string value;
      if (!scan_string(&key, kMetadataTextBytesMax) || !expect(':')) return false;
      if (!scan_string(&value, kMetadataTextBytesMax)) return false;
      if (facts_.metadata.size() < kMetadataCountMax && is_utf8(key) && is_utf8(value)) {
        facts_.metadata.insert_or_assign(std::move(key), std::move(value));
      }
    } while (take(','));
    return expect('}');
  }

  bool scan_tensor() {
    if (++facts_.tensor_count > kTensorCountMax) return fail("too many tensors");
    Tensor tensor;
    if (!expect('{')) return false;
    if (!take('}')) {
      do {
        std::string key;
        if (!scan_string(&key, 64) || !expect(':')) return false;
        if (key == "dtype") {
          if (!scan_string(&tensor.dtype, 32)) return false;
        } else if (key == "shape") {
          if (!scan_shape(tensor)) return false;
        } else if (key == "data_offsets") {
          if (!expect('[') || !scan_number(tensor.range.begin) || !expect(',') ||
              !scan_number(tensor.range.end) || !expect(']')) {
            return false;
          }
          tensor.has_offsets = true;
        } else if (!skip_value()) {
          return false;
        }
      } while (take(','));
      if (!expect('}')) return false;
    }
    return add(tensor);
  }

  bool scan_shape(Tensor& tensor) {
    if (!expect('[')) return false;
    tensor.has_shape = true;
    tensor.element_count = 1;
    if (take(']')) return true;
    size_t rank = 0;
    do {
      uint64_t extent = 0;
      if (++rank > kRankMax) return fail("a tensor has too many dimensions");
      if (!scan_number(extent)) return false;
      if (__builtin_mul_overflow(tensor.element_count, extent, &tensor.element_count)) {
        return fail("a tensor has too many elements");
      }
    } while (take(','));
    return expect(']');
  }

  /// Any JSON value, by counting brackets; what stands inside is not judged.
  bool skip_value() {
    size_t depth = 0;
    do {
      skip_space();
      if (at_ >= text_.size()) return fail("the header ends within a value");
      char c = text_[at_];
      if (c == '"') {
        if (!scan_string(nullptr, 0)) return false;
      } else if (c == '{' || c == '[') {
        if (++depth > kSkipDepthMax) return fail("the header is nested too deep");
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return fail("expected a value in the header");
        --depth;
        ++at_;
      } else if (depth > 0 && (c == ',' || c == ':')) {
        ++at_;
      } else {
        size_t end = text_.find_first_of(",:{}[]\" \t\r\n", at_);
        if (end == at_) return fail("expected a value in the header");
        at_ = std::min(end, text_.size());
      }
    } while (depth > 0);
    return true;
  }

  bool add(const Tensor& tensor) {
    if (tensor.dtype.empty() || !tensor.has_shape || !tensor.has_offsets) {
      return fail("a tensor lacks dtype, shape or data_offsets");
    }
    const auto* dtype = std::ranges::find(kDtypes, std::string_view(tensor.dtype), &Dtype::name);
    if (dtype == std::end(kDtypes)) return fail("a tensor has an unknown dtype");
    const Range& range = tensor.range;
    if (range.begin > range.end || range.end > data_bytes_) {
      return fail("a tensor lies outside of the file");
    }
    uint64_t bits = 0;
    if (__builtin_mul_overflow(tensor.element_count, dtype->bits, &bits)) {
      return fail("a tensor has too many elements");
    }
    if (bits % 8 != 0 || bits / 8 != range.end - range.begin) {
      return fail("a tensor's shape does not fill its data_offsets");
    }
    ranges_.push_back(range);
    facts_.parameters[tensor.dtype] += tensor.element_count;
    facts_.total += tensor.element_count;
    return true;
  }

  /// The tensors cover the data without holes and overlaps. Sums cannot overflow: each element
  /// takes at least four bits of a file.
  bool check_cover() {
    std::ranges::sort(ranges_, [](const Range& a, const Range& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    uint64_t expected = 0;
    for (const Range& range : ranges_) {
      if (range.begin != expected) return fail("tensors overlap or leave a hole");
      expected = range.end;
    }
    return expected == data_bytes_ || fail("the data does not end where the last tensor ends");
  }

  std::string_view text_;
  uint64_t data_bytes_;
  size_t at_ = 0;
  std::vector<Range> ranges_;
  std::vector<size_t> name_hashes_;
  SafetensorsFacts facts_;
  ParseError error_;
};

}  // namespace

ByteSource memory_source(ByteView bytes) {
  return {.size_bytes = bytes.size(),
          .read = [bytes](uint64_t offset_bytes, uint64_t length_bytes) {
            if (offset_bytes >= bytes.size()) return Bytes();
            ByteView part = bytes.subspan(
                offset_bytes, std::min<uint64_t>(length_bytes, bytes.size() - offset_bytes));
            return Bytes(part.begin(), part.end());
          }};
}

void SafetensorsFacts::add(const SafetensorsFacts& shard) {
  for (const auto& [dtype, count] : shard.parameters) parameters[dtype] += count;
  total += shard.total;
  tensor_count += shard.tensor_count;
  if (metadata.empty()) metadata = shard.metadata;
}

json::object SafetensorsFacts::to_json() const {
  json::object counts;
  for (const auto& [dtype, count] : parameters) counts[dtype] = count;
  return {{"parameters", std::move(counts)}, {"total", total}};
}

namespace {

/// The bytes of the header; `data_bytes` is how many follow it.
Parsed<Bytes> header_of(const ByteSource& source, uint64_t& data_bytes) {
  Bytes prefix = source.read(0, 8);
  if (prefix.size() != 8) return parse_error("the file is shorter than a header");
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < 8; ++i) header_bytes |= static_cast<uint64_t>(prefix[i]) << (8 * i);
  if (header_bytes > kSafetensorsHeaderBytesMax) return parse_error("the header is too large");
  if (source.size_bytes < 8 || header_bytes > source.size_bytes - 8) {
    return parse_error("the file is shorter than its header");
  }
  Bytes header = source.read(8, header_bytes);
  if (header.size() != header_bytes) return parse_error("the file is shorter than its header");
  data_bytes = source.size_bytes - 8 - header_bytes;
  return header;
}

}  // namespace

Parsed<SafetensorsFacts> read_safetensors(const ByteSource& source) {
  uint64_t data_bytes = 0;
  auto header = header_of(source, data_bytes);
  if (!header) return tl::unexpected<ParseError>(header.error());
  return HeaderScanner(as_text(*header), data_bytes).run();
}

Parsed<std::string> read_safetensors_header(const ByteSource& source) {
  uint64_t data_bytes = 0;
  auto header = header_of(source, data_bytes);
  if (!header) return tl::unexpected<ParseError>(header.error());
  auto facts = HeaderScanner(as_text(*header), data_bytes).run();
  if (!facts) return tl::unexpected<ParseError>(facts.error());
  return std::string(as_text(*header));
}

Parsed<std::vector<std::string>> safetensors_index_shards(std::string_view index_json) {
  constexpr size_t kShardCountMax = 10'000;
  auto parsed = parse_json(index_json);
  if (!parsed) return tl::unexpected<ParseError>(parsed.error());
  const json::object* root = parsed->if_object();
  const json::object* map = root == nullptr ? nullptr : get_object(*root, "weight_map");
  if (map == nullptr) return parse_error("the index has no weight_map");
  std::vector<std::string> shards;
  for (const auto& member : *map) {
    const json::string* name = member.value().if_string();
    if (name == nullptr) return parse_error("weight_map must hold file names");
    std::string_view text = as_view(*name);
    if (text.empty() || text.size() > 255 || text.find('/') != std::string_view::npos ||
        text.find('\\') != std::string_view::npos || text.starts_with('.')) {
      return parse_error("weight_map names a file outside of the folder");
    }
    // Tensors of one shard stand together, so this keeps the list short while it grows.
    if (shards.empty() || shards.back() != text) shards.emplace_back(text);
  }
  std::ranges::sort(shards);
  auto [first, last] = std::ranges::unique(shards);
  shards.erase(first, last);
  if (shards.size() > kShardCountMax) return parse_error("the index names too many files");
  return shards;
}

}  // namespace hearth::models
