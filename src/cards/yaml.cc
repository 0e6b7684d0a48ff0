#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <yaml.h>

#include "base/text.h"
#include "cards/cards.h"
#include "cards/yaml_scalar.h"

// libyaml turns the text into events; a stack of open collections turns the events into JSON.
// Aliases are copies, so what they cost is counted as if the text had been written out: nine
// anchors that each hold ten times the one before stop at the limit, not at a billion values.

namespace hearth::cards {
namespace {

struct ParserDeleter {
  void operator()(yaml_parser_t* parser) const noexcept {
    yaml_parser_delete(parser);
    delete parser;
  }
};

/// An event that is freed with its scope.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

std::string_view view_of(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

/// A finished value, and what it costs to have it once more.
struct Node {
  json::value value;
  uint64_t node_count = 1;
  uint64_t text_bytes = 0;
  size_t height = 0;                    // 0: a scalar
  std::optional<std::string> spelling;  // Of a scalar, for use as a key
};

struct Frame {
  bool is_mapping = false;
  std::string anchor;
  json::array items;
  json::object members;
  std::vector<json::object> merges;  // In the order in which they are laid down
  std::optional<std::string> key;    // Of the value to come
  bool key_is_merge = false;
  uint64_t node_count = 1;
  uint64_t text_bytes = 0;
  size_t height = 1;
};

class Builder {
 public:
  Builder(std::string_view text, const YamlOptions& options) : text_(text), options_(options) {}

  Parsed<json::value> run() {
    if (text_.size() > options_.bytes_max) return parse_error("the YAML block is too large");
    if (!is_utf8(text_)) return parse_error("the YAML block is not valid UTF-8");
    auto* raw = new yaml_parser_t;
    if (yaml_parser_initialize(raw) == 0) {
      delete raw;
      return parse_error("out of memory");
    }
    parser_.reset(raw);
    yaml_parser_set_encoding(raw, YAML_UTF8_ENCODING);
    // The library aborts on a null pointer, which an empty view may hold.
    const char* text = text_.empty() ? "" : text_.data();
    yaml_parser_set_input_string(raw, reinterpret_cast<const unsigned char*>(text), text_.size());
    for (bool done = false; !done;) {
      Event event;
      if (yaml_parser_parse(raw, event.get()) == 0) return parser_failure();
      done = event->type == YAML_STREAM_END_EVENT;
      if (!handle(event)) return tl::unexpected<ParseError>(std::move(error_));
    }
    return std::move(root_.value);
  }

 private:
  /// False: error_ says why.
  bool handle(const Event& event) {
    mark_ = event->start_mark;
    switch (event->type) {
      case YAML_DOCUMENT_START_EVENT:
        return ++document_count_ == 1 || fail("expected a single document");
      case YAML_SCALAR_EVENT:
        return on_scalar(event);
      case YAML_ALIAS_EVENT:
        return on_alias(std::string(view_of(event->data.alias.anchor)));
      case YAML_SEQUENCE_START_EVENT:
        return open(false, view_of(event->data.sequence_start.anchor),
                    view_of(event->data.sequence_start.tag));
      case YAML_MAPPING_START_EVENT:
        return open(true, view_of(event->data.mapping_start.anchor),
                    view_of(event->data.mapping_start.tag));
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        return close();
      case YAML_NO_EVENT:
      case YAML_STREAM_START_EVENT:
      case YAML_STREAM_END_EVENT:
      case YAML_DOCUMENT_END_EVENT:
        return true;
    }
    return true;
  }

  bool on_scalar(const Event& event) {
    const auto& scalar = event->data.scalar;
    std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    std::string_view tag = view_of(scalar.tag);
    Node node;
    node.spelling = std::string(text);
    bool plain = scalar.plain_implicit != 0 && tag.empty();
    if (plain) {
      node.value = resolve_plain_scalar(text);
    } else if (tag.empty()) {
      node.value = json::string_view(text.data(), text.size());
    } else {
      auto value = construct_scalar(tag, text);
      if (!value) return fail("'" + std::string(cut_utf8(tag, 80)) + "' does not fit this value");
      node.value = std::move(*value);
    }
    node.text_bytes = text.size();
    if (!spend(node)) return false;
    bool is_merge = (plain && text == "<<") || tag == "tag:yaml.org,2002:merge";
    if (!keep_anchor(view_of(scalar.anchor), node)) return false;
    return add(std::move(node), is_merge);
  }

  bool on_alias(const std::string& name) {
    auto found = anchors_.find(name);
    if (found == anchors_.end()) {
      return fail("found undefined alias '" + std::string(cut_utf8(name, 80)) + "'");
    }
    if (frames_.size() + found->second.height > options_.depth_max) return fail_depth();
    if (!spend(found->second)) return false;
    return add(Node(found->second), false);
  }

  bool open(bool is_mapping, std::string_view anchor, std::string_view tag) {
    Frame frame;
    frame.is_mapping = is_mapping;
    frame.anchor = anchor;
    if (frames_.size() >= options_.depth_max) return fail_depth();
    if (!frames_.empty() && frames_.back().is_mapping && !frames_.back().key) {
      return fail("a key must be a scalar");
    }
    bool known = tag.empty() || tag == "!" ||
                 tag == (frame.is_mapping ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq") ||
                 (frame.is_mapping && tag == "tag:yaml.org,2002:set") ||
                 (!frame.is_mapping &&
                  (tag == "tag:yaml.org,2002:omap" || tag == "tag:yaml.org,2002:pairs"));
    if (!known) return fail("unknown tag '" + std::string(cut_utf8(tag, 80)) + "'");
    // An anchor means its own, unfinished value from here on; JSON cannot hold a ring.
    if (!frame.anchor.empty()) anchors_.erase(frame.anchor);
    if (!spend_counts(1, 0)) return false;
    frames_.push_back(std::move(frame));
    return true;
  }

  bool close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    std::string anchor = frame.anchor;
    Node node;
    node.node_count = frame.node_count;
    node.text_bytes = frame.text_bytes;
    node.height = frame.height;
    if (frame.is_mapping) {
      node.value = merged(std::move(frame));
    } else {
      node.value = std::move(frame.items);
    }
    if (!keep_anchor(anchor, node)) return false;
    return add(std::move(node), false);
  }

  /// Merged members come first, in the order in which they were laid down; the mapping's own win.
  static json::object merged(Frame frame) {
    if (frame.merges.empty()) return std::move(frame.members);
    json::object result;
    for (json::object& merge : frame.merges) {
      for (auto& member : merge) result[member.key()] = std::move(member.value());
    }
    for (auto& member : frame.members) result[member.key()] = std::move(member.value());
    return result;
  }

  bool keep_anchor(std::string_view name, const Node& node) {
    if (name.empty()) return true;
    if (!spend(node)) return false;  // The copy that is kept.
    anchors_.insert_or_assign(std::string(name), node);
    return true;
  }

  bool add(Node node, bool is_merge) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return true;
    }
    Frame& frame = frames_.back();
    frame.node_count += node.node_count;
    frame.text_bytes += node.text_bytes;
    frame.height = std::max(frame.height, node.height + 1);
    if (!frame.is_mapping) {
      frame.items.push_back(std::move(node.value));
      return true;
    }
    if (!frame.key) {
      if (!node.spelling) return fail("a key must be a scalar");
      frame.key = std::move(*node.spelling);
      frame.key_is_merge = is_merge;
      return true;
    }
    std::string key = std::move(*frame.key);
    frame.key.reset();
    if (frame.key_is_merge) return add_merge(frame, std::move(node.value));
    frame.members[json::string_view(key.data(), key.size())] = std::move(node.value);
    return true;
  }

  bool add_merge(Frame& frame, json::value value) {
    if (json::object* object = value.if_object()) {
      frame.merges.push_back(std::move(*object));
      return true;
    }
    json::array* list = value.if_array();
    if (list == nullptr) return fail("expected a mapping or a list of mappings for merging");
    // The first of a list wins, so it is laid down last.
    for (size_t i = list->size(); i > 0; --i) {
      json::object* object = list->at(i - 1).if_object();
      if (object == nullptr) return fail("expected a mapping for merging");
      frame.merges.push_back(std::move(*object));
    }
    return true;
  }

  bool spend(const Node& node) { return spend_counts(node.node_count, node.text_bytes); }

  bool spend_counts(uint64_t node_count, uint64_t text_bytes) {
    node_count_ += node_count;
    text_bytes_ += text_bytes;
    return (node_count_ <= options_.node_count_max && text_bytes_ <= options_.text_bytes_max) ||
           fail("the YAML block holds too many values");
  }

  bool fail_depth() { return fail("the YAML block is nested too deep"); }

  bool fail(std::string message) {
    error_ = ParseError{std::move(message) + position(mark_), mark_.index};
    return false;
  }

  tl::unexpected<ParseError> parser_failure() {
    const yaml_parser_t& parser = *parser_;
    std::string message = parser.problem != nullptr ? parser.problem : "out of memory";
    if (parser.error == YAML_READER_ERROR) {
      return parse_error(std::move(message), parser.problem_offset);
    }
    if (parser.context != nullptr) message = std::string(parser.context) + ", " + message;
    return parse_error(message + position(parser.problem_mark), parser.problem_mark.index);
  }

  std::string position(const yaml_mark_t& mark) const {
    return " (" + std::to_string(mark.line + options_.first_line) + ":" +
           std::to_string(mark.column + 1) + ")";
  }

  std::string_view text_;
  YamlOptions options_;
  std::unique_ptr<yaml_parser_t, ParserDeleter> parser_;
  std::vector<Frame> frames_;
  std::map<std::string, Node, std::less<>> anchors_;
  Node root_;
  ParseError error_;
  yaml_mark_t mark_{};
  int document_count_ = 0;
  uint64_t node_count_ = 0;
  uint64_t text_bytes_ = 0;
};

}  // namespace

Parsed<json::value> parse_yaml(std::string_view text, const YamlOptions& options) {
  return Builder(text, options).run();
}

}  // namespace hearth::cards
