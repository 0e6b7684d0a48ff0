#include "hub/plain_files.h"

#include <algorithm>

#include <fcntl.h>

#include "base/log.h"

namespace hearth::hub {
namespace {

/// A small blob as a source of bytes.
class MemorySource : public blob::Source {
 public:
  /// `cache_file`: where materialize() puts it.
  MemorySource(std::string content, fs::path cache_file)
      : content_(std::move(content)), cache_file_(std::move(cache_file)) {}
  uint64_t size_bytes() const override { return content_.size(); }
  size_t read(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    if (offset_bytes >= content_.size()) return 0;
    size_t count = std::min<uint64_t>(out.size(), content_.size() - offset_bytes);
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset_bytes), count, out.begin());
    return count;
  }
  std::vector<blob::Part> parts(uint64_t offset_bytes, uint64_t length_bytes) const override {
    if (offset_bytes >= content_.size() || length_bytes == 0) return {};
    blob::Part part;
    part.offset_bytes = offset_bytes;
    part.length_bytes = std::min<uint64_t>(length_bytes, content_.size() - offset_bytes);
    return {part};
  }
  blob::PinnedFile materialize() const override {
    if (!fs::exists(cache_file_)) {
      make_dirs(cache_file_.parent_path());
      write_durably(cache_file_, content_, 0444);
    }
    return {cache_file_, std::make_shared<Fd>(open_read(cache_file_))};
  }

 private:
  std::string content_;
  fs::path cache_file_;
};

/// A large one, in its file without a name.
class UnfoldedSource : public blob::Source {
 public:
  UnfoldedSource(std::shared_ptr<Fd> file, fs::path cache_file)
      : file_(std::move(file)),
        size_bytes_(file_size_bytes(*file_)),
        cache_file_(std::move(cache_file)) {}
  uint64_t size_bytes() const override { return size_bytes_; }
  size_t read(uint64_t offset_bytes, std::span<uint8_t> out) const override {
    return read_at(*file_, offset_bytes, out);
  }
  std::vector<blob::Part> parts(uint64_t offset_bytes, uint64_t length_bytes) const override {
    if (offset_bytes >= size_bytes_ || length_bytes == 0) return {};
    return {{.offset_bytes = offset_bytes,
             .length_bytes = std::min(length_bytes, size_bytes_ - offset_bytes),
             .fd = file_,
             .file_offset_bytes = offset_bytes}};
  }
  blob::PinnedFile materialize() const override {
    return MemorySource(blob::read_all(*this), cache_file_).materialize();
  }

 private:
  std::shared_ptr<Fd> file_;
  uint64_t size_bytes_;
  fs::path cache_file_;
};

/// Null where there can be no such file.
std::shared_ptr<Fd> without_a_name(const fs::path& folder, std::string_view content) {
  auto file = std::make_shared<Fd>(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!*file) return nullptr;
  try {
    write_all(*file, as_bytes(content));
  } catch (const Error& error) {
    log_warning("a file is sent out of memory: {}", error.message());
    return nullptr;
  }
  return file;
}

}  // namespace

std::unique_ptr<blob::Source> PlainFiles::open(const Wanted& wanted,
                                               const std::function<std::string()>& unfold) {
  const fs::path cache_file =
      data_dir_ / "cache" / "blobs" / wanted.blob_oid.substr(0, 2) / wanted.blob_oid;
  if (wanted.size_bytes < kUnfoldedBytesMin) {
    return std::make_unique<MemorySource>(unfold(), cache_file);
  }
  const std::shared_ptr<Place> place = place_of(wanted);
  std::lock_guard one_at_a_time(place->mutex);
  std::shared_ptr<Fd> file = place->file.lock();
  if (file == nullptr) {
    turns_.acquire();
    const std::shared_ptr<void> turn(nullptr, [this](void*) { turns_.release(); });
    std::string content = unfold();
    file = without_a_name(data_dir_, content);
    if (file == nullptr) return std::make_unique<MemorySource>(std::move(content), cache_file);
    place->file = file;
  }
  return std::make_unique<UnfoldedSource>(std::move(file), cache_file);
}

std::shared_ptr<PlainFiles::Place> PlainFiles::place_of(const Wanted& wanted) {
  constexpr size_t kPlacesToSweep = 64;
  std::lock_guard lock(mutex_);
  if (places_.size() >= kPlacesToSweep) {
    // Whoever still holds a place beside this list unfolds for itself; that is all.
    std::erase_if(places_, [](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->file.expired();
    });
  }
  auto& place = places_[wanted.repo_id + " " + wanted.blob_oid];
  if (place == nullptr) place = std::make_shared<Place>();
  return place;
}

}  // namespace hearth::hub
