#include <algorithm>

#include "blob/blob.h"

namespace hearth::blob {
namespace {

class FileSource : public Source {
 public:
  FileSource(const fs::path& path, std::shared_ptr<const CheckedFile> file)
      : path_(path), file_(std::move(file)), size_bytes_(file_->size_bytes()) {}

  uint64_t size_bytes() const override { return size_bytes_; }

  size_t read(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    if (offset_bytes >= size_bytes_) return 0;
    out = out.first(std::min<uint64_t>(out.size(), size_bytes_ - offset_bytes));
    file_->check(offset_bytes, out.size());
    return read_at(*file_->fd(), offset_bytes, out);
  }

  std::vector<Part> parts(uint64_t offset_bytes, uint64_t length_bytes) const override {
    if (offset_bytes >= size_bytes_ || length_bytes == 0) return {};
    return {{.offset_bytes = offset_bytes,
             .length_bytes = std::min(length_bytes, size_bytes_ - offset_bytes),
             .fd = file_->fd(),
             .file_offset_bytes = offset_bytes,
             .checked = file_}};
  }

  PinnedFile materialize() const override { return {.path = path_, .fd = file_->fd()}; }

 private:
  fs::path path_;
  std::shared_ptr<const CheckedFile> file_;  // Shared with answers that are still being sent.
  uint64_t size_bytes_;
};

}  // namespace

std::string read_all(const Source& source, uint64_t bytes_max) {
  if (source.size_bytes() > bytes_max) throw Error(ErrorKind::kTooLarge, "The file is too large.");
  std::string text(source.size_bytes(), '\0');
  size_t got = source.read(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()});
  if (got != text.size()) {
    throw Error(ErrorKind::kCorrupt, "A stored file is shorter than its record says.");
  }
  return text;
}

std::unique_ptr<Source> open_file_source(const fs::path& path,
                                         std::shared_ptr<const CheckedFile> file) {
  return std::make_unique<FileSource>(path, std::move(file));
}

}  // namespace hearth::blob
