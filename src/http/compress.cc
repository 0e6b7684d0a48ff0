#include "http/compress.h"

#include <algorithm>

#include <zlib.h>

#include "base/text.h"
#include "http/head_parser.h"

namespace hearth::http {
namespace {

// Below this a packet is a packet, compressed or not.
constexpr size_t kCompressBytesMin = 1024;
// Above this the time on the pool shows; such answers should be pages or streams.
constexpr size_t kCompressBytesMax = 16 * 1024 * 1024;
// Level 4 gives JSON listings 9:1 at about twice the speed of 6.
constexpr int kCompressLevel = 4;
// "15 bits of window, and gzip's wrapper" (zlib.h, deflateInit2).
constexpr int kGzipWindowBits = 15 + 16;

class GunzipSink : public BodySink {
 public:
  GunzipSink(BodySink& inner, uint64_t bytes_max, uint64_t block_bytes);
  ~GunzipSink() override { inflateEnd(&stream_); }
  GunzipSink(const GunzipSink&) = delete;
  GunzipSink& operator=(const GunzipSink&) = delete;

  void write(std::span<const uint8_t> block) override;
  void finish() override;
  int wait_fd() const override { return inner_.wait_fd(); }

 private:
  BodySink& inner_;
  uint64_t left_bytes_;
  std::vector<uint8_t> out_;
  z_stream stream_{};
  bool member_ended_ = false;
};

bool is_compressible(std::string_view content_type);

}  // namespace

std::unique_ptr<BodySink> make_gunzip_sink(BodySink& inner, uint64_t bytes_max,
                                           uint64_t block_bytes) {
  return std::make_unique<GunzipSink>(inner, bytes_max, block_bytes);
}

void compress_if_wanted(const RequestHead& head, Response& response) {
  if (head.method != "GET" || response.body.size() != 1 || response.status != 200) return;
  auto* text = std::get_if<std::string>(&response.body.front());
  if (!text || text->size() < kCompressBytesMin || text->size() > kCompressBytesMax) return;
  if (!is_compressible(response.headers.get(kContentType).value_or(""))) return;
  for (std::string_view name : {kEtag, kContentEncoding, kContentRange}) {
    if (response.headers.has(name)) return;
  }
  if (list_has(response.headers.get(kCacheControl).value_or(""), "no-transform")) return;
  response.headers.add(kVary, kAcceptEncoding);
  if (head.headers.has(kRange)) return;
  if (!accepts_coding(head.headers.get(kAcceptEncoding).value_or(""), "gzip")) return;

  z_stream stream{};
  if (deflateInit2(&stream, kCompressLevel, Z_DEFLATED, kGzipWindowBits, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return;
  }
  std::string out(deflateBound(&stream, text->size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text->data());
  stream.avail_in = static_cast<uInt>(text->size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (result != Z_STREAM_END || out.size() >= text->size()) return;
  *text = std::move(out);
  response.headers.set(kContentEncoding, "gzip");
}

bool accepts_coding(std::string_view accept_encoding, std::string_view wanted) {
  bool accepted = false;
  for (std::string_view element : split(accept_encoding, ',')) {
    size_t semicolon = element.find(';');
    std::string_view coding = trim(element.substr(0, semicolon));
    bool any = coding == "*";
    if (!any && !equals_ignoring_case(coding, wanted)) continue;
    bool refused = false;
    if (semicolon != std::string_view::npos) {
      // q=0, q=0.0, q=0.000; any other weight is consent enough.
      std::string_view weight = trim(element.substr(semicolon + 1));
      refused = weight.size() >= 3 && (weight.starts_with("q=0") || weight.starts_with("Q=0")) &&
                weight.substr(3).find_first_not_of(".0") == std::string_view::npos;
    }
    if (!any) return !refused;
    accepted = !refused;
  }
  return accepted;
}

namespace {

GunzipSink::GunzipSink(BodySink& inner, uint64_t bytes_max, uint64_t block_bytes)
    : inner_(inner), left_bytes_(bytes_max), out_(block_bytes) {
  if (inflateInit2(&stream_, kGzipWindowBits) != Z_OK) {
    throw Error(ErrorKind::kInternal, "Decompression could not be started.");
  }
}

void GunzipSink::write(std::span<const uint8_t> block) {
  // zlib does not write through next_in; its type is an old promise.
  stream_.next_in = const_cast<Bytef*>(block.data());
  stream_.avail_in = static_cast<uInt>(block.size());
  while (true) {
    if (member_ended_) {
      if (stream_.avail_in == 0) return;
      inflateReset(&stream_);
      member_ended_ = false;
    }
    stream_.next_out = out_.data();
    stream_.avail_out = static_cast<uInt>(out_.size());
    int result = inflate(&stream_, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      throw Error(ErrorKind::kInvalid, "The request body is not valid gzip.");
    }
    size_t made = out_.size() - stream_.avail_out;
    if (made > left_bytes_) {
      throw Error(ErrorKind::kTooLarge, "The request body is too large once decompressed.");
    }
    left_bytes_ -= made;
    if (made > 0) inner_.write({out_.data(), made});
    member_ended_ = result == Z_STREAM_END;
    // A full output block may hide more output that needs no further input.
    if (!member_ended_ && stream_.avail_in == 0 && stream_.avail_out > 0) return;
  }
}

void GunzipSink::finish() {
  if (!member_ended_) {
    throw Error(ErrorKind::kInvalid, "The gzip stream of the request body ends too early.");
  }
  inner_.finish();
}

bool is_compressible(std::string_view content_type) {
  std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (equals_ignoring_case(type, "text/event-stream")) return false;
  if (equals_ignoring_case(type.substr(0, 5), "text/")) return true;
  for (std::string_view known :
       {"application/json", "application/x-ndjson", "application/javascript", "image/svg+xml",
        "application/xml", "application/vnd.git-lfs+json", "application/manifest+json"}) {
    if (equals_ignoring_case(type, known)) return true;
  }
  return false;
}

}  // namespace
}  // namespace hearth::http
