#include "models/models.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hearth::models {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Bytes safetensors_file(std::string_view header, size_t data_bytes) {
  Bytes file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<uint8_t>(header.size() >> (8 * i)));
  file.insert(file.end(), header.begin(), header.end());
  file.resize(file.size() + data_bytes);
  return file;
}

Parsed<SafetensorsFacts> read(std::string_view header, size_t data_bytes) {
  Bytes file = safetensors_file(header, data_bytes);
  return read_safetensors(memory_source(file));
}

std::string error_of(std::string_view header, size_t data_bytes) {
  auto facts = read(header, data_bytes);
  return facts ? "(no error)" : facts.error().message;
}

TEST(Safetensors, SumsElementsByDtype) {
  auto facts = read(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
      R"("s":{"dtype":"F32","shape":[],"data_offsets":[32,36]}}   )",
      36);
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(json::serialize(facts->to_json()), R"({"parameters":{"BF16":4,"F32":7},"total":11})");
  EXPECT_EQ(facts->metadata.at("format"), "pt");
  EXPECT_EQ(facts->tensor_count, 3u);
}

TEST(Safetensors, AnEmptyModelIsRight) {
  EXPECT_EQ(error_of("{}", 0), "(no error)");
  EXPECT_EQ(error_of(R"({"e":{"dtype":"F32","shape":[0,9],"data_offsets":[0,0]}})", 0),
            "(no error)");
}

TEST(Safetensors, SubByteTypesFillWholeBytes) {
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})", 2), "(no error)");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2),
            "a tensor's shape does not fill its data_offsets");
}

TEST(Safetensors, HeadersAreReadAsTheLibraryDoes) {
  EXPECT_EQ(error_of(R"({"__metadata__":null})", 0), "(no error)");
  EXPECT_EQ(error_of("{\"\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0),
            "the header is not UTF-8");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"U8","shape":[00],"data_offsets":[0,0]}})", 0),
            "a number begins with 0");
  // Stricter than the library, as the format's page has it: also where the tensors are empty, and
  // however the name is spelt.
  EXPECT_EQ(error_of(R"({"é":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                     R"("\u00e9":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                     0),
            "a name stands twice in the header");
}

TEST(Safetensors, OffsetsAreChecked) {
  auto tensor = [](const char* offsets, const char* name = "a") {
    return '"' + std::string(name) + R"(":{"dtype":"U8","shape":[4],"data_offsets":)" + offsets +
           "}";
  };
  EXPECT_EQ(error_of("{" + tensor("[0,5]") + "}", 5),
            "a tensor's shape does not fill its data_offsets");
  EXPECT_EQ(error_of("{" + tensor("[0,4]") + "}", 3), "a tensor lies outside of the file");
  EXPECT_EQ(error_of("{" + tensor("[4,0]") + "}", 4), "a tensor lies outside of the file");
  EXPECT_EQ(error_of("{" + tensor("[1,5]") + "}", 5), "tensors overlap or leave a hole");
  EXPECT_EQ(error_of("{" + tensor("[0,4]") + "," + tensor("[0,4]", "b") + "}", 4),
            "tensors overlap or leave a hole");
  EXPECT_EQ(error_of("{" + tensor("[0,4]") + "}", 5),
            "the data does not end where the last tensor ends");
}

TEST(Safetensors, SizesThatOverflowAreRefused) {
  EXPECT_EQ(
      error_of(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0),
      "a tensor has too many elements");
  EXPECT_EQ(
      error_of(R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]}})", 0),
      "number too large");
}

TEST(Safetensors, BrokenHeadersAreRefused) {
  for (const char* header :
       {"", "[]", " {}", "{", "{\"a\":", "{\"a\":{}}", "{\"a\":{\"dtype\":\"F32\"}}", "{} x",
        R"({"a":{"dtype":"X","shape":[],"data_offsets":[0,0]}})",
        R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})",
        R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,0]}})", R"({"__metadata__":{"a":1}})",
        "{\"a\x01\":{}}"}) {
    EXPECT_FALSE(read(header, 0)) << header;
  }
}

TEST(Safetensors, UnknownKeysArePassedOver) {
  EXPECT_EQ(
      error_of(
          R"({"a":{"x":{"y":[1,"]"]},"dtype":"U8","z":null,"shape":[1],"data_offsets":[0,1]}})", 1),
      "(no error)");
  std::string deep = R"({"a":{"x":)" + std::string(20, '[') + std::string(20, ']') +
                     R"(,"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  EXPECT_EQ(error_of(deep, 1), "the header is nested too deep");
}

TEST(Safetensors, ALengthBeyondTheFileOrTheLimitIsRefusedUnread) {
  Bytes file(16, 0xFF);
  auto facts = read_safetensors(memory_source(file));
  EXPECT_EQ(facts.error().message, "the header is too large");
  file = {100, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
  EXPECT_EQ(read_safetensors(memory_source(file)).error().message,
            "the file is shorter than its header");
  EXPECT_FALSE(read_safetensors(memory_source({})));
}

TEST(Safetensors, AnIndexNamesItsShardsOnce) {
  auto shards = safetensors_index_shards(
      R"({"weight_map":{"a":"m-2.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}})");
  ASSERT_TRUE(shards);
  EXPECT_THAT(*shards, ElementsAre("m-1.safetensors", "m-2.safetensors"));
  EXPECT_FALSE(safetensors_index_shards(R"({"weight_map":{"a":"../x"}})"));
  EXPECT_FALSE(safetensors_index_shards(R"({"weight_map":{"a":1}})"));
  EXPECT_FALSE(safetensors_index_shards("[]"));
}

/// Writes the parts of a GGUF file, version 3.
class GgufWriter {
 public:
  GgufWriter& number(uint64_t value, int width) {
    for (int i = 0; i < width; ++i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
    return *this;
  }
  GgufWriter& text(std::string_view value) {
    number(value.size(), 8);
    out.insert(out.end(), value.begin(), value.end());
    return *this;
  }
  GgufWriter& begin(uint64_t tensors, uint64_t pairs) {
    return number(0x46554747, 4).number(3, 4).number(tensors, 8).number(pairs, 8);
  }
  GgufWriter& pair(std::string_view key, std::string_view value) {
    return text(key).number(8, 4).text(value);
  }
  GgufWriter& pair(std::string_view key, uint32_t value) {
    return text(key).number(4, 4).number(value, 4);
  }
  GgufWriter& tensor(std::string_view name, std::vector<uint64_t> shape) {
    text(name).number(shape.size(), 4);
    for (uint64_t extent : shape) number(extent, 8);
    return number(0, 4).number(0, 8);
  }
  Parsed<GgufFacts> read() const { return read_gguf(memory_source(out)); }
  Bytes out;
};

GgufWriter small_llama() {
  GgufWriter writer;
  writer.begin(2, 7)
      .pair("llama.context_length", 4096)
      .pair("general.architecture", "llama")
      .pair("tokenizer.ggml.bos_token_id", 1)
      .text("tokenizer.ggml.tokens")
      .number(9, 4)
      .number(8, 4)
      .number(3, 8)
      .text("<unk>")
      .text("<s>")
      .text("</s>")
      .pair("tokenizer.ggml.eos_token_id", 2)
      .pair("tokenizer.chat_template", "{{ messages }}")
      .text("nested")
      .number(9, 4)
      .number(9, 4)
      .number(2, 8)
      .number(0, 4)
      .number(3, 8)
      .number(0x010203, 3)
      .number(8, 4)
      .number(1, 8)
      .text("x")
      .tensor("a", {3, 4})
      .tensor("b", {5});
  return writer;
}

TEST(Gguf, ReadsWhatAnInfoAnswerShows) {
  auto facts = small_llama().read();
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(json::serialize(facts->to_json()),
            R"({"total":17,"architecture":"llama","context_length":4096,)"
            R"("chat_template":"{{ messages }}","bos_token":"<s>","eos_token":"</s>"})");
}

TEST(Gguf, EveryCutOfAFileIsAnError) {
  Bytes whole = small_llama().out;
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(read_gguf(memory_source(ByteView(whole).first(length)))) << length;
  }
}

TEST(Gguf, CountsThatLieAreRefusedAtOnce) {
  EXPECT_EQ(GgufWriter().begin(1, 1u << 30).read().error().message, "too many keys");
  EXPECT_EQ(GgufWriter().begin(1ull << 40, 1).read().error().message, "too many tensors");
  GgufWriter array;
  array.begin(0, 1).text("a").number(9, 4).number(8, 4).number(1ull << 60, 8);
  EXPECT_EQ(array.read().error().message, "an array is longer than the file");
  GgufWriter deep;
  deep.begin(0, 1).text("a").number(9, 4);
  for (int i = 0; i < 10; ++i) deep.number(9, 4).number(1, 8);
  EXPECT_EQ(deep.read().error().message, "arrays are nested too deep");
  EXPECT_EQ(GgufWriter().begin(1, 0).tensor("a", {1ull << 40, 1ull << 40}).read().error().message,
            "a tensor has too many elements");
}

TEST(Gguf, OtherFilesAndVersionsAreRefused) {
  EXPECT_EQ(GgufWriter().number(1, 8).read().error().message, "not a GGUF file");
  EXPECT_EQ(GgufWriter().number(0x46554747, 4).number(4, 4).read().error().message,
            "unknown version of GGUF");
}

TEST(Gguf, ATokenThatIsNotThereIsLeftOut) {
  GgufWriter writer;
  writer.begin(0, 1).pair("tokenizer.ggml.bos_token_id", 5);
  auto facts = writer.read();
  ASSERT_TRUE(facts);
  EXPECT_FALSE(facts->bos_token);
}

TEST(Config, TellsTaskAndAutoClassByArchitecture) {
  ConfigFacts facts = read_config(
      {{"config.json",
        R"({"architectures":["BertForMaskedLM"],"model_type":"bert","vocab_size":3})"}});
  EXPECT_EQ(facts.pipeline_tag, "fill-mask");
  EXPECT_EQ(facts.mask_token, "[MASK]");
  EXPECT_EQ(json::serialize(facts.config),
            R"({"architectures":["BertForMaskedLM"],"model_type":"bert"})");
  EXPECT_EQ(
      json::serialize(facts.transformers_info),
      R"({"auto_model":"AutoModelForMaskedLM","pipeline_tag":"fill-mask","processor":"AutoTokenizer"})");
}

TEST(Config, ArchitecturesThatAreNamedAlikeDiffer) {
  auto task = [](const char* config) {
    return read_config({{"config.json", config}}).pipeline_tag;
  };
  EXPECT_EQ(task(R"({"architectures":["T5ForConditionalGeneration"]})"), "text2text-generation");
  EXPECT_EQ(task(R"({"architectures":["LlavaForConditionalGeneration"],"vision_config":{}})"),
            "image-text-to-text");
  EXPECT_EQ(task(R"({"architectures":["WhisperForConditionalGeneration"]})"),
            "automatic-speech-recognition");
  EXPECT_EQ(task(R"({"architectures":["GPT2LMHeadModel"]})"), "text-generation");
  EXPECT_EQ(task(R"({"architectures":["BertModel"]})"), "feature-extraction");
  EXPECT_EQ(task(R"({"architectures":["Foo"]})"), "");
  EXPECT_EQ(task(R"({"architectures":[1]})"), "");
}

TEST(Config, CustomCodeNamesItsClass) {
  ConfigFacts facts = read_config(
      {{"config.json",
        R"({"architectures":["MyForCausalLM"],"auto_map":{"AutoModelForCausalLM":"modeling.My"}})"}});
  EXPECT_TRUE(facts.has_custom_code);
  EXPECT_EQ(get_string(facts.transformers_info, "custom_class"), "modeling.My");
}

TEST(Config, QuantizationBecomesTags) {
  auto tags = [](const std::string& quantization) {
    return read_config({{"config.json", R"({"quantization_config":)" + quantization + "}"}})
        .quantization_tags;
  };
  EXPECT_THAT(tags(R"({"load_in_4bit":true,"quant_method":"bitsandbytes"})"),
              ElementsAre("4-bit", "bitsandbytes"));
  EXPECT_THAT(tags(R"({"bits":8,"quant_method":"gptq"})"), ElementsAre("8-bit", "gptq"));
  EXPECT_THAT(tags(R"({"quant_method":"fp8"})"), ElementsAre("fp8"));
  EXPECT_THAT(tags("{}"), IsEmpty());
}

TEST(Config, AChatTemplateMakesAModelConversational) {
  ConfigFacts facts = read_config(
      {{"tokenizer_config.json",
        R"({"bos_token":{"content":"<s>"},"eos_token":"</s>","mask_token":null,"chat_template":"x"})"}});
  EXPECT_TRUE(facts.is_conversational);
  EXPECT_EQ(json::serialize(facts.config),
            R"({"tokenizer_config":{"bos_token":"<s>","eos_token":"</s>","chat_template":"x"}})");
  EXPECT_TRUE(read_config({{"chat_template.jinja", "{{ x }}"}}).is_conversational);
}

TEST(Config, OtherLibrariesShowTheirParts) {
  ConfigFacts peft = read_config(
      {{"adapter_config.json",
        R"({"peft_type":"LORA","base_model_name_or_path":"a/b","task_type":"CAUSAL_LM"})"}});
  EXPECT_EQ(json::serialize(peft.config),
            R"({"peft":{"base_model_name_or_path":"a/b","task_type":"CAUSAL_LM"}})");
  EXPECT_EQ(peft.pipeline_tag, "text-generation");
  ConfigFacts diffusers =
      read_config({{"model_index.json", R"({"_class_name":"StableDiffusionImg2ImgPipeline"})"}});
  EXPECT_EQ(diffusers.pipeline_tag, "image-to-image");
  EXPECT_EQ(read_config({{"config.json", R"({"architecture":"resnet50","num_features":1})"}})
                .library_name,
            "timm");
}

TEST(Config, BrokenFilesSayNothing) {
  ConfigFacts facts = read_config(
      {{"config.json", "{"}, {"tokenizer_config.json", "[]"}, {"chat_template.jinja", "\xff"}});
  EXPECT_THAT(facts.config, IsEmpty());
}

}  // namespace
}  // namespace hearth::models
