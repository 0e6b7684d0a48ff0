// Replays inputs of the fuzzers without libFuzzer, so that each build can run what is known:
//
//   fuzz_replay TARGET FILE-OR-FOLDER…     each file once; ends with the number of inputs
//   fuzz_replay                            names the targets
//
// An input that finds something ends the process, and its name is the last one printed.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

// HEARTH_FUZZERS is a list X(name) X(name) …, made by cmake/HearthModule.cmake.
extern "C" {
#define X(name) int name(const uint8_t* data, size_t size);
HEARTH_FUZZERS
#undef X
}

namespace {

namespace fs = std::filesystem;

struct Target {
  std::string_view name;
  int (*run)(const uint8_t*, size_t);
};

constexpr Target kTargets[] = {
#define X(name) {#name, name},
    HEARTH_FUZZERS
#undef X
};

size_t replay(const Target& target, const fs::path& path) {
  if (fs::is_directory(path)) {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(path)) count += replay(target, entry.path());
    return count;
  }
  std::ifstream file(path, std::ios::binary);
  std::string input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);
  // A buffer of exactly this size, so that a sanitizer sees reads beyond it.
  std::vector<uint8_t> bytes(input.begin(), input.end());
  target.run(bytes.data(), bytes.size());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  for (const Target& target : kTargets) {
    if (argc < 2) std::printf("%.*s\n", static_cast<int>(target.name.size()), target.name.data());
    if (argc < 2 || target.name != argv[1]) continue;
    size_t count = 0;
    for (int i = 2; i < argc; ++i) count += replay(target, argv[i]);
    std::printf("%zu inputs\n", count);
    return 0;
  }
  return argc < 2 ? 0 : 2;
}
