#include "hub/initial_files.h"

#include "base/json.h"
#include "base/url.h"
#include "git/git.h"

namespace hearth::hub {
namespace {

git::AttributesFor attributes_for(RepoType type) {
  switch (type) {
    case RepoType::kModel:
      return git::AttributesFor::kModel;
    case RepoType::kDataset:
      return git::AttributesFor::kDataset;
    case RepoType::kSpace:
      return git::AttributesFor::kSpace;
  }
  return git::AttributesFor::kModel;
}

/// A JSON text is a YAML text.
std::string yaml_text(std::string_view text) {
  return json::serialize(json::string(text));
}

std::string space_card(const NewRepo& wanted) {
  std::string card = "---\n";
  card += "title: " + yaml_text(wanted.repo_id.name) + "\n";
  card += "emoji: 🚀\ncolorFrom: blue\ncolorTo: gray\n";
  if (!wanted.sdk.empty()) card += "sdk: " + yaml_text(wanted.sdk) + "\n";
  if (wanted.sdk == "gradio" || wanted.sdk == "streamlit") card += "app_file: app.py\n";
  card += "pinned: false\n";
  if (!wanted.license.empty()) card += "license: " + yaml_text(wanted.license) + "\n";
  return card + "---\n";
}

std::string static_page(const NewRepo& wanted) {
  std::string title = html_escape(wanted.repo_id.name);
  return "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\" />\n"
         "    <meta name=\"viewport\" content=\"width=device-width\" />\n    <title>" +
         title +
         "</title>\n    <link rel=\"stylesheet\" href=\"style.css\" />\n  </head>\n"
         "  <body>\n    <main>\n      <h1>" +
         title +
         "</h1>\n      <p>Edit <code>index.html</code> to change this page.</p>\n"
         "    </main>\n  </body>\n</html>\n";
}

constexpr std::string_view kStaticStyle =
    "body {\n  margin: 2rem;\n  font-family: system-ui, sans-serif;\n}\n\n"
    "main {\n  max-width: 40rem;\n  margin: 0 auto;\n}\n";

}  // namespace

std::map<std::string, std::string> initial_files(const NewRepo& wanted) {
  std::map<std::string, std::string> files;
  files[".gitattributes"] = git::default_gitattributes(attributes_for(wanted.type));
  if (wanted.type == RepoType::kSpace) {
    files["README.md"] = space_card(wanted);
    if (wanted.sdk == "static") {
      files["index.html"] = static_page(wanted);
      files["style.css"] = kStaticStyle;
    }
  } else if (!wanted.license.empty()) {
    files["README.md"] = "---\nlicense: " + yaml_text(wanted.license) + "\n---\n";
  }
  for (const InitialFile& file : wanted.files) {
    files[git::RepoPath::require(file.path).text()] = file.content;
  }
  return files;
}

}  // namespace hearth::hub
