#include "xet/reconstruction.h"

#include <algorithm>
#include <unordered_map>

namespace hearth::xet {
namespace {

struct Run {
  uint32_t begin;
  uint32_t end;
};

/// Sorts runs and joins those that overlap or touch.
std::vector<Run> merged(std::vector<Run> runs) {
  std::sort(runs.begin(), runs.end(), [](Run a, Run b) { return a.begin < b.begin; });
  std::vector<Run> out;
  for (Run run : runs) {
    if (!out.empty() && run.begin <= out.back().end) {
      out.back().end = std::max(out.back().end, run.end);
    } else {
      out.push_back(run);
    }
  }
  return out;
}

json::object range_json(uint64_t start, uint64_t end) {
  return {{"start", start}, {"end", end}};
}

json::array terms_json(const Reconstruction& plan) {
  json::array terms;
  for (const Term& term : plan.terms) {
    terms.push_back(json::object{{"hash", term.xorb.text()},
                                 {"unpacked_length", term.unpacked_bytes},
                                 {"range", range_json(term.chunk_begin, term.chunk_end)}});
  }
  return terms;
}

}  // namespace

Reconstruction plan_reconstruction(std::span<const Term> terms, const TableLookup& table_of,
                                   std::optional<FileRange> range) {
  Reconstruction plan;
  std::unordered_map<MerkleHash, size_t, MerkleHashHasher> xorb_index;
  std::vector<std::vector<Run>> runs;
  uint64_t term_begin = 0;
  for (const Term& whole : terms) {
    uint64_t begin = term_begin;
    term_begin += whole.unpacked_bytes;
    Term term = whole;
    if (range) {
      if (begin >= range->end_bytes) break;
      if (term_begin <= range->begin_bytes) continue;
      const ChunkTable& table = table_of(term.xorb);
      uint64_t end = term_begin;
      // Chunks wholly before or behind what was asked are not worth the wire.
      while (begin + table.unpacked_length(term.chunk_begin) <= range->begin_bytes) {
        begin += table.unpacked_length(term.chunk_begin++);
      }
      while (end - table.unpacked_length(term.chunk_end - 1) >= range->end_bytes) {
        end -= table.unpacked_length(--term.chunk_end);
      }
      term.unpacked_bytes = static_cast<uint32_t>(end - begin);
      if (plan.terms.empty()) plan.offset_into_first_range_bytes = range->begin_bytes - begin;
    }
    auto [at, is_new] = xorb_index.try_emplace(term.xorb, plan.xorbs.size());
    if (is_new) {
      plan.xorbs.push_back({.xorb = term.xorb});
      runs.emplace_back();
    }
    runs[at->second].push_back({term.chunk_begin, term.chunk_end});
    plan.terms.push_back(term);
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    const ChunkTable& table = table_of(plan.xorbs[i].xorb);
    for (Run run : merged(std::move(runs[i]))) {
      plan.xorbs[i].ranges.push_back(
          {.chunk_begin = run.begin,
           .chunk_end = run.end,
           .bytes_begin = table.packed_begin(run.begin),
           .bytes_last = table.chunks[run.end - 1].packed_end_bytes - 1});
    }
  }
  return plan;
}

json::object reconstruction_v2_json(const Reconstruction& plan, const UrlSigner& sign) {
  json::object xorbs;
  for (const XorbFetch& fetch : plan.xorbs) {
    json::array entries;
    std::span<const FetchRange> left = fetch.ranges;
    while (!left.empty()) {
      auto some = left.first(std::min(left.size(), kRangesPerUrlMax));
      left = left.subspan(some.size());
      json::array ranges;
      for (const FetchRange& range : some) {
        ranges.push_back(json::object{{"chunks", range_json(range.chunk_begin, range.chunk_end)},
                                      {"bytes", range_json(range.bytes_begin, range.bytes_last)}});
      }
      entries.push_back(json::object{{"url", sign(fetch.xorb, some)}, {"ranges", ranges}});
    }
    xorbs[fetch.xorb.text()] = std::move(entries);
  }
  return {{"offset_into_first_range", plan.offset_into_first_range_bytes},
          {"terms", terms_json(plan)},
          {"xorbs", std::move(xorbs)}};
}

json::object reconstruction_v1_json(const Reconstruction& plan, const UrlSigner& sign) {
  json::object fetch_info;
  for (const XorbFetch& fetch : plan.xorbs) {
    json::array entries;
    for (const FetchRange& range : fetch.ranges) {
      entries.push_back(
          json::object{{"range", range_json(range.chunk_begin, range.chunk_end)},
                       {"url", sign(fetch.xorb, {&range, 1})},
                       {"url_range", range_json(range.bytes_begin, range.bytes_last)}});
    }
    fetch_info[fetch.xorb.text()] = std::move(entries);
  }
  return {{"offset_into_first_range", plan.offset_into_first_range_bytes},
          {"terms", terms_json(plan)},
          {"fetch_info", std::move(fetch_info)}};
}

}  // namespace hearth::xet
