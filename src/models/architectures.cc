#include "models/architectures.h"

#include <algorithm>
#include <string>

#include "models/models.h"

// Classes of transformers are named <Family>For<Head>; the head tells the task. A few families are
// exceptions and stand first. Source: the naming of transformers' auto classes.

namespace hearth::models {
namespace {

struct Row {
  std::string_view name;
  ArchitectureInfo info;
};

constexpr std::string_view kTokenizer = "AutoTokenizer";
constexpr std::string_view kProcessor = "AutoProcessor";
constexpr std::string_view kImageProcessor = "AutoImageProcessor";
constexpr std::string_view kFeatureExtractor = "AutoFeatureExtractor";

constexpr ArchitectureInfo kSeq2Seq = {"AutoModelForSeq2SeqLM", "text2text-generation", kTokenizer};
constexpr ArchitectureInfo kSpeech = {"AutoModelForSpeechSeq2Seq", "automatic-speech-recognition",
                                      kProcessor};
constexpr ArchitectureInfo kImageText = {"AutoModelForImageTextToText", "image-text-to-text",
                                         kProcessor};
constexpr ArchitectureInfo kZeroShotImage = {"AutoModelForZeroShotImageClassification",
                                             "zero-shot-image-classification", kProcessor};
constexpr ArchitectureInfo kImageFeatures = {"AutoModel", "image-feature-extraction",
                                             kImageProcessor};
constexpr ArchitectureInfo kMaskGeneration = {"AutoModel", "mask-generation", kProcessor};
constexpr ArchitectureInfo kZeroShotDetection = {"AutoModelForZeroShotObjectDetection",
                                                 "zero-shot-object-detection", kProcessor};

/// Whole names.
constexpr Row kExact[] = {
    {"CLIPModel", kZeroShotImage},
    {"SiglipModel", kZeroShotImage},
    {"Siglip2Model", kZeroShotImage},
    {"AltCLIPModel", kZeroShotImage},
    {"ChineseCLIPModel", kZeroShotImage},
    {"ViTModel", kImageFeatures},
    {"Dinov2Model", kImageFeatures},
    {"DINOv3ViTModel", kImageFeatures},
    {"SamModel", kMaskGeneration},
    {"Sam2Model", kMaskGeneration},
    {"OwlViTForObjectDetection", kZeroShotDetection},
    {"Owlv2ForObjectDetection", kZeroShotDetection},
    {"GroundingDinoForObjectDetection", kZeroShotDetection},
    {"TapasForQuestionAnswering",
     {"AutoModelForTableQuestionAnswering", "table-question-answering", kTokenizer}},
    {"ViltForQuestionAnswering",
     {"AutoModelForVisualQuestionAnswering", "visual-question-answering", kProcessor}},
    {"VitsModel", {"AutoModelForTextToWaveform", "text-to-speech", kTokenizer}},
    {"BarkModel", {"AutoModelForTextToWaveform", "text-to-speech", kProcessor}},
    {"SpeechT5ForTextToSpeech", {"AutoModelForTextToSpectrogram", "text-to-speech", kProcessor}},
    {"SpeechT5ForSpeechToText", kSpeech},
    {"MusicgenForConditionalGeneration",
     {"AutoModelForTextToWaveform", "text-to-audio", kProcessor}},
    {"WhisperForConditionalGeneration", kSpeech},
    {"Speech2TextForConditionalGeneration", kSpeech},
    {"BlipForConditionalGeneration", {"AutoModelForImageTextToText", "image-to-text", kProcessor}},
    {"VisionEncoderDecoderModel", {"AutoModelForImageTextToText", "image-to-text", kProcessor}},
    {"DonutSwinModel", kImageFeatures},
};

/// Ends of names, in the order in which they are tried.
constexpr Row kSuffixes[] = {
    {"ForCausalLM", {"AutoModelForCausalLM", "text-generation", kTokenizer}},
    {"WithLMHeadModel", {"AutoModelForMaskedLM", "fill-mask", kTokenizer}},
    {"LMHeadModel", {"AutoModelForCausalLM", "text-generation", kTokenizer}},
    {"ForSequenceClassification",
     {"AutoModelForSequenceClassification", "text-classification", kTokenizer}},
    {"ForTokenClassification",
     {"AutoModelForTokenClassification", "token-classification", kTokenizer}},
    {"ForQuestionAnswering", {"AutoModelForQuestionAnswering", "question-answering", kTokenizer}},
    {"ForMaskedLM", {"AutoModelForMaskedLM", "fill-mask", kTokenizer}},
    {"ForMultipleChoice", {"AutoModelForMultipleChoice", "multiple-choice", kTokenizer}},
    {"ForPreTraining", {"AutoModelForPreTraining", "", kTokenizer}},
    {"ForNextSentencePrediction", {"AutoModelForNextSentencePrediction", "", kTokenizer}},
    {"ForZeroShotImageClassification", kZeroShotImage},
    {"ForZeroShotObjectDetection", kZeroShotDetection},
    {"ForImageClassification",
     {"AutoModelForImageClassification", "image-classification", kImageProcessor}},
    {"ForObjectDetection", {"AutoModelForObjectDetection", "object-detection", kImageProcessor}},
    {"ForSemanticSegmentation",
     {"AutoModelForSemanticSegmentation", "image-segmentation", kImageProcessor}},
    {"ForInstanceSegmentation",
     {"AutoModelForInstanceSegmentation", "image-segmentation", kImageProcessor}},
    {"ForUniversalSegmentation",
     {"AutoModelForUniversalSegmentation", "image-segmentation", kImageProcessor}},
    {"ForImageSegmentation",
     {"AutoModelForImageSegmentation", "image-segmentation", kImageProcessor}},
    {"ForDepthEstimation", {"AutoModelForDepthEstimation", "depth-estimation", kImageProcessor}},
    {"ForKeypointDetection",
     {"AutoModelForKeypointDetection", "keypoint-detection", kImageProcessor}},
    {"ForMaskedImageModeling", {"AutoModelForMaskedImageModeling", "", kImageProcessor}},
    {"ForImageSuperResolution", {"AutoModelForImageToImage", "image-to-image", kImageProcessor}},
    {"ForVideoClassification",
     {"AutoModelForVideoClassification", "video-classification", kImageProcessor}},
    {"ForCTC", {"AutoModelForCTC", "automatic-speech-recognition", kProcessor}},
    {"ForSpeechSeq2Seq", kSpeech},
    {"ForAudioClassification",
     {"AutoModelForAudioClassification", "audio-classification", kFeatureExtractor}},
    {"ForAudioFrameClassification",
     {"AutoModelForAudioFrameClassification", "voice-activity-detection", kFeatureExtractor}},
    {"ForDocumentQuestionAnswering",
     {"AutoModelForDocumentQuestionAnswering", "document-question-answering", kProcessor}},
    {"ForVisualQuestionAnswering",
     {"AutoModelForVisualQuestionAnswering", "visual-question-answering", kProcessor}},
    {"ForPrediction", {"", "time-series-forecasting", ""}},
    {"MTModel", {"AutoModelForSeq2SeqLM", "translation", kTokenizer}},
};

/// Families of …ForConditionalGeneration that turn text into text.
constexpr std::string_view kTextToText[] = {"T5",
                                            "MT5",
                                            "UMT5",
                                            "LongT5",
                                            "Bart",
                                            "MBart",
                                            "Pegasus",
                                            "PegasusX",
                                            "Blenderbot",
                                            "LED",
                                            "M2M100",
                                            "BlenderbotSmall",
                                            "BigBirdPegasus",
                                            "FSMT",
                                            "NllbMoe",
                                            "PLBart",
                                            "ProphetNet",
                                            "Mvp",
                                            "SwitchTransformers",
                                            "T5Gemma",
                                            "XLMProphetNet"};

}  // namespace

ArchitectureInfo architecture_info(std::string_view architecture, ArchitectureParts parts) {
  for (const Row& row : kExact) {
    if (row.name == architecture) return row.info;
  }
  constexpr std::string_view kConditional = "ForConditionalGeneration";
  if (architecture.ends_with(kConditional)) {
    std::string_view family = architecture.substr(0, architecture.size() - kConditional.size());
    if (std::ranges::find(kTextToText, family) != std::end(kTextToText)) return kSeq2Seq;
    if (parts.has_vision) return kImageText;
    if (parts.has_audio) return {"AutoModelForSeq2SeqLM", "audio-text-to-text", kProcessor};
    return {};
  }
  for (const Row& row : kSuffixes) {
    if (architecture.ends_with(row.name)) return row.info;
  }
  if (architecture.size() > 5 && architecture.ends_with("Model")) {
    return {"AutoModel", "feature-extraction", kTokenizer};
  }
  return {};
}

std::string pipeline_tag_of_architecture(std::string_view architecture) {
  return std::string(architecture_info(architecture).pipeline_tag);
}

std::string pipeline_tag_of_diffusers(std::string_view class_name) {
  struct Part {
    std::string_view text;
    std::string_view task;
  };
  // The first part that the name holds decides.
  constexpr Part kParts[] = {{"ImageToVideo", "image-to-video"},
                             {"Img2Vid", "image-to-video"},
                             {"StableVideoDiffusion", "image-to-video"},
                             {"I2VGen", "image-to-video"},
                             {"VideoToVideo", "video-to-video"},
                             {"TextToVideo", "text-to-video"},
                             {"CogVideoX", "text-to-video"},
                             {"HunyuanVideo", "text-to-video"},
                             {"LTX", "text-to-video"},
                             {"Mochi", "text-to-video"},
                             {"Wan", "text-to-video"},
                             {"AnimateDiff", "text-to-video"},
                             {"ShapE", "text-to-3d"},
                             {"AudioLDM", "text-to-audio"},
                             {"MusicLDM", "text-to-audio"},
                             {"StableAudio", "text-to-audio"},
                             {"Img2Img", "image-to-image"},
                             {"Inpaint", "image-to-image"},
                             {"Upscale", "image-to-image"},
                             {"Pix2Pix", "image-to-image"},
                             {"ImageVariation", "image-to-image"},
                             {"Kontext", "image-to-image"},
                             {"Edit", "image-to-image"},
                             {"DepthPipeline", "depth-estimation"},
                             {"DDPM", "unconditional-image-generation"},
                             {"DDIM", "unconditional-image-generation"},
                             {"PNDM", "unconditional-image-generation"},
                             {"ScoreSdeVe", "unconditional-image-generation"},
                             {"KarrasVe", "unconditional-image-generation"},
                             {"LDMPipeline", "unconditional-image-generation"},
                             {"ConsistencyModelPipeline", "unconditional-image-generation"}};
  for (const Part& part : kParts) {
    if (class_name.find(part.text) != std::string_view::npos) return std::string(part.task);
  }
  return class_name.ends_with("Pipeline") ? "text-to-image" : "";
}

}  // namespace hearth::models
