// Shapes of JSON bodies: what the clients need of the main answers (hub-api section 15), not every
// field. tests/hostile holds the hub to them.

#include <algorithm>
#include <array>

#include "api/openapi.h"

namespace hearth::api {
namespace {

constexpr std::string_view kRepo = R"({"type": "object",
  "required": ["id", "private", "tags", "downloads", "likes"],
  "properties": {"_id": {"type": "string"}, "id": {"type": "string", "pattern": "^[^/]+/[^/]+$"},
    "sha": {"type": ["string", "null"]}, "private": {"type": "boolean"},
    "gated": {"enum": [false, "auto", "manual"]}, "disabled": {"type": "boolean"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "downloads": {"type": "integer", "minimum": 0}, "likes": {"type": "integer", "minimum": 0},
    "siblings": {"type": "array", "items": {"type": "object", "required": ["rfilename"]}}}})";

constexpr std::string_view kRefs = R"({"type": "object",
  "required": ["branches", "converts", "tags"],
  "additionalProperties": {"type": "array", "items": {"type": "object",
    "required": ["name", "ref", "targetCommit"],
    "properties": {"name": {"type": "string"}, "ref": {"type": "string", "pattern": "^refs/"},
      "targetCommit": {"type": "string", "pattern": "^[0-9a-f]{40}$"}}}}})";

constexpr std::string_view kEntries = R"({"type": "array", "items": {"type": "object",
  "required": ["type", "oid", "size", "path"],
  "properties": {"type": {"enum": ["file", "directory"]},
    "oid": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    "size": {"type": "integer", "minimum": 0}, "path": {"type": "string", "minLength": 1},
    "lfs": {"type": "object", "required": ["oid", "size", "pointerSize"]}}}})";

constexpr std::string_view kCommits = R"({"type": "array", "items": {"type": "object",
  "required": ["id", "title", "message", "authors", "date"],
  "properties": {"id": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    "title": {"type": "string"}, "authors": {"type": "array"}, "date": {"type": "string"}}}})";

constexpr std::string_view kHealth =
    R"({"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}})";

constexpr std::string_view kWhoami = R"({"type": "object",
  "required": ["type", "name", "auth"],
  "properties": {"type": {"enum": ["user", "org"]}, "name": {"type": "string"},
    "orgs": {"type": "array"}, "auth": {"type": "object", "required": ["type"]}}})";

constexpr std::string_view kCreateRepo = R"({"type": "object", "required": ["name"],
  "properties": {"name": {"type": "string"}, "organization": {"type": ["string", "null"]},
    "type": {"enum": ["model", "dataset", "space"]}, "private": {"type": "boolean"},
    "sdk": {"type": "string"}}})";

constexpr std::string_view kValidate = R"({"type": "object",
  "required": ["content", "repoType"],
  "properties": {"content": {"type": "string"},
    "repoType": {"enum": ["model", "dataset", "space"]}}})";

constexpr std::string_view kPreupload = R"({"type": "object", "required": ["files"],
  "properties": {"files": {"type": "array", "items": {"type": "object", "required": ["path"],
    "properties": {"path": {"type": "string"}, "size": {"type": "integer"},
      "sample": {"type": "string"}}}}}})";

constexpr std::string_view kPreuploaded = R"({"type": "object", "required": ["files"],
  "properties": {"files": {"type": "array", "items": {"type": "object",
    "required": ["path", "uploadMode", "shouldIgnore"],
    "properties": {"uploadMode": {"enum": ["regular", "lfs"]},
      "shouldIgnore": {"type": "boolean"}}}}}})";

constexpr std::string_view kBatch = R"({"type": "object", "required": ["operation", "objects"],
  "properties": {"operation": {"enum": ["upload", "download"]},
    "transfers": {"type": "array", "items": {"type": "string"}},
    "objects": {"type": "array", "items": {"type": "object", "required": ["oid", "size"],
      "properties": {"oid": {"type": "string"}, "size": {"type": "integer"}}}}}})";

constexpr std::string_view kBatched = R"({"type": "object", "required": ["objects"],
  "properties": {"transfer": {"type": "string"}, "objects": {"type": "array", "items":
    {"type": "object", "required": ["oid", "size"]}}}})";

constexpr std::string_view kDiscussion = R"({"type": "object", "required": ["title"],
  "properties": {"title": {"type": "string"}, "description": {"type": "string"},
    "pullRequest": {"type": "boolean"}}})";

constexpr std::array kShapes = {
    Shape{"GET", "/health", "", kHealth},
    Shape{"GET", "/api/whoami-v2", "", kWhoami},
    Shape{"GET", "/api/{types}", "", R"({"type": "array", "items": {"type": "object",
      "required": ["id", "private", "likes"]}})"},
    Shape{"GET", "/api/{types}/{repo}", "", kRepo},
    Shape{"GET", "/api/{types}/{repo}/revision/{rev}", "", kRepo},
    Shape{"GET", "/api/{types}/{repo}/refs", "", kRefs},
    Shape{"GET", "/api/{types}/{repo}/tree/{rev}", "", kEntries},
    Shape{"GET", "/api/{types}/{repo}/tree/{rev}/{path*}", "", kEntries},
    Shape{"POST", "/api/{types}/{repo}/paths-info/{rev}", R"({"type": "object",
      "required": ["paths"], "properties": {"expand": {"type": "boolean"},
      "paths": {"type": "array", "items": {"type": "string"}}}})",
          kEntries},
    Shape{"GET", "/api/{types}/{repo}/commits/{rev}", "", kCommits},
    Shape{"POST", "/api/repos/create", kCreateRepo, R"({"type": "object", "required": ["url"],
      "properties": {"url": {"type": "string"}}})"},
    Shape{"POST", "/api/validate-yaml", kValidate, ""},
    Shape{"POST", "/api/{types}/{repo}/preupload/{rev}", kPreupload, kPreuploaded},
    Shape{"POST", "/{prefix}/{repo.git}/info/lfs/objects/batch", kBatch, kBatched},
    Shape{"POST", "/api/{types}/{repo}/discussions", kDiscussion, ""},
};

}  // namespace

std::span<const Shape> shapes() {
  return kShapes;
}

const Shape* shape_of(const Route& route) {
  auto found = std::find_if(kShapes.begin(), kShapes.end(), [&](const Shape& shape) {
    return shape.method == route.method && shape.pattern == route.pattern;
  });
  return found == kShapes.end() ? nullptr : &*found;
}

}  // namespace hearth::api
