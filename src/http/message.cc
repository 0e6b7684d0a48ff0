// Headers, responses, plans and sinks: the values that travel through the server.

#include <algorithm>

#include "base/text.h"
#include "http/head_parser.h"
#include "http/http.h"

namespace hearth::http {
namespace {

// The value as it may stand on the wire: latin-1, one line.
std::string wire_value(std::string_view text);

}  // namespace

Headers::Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [name, value] : fields) add(name, value);
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const Field& field : fields_) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Headers::get_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields_) {
    if (equals_ignoring_case(field.name, name)) values.push_back(field.value);
  }
  return values;
}

void Headers::set(std::string_view name, std::string_view value) {
  std::string safe = wire_value(value);
  remove(name);
  if (!is_token(name)) throw Error(ErrorKind::kInternal, "A header has a name that is none.");
  fields_.push_back({std::string(name), std::move(safe)});
}

void Headers::add(std::string_view name, std::string_view value) {
  if (!is_token(name)) throw Error(ErrorKind::kInternal, "A header has a name that is none.");
  fields_.push_back({std::string(name), wire_value(value)});
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_,
                [&](const Field& field) { return equals_ignoring_case(field.name, name); });
}

void Headers::add_raw(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value)});
}

bool RequestHead::content_type_is(std::string_view type) const {
  auto value = headers.get(kContentType);
  if (!value) return false;
  return equals_ignoring_case(trim(value->substr(0, value->find(';'))), type);
}

void StringSink::write(std::span<const uint8_t> block) {
  if (block.size() > bytes_max_ - text_.size()) {
    throw Error(ErrorKind::kTooLarge, "The request body is too large.");
  }
  text_.append(as_text(block));
}

std::optional<uint64_t> length_bytes(const Body& body) {
  uint64_t sum = 0;
  for (const Part& part : body) {
    if (const auto* text = std::get_if<std::string>(&part)) {
      sum += text->size();
    } else if (const auto* file = std::get_if<FileRange>(&part)) {
      sum += file->length_bytes;
    } else {
      auto length = std::get<std::unique_ptr<Generator>>(part)->length_bytes();
      if (!length) return std::nullopt;
      sum += *length;
    }
  }
  return sum;
}

Response Response::json(std::string serialized, int status) {
  return bytes(std::move(serialized), "application/json; charset=utf-8", status);
}

Response Response::text(std::string text, int status) {
  return bytes(std::move(text), "text/plain; charset=utf-8", status);
}

Response Response::bytes(std::string content, std::string_view content_type, int status) {
  Response response;
  response.status = status;
  response.headers.set(kContentType, content_type);
  response.body.emplace_back(std::move(content));
  return response;
}

Response Response::empty(int status) {
  Response response;
  response.status = status;
  return response;
}

Response Response::redirect(std::string_view location, int status) {
  return empty(status).with(kLocation, location);
}

Response Response::stream(std::unique_ptr<Generator> generator, std::string_view content_type,
                          int status) {
  Response response;
  response.status = status;
  response.headers.set(kContentType, content_type);
  response.body.emplace_back(std::move(generator));
  return response;
}

Response&& Response::with(std::string_view name, std::string_view value) && {
  headers.set(name, value);
  return std::move(*this);
}

Plan Plan::respond(std::function<Response()> handle) {
  Plan plan;
  plan.handle = std::move(handle);
  return plan;
}

Plan Plan::with_text(uint64_t body_bytes_max, std::function<Response(std::string)> handle) {
  Plan plan;
  plan.body_bytes_max = body_bytes_max;
  plan.allow_gzip = true;
  auto sink = std::make_unique<StringSink>(body_bytes_max);
  plan.handle = [body = sink.get(), handle = std::move(handle)] { return handle(body->take()); };
  plan.sink = std::move(sink);
  return plan;
}

void App::on_done(const RequestHead&, const Outcome&) noexcept {}

namespace {

std::string wire_value(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      out += byte < 0x20 || byte == 0x7f ? (byte == '\t' ? '\t' : ' ') : text[at];
      ++at;
      continue;
    }
    // U+00A0..U+00FF are C2 A0..C3 BF; anything else of more than one byte has no latin-1 form.
    size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    std::string_view character = text.substr(at, length);
    if (!is_utf8(character)) {
      out += '?';
      ++at;
      continue;
    }
    unsigned code = 0;
    if (length == 2) {
      code = (byte & 0x1fu) << 6 | (static_cast<unsigned char>(text[at + 1]) & 0x3fu);
    }
    out += code >= 0xa0 && code <= 0xff ? static_cast<char>(code) : '?';
    at += length;
  }
  return std::string(trim(out));
}

}  // namespace
}  // namespace hearth::http
