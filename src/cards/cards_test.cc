#include "cards/cards.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cards/file_tally.h"

namespace hearth::cards {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string yaml_of(std::string_view content) {
  CardParts parts = split_card(content);
  return parts.has_front_matter ? std::string(parts.yaml) : "(none)";
}

TEST(SplitCard, FindsTheBlockBetweenDashes) {
  CardParts parts = split_card("---\na: 1\n---\n# Title\n");
  EXPECT_TRUE(parts.has_front_matter);
  EXPECT_EQ(parts.yaml, "a: 1");
  EXPECT_EQ(parts.body, "# Title\n");
  EXPECT_EQ(parts.yaml_line, 2u);
}

TEST(SplitCard, AllowsByteOrderMarkBlankLinesAndEveryLineEnd) {
  EXPECT_EQ(yaml_of("\xEF\xBB\xBF---\na: 1\n---\n"), "a: 1");
  EXPECT_EQ(yaml_of("\n\n  ---\na: 1\n---"), "a: 1");
  EXPECT_EQ(yaml_of("---\r\na: 1\r\nb: 2\r\n---\r\nx"), "a: 1\r\nb: 2");
  EXPECT_EQ(yaml_of("---\ra: 1\r---\n"), "a: 1");
  EXPECT_EQ(yaml_of("---\na: 1\n--- \t \nx"), "a: 1");
  EXPECT_EQ(split_card("\n\n---\na: 1\n---\n").yaml_line, 4u);
}

TEST(SplitCard, TakesTheFirstClosingLine) {
  EXPECT_EQ(yaml_of("---\na: |\n  x\n---\nb\n---\n"), "a: |\n  x");
  EXPECT_EQ(yaml_of("---\na: 1\n----\n---\n"), "a: 1\n----");
}

TEST(SplitCard, AnEmptyBlockNeedsALineBetween) {
  EXPECT_EQ(yaml_of("---\n\n---\nx"), "");
  EXPECT_EQ(yaml_of("---\n---\nx"), "(none)");
  EXPECT_EQ(yaml_of("---\n---\nx\n---\n"), "---\nx");
}

TEST(SplitCard, WithoutABlockTheWholeTextIsTheBody) {
  for (std::string_view text :
       {"", "# Title", "--- \na: 1\n---\n", "---\na: 1\n", "---", "x\n---\na\n---\n"}) {
    CardParts parts = split_card(text);
    EXPECT_FALSE(parts.has_front_matter) << text;
    EXPECT_EQ(parts.body, text);
  }
  EXPECT_EQ(split_card("\xEF\xBB\xBFhello").body, "hello");
}

TEST(Validate, NoMetadataIsAWarning) {
  for (std::string_view text : {"# Hello", "", "---\n\n---\n", "---\n{}\n---\n"}) {
    Validation result = validate(text, RepoKind::kModel);
    EXPECT_THAT(result.errors, IsEmpty()) << text;
    EXPECT_THAT(result.warnings, ElementsAre("empty or missing yaml metadata in repo card"));
  }
}

TEST(Validate, AModelIndexThatIsNoListIsAnError) {
  Validation result = validate("\n---\nmodel-index: foo\n---\n\nText", RepoKind::kModel);
  EXPECT_THAT(result.errors, ElementsAre("\"model-index\" must be an array"));
}

TEST(Validate, MalformedMetricsAreErrors) {
  Validation result = validate(
      "---\nmodel-index:\n- name: x\n  results:\n  - task: {type: t}\n    dataset: {name: d}\n"
      "    metrics:\n    - value: 1\n    - {type: acc}\n    - foo\n  - metrics: {}\n---\n",
      RepoKind::kModel);
  EXPECT_THAT(result.errors,
              ElementsAre("\"model-index[0].results[0].dataset.type\" is required",
                          "\"model-index[0].results[0].metrics[0].type\" is required",
                          "\"model-index[0].results[0].metrics[1].value\" is required",
                          "\"model-index[0].results[0].metrics[2]\" must be of type object",
                          "\"model-index[0].results[1].task\" is required",
                          "\"model-index[0].results[1].metrics\" must be an array"));
}

TEST(Validate, WhatTrainersWritePasses) {
  Validation result = validate(
      "---\nlibrary_name: transformers\nlicense: apache-2.0\nbase_model: google-bert/bert-base\n"
      "tags:\n- generated_from_trainer\nmetrics:\n- accuracy\nmodel-index:\n- name: out\n"
      "  results: []\n---\n",
      RepoKind::kModel);
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(Validate, AnUnknownLicenseIsAnErrorThatNamesTheKnownOnes) {
  Validation result = validate("---\nlicense: asdf\n---\n", RepoKind::kModel);
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_THAT(result.errors[0], HasSubstr("\"license\" must be one of [apache-2.0, mit, "));
  EXPECT_THAT(validate("---\nlicense: [mit, x]\n---\n", RepoKind::kDataset).errors,
              Contains(HasSubstr("\"license[1]\" must be one of")));
}

TEST(Validate, BrokenYamlIsAnErrorWithTheLineOfTheCard) {
  Validation result = validate("---\na: 1\nb: [1\n---\n", RepoKind::kModel);
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_THAT(result.errors[0], HasSubstr("(4:1)"));
  EXPECT_THAT(validate("---\n- a\n---\n", RepoKind::kModel).errors,
              ElementsAre("The YAML metadata must be a mapping of keys to values"));
}

TEST(Validate, NorwegianIsALanguage) {
  EXPECT_THAT(validate("---\nlanguage: no\n---\n", RepoKind::kModel).warnings, IsEmpty());
  EXPECT_THAT(validate("---\nlanguage: [en, English]\n---\n", RepoKind::kModel).warnings,
              ElementsAre(HasSubstr("\"language[1]\" with value \"English\" is not valid")));
}

TEST(Validate, AnUnknownTaskIsAWarning) {
  Validation result = validate("---\npipeline_tag: dancing\n---\n", RepoKind::kModel);
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("\"dancing\" is not in the official list")));
  EXPECT_THAT(validate("---\npipeline_tag: [a]\n---\n", RepoKind::kModel).errors,
              ElementsAre("\"pipeline_tag\" must be a string"));
}

TEST(Validate, ASpaceNamesKnownColoursAndSdk) {
  Validation result =
      validate("---\ntitle: t\nsdk: php\ncolorFrom: orange\ncolorTo: blue\nshort_description: " +
                   std::string(61, 'x') + "\napp_port: 70000\n---\n",
               RepoKind::kSpace);
  EXPECT_THAT(
      result.errors,
      ElementsAre("\"sdk\" must be one of [gradio, docker, static, streamlit]",
                  "\"colorFrom\" must be one of [red, yellow, green, blue, indigo, purple, "
                  "pink, gray]",
                  HasSubstr("\"short_description\" length must be less than or equal to 60"),
                  "\"app_port\" must be a number from 1 to 65535"));
}

TEST(Validate, AMessageNeverGrowsWithoutBound) {
  std::string card = "---\nlicense:\n";
  for (int i = 0; i < 10'000; ++i) card += "- x\n";
  EXPECT_EQ(validate(card + "---\n", RepoKind::kModel).errors.size(), 50u);
}

using Paths = std::vector<std::string>;

Facts model(std::string_view yaml, const Paths& paths = {}, const ModelHints& hints = {},
            std::string_view body = "") {
  return derive(RepoKind::kModel, "---\n" + std::string(yaml) + "\n---\n" + std::string(body),
                FileTally::of(RepoKind::kModel, paths), hints);
}

TEST(Derive, TagsOfAModelComeInTheHubsOrder) {
  Facts facts = model(
      "library_name: transformers\nlicense: apache-2.0\nlanguage: [en, no]\ntags: [exbert, en]\n"
      "datasets: [bookcorpus, wikipedia]\nbase_model: google/bert\n",
      {"model.safetensors", "pytorch_model.bin", "training_args.bin", "runs/events.out.tfevents.1"},
      {.model_type = "bert", .pipeline_tag = "fill-mask", .has_custom_code = true},
      "See [BERT](https://arxiv.org/abs/1810.04805) and "
      "https://huggingface.co/papers/2401.12345v2");
  EXPECT_THAT(facts.tags, ElementsAre("transformers", "tensorboard", "pytorch", "safetensors",
                                      "bert", "fill-mask", "exbert", "en", "custom_code", "no",
                                      "dataset:bookcorpus", "dataset:wikipedia", "arxiv:1810.04805",
                                      "arxiv:2401.12345", "base_model:google/bert",
                                      "base_model:finetune:google/bert", "license:apache-2.0"));
  EXPECT_EQ(facts.library_name, "transformers");
  EXPECT_EQ(facts.pipeline_tag, "fill-mask");
}

TEST(Derive, TheCardWinsOverFilesAndHints) {
  Facts facts = model("pipeline_tag: text-generation\nlibrary_name: mlx", {"model_index.json"},
                      {.pipeline_tag = "fill-mask"});
  EXPECT_EQ(facts.pipeline_tag, "text-generation");
  EXPECT_EQ(facts.library_name, "mlx");
}

TEST(Derive, ATagThatIsATaskIsTheLastResort) {
  EXPECT_EQ(model("tags: [foo, summarization]").pipeline_tag, "summarization");
  EXPECT_EQ(model("tags: [foo]").pipeline_tag, "");
}

TEST(Derive, FilesProveALibrary) {
  auto library = [](const char* path) {
    return derive(RepoKind::kModel, {}, FileTally::of(RepoKind::kModel, {path})).library_name;
  };
  EXPECT_EQ(library("model_index.json"), "diffusers");
  EXPECT_EQ(library("modules.json"), "sentence-transformers");
  EXPECT_EQ(library("adapter_config.json"), "peft");
  EXPECT_EQ(library("x.nemo"), "nemo");
  EXPECT_EQ(library("config.json"), "");
  EXPECT_EQ(library("sub/model_index.json"), "");
}

TEST(Derive, AGgufModelIsTaggedWithoutLibrary) {
  Facts facts = model("base_model: a/b", {"x-Q4_K_M.gguf"});
  EXPECT_EQ(facts.library_name, "");
  EXPECT_THAT(facts.tags, ElementsAre("gguf", "base_model:a/b", "base_model:quantized:a/b"));
}

TEST(Derive, TheRelationToTheBaseModelIsInferred) {
  auto relation = [](std::string_view yaml, const Paths& files) {
    return model(yaml, files).base_models.at(0).relation;
  };
  EXPECT_EQ(relation("base_model: a/b", {}), "finetune");
  EXPECT_EQ(relation("base_model: [a/b, c/d]", {}), "merge");
  EXPECT_EQ(relation("base_model: a/b", {"adapter_config.json"}), "adapter");
  EXPECT_EQ(relation("base_model: a/b\nbase_model_relation: merge", {}), "merge");
}

TEST(Derive, AnAdapterNamesItsBaseModelInItsOwnFile) {
  auto bases = [](const char* base) {
    return derive(RepoKind::kModel, {}, FileTally::of(RepoKind::kModel, {"adapter_config.json"}),
                  {.peft_base_model = base})
        .tags;
  };
  EXPECT_THAT(bases("a/b"), ElementsAre("peft", "base_model:a/b", "base_model:adapter:a/b"));
  for (const char* folder : {"", "b", "/data/b", "./b", "a/b/c", "C:\\b/c"}) {
    EXPECT_THAT(bases(folder), ElementsAre("peft")) << folder;
  }
}

TEST(Derive, ABrokenCardHasAnErrorAndNoTagsOfItsOwn) {
  Facts facts = model("license: [mit", {"model.safetensors"});
  EXPECT_THAT(facts.card_error, HasSubstr("(3:1)"));
  EXPECT_THAT(facts.card, IsEmpty());
  EXPECT_THAT(facts.tags, ElementsAre("safetensors"));
  EXPECT_EQ(derive(RepoKind::kModel, "\xff", {}).card_error, "README.md is not valid UTF-8");
}

TEST(Derive, EvalResultsAreTagged) {
  EXPECT_THAT(
      model("model-index:\n- name: x\n  results:\n  - task: {type: t}\n    metrics: []").tags,
      ElementsAre("model-index", "eval-results"));
  EXPECT_THAT(model("a: 1", {".eval_results/x.yaml"}).tags, ElementsAre("eval-results"));
}

TEST(Derive, TagsThatAnIndexCannotHoldAreDropped) {
  Facts facts = model("tags: [\"a\\0b\", \"a\\nb\", \"" + std::string(300, 'x') + "\", ok, ok, 1]");
  EXPECT_THAT(facts.tags, ElementsAre("ok", "1"));
  std::string many = "tags:\n";
  for (int i = 0; i < 2000; ++i) many += "- t" + std::to_string(i) + "\n";
  EXPECT_EQ(model(many).tags.size(), 500u);
}

TEST(Derive, TagsOfADatasetNameTheirKeys) {
  Facts facts = derive(
      RepoKind::kDataset,
      "---\ntask_categories: [text-classification]\nlanguage: en\nlicense: mit\ntags: [x]\n"
      "pretty_name: Nice\ndataset_info:\n  features:\n  - {name: a, dtype: string}\n"
      "  - {name: b, dtype: int64}\n  splits:\n  - {name: train, num_examples: 5000}\n---\nText.",
      FileTally::of(RepoKind::kDataset, {".gitattributes", "README.md", "data/train-0.parquet",
                                         "x.json", "data/test-0.parquet"}));
  EXPECT_THAT(facts.tags,
              ElementsAre("task_categories:text-classification", "language:en", "license:mit",
                          "size_categories:1K<n<10K", "format:parquet", "modality:tabular",
                          "modality:text", "library:datasets", "library:pandas", "library:polars",
                          "library:mlcroissant", "x"));
  EXPECT_EQ(facts.title, "Nice");
  EXPECT_EQ(facts.description, "Text.");
}

TEST(Derive, FilesTellADatasetsFormat) {
  auto tags = [](Paths files) {
    return derive(RepoKind::kDataset, {}, FileTally::of(RepoKind::kDataset, files)).tags;
  };
  EXPECT_THAT(tags({"a.csv.gz"}), Contains("format:csv"));
  EXPECT_THAT(tags({"0.tar"}), Contains("format:webdataset"));
  EXPECT_THAT(tags({"cat/1.jpg", "dog/2.PNG", "metadata.csv"}),
              testing::AllOf(Contains("format:imagefolder"), Contains("modality:image")));
  EXPECT_THAT(tags({"dataset_infos.json", ".cache/x.json"}), IsEmpty());
}

TEST(FileTally, ChangesLeadWhereCountingAnewDoes) {
  const Paths before = {"a.bin",
                        "b.gguf",
                        "adapter_config.json",
                        ".eval_results/x.yaml",
                        "runs/tfevents.bin",
                        "m.mlpackage/w.bin",
                        "x.nemo",
                        "plain"};
  const Paths after = {"a.bin", "c.SAFETENSORS", "model.safetensors", "plain"};
  for (RepoKind kind : {RepoKind::kModel, RepoKind::kDataset, RepoKind::kSpace}) {
    FileTally tally = FileTally::of(kind, before);
    for (const std::string& path : after) tally.add(kind, path);
    for (const std::string& path : before) EXPECT_TRUE(tally.remove(kind, path)) << path;
    EXPECT_EQ(tally, FileTally::of(kind, after));
    EXPECT_EQ(FileTally::parse(tally.to_text()), tally);
  }
  EXPECT_EQ(FileTally::of(RepoKind::kModel, after).to_text(),
            R"({"rules":1,"marks":{"tag:pytorch":1,"tag:safetensors":2,"weights":1}})");
  EXPECT_EQ(FileTally::of(RepoKind::kSpace, after).to_text(), R"({"rules":1,"marks":{}})");
}

TEST(FileTally, WhatWasNeverAddedCannotBeTakenAway) {
  FileTally tally = FileTally::of(RepoKind::kModel, {"a.bin"});
  EXPECT_FALSE(tally.remove(RepoKind::kModel, "a.gguf"));
  EXPECT_TRUE(tally.remove(RepoKind::kModel, "a.txt"));  // Has no mark.
  for (const char* text : {"", "[]", "{}", "{", R"({"rules":0,"marks":{}})", R"({"marks":{}})",
                           R"({"rules":1})", R"({"rules":1,"marks":{"a":0}})",
                           R"({"rules":1,"marks":{"a":-1}})", R"({"rules":1,"marks":{"a":"1"}})"}) {
    EXPECT_EQ(FileTally::parse(text), std::nullopt) << text;
  }
}

TEST(Derive, ASpaceLinksToWhatItUses) {
  Facts facts = derive(
      RepoKind::kSpace,
      "---\nsdk: gradio\ntitle: T\nmodels: [a/b]\ndatasets: c/d\ntags: [mcp-server]\n---\n", {});
  EXPECT_THAT(facts.tags, ElementsAre("gradio", "mcp-server"));
  EXPECT_THAT(facts.models, ElementsAre("a/b"));
  EXPECT_THAT(facts.datasets, ElementsAre("c/d"));
  EXPECT_EQ(facts.sdk, "gradio");
  EXPECT_EQ(derive(RepoKind::kSpace, "---\nsdk: php\n---\n", {}).sdk, "");
}

TEST(Excerpt, IsPlainTextWithoutMarkup) {
  EXPECT_EQ(excerpt("# Title\n\n[![badge](https://x/y.svg)](https://x)\n<!-- a\n comment -->\n"
                    "This is **bold** `code` and a [link](https://x).\n\n```python\nno\n```\n"
                    "| a | b |\n|---|---|\n- item <br> more_words\n![pic](x.png) end"),
            "This is bold code and a link. item more_words end");
}

TEST(Excerpt, IsCutAtAWordWithinTheLimit) {
  std::string text = excerpt("aaaa bbbb cccc dddd", 12);
  EXPECT_EQ(text, "aaaa bbbb");
  EXPECT_LE(excerpt(std::string(1000, 'x'), 50).size(), 50u);
  EXPECT_EQ(excerpt("éééé", 5), "éé");
}

TEST(Excerpt, ALineOfBracketsIsNotReadOverAndOver) {
  EXPECT_THAT(excerpt(std::string(60'000, '['), 300), Not(IsEmpty()));
}

TEST(TextList, TakesScalarsAndLists) {
  json::value value = {"a", "  ", nullptr, false, 3, json::array()};
  EXPECT_THAT(text_list(&value), ElementsAre("a", "no", "3"));
  EXPECT_THAT(text_list(nullptr), IsEmpty());
}

}  // namespace
}  // namespace hearth::cards
