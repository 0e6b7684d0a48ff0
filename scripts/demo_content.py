"""What a believable hub holds: small models, datasets and Spaces with cards, made here and sent through the public API.

    HEARTH_BIN=build/bin/hearth python3 scripts/demo_content.py URL DATA      a running hub, and the folder of its data

scripts/up --demo and the tests of the pages fill their hubs with it. The weights are noise; names and figures are
made up.
"""

import base64
import hashlib
import json
import os
import random
import struct
import subprocess
import sys
import urllib.error
import urllib.request
import zlib

ORGANISATIONS = {"fernhollow": "sorrel", "oakum-lab": "sorrel", "quillback": "juniper", "saltglass": "juniper", "tarnish-audio": "sorrel"}
TOKEN_NAME = "demo-content"
PEOPLE = ("sorrel", "juniper", "moss")


class Hub:
    def __init__(self, url: str, tokens: dict[str, str]) -> None:
        self.url = url.rstrip("/")
        self.tokens = tokens

    def call(self, method: str, path: str, user: str, body: object = None, content_type: str = "application/json") -> bytes:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", content_type)
        if user:
            request.add_header("Authorization", f"Bearer {self.tokens[user]}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from error

    def create(self, kind: str, name: str, user: str, **more: object) -> None:
        owner, _, short = name.partition("/")
        body = {"type": kind, "name": short, **more}
        if owner != user:
            body["organization"] = owner
        self.call("POST", "/api/repos/create", user, body)

    def commit(self, kind: str, name: str, user: str, summary: str, files: dict[str, bytes], description: str = "") -> None:
        lines = [{"key": "header", "value": {"summary": summary, "description": description}}]
        for path, content in files.items():
            if path.endswith((".safetensors", ".gguf", ".parquet", ".bin", ".png", ".wav")):
                lines.append({"key": "lfsFile", "value": self._upload(kind, name, user, path, content)})
            else:
                lines.append({"key": "file", "value": {"path": path, "encoding": "base64", "content": base64.b64encode(content).decode()}})
        text = "\n".join(json.dumps(line) for line in lines).encode()
        self.call("POST", f"/api/{kind}s/{name}/commit/main", user, text, "application/x-ndjson")

    def _upload(self, kind: str, name: str, user: str, path: str, content: bytes) -> dict:
        oid = hashlib.sha256(content).hexdigest()
        prefix = "" if kind == "model" else f"{kind}s/"
        batch = json.loads(self.call("POST", f"/{prefix}{name}.git/info/lfs/objects/batch", user, {
            "operation": "upload", "transfers": ["basic"], "hash_algo": "sha_256", "objects": [{"oid": oid, "size": len(content)}]},
            "application/vnd.git-lfs+json"))
        for action in ("upload", "verify"):
            step = batch["objects"][0].get("actions", {}).get(action)
            if step is None:
                continue
            data = content if action == "upload" else json.dumps({"oid": oid, "size": len(content)}).encode()
            request = urllib.request.Request(step["href"], data=data, method="PUT" if action == "upload" else "POST")
            for key, value in step.get("header", {}).items():
                request.add_header(key, value)
            request.add_header("Content-Type", "application/octet-stream" if action == "upload" else "application/vnd.git-lfs+json")
            with urllib.request.urlopen(request, timeout=60):
                pass
        return {"path": path, "algo": "sha256", "oid": oid, "size": len(content)}


def safetensors(shapes: dict[str, tuple[int, ...]], dtype: str = "BF16", seed: int = 1) -> bytes:
    header, offset = {}, 0
    width = {"BF16": 2, "F16": 2, "F32": 4}[dtype]
    for name, shape in shapes.items():
        size = width
        for side in shape:
            size *= side
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + random.Random(seed).randbytes(offset)


def png(width: int, height: int, pixel) -> bytes:
    """An RGB picture; `pixel(x, y)` gives three bytes."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def bert_like(hidden: int, layers: int, vocab: int = 1000) -> dict[str, tuple[int, ...]]:
    shapes = {"embeddings.word.weight": (vocab, hidden)}
    for layer in range(layers):
        for part in ("query", "key", "value", "output"):
            shapes[f"layers.{layer}.attention.{part}.weight"] = (hidden, hidden)
        shapes[f"layers.{layer}.mlp.up.weight"] = (4 * hidden, hidden)
        shapes[f"layers.{layer}.mlp.down.weight"] = (hidden, 4 * hidden)
        shapes[f"layers.{layer}.norm.weight"] = (hidden,)
    return shapes


ALDER_CARD = """---
license: apache-2.0
language:
- de
- en
library_name: transformers
pipeline_tag: text-generation
base_model: fernhollow/alder-1b
datasets:
- oakum-lab/manuals-de
tags:
- manuals
---
# Alder 1B Instruct

A German and English assistant for long manuals, service tickets and repair advice. It answers from the text it is given,
says which passage it used, and says so when the passage does not settle the question.

![Answers by length of the manual](figures/lengths.png)

## When to use it

Use it where the answer is in a document you can pass along. For open questions without a source,
[Sextant](https://huggingface.co/quillback/sextant-reason) is the better choice at twice the memory.

> It was not trained to give advice about electricity above 50 V, and should not be asked for it.

## Results

Greedy decoding, bf16, three seeds. Intervals are 95%, from resampling the items.

| Benchmark | Measure | Items | Alder 1B | Alder 1B Instruct |
| --- | --- | ---: | ---: | ---: |
| BenchQA-de | exact match | 2,400 | 61.8 | 74.3 ± 1.7 |
| RepairSteps | step order, tau | 860 | 0.52 | 0.68 ± 0.03 |
| LongManual 32k | passage recall | 500 | 88.0 | 91.2 ± 2.5 |

## Run it

```python
from transformers import pipeline

ask = pipeline("text-generation", model="fernhollow/alder-1b-instruct")
print(ask([{"role": "user", "content": "Wie tausche ich die Kohlebürsten?"}], max_new_tokens=400)[0]["generated_text"][-1])
```

## How it was trained

The loss is the cross entropy of the answer's tokens only, with a small pull towards the base model:

$$
\\mathcal{L} = -\\sum_{t \\in \\text{answer}} \\log p_\\theta(x_t \\mid x_{<t}) + \\beta \\, D_{\\mathrm{KL}}(p_\\theta \\,\\|\\, p_{\\text{base}})
$$

with $\\beta = 0.05$, falling to zero over the first 2,000 steps.

```mermaid
flowchart LR
  A[alder-1b] --> B[Tuned on answers]
  D[(manuals-de)] --> B
  B --> C[Preferences]
  C --> E[alder-1b-instruct]
```

- [x] German and English
- [x] Says which passage it used
- [ ] Tables inside of manuals

## Known limits

Numbers in scanned tables are read wrongly about once in forty. Dialects are answered in standard German.
"""


def model_card(title: str, lead: str, **meta: object) -> bytes:
    lines = ["---"]
    for key, value in meta.items():
        if isinstance(value, list):
            lines += [f"{key}:", *(f"- {item}" for item in value)]
        else:
            lines.append(f"{key}: {value}")
    return "\n".join([*lines, "---", f"# {title}", "", lead, "", "## Use", "",
                      "Small enough for a laptop. The weights are noise: this is a demonstration.", ""]).encode()


# name, title, lead, hidden size, layers, dtype, card metadata
MODELS = [
    ("fernhollow/alder-1b", "Alder 1B", "A base model for German and English.", 96, 6, "BF16",
     {"license": "apache-2.0", "language": ["de", "en"], "library_name": "transformers", "pipeline_tag": "text-generation"}),
    ("oakum-lab/tern-embed-large", "Tern embed large", "Sentence embeddings for search in five languages.", 64, 4, "F32",
     {"license": "mit", "language": ["de", "en", "fr", "es", "it"], "library_name": "sentence-transformers", "pipeline_tag": "sentence-similarity"}),
    ("quillback/sextant-reason", "Sextant Reason", "Reasons in steps that can be checked.", 112, 6, "BF16",
     {"license": "apache-2.0", "language": "en", "library_name": "transformers", "pipeline_tag": "text-generation"}),
    ("tarnish-audio/lark-asr-medium", "Lark ASR medium", "Speech to text for fourteen languages.", 72, 4, "F32",
     {"license": "cc-by-4.0", "language": ["en", "de", "nl"], "library_name": "transformers", "pipeline_tag": "automatic-speech-recognition"}),
    ("oakum-lab/knotwork-ner-multi", "Knotwork NER", "Names, places and part numbers in running text.", 48, 4, "F32",
     {"license": "mit", "language": ["en", "de"], "library_name": "transformers", "pipeline_tag": "token-classification"}),
    ("quillback/sextant-vl", "Sextant VL", "Pictures and text to text.", 80, 5, "BF16",
     {"license": "apache-2.0", "language": "en", "library_name": "transformers", "pipeline_tag": "image-text-to-text"}),
    ("saltglass/moorhen-translate-de-en", "Moorhen", "Translates manuals from German to English.", 56, 4, "F32",
     {"license": "cc-by-4.0", "language": ["de", "en"], "library_name": "transformers", "pipeline_tag": "translation"}),
    ("saltglass/peat-vit-448", "Peat ViT", "Image classification for surfaces and materials.", 64, 5, "F32",
     {"license": "apache-2.0", "library_name": "timm", "pipeline_tag": "image-classification"}),
    ("tarnish-audio/wren-tts-small", "Wren TTS", "Three voices, small enough for a phone.", 40, 3, "F32",
     {"license": "mit", "language": "en", "pipeline_tag": "text-to-speech"}),
    ("juniper/a-model-with-a-very-long-name-that-somebody-chose-on-a-friday-afternoon", "A long name", "For trying things.", 16, 1, "F32",
     {"license": "mit", "pipeline_tag": "fill-mask"}),
]

DATASETS = [
    ("oakum-lab/manuals-de", "Manuals", "Pages of service manuals in German, with questions.",
     {"license": "cc-by-4.0", "language": "de", "task_categories": ["question-answering"], "size_categories": ["1K<n<10K"]}),
    ("fernhollow/bench-dialogues", "Bench dialogues", "Talks between a mechanic and an assistant.",
     {"license": "apache-2.0", "language": ["de", "en"], "task_categories": ["text-generation"], "size_categories": ["n<1K"]}),
    ("tarnish-audio/harbour-sounds", "Harbour sounds", "Labels of recordings from three harbours.",
     {"license": "mit", "task_categories": ["audio-classification"], "size_categories": ["n<1K"]}),
]

SPACES = [("fernhollow/ask-the-manual", "Ask the manual", "fernhollow/alder-1b-instruct"),
          ("saltglass/moorhen-live", "Moorhen live", "saltglass/moorhen-translate-de-en")]


def config_of(hidden: int, layers: int, task: str) -> bytes:
    architecture = {"text-generation": "LlamaForCausalLM", "fill-mask": "BertForMaskedLM"}.get(task, "BertModel")
    return json.dumps({"architectures": [architecture], "model_type": "llama" if "Llama" in architecture else "bert",
                       "hidden_size": hidden, "num_hidden_layers": layers, "vocab_size": 1000, "torch_dtype": "bfloat16"}, indent=2).encode()


def owner_of(name: str) -> str:
    owner = name.split("/")[0]
    return ORGANISATIONS.get(owner, owner)


def fill(hub: Hub) -> None:
    for number, (name, title, lead, hidden, layers, dtype, meta) in enumerate(MODELS):
        user = owner_of(name)
        hub.create("model", name, user)
        hub.commit("model", name, user, "Add configuration", {"config.json": config_of(hidden, layers, str(meta.get("pipeline_tag")))})
        hub.commit("model", name, user, "Add weights", {"model.safetensors": safetensors(bert_like(hidden, layers), dtype, number)})
        hub.commit("model", name, user, "Write the card", {"README.md": model_card(title, lead, **meta)})
    _alder_instruct(hub)
    for name, title, lead, meta in DATASETS:
        user = owner_of(name)
        hub.create("dataset", name, user)
        rows = "".join(json.dumps({"id": i, "question": f"What does part {i} do?", "answer": f"It holds part {i + 1}."}) + "\n" for i in range(200))
        hub.commit("dataset", name, user, "Add the rows", {"data/train.jsonl": rows.encode(), "data/test.csv": b"id,label\n1,a\n2,b\n"})
        hub.commit("dataset", name, user, "Write the card", {"README.md": model_card(title, lead, **meta)})
    for name, title, model in SPACES:
        user = owner_of(name)
        hub.create("space", name, user, sdk="static")
        card = f"---\ntitle: {title}\nsdk: static\nlicense: mit\nmodels:\n- {model}\n---\n# {title}\n\nTry it in the browser.\n"
        hub.commit("space", name, user, "First version", {"README.md": card.encode(), "index.html": b"<h1>Hello</h1>\n"})
    for user, names in (("moss", [m[0] for m in MODELS[:6]] + ["fernhollow/alder-1b-instruct"]),
                        ("juniper", [MODELS[0][0], "fernhollow/alder-1b-instruct"]), ("sorrel", ["fernhollow/alder-1b-instruct"])):
        for name in names:
            hub.call("POST", f"/api/models/{name}/like", user, b"")
    for user in PEOPLE:
        for name in ("fernhollow/alder-1b-instruct", *(m[0] for m in MODELS[:4])):
            hub.call("GET", f"/{name}/resolve/main/config.json", user)


def _alder_instruct(hub: Hub) -> None:
    name, user = "fernhollow/alder-1b-instruct", "sorrel"
    hub.create("model", name, user)
    hub.commit("model", name, user, "Add configuration and tokenizer", {
        "config.json": config_of(96, 6, "text-generation"),
        "generation_config.json": json.dumps({"max_new_tokens": 400, "do_sample": False}, indent=2).encode(),
        "tokenizer_config.json": json.dumps({"chat_template": "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}",
                                             "eos_token": "</s>"}, indent=2).encode()})
    hub.commit("model", name, user, "Add weights", {"model.safetensors": safetensors(bert_like(96, 6), "BF16", 77)},
               "Three seeds were tuned; this is the second.")
    curve = [120 - int(90 * (x / 640) ** 0.5) for x in range(640)]

    def pixel(x: int, y: int) -> tuple[int, int, int]:
        if abs(y - curve[x]) < 2:
            return (196, 84, 20)
        return (226, 222, 216) if y % 32 == 0 or x in (0, 639) else (252, 251, 249)
    hub.commit("model", name, user, "Measure against the length of the manual", {
        "figures/lengths.png": png(640, 160, pixel),
        "evaluation/run.py": b"import json\nimport sys\n\n\ndef exact_match(answer: str, wanted: str) -> bool:\n    return answer.strip().lower() == wanted.strip().lower()\n\n\n"
                             b"if __name__ == \"__main__\":\n    rows = [json.loads(line) for line in sys.stdin]\n    print(sum(exact_match(r[\"answer\"], r[\"wanted\"]) for r in rows) / len(rows))\n"})
    hub.commit("model", name, user, "Write the card", {"README.md": ALDER_CARD.encode()})


def make_people(data: str) -> dict[str, str]:
    """The users and organisations, by the command line; gives each user's token."""
    def hearth(*arguments: str) -> str:
        return subprocess.run([os.environ.get("HEARTH_BIN", "hearth"), *arguments, "--data", data], check=True, capture_output=True, text=True).stdout
    for name in PEOPLE:
        hearth("user", "add", name)
    for name, owner in ORGANISATIONS.items():
        hearth("org", "add", name, "--owner", owner)
    return {name: hearth("token", "add", name, "--name", TOKEN_NAME, "--role", "write").split()[-1] for name in PEOPLE}


if __name__ == "__main__":
    fill(Hub(sys.argv[1], make_people(sys.argv[2])))
