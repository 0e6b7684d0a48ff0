#include "api/request_metrics.h"

#include <algorithm>

#include "api/rate_limit.h"

namespace hearth::api {
namespace {

// 501 says what is not built, and is no failure that anybody should be woken for.
constexpr std::array<std::string_view, 7> kStatusNames = {"none", "1xx", "2xx", "3xx",
                                                          "4xx",  "5xx", "501"};

size_t class_of(int status) {
  if (status == 501) return 6;
  return status >= 100 && status <= 599 ? static_cast<size_t>(status / 100) : 0;
}

void count(std::atomic<uint64_t>& counter, uint64_t more = 1) {
  counter.fetch_add(more, std::memory_order_relaxed);
}

double value_of(const std::atomic<uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

}  // namespace

RequestMetrics::RequestMetrics(const std::vector<const Route*>& routes) {
  other_.route = "-";
  other_.method = "-";
  for (const Route* route : routes) {
    auto row = std::make_unique<OfRow>();
    row->own.route = row->head.route = route->pattern;
    row->own.method = route->method;
    row->head.method = "HEAD";
    rows_.emplace(route, std::move(row));
  }
}

void RequestMetrics::observe(const Route* route, const http::RequestHead& head,
                             const http::Outcome& outcome,
                             std::chrono::microseconds work) noexcept {
  auto found = rows_.find(route);
  Counts& counts = found == rows_.end()    ? other_
                   : head.method == "HEAD" ? found->second->head
                                           : found->second->own;
  count(counts.answers[class_of(outcome.status)]);
  count(counts.received_bytes, outcome.received_bytes);
  count(counts.sent_bytes, outcome.sent_bytes);
  OfClass& of_class =
      classes_[static_cast<size_t>(route == nullptr ? RateClass::kNone : route->rate)];
  of_class.whole.observe(outcome.duration);
  of_class.work.observe(work);
  if (outcome.status == 429) count(of_class.limited);
}

void RequestMetrics::add_to(metrics::Registry& registry) const {
  using metrics::Kind;
  registry.add(
      {{"hearth_http_requests_total", Kind::kCounter,
        "Requests, by the row of docs/routes.md that answered them and the class of the status; "
        "what is not "
        "built (501) has its own."},
       {"hearth_http_request_body_bytes_total", Kind::kCounter,
        "Bytes of request bodies as they came: uploads."},
       {"hearth_http_response_body_bytes_total", Kind::kCounter,
        "Bytes of answers' bodies as they were sent: downloads."},
       {"hearth_http_request_duration_seconds", Kind::kHistogram,
        "From the head of a request to the last byte of its answer, with waiting for the client."},
       {"hearth_http_request_work_seconds", Kind::kHistogram,
        "Time that the hub itself needed to decide and to make the answer."},
       {"hearth_http_rate_limited_total", Kind::kCounter,
        "Requests that were answered 429, because their caller had asked too often."}},
      [this](metrics::Samples& out) { add_samples(out); });
}

void RequestMetrics::add_samples(metrics::Samples& out) const {
  for (const auto& [route, row] : rows_) {
    add_counts(out, row->own);
    add_counts(out, row->head);
  }
  add_counts(out, other_);
  for (size_t i = 0; i < classes_.size(); ++i) {
    const OfClass& of_class = classes_[i];
    const metrics::Labels labels = {{"class", to_string(static_cast<RateClass>(i))}};
    out.add("hearth_http_request_duration_seconds", of_class.whole, labels);
    out.add("hearth_http_request_work_seconds", of_class.work, labels);
    out.add("hearth_http_rate_limited_total", value_of(of_class.limited), labels);
  }
}

/// Rows that nobody asked for yet would be most of the text: they come with their first request.
void RequestMetrics::add_counts(metrics::Samples& out, const Counts& counts) {
  bool any = false;
  for (size_t i = 0; i < kStatusClasses; ++i) {
    const double answers = value_of(counts.answers[i]);
    if (answers == 0) continue;
    any = true;
    out.add("hearth_http_requests_total", answers,
            {{"route", counts.route}, {"method", counts.method}, {"status", kStatusNames[i]}});
  }
  if (!any) return;
  const metrics::Labels labels = {{"route", counts.route}, {"method", counts.method}};
  out.add("hearth_http_request_body_bytes_total", value_of(counts.received_bytes), labels);
  out.add("hearth_http_response_body_bytes_total", value_of(counts.sent_bytes), labels);
}

}  // namespace hearth::api
