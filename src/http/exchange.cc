#include "http/exchange.h"

#include "base/log.h"
#include "http/compress.h"

namespace hearth::http {

void Exchange::begin(App& app, bool compress) {
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

void Exchange::take_block(App& app, size_t count, bool last, bool compress) {
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
  made.clear();
  more = false;
  try {
    more = generator.next(made);
  } catch (const std::exception& error) {
    generator_failed = true;
    log_warning("http: {} {}: the body broke off: {}", head.request_id, head.raw_path,
                error.what());
  }
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

Response edge_error(int status, std::string_view message) {
  // The messages are sentences of this module without quotes or backslashes.
  return Response::json("{\"error\":\"" + std::string(message) + "\"}", status)
      .with(kErrorMessage, message);
}

}  // namespace hearth::http
