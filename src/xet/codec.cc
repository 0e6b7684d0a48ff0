#include "xet/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include <lz4frame.h>

#include "xet/chunker.h"

namespace hearth::xet {
namespace {

// From xet-core: one decision for a run of 32 chunks, by the divergence of four histograms.
constexpr size_t kRunChunks = 32;
constexpr double kDivergenceMin = 0.02;
constexpr size_t kGroups = 4;

struct DecompressionDeleter {
  void operator()(LZ4F_dctx* ctx) const noexcept { LZ4F_freeDecompressionContext(ctx); }
};
using DecompressionContext = std::unique_ptr<LZ4F_dctx, DecompressionDeleter>;

DecompressionContext new_context() {
  LZ4F_dctx* ctx = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION))) {
    throw Error(ErrorKind::kInternal, "Out of memory.");
  }
  return DecompressionContext(ctx);
}

/// Decodes exactly one frame that fills `out` exactly.
Parsed<void> decode_frame(LZ4F_dctx* ctx, ByteView frame, std::span<uint8_t> out) {
  LZ4F_resetDecompressionContext(ctx);
  LZ4F_decompressOptions_t options = {};
  options.stableDst = 1;  // `out` stays put, so linked blocks need no second copy.
  size_t written = 0;
  size_t read = 0;
  while (true) {
    size_t out_room = out.size() - written;
    size_t in_left = frame.size() - read;
    size_t hint = LZ4F_decompress(ctx, out.data() + written, &out_room, frame.data() + read,
                                  &in_left, &options);
    if (LZ4F_isError(hint)) {
      return parse_error(std::string("the LZ4 frame is damaged: ") + LZ4F_getErrorName(hint), read);
    }
    written += out_room;
    read += in_left;
    if (hint == 0) break;  // The end mark was read.
    if (out_room == 0 && in_left == 0) {
      return parse_error(read == frame.size() ? "the LZ4 frame is cut short"
                                              : "the LZ4 frame is longer than the chunk says",
                         read);
    }
  }
  if (read != frame.size()) return parse_error("bytes follow the LZ4 frame", read);
  if (written != out.size()) return parse_error("the LZ4 frame is shorter than the chunk says");
  return {};
}

}  // namespace

void group_bytes(ByteView plain, std::span<uint8_t> grouped) {
  size_t at = 0;
  for (size_t group = 0; group < kGroups; ++group) {
    for (size_t i = group; i < plain.size(); i += kGroups) grouped[at++] = plain[i];
  }
}

void ungroup_bytes(ByteView grouped, std::span<uint8_t> plain) {
  size_t at = 0;
  for (size_t group = 0; group < kGroups; ++group) {
    for (size_t i = group; i < plain.size(); i += kGroups) plain[i] = grouped[at++];
  }
}

struct Decoder::State {
  DecompressionContext ctx;
  Bytes grouped;
};
Decoder::Decoder() : state_(std::make_unique<State>()) {
  state_->ctx = new_context();
}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Parsed<void> Decoder::decode(Scheme scheme, ByteView payload, std::span<uint8_t> plain) {
  switch (scheme) {
    case Scheme::kNone:
      if (payload.size() != plain.size()) {
        return parse_error("an unpacked chunk has two different lengths");
      }
      if (!plain.empty()) std::memcpy(plain.data(), payload.data(), plain.size());
      return {};
    case Scheme::kLz4:
      return decode_frame(state_->ctx.get(), payload, plain);
    case Scheme::kGroupedLz4: {
      state_->grouped.resize(std::max(state_->grouped.size(), plain.size()));
      std::span<uint8_t> grouped(state_->grouped.data(), plain.size());
      auto decoded = decode_frame(state_->ctx.get(), payload, grouped);
      if (!decoded) return decoded;
      ungroup_bytes(grouped, plain);
      return {};
    }
  }
  return parse_error("unknown packing scheme");
}

Scheme choose_scheme(ByteView chunk) {
  // Counts of bytes with 0 to 8 bits set, for each position mod 4 and for all (which begin at 1,
  // so that no logarithm meets a zero).
  std::array<std::array<double, 9>, kGroups> by_group{};
  std::array<double, 9> pooled;
  pooled.fill(1);
  for (size_t i = 0; i < chunk.size(); ++i) {
    auto bits = static_cast<size_t>(std::popcount(chunk[i]));
    by_group[i % kGroups][bits] += 1;
    pooled[bits] += 1;
  }
  double total = static_cast<double>(chunk.size());
  double divergence_max = 0;
  for (const auto& counts : by_group) {
    double group_total = 0;
    for (double count : counts) group_total += count;
    if (group_total == 0) continue;
    double divergence = 0;
    for (size_t bits = 0; bits < counts.size(); ++bits) {
      if (counts[bits] == 0) continue;
      double here = counts[bits] / group_total;
      divergence += here * std::log(here / (pooled[bits] / total));
    }
    divergence_max = std::max(divergence_max, divergence);
  }
  return divergence_max > kDivergenceMin ? Scheme::kGroupedLz4 : Scheme::kLz4;
}

Encoder::Packed Encoder::encode(ByteView chunk) {
  HEARTH_ASSERT(!chunk.empty() && chunk.size() <= kChunkBytesMax, "a chunk has 1 to 131072 bytes");
  if (chunks_in_run_ == 0) run_scheme_ = choose_scheme(chunk);
  chunks_in_run_ = (chunks_in_run_ + 1) % kRunChunks;

  ByteView source = chunk;
  if (run_scheme_ == Scheme::kGroupedLz4) {
    grouped_.resize(std::max(grouped_.size(), chunk.size()));
    group_bytes(chunk, {grouped_.data(), chunk.size()});
    source = {grouped_.data(), chunk.size()};
  }
  LZ4F_preferences_t preferences = {};
  preferences.frameInfo.blockSizeID = chunk.size() <= 65536 ? LZ4F_max64KB : LZ4F_max256KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  packed_.resize(LZ4F_compressFrameBound(kChunkBytesMax, &preferences));
  size_t length = LZ4F_compressFrame(packed_.data(), packed_.size(), source.data(), source.size(),
                                     &preferences);
  HEARTH_ASSERT(!LZ4F_isError(length), "LZ4 packs any input into a buffer of the bound's size");
  if (length >= chunk.size()) return {.scheme = Scheme::kNone, .payload = chunk};
  return {.scheme = run_scheme_, .payload = {packed_.data(), length}};
}

}  // namespace hearth::xet
