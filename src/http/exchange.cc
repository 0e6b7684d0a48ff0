#include "http/exchange.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "http/compress.h"

namespace hearth::http {

void Exchange::begin(App& app, bool compress) {
  const LogScope scope(head.request_id);
  try {
    std::variant<Plan, Response> decision = app.begin(head);
    if (auto* refusal = std::get_if<Response>(&decision)) {
      response = std::move(*refusal);
      if (compress) compress_if_wanted(head, *response);
      return;
    }
    plan = std::move(std::get<Plan>(decision));
    handler_wait_ms = plan->handler_wait.count();
    if (!head.has_body()) handle(compress);
  } catch (...) {
    take_exception(app);
  }
}

void Exchange::prepare_body(App& app, const Limits& limits) {
  try {
    const uint64_t bytes_max = plan->sink ? plan->body_bytes_max : limits.drain_bytes_max;
    if (head.content_length.value_or(0) > bytes_max) {
      throw Error(ErrorKind::kTooLarge, "The request body is too large.");
    }
    std::string_view encoding = head.headers.get(kContentEncoding).value_or("identity");
    if (plan->sink && !plan->raw_encoding && !equals_ignoring_case(encoding, "identity")) {
      if (!plan->allow_gzip ||
          (!equals_ignoring_case(encoding, "gzip") && !equals_ignoring_case(encoding, "x-gzip"))) {
        response = edge_error(415, "This Content-Encoding is not accepted here.");
        return;
      }
      gunzip = make_gunzip_sink(*plan->sink, bytes_max, limits.body_block_bytes);
    }
    block.resize(static_cast<size_t>(
        std::min(limits.body_block_bytes, head.content_length.value_or(UINT64_MAX))));
  } catch (...) {
    take_exception(app);
  }
}

void Exchange::take_block(App& app, size_t count, bool last, bool compress) {
  const LogScope scope(head.request_id);
  try {
    BodySink* sink = gunzip ? gunzip.get() : plan->sink.get();
    if (sink && count > 0) sink->write({block.data(), count});
    if (last) handle(compress);
  } catch (...) {
    take_exception(app);
  }
}

void Exchange::fail(App& app, const Error& error) {
  try {
    throw error;
  } catch (...) {
    take_exception(app);
  }
}

void Exchange::generate(Generator& generator) {
  const LogScope scope(head.request_id);
  made.clear();
  more = false;
  try {
    more = generator.next(made);
    made_bytes += made.size();
    const std::optional<uint64_t> announced = generator.length_bytes();
    if (announced && (made_bytes > *announced || (!more && made_bytes < *announced))) {
      throw Error(ErrorKind::kInternal, "It has another length than was announced.");
    }
  } catch (const std::exception& error) {
    generator_failed = true;
    log_warning("http: the body broke off: {}", error.what());
  }
}

bool Exchange::may_block_when_destroyed() const {
  if (plan && plan->sink) return true;
  return response &&
         std::any_of(response->body.begin(), response->body.end(), [](const Part& part) {
           return std::holds_alternative<std::unique_ptr<Generator>>(part);
         });
}

uint64_t Exchange::text_bytes() const {
  uint64_t bytes = 0;
  for (const Part& part : response->body) {
    if (const auto* text = std::get_if<std::string>(&part)) bytes += text->size();
  }
  return bytes;
}

void Exchange::handle(bool compress) {
  if (gunzip) {
    gunzip->finish();
  } else if (plan->sink) {
    plan->sink->finish();
  }
  response = plan->handle();
  if (compress) compress_if_wanted(head, *response);
}

void Exchange::take_exception(App& app) noexcept {
  try {
    response = app.on_error(std::current_exception(), head);
  } catch (...) {
    log_error("http: {}: App::on_error threw", head.request_id);
    response = edge_error(500, "Something went wrong in the server.");
  }
}

RequestBody::RequestBody(const RequestHead& head, const Limits& limits)
    : decoder(head.chunked ? BodyDecoder::chunked(limits)
                           : BodyDecoder::with_length(head.content_length.value_or(0))),
      continue_pending(head.has_body() && head.headers.has(kExpect) && head.http_version == "1.1") {
}

bool RequestBody::rest_is_small(const Limits& limits) const {
  return !broken && !continue_pending && !decoder.is_chunked() &&
         decoder.left_bytes_min() <= limits.drain_bytes_max;
}

std::shared_ptr<Exchange> make_late_answer(const Exchange& overdue) {
  auto late = std::make_shared<Exchange>();
  late->head = overdue.head;
  late->response = edge_error(504, "The server took too long. Please retry.");
  return late;
}

void drop_empty_parts(Body& body) {
  std::erase_if(body, [](const Part& part) {
    if (const auto* text = std::get_if<std::string>(&part)) return text->empty();
    const auto* file = std::get_if<FileRange>(&part);
    return file && file->length_bytes == 0;
  });
}

Response edge_error(int status, std::string_view message) {
  // The messages are sentences of this module without quotes or backslashes.
  return Response::json("{\"error\":\"" + std::string(message) + "\"}", status)
      .with(kErrorMessage, message);
}

}  // namespace hearth::http
