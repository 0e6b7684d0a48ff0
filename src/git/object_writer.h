#pragma once
// Writing git objects into a quarantine. Private.
//
// The first few objects of a write become loose files; if more come, the rest goes into one pack,
// because a thousand files would need a thousand flushes and a pack needs two. This is what git's
// own receive.unpackLimit is for.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/fs.h"
#include "git/oid.h"

namespace hearth::git::internal {

enum class ObjectType : uint8_t { kCommit = 1, kTree = 2, kBlob = 3, kTag = 4 };  // as in packs

/// The name of an object.
Oid hash_object(ObjectType type, ByteView content);

class ObjectWriter {
 public:
  /// `objects_dir` exists and has a folder `pack`.
  explicit ObjectWriter(fs::path objects_dir);
  ObjectWriter(ObjectWriter&&) noexcept;
  ObjectWriter& operator=(ObjectWriter&&) noexcept;
  ~ObjectWriter();

  /// Objects written before are not written again.
  Oid write(ObjectType type, ByteView content);
  /// Ends the pack, if one was begun. Without it the packed objects cannot be read.
  void finish();

  static constexpr size_t kLooseMax = 16;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hearth::git::internal
