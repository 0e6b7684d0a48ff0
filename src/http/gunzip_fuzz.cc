// Compressed bodies from strangers: bounded, and the same in whatever pieces they come.

#include <cstdint>
#include <cstdlib>

#include "http/compress.h"

namespace {

constexpr uint64_t kBytesMax = 100'000;

struct Inflated {
  std::string text;
  bool failed = false;
};

Inflated inflate(std::span<const uint8_t> bytes, size_t step) {
  hearth::http::StringSink inner(kBytesMax);
  auto sink = hearth::http::make_gunzip_sink(inner, kBytesMax, 4096);
  Inflated result;
  try {
    for (size_t at = 0; at < bytes.size(); at += step) {
      sink->write(bytes.subspan(at, std::min(step, bytes.size() - at)));
    }
    sink->finish();
  } catch (const hearth::Error&) {
    result.failed = true;
  }
  result.text = inner.take();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::span<const uint8_t> bytes(data + 1, size - 1);
  Inflated whole = inflate(bytes, size);
  Inflated pieces = inflate(bytes, data[0] % 64 + 1);
  if (whole.text.size() > kBytesMax || whole.failed != pieces.failed) std::abort();
  if (!whole.failed && whole.text != pieces.text) std::abort();
  return 0;
}
