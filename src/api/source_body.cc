#include "api/source_body.h"

#include <algorithm>

namespace hearth::api {
namespace {

// Decoding works on chunks of at most 128 KiB; a few of them a turn keep the pool's share short.
constexpr uint64_t kBlockBytes = 512 * 1024;

/// Reads a run of a source while it is sent.
class SourceGenerator : public http::Generator {
 public:
  SourceGenerator(std::shared_ptr<const blob::Source> source, http::ByteRange range)
      : source_(std::move(source)), next_(range.offset_bytes), length_(range.length_bytes) {
    end_ = next_ + length_;
  }

  bool next(std::string& block) override {
    block.resize(std::min(kBlockBytes, end_ - next_));
    size_t count = source_->read(next_, {reinterpret_cast<uint8_t*>(block.data()), block.size()});
    if (count != block.size()) {
      throw Error(ErrorKind::kCorrupt, "A stored file ended early.");
    }
    next_ += count;
    return next_ < end_;
  }

  std::optional<uint64_t> length_bytes() const override { return length_; }

 private:
  std::shared_ptr<const blob::Source> source_;
  uint64_t next_;
  uint64_t length_;
  uint64_t end_ = 0;
};

class RangeCheck : public http::FileCheck {
 public:
  explicit RangeCheck(std::shared_ptr<const blob::CheckedFile> file) : file_(std::move(file)) {}
  bool is_fresh(uint64_t offset_bytes, uint64_t length_bytes) const noexcept override {
    return file_->is_fresh(offset_bytes, length_bytes);
  }
  bool is_good(uint64_t offset_bytes, uint64_t length_bytes) const noexcept override {
    try {
      file_->check(offset_bytes, length_bytes);
      return true;
    } catch (const std::exception&) {
      return false;  // It said so in the log.
    }
  }

 private:
  std::shared_ptr<const blob::CheckedFile> file_;
};

}  // namespace

void append_checked(const std::shared_ptr<const blob::CheckedFile>& file, http::ByteRange range,
                    http::Body& body) {
  // What is damaged at its beginning is still answered with an error, not with a cut.
  if (body.empty()) {
    file->check(range.offset_bytes, std::min(range.length_bytes, blob::kSumBlockBytes));
  }
  body.push_back(http::FileRange{file->fd(), range.offset_bytes, range.length_bytes,
                                 std::make_shared<RangeCheck>(file)});
}

void append_source(const std::shared_ptr<const blob::Source>& source, http::ByteRange range,
                   http::Body& body) {
  for (blob::Part& part : source->parts(range.offset_bytes, range.length_bytes)) {
    if (part.fd != nullptr && part.checked == nullptr) {
      body.push_back(http::FileRange{part.fd, part.file_offset_bytes, part.length_bytes});
    } else if (part.fd != nullptr) {
      append_checked(part.checked, {part.file_offset_bytes, part.length_bytes}, body);
    } else {
      body.push_back(std::make_unique<SourceGenerator>(
          source, http::ByteRange{part.offset_bytes, part.length_bytes}));
    }
  }
}

}  // namespace hearth::api
