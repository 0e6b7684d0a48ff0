#include <algorithm>
#include <cstring>
#include <string>

#include "base/text.h"
#include "models/models.h"

// GGUF: magic, version, numbers of tensors and of key-value pairs, the pairs, then a description of
// each tensor. Vocabularies are arrays of hundreds of thousands of texts and are passed over; where
// they begin is remembered, so that the one token that bos_token_id names can be read afterwards.

namespace hearth::models {
namespace {

constexpr uint64_t kHeaderBytesMax = 256u << 20;
constexpr uint64_t kPairCountMax = 100'000;
constexpr uint64_t kTensorCountMax = 1'000'000;
constexpr uint64_t kKeyBytesMax = 65'535;  // The specification's limit.
constexpr uint64_t kTemplateBytesMax = 256u << 10;
constexpr uint64_t kShortTextBytesMax = 1024;
constexpr uint64_t kBlockBytes = 256u << 10;
constexpr uint32_t kRankMax = 8;  // ggml uses four.
constexpr size_t kArrayDepthMax = 4;

// Value types by number, as the specification has them.
enum : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

/// Width of a fixed-size value; 0 for texts, arrays and unknown types.
uint64_t width_of(uint32_t type) {
  switch (type) {
    case kUint8:
    case kInt8:
    case kBool:
      return 1;
    case kUint16:
    case kInt16:
      return 2;
    case kUint32:
    case kInt32:
    case kFloat32:
      return 4;
    case kUint64:
    case kInt64:
    case kFloat64:
      return 8;
    default:
      return 0;
  }
}

/// No length and no number of a token is; as the unsigned number that its bits are it would be one.
bool is_negative(uint32_t type, uint64_t width, uint64_t value) {
  bool has_sign = type == kInt8 || type == kInt16 || type == kInt32 || type == kInt64;
  return has_sign && (value >> (width * 8 - 1)) == 1;
}

/// Reads forward through a source in blocks. After a failure every read fails.
class Reader {
 public:
  Reader(const ByteSource& source, uint64_t limit_bytes)
      : source_(source), end_(std::min(source.size_bytes, limit_bytes)) {}

  uint64_t position() const { return position_; }
  bool failed() const { return failed_; }
  uint64_t remaining() const { return end_ - position_; }

  void seek(uint64_t position) {
    if (position > end_) failed_ = true;
    if (!failed_) position_ = position;
  }
  void skip(uint64_t count) {
    if (count > remaining()) failed_ = true;
    if (!failed_) position_ += count;
  }

  /// Up to eight bytes, little-endian.
  uint64_t number(uint64_t width) {
    uint8_t bytes[8] = {};
    read(bytes, width);
    uint64_t value = 0;
    for (uint64_t i = 0; i < width; ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
    return failed_ ? 0 : value;
  }

  /// `length` bytes as text; the caller has compared the length with its limit.
  std::string text(uint64_t length) {
    if (length > remaining()) failed_ = true;
    if (failed_) return {};
    std::string out(length, '\0');
    read(reinterpret_cast<uint8_t*>(out.data()), length);
    return failed_ ? std::string() : out;
  }

 private:
  void read(uint8_t* out, uint64_t count) {
    if (count > remaining()) failed_ = true;
    while (!failed_ && count > 0) {
      if (position_ < block_begin_ || position_ >= block_begin_ + block_.size()) {
        block_begin_ = position_;
        block_ = source_.read(position_, std::min(kBlockBytes, remaining()));
        if (block_.empty()) failed_ = true;
        continue;
      }
      uint64_t offset = position_ - block_begin_;
      uint64_t part = std::min<uint64_t>(count, block_.size() - offset);
      std::memcpy(out, block_.data() + offset, part);
      out += part;
      count -= part;
      position_ += part;
    }
  }

  const ByteSource& source_;
  uint64_t end_;
  uint64_t position_ = 0;
  uint64_t block_begin_ = 0;
  Bytes block_;
  bool failed_ = false;
};

class GgufReader {
 public:
  explicit GgufReader(const ByteSource& source) : reader_(source, kHeaderBytesMax) {}

  Parsed<GgufFacts> run() {
    if (reader_.number(4) != 0x46554747) return parse_error("not a GGUF file");
    facts_.version = static_cast<uint32_t>(reader_.number(4));
    if (facts_.version < 1 || facts_.version > 3) return parse_error("unknown version of GGUF", 4);
    // Version 1 counts with 32 bits.
    count_width_ = facts_.version == 1 ? 4 : 8;
    uint64_t tensor_count = reader_.number(count_width_);
    uint64_t pair_count = reader_.number(count_width_);
    if (reader_.failed()) return parse_error("the file ends within its header");
    if (tensor_count > kTensorCountMax) return parse_error("too many tensors", 8);
    if (pair_count > kPairCountMax) return parse_error("too many keys", 16);
    facts_.tensor_count = tensor_count;
    for (uint64_t i = 0; i < pair_count; ++i) {
      if (!read_pair()) return failure();
    }
    for (uint64_t i = 0; i < tensor_count; ++i) {
      if (!read_tensor()) return failure();
    }
    if (auto length = context_lengths_.find(facts_.architecture + ".context_length");
        length != context_lengths_.end()) {
      facts_.context_length = length->second;
    }
    facts_.bos_token = token(bos_token_id_);
    facts_.eos_token = token(eos_token_id_);
    return std::move(facts_);
  }

 private:
  tl::unexpected<ParseError> failure() {
    return parse_error(message_.empty() ? "the file ends within its header" : message_,
                       reader_.position());
  }
  bool fail(const char* message) {
    message_ = message;
    return false;
  }

  bool read_pair() {
    uint64_t key_bytes = reader_.number(count_width_);
    if (key_bytes > kKeyBytesMax) return fail("a key is too long");
    std::string key = reader_.text(key_bytes);
    auto type = static_cast<uint32_t>(reader_.number(4));
    if (reader_.failed()) return false;
    if (type == kString) return read_text(key);
    if (type == kArray) return read_array(key);
    uint64_t width = width_of(type);
    if (width == 0) return fail("unknown type of a value");
    uint64_t value = reader_.number(width);
    if (reader_.failed()) return false;
    bool whole = type != kFloat32 && type != kFloat64 && type != kBool;
    if (!whole || is_negative(type, width, value)) return true;
    if (key == "tokenizer.ggml.bos_token_id") bos_token_id_ = value;
    if (key == "tokenizer.ggml.eos_token_id") eos_token_id_ = value;
    if (key == "general.file_type") facts_.file_type = value;
    if (key.ends_with(".context_length") && value <= INT64_MAX && context_lengths_.size() < 16) {
      context_lengths_[key] = value;
    }
    return true;
  }

  bool read_text(const std::string& key) {
    uint64_t length = reader_.number(count_width_);
    if (reader_.failed()) return false;
    bool is_template = key == "tokenizer.chat_template";
    bool wanted = is_template || key == "general.architecture" || key == "general.name";
    if (!wanted || length > (is_template ? kTemplateBytesMax : kShortTextBytesMax)) {
      reader_.skip(length);
      return !reader_.failed();
    }
    std::string text = reader_.text(length);
    if (reader_.failed()) return false;
    if (!is_utf8(text)) return true;
    if (is_template) {
      facts_.chat_template = std::move(text);
    } else if (key == "general.name") {
      facts_.name = std::move(text);
    } else {
      facts_.architecture = std::move(text);
    }
    return true;
  }

  /// Passes over an array; arrays of arrays by an explicit stack of what is left.
  bool read_array(const std::string& key) {
    std::vector<uint64_t> left;  // Arrays that are still to come, by depth
    bool is_top = true;
    while (true) {
      auto type = static_cast<uint32_t>(reader_.number(4));
      uint64_t count = reader_.number(count_width_);
      if (reader_.failed()) return false;
      if (is_top && type == kString && key == "tokenizer.ggml.tokens") {
        tokens_begin_ = reader_.position();
        token_count_ = count;
      }
      is_top = false;
      if (type == kArray) {
        if (left.size() >= kArrayDepthMax) return fail("arrays are nested too deep");
        left.push_back(count);
      } else if (!skip_elements(type, count)) {
        return false;
      }
      while (!left.empty() && left.back() == 0) left.pop_back();
      if (left.empty()) return true;
      --left.back();
    }
  }

  bool skip_elements(uint32_t type, uint64_t count) {
    if (type == kString) {
      // Each takes at least its length, so a count beyond that is a lie.
      if (count > reader_.remaining() / count_width_)
        return fail("an array is longer than the file");
      for (uint64_t i = 0; i < count && !reader_.failed(); ++i) {
        reader_.skip(reader_.number(count_width_));
      }
      return !reader_.failed();
    }
    uint64_t width = width_of(type);
    if (width == 0) return fail("unknown type of an array");
    if (count > reader_.remaining() / width) return fail("an array is longer than the file");
    reader_.skip(count * width);
    return !reader_.failed();
  }

  bool read_tensor() {
    uint64_t name_bytes = reader_.number(count_width_);
    reader_.skip(name_bytes);
    uint64_t rank = reader_.number(4);
    if (reader_.failed()) return false;
    if (rank > kRankMax) return fail("a tensor has too many dimensions");
    uint64_t element_count = 1;
    for (uint64_t i = 0; i < rank; ++i) {
      uint64_t extent = reader_.number(count_width_);
      if (__builtin_mul_overflow(element_count, extent, &element_count)) {
        return fail("a tensor has too many elements");
      }
    }
    reader_.skip(4 + 8);  // Type and offset.
    if (reader_.failed()) return false;
    if (__builtin_add_overflow(facts_.total, element_count, &facts_.total) ||
        facts_.total > INT64_MAX) {
      return fail("a tensor has too many elements");
    }
    return true;
  }

  /// The text of a token, by walking the vocabulary again.
  std::optional<std::string> token(const std::optional<uint64_t>& id) {
    if (!id || *id >= token_count_) return std::nullopt;
    reader_.seek(tokens_begin_);
    for (uint64_t i = 0; i < *id; ++i) reader_.skip(reader_.number(count_width_));
    uint64_t length = reader_.number(count_width_);
    if (reader_.failed() || length > kShortTextBytesMax) return std::nullopt;
    std::string text = reader_.text(length);
    if (reader_.failed() || !is_utf8(text)) return std::nullopt;
    return text;
  }

  Reader reader_;
  GgufFacts facts_;
  std::string message_;
  uint64_t count_width_ = 8;
  uint64_t tokens_begin_ = 0;
  uint64_t token_count_ = 0;
  std::optional<uint64_t> bos_token_id_;
  std::optional<uint64_t> eos_token_id_;
  std::map<std::string, uint64_t> context_lengths_;  // The architecture may come later
};

}  // namespace

json::object GgufFacts::to_json() const {
  json::object out{{"total", total}, {"architecture", architecture}};
  if (context_length) out["context_length"] = *context_length;
  if (chat_template) out["chat_template"] = *chat_template;
  if (bos_token) out["bos_token"] = *bos_token;
  if (eos_token) out["eos_token"] = *eos_token;
  return out;
}

Parsed<GgufFacts> read_gguf(const ByteSource& source) {
  return GgufReader(source).run();
}

}  // namespace hearth::models
