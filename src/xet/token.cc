#include "xet/token.h"

#include <charconv>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"

namespace hearth::xet {
namespace {

// First characters of a token: lets a reader see what it is, and a later form be told apart.
constexpr std::string_view kTokenPrefix = "xet1.";
constexpr size_t kTokenBytesMax = 4096;

Bytes derived_key(std::string_view secret, std::string_view purpose) {
  auto key = hmac_sha256(as_bytes(secret), as_bytes(purpose));
  return Bytes(key.begin(), key.end());
}

template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string url_message(const MerkleHash& xorb, const Signer::DataQuery& query) {
  return fmt::format("{}\n{}\n{}\n{}", xorb.text(), query.ranges, query.expires, query.user_id);
}

}  // namespace

Signer::Signer(std::string_view secret)
    : token_key_(derived_key(secret, "xet token")), url_key_(derived_key(secret, "xet data url")) {}

std::string Signer::sign(const Bytes& key, std::string_view message) const {
  return to_base64url(hmac_sha256(key, as_bytes(message)));
}

std::string Signer::token(const Claims& claims) const {
  json::object object{{"u", claims.user_id},
                      {"c", claims.credential},
                      {"r", claims.repo_id},
                      {"v", claims.revision},
                      {"s", claims.scope == Scope::kWrite ? "w" : "r"},
                      {"p", claims.for_pull_request},
                      {"e", claims.expires_s}};
  std::string body = to_base64url(as_bytes(json::serialize(object)));
  return fmt::format("{}{}.{}", kTokenPrefix, body, sign(token_key_, body));
}

std::optional<Claims> Signer::claims_of(std::string_view token, int64_t now_s) const {
  if (token.size() > kTokenBytesMax || !token.starts_with(kTokenPrefix)) return std::nullopt;
  token.remove_prefix(kTokenPrefix.size());
  size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view body = token.substr(0, dot);
  if (!constant_time_equal(sign(token_key_, body), token.substr(dot + 1))) return std::nullopt;
  auto raw = from_base64url(body);
  if (!raw) return std::nullopt;
  auto parsed = parse_json(as_text(*raw));
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object& object = parsed->as_object();
  Claims claims{.user_id = get_string(object, "u").value_or(""),
                .credential = get_string(object, "c").value_or(""),
                .repo_id = get_string(object, "r").value_or(""),
                .revision = get_string(object, "v").value_or(""),
                .scope = get_string(object, "s") == "w" ? Scope::kWrite : Scope::kRead,
                .for_pull_request = get_bool(object, "p").value_or(false),
                .expires_s = get_int(object, "e").value_or(0)};
  if (now_s > claims.expires_s + kTokenGraceS) return std::nullopt;
  return claims;
}

std::string Signer::data_query(const MerkleHash& xorb, std::span<const FetchRange> ranges,
                               int64_t expires_s, std::string_view user_id) const {
  std::string text;
  for (const FetchRange& range : ranges) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}-{}", range.bytes_begin, range.bytes_last);
  }
  std::string expires = std::to_string(expires_s);
  std::string user = user_id.empty() ? "" : fmt::format("&u={}", user_id);
  return fmt::format(
      "r={}&e={}{}&s={}", text, expires, user,
      sign(url_key_, url_message(xorb, {.ranges = text, .expires = expires, .user_id = user_id})));
}

std::optional<std::vector<Signer::ByteSpan>> Signer::signed_ranges(const MerkleHash& xorb,
                                                                   const DataQuery& query,
                                                                   int64_t now_s) const {
  if (!constant_time_equal(sign(url_key_, url_message(xorb, query)), query.signature)) {
    return std::nullopt;
  }
  auto expires_s = number_of<int64_t>(query.expires);
  if (!expires_s || now_s > *expires_s) return std::nullopt;
  std::vector<ByteSpan> spans;
  for (std::string_view part : split(query.ranges, ',')) {
    size_t dash = part.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    auto begin = number_of<uint64_t>(part.substr(0, dash));
    auto last = number_of<uint64_t>(part.substr(dash + 1));
    if (!begin || !last || *begin > *last) return std::nullopt;
    spans.push_back({.begin = *begin, .last = *last});
  }
  return spans;
}

}  // namespace hearth::xet
