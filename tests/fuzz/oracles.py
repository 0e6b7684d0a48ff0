"""Our parsers beside the formats' own programs: made and broken inputs, the same verdict of both.

    python tests/fuzz/oracles.py [--cases N] [--seed S] [KIND ...] [--publish]      needs the environment "hostile"

The oracles: safetensors' own library, PyYAML, gguf's reader, and git (check-attr, check-ignore, check-ref-format). Where
Hearth differs on purpose the reason stands here, beside the exception, and nowhere is a difference let pass without one.
"""

import argparse
import base64
import collections
import datetime
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy
import safetensors
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests")]
from lib import figures  # noqa: E402

PROGRAM = Path(os.environ.get("HEARTH_BIN", ROOT / "build" / "bin" / "hearth")).with_name("verdicts")


class Hearth:
    """What Hearth's parsers say, by the program of tests/fuzz/verdicts.cc."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, kind: str, data: bytes, paths: list[bytes] | None = None) -> dict:
        question = {"kind": kind, "data": base64.b64encode(data).decode()}
        if paths is not None:
            question["paths"] = [base64.b64encode(path).decode() for path in paths]
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the parser died of {kind} {data!r} {paths!r}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Outcome:
    cases: int = 0
    accepted: int = 0  # By both; else the inputs are all broken and prove little.
    differences: list[str] = field(default_factory=list)

    def compare(self, what: object, ours: object, theirs: object) -> None:
        self.cases += 1
        self.accepted += bool(theirs)
        if ours != theirs and len(self.differences) < 20:
            self.differences.append(f"{what!r}: Hearth {ours!r}, the oracle {theirs!r}")


# safetensors ----------------------------------------------------------------------------------------------------------

DTYPE_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
              "F32": 32, "F64": 64, "I64": 64, "U64": 64}
HEADER_NUMBERS = [0, 1, -1, 2, 8, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 1.0, 1e30, None, "1", True]


def safetensors_file(dice: random.Random) -> bytes:
    """A file of a few small tensors, mostly with one thing wrong."""
    header: dict = {}
    at = 0
    for number in range(dice.randrange(5)):
        dtype = dice.choice(list(DTYPE_BITS))
        shape = [dice.choice([0, 1, 1, 2, 3]) for _ in range(dice.randrange(4))]
        size = math.prod(shape) * DTYPE_BITS[dtype] // 8
        header[dice.choice(["w", "layer.", "é", ""]) + str(number)] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    if dice.random() < 0.3:
        header["__metadata__"] = dice.choice([{}, {"format": "pt"}, {"a": "b", "c": ""}, {"a": 1}, None, [], "x", {"a": None}])
    names = [name for name in header if name != "__metadata__"]
    if dice.random() < 0.3:
        dice.shuffle(names)  # The order of the header need not be that of the data.
        header = {name: header[name] for name in names} | {key: value for key, value in header.items() if key not in names}
    data = bytes(at)
    broken = dice.randrange(12)
    if names and broken < 6:
        entry = header[dice.choice(names)]
        if broken == 0:
            entry["data_offsets"][dice.randrange(2)] = dice.choice([*HEADER_NUMBERS, at, at + 1])
        elif broken == 1:
            entry["shape"].append(dice.choice(HEADER_NUMBERS))
        elif broken == 2:
            entry["dtype"] = dice.choice(["F31", "f32", "", 7, None, "F4", "F6_E2M3", "F8_E8M0", "C64", "F8_E4M3FNUZ"])
        elif broken == 3:
            del entry[dice.choice(list(entry))]
        elif broken == 4:
            entry["more"] = 1
        else:
            entry[dice.choice(list(entry))] = dice.choice([[], {}, [0], [0, 0, 0], "", None])
    text = json.dumps(header, ensure_ascii=dice.random() < 0.5).encode()
    if broken == 6 and text:
        text = text[:dice.randrange(len(text) + 1)]
    elif broken == 7:
        at = dice.randrange(len(text))
        text = text[:at] + bytes([dice.randrange(256)]) + text[at + 1:]
    elif broken == 8 and names:  # A name twice.
        text = text[:-1] + b", " + json.dumps({names[0]: header[names[0]]}).encode()[1:]
    elif broken == 9:
        text = dice.choice([b" " + text, text + b"  ", text + b"\n", text + b"x", b"", b"[]", b"null", b"\xef\xbb\xbf" + text])
    elif broken == 10:
        data = data[:-1] if dice.random() < 0.5 else data + b"x"
    length = len(text)
    if broken == 11:
        length = dice.choice([0, length - 1, length + 1, length + 8, (1 << 63), (1 << 64) - 1, 100_000_001])
    return struct.pack("<Q", length % (1 << 64)) + text + data


def safetensors_verdict(content: bytes) -> dict | None:
    """Elements by dtype as the library sees them; nothing when it refuses."""
    try:
        tensors = safetensors.deserialize(content)
    except safetensors.SafetensorError:
        return None
    counts: dict[str, int] = collections.Counter()
    for _, tensor in tensors:
        counts[tensor["dtype"]] += math.prod(tensor["shape"])
    return {"parameters": {dtype: count for dtype, count in counts.items()}, "total": sum(counts.values())}


def against_the_format(content: bytes) -> bool:
    """What the format's page forbids and the library takes: a header that does not begin with '{', and a name twice.
    A reader that takes the other of two tensors would load other weights than were shown."""
    length = struct.unpack("<Q", content[:8])[0]
    header = content[8:8 + length]

    def refuse_doubles(pairs: list) -> dict:
        # Remarks of __metadata__ may stand there twice: nothing is loaded by them.
        if len({key for key, _ in pairs}) < len(pairs) and not all(isinstance(value, str) for _, value in pairs):
            raise KeyError
        return dict(pairs)

    try:
        json.loads(header, object_pairs_hook=refuse_doubles)
    except KeyError:
        return True
    except ValueError:
        return False
    return not header.startswith(b"{")


def check_safetensors(hearth: Hearth, dice: random.Random, outcome: Outcome) -> None:
    content = safetensors_file(dice)
    if against_the_format(content):
        if "facts" in hearth.ask("safetensors", content):
            outcome.compare(content, "taken", "forbidden")
        return
    theirs = safetensors_verdict(content)
    ours = hearth.ask("safetensors", content)
    outcome.compare(content, ours.get("facts"), theirs)


# GGUF -----------------------------------------------------------------------------------------------------------------

VALUES = gguf.GGUFValueType
WHOLE = {VALUES.UINT8: "B", VALUES.INT8: "b", VALUES.UINT16: "H", VALUES.INT16: "h", VALUES.UINT32: "I", VALUES.INT32: "i", VALUES.UINT64: "Q", VALUES.INT64: "q"}
FIXED = WHOLE | {VALUES.FLOAT32: "f", VALUES.FLOAT64: "d", VALUES.BOOL: "?"}
GGUF_TEXTS = ["llama", "clip", "{{ messages }}", "<s>", "é", "", "a" * 1025]
LENGTHS = [0, 1, 7, 255, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
RANK_MAX = 8


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(dice: random.Random, depth: int = 0) -> tuple[VALUES, bytes]:
    kind = dice.choice(list(VALUES) if depth < 3 else [VALUES.STRING, VALUES.UINT8])
    if kind == VALUES.STRING:
        return kind, gguf_text(dice.choice(GGUF_TEXTS))
    if kind == VALUES.ARRAY:
        element, _ = gguf_value(dice, depth + 1)
        parts: list[bytes] = []
        for _ in range(dice.randrange(3)):
            other, value = gguf_value(dice, depth + 1)
            while other != element:
                other, value = gguf_value(dice, depth + 1)
            parts.append(value)
        return kind, struct.pack("<IQ", element, len(parts)) + b"".join(parts)
    return kind, struct.pack("<" + FIXED[kind], dice.randrange(100))


def gguf_file(dice: random.Random) -> bytes:
    """A header with some of what Hearth reads from one, often with one thing wrong."""
    tokens = [dice.choice(GGUF_TEXTS) for _ in range(dice.randrange(4))]
    pairs: dict[str, tuple[int, bytes]] = {}
    for key in dice.sample(["general.architecture", "general.name", "llama.context_length", "clip.context_length", ".context_length", "tokenizer.chat_template",
                            "tokenizer.ggml.tokens", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "more", "é"], dice.randrange(9)):
        if dice.random() < 0.2:
            pairs[key] = gguf_value(dice)
        elif key == "tokenizer.ggml.tokens":
            pairs[key] = VALUES.ARRAY, struct.pack("<IQ", VALUES.STRING, len(tokens)) + b"".join(map(gguf_text, tokens))
        elif key.endswith(("_id", "_length")):
            kind = dice.choice(list(WHOLE))
            pairs[key] = kind, struct.pack("<" + WHOLE[kind], dice.randrange(-2 if WHOLE[kind].islower() else 0, 5))
        else:
            pairs[key] = VALUES.STRING, gguf_text(dice.choice(GGUF_TEXTS))
    broken = dice.randrange(14)
    if pairs and broken == 0:
        pairs[dice.choice(list(pairs))] = dice.choice([13, 255, 1 << 31]), bytes(8)
    elif pairs and broken == 1:
        pairs[dice.choice(list(pairs))] = VALUES.STRING, struct.pack("<Q", dice.choice(LENGTHS)) + b"abc"
    elif pairs and broken == 2:
        pairs[dice.choice(list(pairs))] = VALUES.ARRAY, struct.pack("<IQ", dice.choice([0, 5, 8, 9, 12, 13, 1 << 31]), dice.choice(LENGTHS)) + bytes(dice.randrange(20))
    tensors = []
    for number in range(dice.randrange(4)):
        shape = [dice.choice([0, 1, 2, 32]) for _ in range(dice.randrange(5))]
        if broken == 3:
            shape.append(dice.choice(LENGTHS))
        rank = dice.choice([9, 1 << 31]) if broken == 4 else len(shape)
        tensors.append(gguf_text(f"blk.{number}.w") + struct.pack(f"<I{len(shape)}QIQ", rank, *shape, dice.choice([0, 1, 2, 30]), 0))
    counts = [len(tensors), len(pairs)]
    if broken == 5:
        counts[dice.randrange(2)] = dice.choice([*LENGTHS, len(tensors) + 1, len(pairs) + 1])
    magic = dice.choice([b"GGUF", b"FUGG", b"gguf", b"GGML"]) if broken == 6 else b"GGUF"
    version = dice.choice([0, 1, 2, 4, 3 << 24, (1 << 32) - 1]) if broken == 7 else dice.choice([2, 3, 3])
    content = magic + struct.pack("<IQQ", version, *counts) + b"".join(gguf_text(key) + struct.pack("<I", kind) + value for key, (kind, value) in pairs.items())
    content += b"".join(tensors)
    if broken == 8:
        content = content[:dice.randrange(len(content) + 1)]
    elif broken == 9:
        at = dice.randrange(len(content))
        content = content[:at] + bytes([dice.randrange(256)]) + content[at + 1:]
    return content


class GgufHeader(gguf.GGUFReader):
    """The reader without the tensors' data, which Hearth does not look at either, and without two of its liberties."""

    def _build_tensors(self, start_offs: int, fields: list) -> None:
        self.shapes = [field.parts[3].tolist() for field in fields]

    def _get(self, offset: int, dtype, count: int = 1, override_order=None) -> numpy.ndarray:
        found = super()._get(offset, dtype, count, override_order)
        if len(found) < count:
            raise ValueError("It takes what there is of a value that the file's end cuts.")
        return found

    def _get_field_parts(self, orig_offs: int, raw_type: int):
        found = super()._get_field_parts(orig_offs, raw_type)
        if raw_type == VALUES.ARRAY:
            VALUES(found[1][0][0])  # It does not look at the type of an array without elements.
        return found


def gguf_verdict(content: bytes) -> dict | None:
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(content)
        file.flush()
        try:
            header = GgufHeader(file.name)
        except UnicodeDecodeError:
            raise NoOpinion from None  # A name that is no text is passed over.
        except KeyError:
            raise NoOpinion from None  # A key that stands there twice: Hearth shows what the later says.
        except (ValueError, IndexError):
            return None
        if header.byte_order == "S":
            return None  # Files of machines that have the other order of bytes are none of the Hub's.
        return gguf_facts(header)


def gguf_facts(header: GgufHeader) -> dict | None:
    total = 0
    for shape in header.shapes:
        products = [math.prod(shape[:rank]) for rank in range(len(shape) + 1)]
        total += products[-1]
        if len(shape) > RANK_MAX or max(products) >= 1 << 64:
            return None
    if total >= 1 << 63:
        return None  # More than can be counted.

    def text_of(key: str, limit_bytes: int) -> str | None:
        field = header.get_field(key)
        return _short_text(field.parts[-1], limit_bytes) if field and field.types == [VALUES.STRING] else None

    def whole(key: str) -> int | None:
        field = header.get_field(key)
        return int(field.parts[-1][0]) if field and field.types[0] in WHOLE else None

    def token(key: str) -> str | None:
        number, tokens = whole(key), header.get_field("tokenizer.ggml.tokens")
        if number is None or not tokens or tokens.types != [VALUES.ARRAY, VALUES.STRING] or not 0 <= number < len(tokens.data):
            return None
        return _short_text(tokens.parts[tokens.data[number]], 1024)

    architecture = text_of("general.architecture", 1024) or ""
    length = whole(f"{architecture}.context_length")
    found = {"context_length": length if length is not None and 0 <= length < 1 << 63 else None, "chat_template": text_of("tokenizer.chat_template", 256 << 10),
             "bos_token": token("tokenizer.ggml.bos_token_id"), "eos_token": token("tokenizer.ggml.eos_token_id")}
    return {"total": total, "architecture": architecture} | {key: value for key, value in found.items() if value is not None}


def _short_text(content: numpy.ndarray, limit_bytes: int) -> str | None:
    """What is longer, or no text, is not shown."""
    try:
        return content.tobytes().decode() if content.nbytes <= limit_bytes else None
    except UnicodeDecodeError:
        return None


def check_gguf(hearth: Hearth, dice: random.Random, outcome: Outcome) -> None:
    content = gguf_file(dice)
    answer = hearth.ask("gguf", content)
    try:
        theirs = gguf_verdict(content)
    except NoOpinion:
        return
    if content[4:8] == b"\1\0\0\0":
        return  # Version 1 counted with 32 bits; the reader does not know it any more.
    outcome.compare(content, answer.get("facts"), theirs)


# YAML -----------------------------------------------------------------------------------------------------------------

YAML_BITS = ["a: b\n", "- x\n", "tags:\n- a\n- b\n", "license: mit\n", "x: yes\n", "n: 010\n", "t: 1:30\n", "f: 1.5e3\n", "h: 0x1F\n", "d: 2024-01-02\n",
             "q: 'it''s'\n", 'q: "a\\tb\\u00e9\\x41"\n', "b: |\n  one\n  two\n", "b: >-\n  one\n  two\n\n  three\n", "m: {a: 1, b: [2, 3]}\n", "e:\n", "~: 1\n",
             "base: &a {k: v}\nuse: *a\n", "merge:\n  <<: {a: 1}\n  b: 2\n", "? k\n: v\n", "# c\n", "a: b # c\n", "x: !!str 1\n", "y: !!int '7'\n", "é: ü\n",
             "nested:\n  deep:\n    - a: 1\n      b: 2\n    - c\n", "u: _1_000\n", "i: 1_000\n", "z: .5\n", "s: -.inf\n", "o: 0o17\n", "n: null\n", "n: Null\n",
             "c: a:b\n", "c: 'a: b'\n", "[a, b]\n", "{a: b}\n", "plain text\n", "---\n", "...\n", "\t", "  ", ":", "-", "@", "%", "`", "\"", "'", "|", ">", "&x ",
             "*x ", "!t ", "\r\n", "\u2028", "\u0085", "\ufeff", "\x00", "\x07", "0b11\n", "1e3\n", "+12\n", "12e03\n", ".e1\n", "=\n", "1:60:00\n", "-1:30\n"]
YAML_VALUES_ALIKE = (str, int, float, bool, type(None))


def yaml_text(dice: random.Random) -> str:
    text = "".join(dice.choice(YAML_BITS) for _ in range(dice.randint(1, 6)))
    for _ in range(dice.randrange(3)):
        at = dice.randrange(len(text) + 1)
        change = dice.randrange(3)
        if change == 0:
            text = text[:at] + text[at + 1:]
        elif change == 1:
            text = text[:at] + dice.choice(" \t\n:-#[]{},&*!|>'\"%@`a1.") + text[at:]
        else:
            end = min(len(text), at + dice.randrange(8))
            text = text[:at] + text[end:] + text[at:end]
    return text


class NoOpinion(Exception):
    """A document for which JSON has no form, or Hearth another on purpose."""


def plain(value: object, depth: int = 0) -> object:
    """What parse_yaml (src/cards/cards.h) promises for a value of PyYAML."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise NoOpinion  # A floating point number: the last digits are the reader's.
        return value
    if isinstance(value, float):
        return None if math.isnan(value) or math.isinf(value) else value
    if isinstance(value, (datetime.date, bytes, set, tuple)):
        raise NoOpinion  # Spelt as a browser spells them; the unit tests hold how.
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NoOpinion  # "Keys that are not texts the way they are spelt."
        return {key: plain(item, depth + 1) for key, item in value.items()}
    raise NoOpinion


def yaml_verdict(text: str) -> object:
    try:
        return {"value": plain(yaml.safe_load(text))}
    except ValueError:
        raise NoOpinion from None  # "A text that only looks like a date stays a text."
    except (RecursionError, IndexError, KeyError, AttributeError, TypeError):
        raise NoOpinion from None  # PyYAML's own mistakes: `!!int ''` and the like.
    except yaml.YAMLError as error:
        if "duplicate anchor" in str(error):
            raise NoOpinion from None  # "An anchor may be defined twice."
        return None


# Where libyaml, which Hearth reads with, and PyYAML differ on documents that neither YAML nor any writer of cards knows.
YAML_APART = re.compile("\ufeff|\\t|=|!(?![a-z!])|!!int|[>|][^\\n]*#|:[\\[\\]{},]|(?s:<<.*<<)|%")


def check_yaml(hearth: Hearth, dice: random.Random, outcome: Outcome) -> None:
    text = yaml_text(dice)
    if YAML_APART.search(text):  # A mark of byte order within, tabs as blanks, a lone "=" or "!", "!!int" of blanks, a comment behind ">", "{a:[";
        # a directive that nobody knows; two "<<" in one mapping: PyYAML 6.0.3 takes the later, 6.0.4 the former.
        hearth.ask("yaml", text.encode())
        return
    try:
        theirs = yaml_verdict(text)
    except NoOpinion:
        return
    answer = hearth.ask("yaml", text.encode())
    outcome.compare(text, {"value": answer["value"]} if answer["ok"] else None, theirs)


# git ------------------------------------------------------------------------------------------------------------------

PATTERN_BITS = ["a", "b", "ab", ".bin", "*", "**", "?", "/", "/", "[ab]", "[!a]", "[^b]", "[a-c]", "[[:alpha:]]", "\\*", "\\ ", "!", "#", "[", "]", "\\", "-", " ", "é", "A"]
PATH_BITS = ["a", "b", "ab", "c", ".bin", "/", "/", "A", "*", " ", "é", "-", "[", "#", "!"]


def pattern(dice: random.Random) -> str:
    return "".join(dice.choice(PATTERN_BITS) for _ in range(dice.randint(1, 6)))


def path(dice: random.Random) -> str:
    parts = ["".join(dice.choice(PATH_BITS).replace("/", "d") for _ in range(dice.randint(1, 3))) for _ in range(dice.randint(1, 4))]
    return "/".join(parts)


class GitFolder:
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="hearth-oracle-")
        self.env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "LC_ALL": "C.UTF-8"}
        self.run("init", "-q")
        # git's own list of what to ignore, which stands outside of a repository's files.
        (Path(self.folder.name) / ".git" / "info" / "exclude").write_text("")

    def run(self, *arguments: str, text: bytes = b"") -> bytes:
        return subprocess.run(["git", "-C", self.folder.name, *arguments], input=text, capture_output=True, env=self.env).stdout

    def write(self, name: str, content: str) -> None:
        (Path(self.folder.name) / name).write_bytes(content.encode())


def attributes_text(dice: random.Random) -> str:
    values = ["filter=lfs", "filter=lfs diff=lfs merge=lfs -text", "-filter", "!filter", "filter=other", "filter", "lfs", "-lfs", "binary", "text", "filter=lfs\r"]
    lines = [] if dice.random() < 0.7 else ["[attr]lfs filter=lfs diff=lfs"]
    for _ in range(dice.randint(1, 5)):
        head = pattern(dice)
        if dice.random() < 0.2:
            head = '"' + head.replace('"', "") + '"'
        lines.append(dice.choice(["", "", "", " ", "\t"]) + head + dice.choice([" ", "\t", "  "]) + dice.choice(values))
    return dice.choice(["\n", "\n", "\r\n"]).join(lines) + dice.choice(["\n", ""])


def check_attributes(hearth: Hearth, dice: random.Random, outcome: Outcome, git: GitFolder) -> None:
    text = attributes_text(dice)
    paths = sorted({path(dice) for _ in range(30)})
    git.write(".gitattributes", text)
    # -z: path NUL attribute NUL value NUL
    fields = git.run("check-attr", "-z", "--stdin", "filter", text="\0".join(paths).encode() + b"\0").split(b"\0")
    theirs = {fields[i].decode(): fields[i + 2] == b"lfs" for i in range(0, len(fields) - 2, 3)}
    ours = hearth.ask("attributes", text.encode(), [one.encode() for one in paths])["matched"]
    for one, is_lfs in zip(paths, ours):
        outcome.compare((text, one), is_lfs, theirs.get(one))


def check_ignore(hearth: Hearth, dice: random.Random, outcome: Outcome, git: GitFolder) -> None:
    lines = [dice.choice(["", "", "", "!"]) + pattern(dice) + dice.choice(["", "", "/", " "]) for _ in range(dice.randint(1, 5))]
    text = dice.choice(["\n", "\n", "\r\n"]).join(lines) + dice.choice(["\n", ""])
    paths = sorted({path(dice) for _ in range(30)})
    git.write(".gitignore", text)
    ignored = set(git.run("check-ignore", "--no-index", "-z", "--stdin", text="\0".join(paths).encode() + b"\0").decode().split("\0"))
    ours = hearth.ask("ignore", text.encode(), [one.encode() for one in paths])["matched"]
    for one, is_ignored in zip(paths, ours):
        outcome.compare((text, one), is_ignored, one in ignored)


NAME_BITS = ["a", "B", "main", "/", ".", "..", "-", "@", "{", "@{", "~", "^", ":", "?", "*", "[", "\\", " ", "\x7f", "\x01", ".lock", "é", "HEAD", "refs/", "0" * 40, "_"]


def check_branch(hearth: Hearth, dice: random.Random, outcome: Outcome, git: GitFolder) -> None:
    name = "".join(dice.choice(NAME_BITS) for _ in range(dice.randint(1, 4)))
    theirs = subprocess.run(["git", "check-ref-format", "refs/heads/" + name], env=git.env).returncode == 0
    # hub-api 4.2: what git takes and no client can name. "@" is git's other word for HEAD.
    refused = name in ("HEAD", "@") or name.startswith(("refs/", "-")) or bool(re.fullmatch("[0-9a-f]{40}", name)) or len(name.encode()) > 255
    outcome.compare(name, hearth.ask("branch", name.encode())["ok"], theirs and not refused)


CHECKS = {"safetensors": (check_safetensors, "safetensors 0.8.0", 1), "gguf": (check_gguf, "gguf 0.19.0", 1),
          "yaml": (check_yaml, "PyYAML 6.0.4", 1),
          "attributes": (check_attributes, "git check-attr", 30), "ignore": (check_ignore, "git check-ignore", 30),
          "branch": (check_branch, "git check-ref-format", 5)}


def run(kind: str, cases: int, seed: int) -> Outcome:
    """About `cases` inputs; a file of patterns is asked about thirty paths, and a call of git costs as much as five."""
    check, _, weight = CHECKS[kind]
    outcome = Outcome()
    hearth = Hearth()
    dice = random.Random(f"{kind} {seed}")
    more = [GitFolder()] if weight > 1 else []
    try:
        for _ in range(max(1, cases // weight)):
            check(hearth, dice, outcome, *more)
    finally:
        hearth.close()
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*CHECKS, []])
    parser.add_argument("--cases", type=int, default=100_000, help="for each kind, about")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    rows = []
    failed = False
    for kind in options.kinds or CHECKS:
        begin = time.monotonic()
        outcome = run(kind, options.cases, seed)
        for difference in outcome.differences:
            print(f"DIFFERS {kind}: {difference}")
        failed |= bool(outcome.differences) or outcome.accepted == 0
        rows.append([kind, CHECKS[kind][1], f"{outcome.cases:,}", f"{outcome.accepted:,}", len(outcome.differences), f"{time.monotonic() - begin:.0f}"])
        print(*rows[-1], sep="  ", flush=True)
    if options.publish:
        figures.write("reliability", "82-oracles", title="Parsers beside the formats' own", seed=seed,
                      command=f"scripts/nightly oracles, or: python tests/fuzz/oracles.py --cases {options.cases} --seed {seed}",
                      columns=["what", "oracle", "inputs", "that the oracle takes", "differences", "seconds"], rows=rows,
                      note="Inputs made by rules, most with one thing wrong; verdict and content must be those of the format's own program. Where Hearth "
                           "differs on purpose, tests/fuzz/oracles.py says why.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
