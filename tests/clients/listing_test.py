"""What huggingface_hub finds in lists and infos: tags, filters, cards, headers of weights, downloads."""

import json
import os
import struct
import time
import uuid

import pytest

hub = pytest.importorskip("huggingface_hub", minversion="2.0")
from huggingface_hub import HfApi, ModelCard, RepoCard, hf_hub_download  # noqa: E402
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError  # noqa: E402


def safetensors_file(counts: dict[str, tuple[str, int, int]]) -> bytes:
    """name -> (dtype, elements, bytes of one)"""
    header, offset = {}, 0
    for name, (dtype, count, width) in counts.items():
        header[name] = {"dtype": dtype, "shape": [count], "data_offsets": [offset, offset + count * width]}
        offset += count * width
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


def gguf_file() -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    def pair(key: str, kind: int, value: bytes) -> bytes:
        return text(key) + struct.pack("<I", kind) + value
    pairs = [pair("general.architecture", 8, text("llama")),
             pair("llama.context_length", 4, struct.pack("<I", 2048)),
             pair("tokenizer.chat_template", 8, text("{{ messages }}"))]
    tensor = text("w") + struct.pack("<IQQIQ", 2, 3, 5, 0, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensor + bytes(64)


def until(condition, seconds: float = 20):
    """What a task right after the commit makes true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come true in time")


def upload(api: HfApi, repo_id: str, path: str, content: bytes, repo_type: str = "model") -> None:
    api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id, repo_type=repo_type)


def test_a_model_is_found_by_everything_it_says_of_itself(api, model):
    tag = "x" + uuid.uuid4().hex[:8]
    ModelCard(f"---\nlicense: mit\nlanguage: [en, 'no']\ntags: [{tag}]\ndatasets: [alice/squad]\n"
              "library_name: transformers\nbase_model: alice/base\n---\n"
              "See https://arxiv.org/abs/1810.04805.\n").push_to_hub(model)
    upload(api, model, "config.json", json.dumps(
        {"architectures": ["BertForMaskedLM"], "model_type": "bert"}).encode())
    info = api.model_info(model)
    assert info.pipeline_tag == "fill-mask" and info.library_name == "transformers"
    assert info.card_data.license == "mit" and info.config["model_type"] == "bert"
    assert info.transformers_info.auto_model == "AutoModelForMaskedLM" and info.mask_token == "[MASK]"
    for wanted in ("bert", "en", "no", "dataset:alice/squad", "arxiv:1810.04805", "license:mit",
                   "base_model:alice/base", "base_model:finetune:alice/base"):
        assert wanted in info.tags
        assert [item.id for item in api.list_models(filter=[tag, wanted])] == [model]
    assert [item.id for item in api.list_models(filter=tag, pipeline_tag="fill-mask", author="alice")] == [model]
    assert [item.id for item in api.list_models(search=model.split("/")[1].upper())] == [model]
    assert list(api.list_models(filter=tag, gated=True)) == []
    assert list(api.list_models(filter=tag, inference="warm")) == []
    assert [item.id for item in api.list_models(filter=tag, trained_dataset="alice/squad")] == [model]


def test_items_hold_only_what_was_asked_for(api, model):
    name = model.split("/")[1]
    upload(api, model, "config.json", b'{"model_type": "bert"}')
    plain = next(iter(api.list_models(search=name)))
    assert plain.config is None and plain.card_data is None and plain.siblings is None and plain.sha is None
    full = next(iter(api.list_models(search=name, full=True, cardData=True, fetch_config=True)))
    assert [file.rfilename for file in full.siblings] == [".gitattributes", "config.json"]
    assert full.config == {"model_type": "bert"} and full.author == "alice" and len(full.sha) == 40
    some = next(iter(api.list_models(search=name, expand=["author", "downloadsAllTime"])))
    assert some.author == "alice" and some.downloads_all_time == 0
    assert some.downloads is None and some.created_at is None and some.last_modified is None
    for listing in (api.list_models, api.list_datasets, api.list_spaces):
        with pytest.raises(HfHubHTTPError, match="expected one of"):
            next(iter(listing(expand=["nonsense"])))


def test_headers_of_weights_are_read(api, model):
    upload(api, model, "model.safetensors", safetensors_file({"a": ("F32", 10, 4), "b": ("BF16", 6, 2)}))
    facts = until(lambda: api.model_info(model).safetensors)
    assert facts.parameters == {"F32": 10, "BF16": 6} and facts.total == 16
    assert "safetensors" in api.model_info(model).tags
    name = model.split("/")[1]
    assert [item.id for item in api.list_models(search=name, num_parameters="min:16,max:1K")] == [model]
    assert list(api.list_models(search=name, num_parameters="min:17")) == []
    api.delete_file("model.safetensors", model)
    assert api.model_info(model).safetensors is None


def test_a_gguf_file_tells_its_architecture(api, model):
    upload(api, model, "m-Q4_0.gguf", gguf_file())
    facts = until(lambda: api.model_info(model).gguf)
    assert facts["architecture"] == "llama" and facts["total"] == 15 and facts["context_length"] == 2048
    name = model.split("/")[1]
    assert [item.id for item in api.list_models(search=name, apps="ollama")] == [model]
    assert list(api.list_models(search=name, apps=["ollama", "vllm"])) == []


def test_datasets_and_spaces_have_their_filters(api, new_name):
    data, space = new_name(), new_name()
    api.create_repo(data, repo_type="dataset")
    RepoCard("---\nlanguage: en\ntask_categories: [text-classification]\nsize_categories: n<1K\n"
             "pretty_name: Nice\n---\nA set of sentences.\n").push_to_hub(data, repo_type="dataset")
    upload(api, data, "train.csv", b"text,label\na,1\n", "dataset")
    info = next(iter(api.list_datasets(search=data.split("/")[1], language="en", size_categories="n<1K",
                                       task_categories="text-classification", full=True)))
    assert info.id == data and info.description == "A set of sentences." and "format:csv" in info.tags
    assert info.card_data.pretty_name == "Nice"
    api.create_repo(space, repo_type="space", space_sdk="gradio")
    RepoCard(f"---\nsdk: gradio\ndatasets: [{data}]\n---\n").push_to_hub(space, repo_type="space")
    found = list(api.list_spaces(datasets=data, linked=True))
    assert [item.id for item in found] == [space] and found[0].datasets == [data]
    assert list(api.list_spaces(models="alice/absent")) == []


def test_pages_follow_each_other_without_gaps(api, new_name):
    tag = "p" + uuid.uuid4().hex[:8]
    names = []
    for _ in range(5):
        names.append(new_name())
        api.create_repo(names[-1])
        ModelCard(f"---\ntags: [{tag}]\n---\n").push_to_hub(names[-1])
    session, seen = hub.utils.get_session(), []
    url = f"{os.environ['HF_ENDPOINT']}/api/models?filter={tag}&limit=2&sort=id&expand=author"
    while url:
        answer = session.get(url)
        assert len(answer.json()) <= 2 and all(item["author"] == "alice" for item in answer.json())
        seen += [item["id"] for item in answer.json()]
        url = answer.links["next"]["url"] if "next" in answer.links else None
    assert seen == sorted(names)
    assert session.get(f"{os.environ['HF_ENDPOINT']}/api/models?cursor=nonsense").status_code == 400


def test_downloads_are_counted_once_per_client(api, model, tmp_path):
    upload(api, model, "config.json", b"{}")
    for index in range(3):
        hf_hub_download(model, "config.json", cache_dir=tmp_path / str(index))
    assert until(lambda: api.model_info(model).downloads) == 1
    assert api.model_info(model, expand=["downloadsAllTime"]).downloads_all_time == 1


def test_a_card_is_checked_before_it_is_committed(api, model):
    card = ModelCard("---\nlicense: mit\n---\n")
    card.validate()
    card.data.license = "asdf"
    with pytest.raises(ValueError, match='- Error: "license" must be one of'):
        card.validate()
    with pytest.raises(ValueError, match="Invalid metadata in README.md"):
        upload(api, model, "README.md", b"---\nmodel-index: foo\n---\n")
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        upload(api, model, "README.md", b"# Only text")


def test_headers_of_a_sharded_model_in_one_answer(api, model):
    shards = {"one.safetensors": {"a": ("F32", 10, 4)}, "two.safetensors": {"b": ("BF16", 6, 2), "c": ("I64", 3, 8)}}
    index = {"metadata": {"total_size": 76}, "weight_map": {tensor: name for name, tensors in shards.items() for tensor in tensors}}
    upload(api, model, "model.safetensors.index.json", json.dumps(index).encode())
    for name, tensors in shards.items():
        upload(api, model, name, safetensors_file(tensors))
    found, each = api.get_sharded_safetensors_metadata(model), api.get_safetensors_metadata(model)
    assert (found.files_metadata, found.weight_map, found.metadata) == (each.files_metadata, each.weight_map, each.metadata)
    assert set(found.files_metadata) == set(shards)
    with pytest.raises(EntryNotFoundError):
        api.get_sharded_safetensors_metadata(model, filename="absent.index.json")
    upload(api, model, "two.safetensors", b"no header")
    with pytest.raises(HfHubHTTPError, match="two.safetensors cannot be read"):
        api.get_sharded_safetensors_metadata(model)
