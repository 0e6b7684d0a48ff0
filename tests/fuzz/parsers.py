"""Where bytes of strangers are parsed, and the fuzzer that holds each place: docs/fuzzing.md is made from this.

    python tests/fuzz/parsers.py       writes the page
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import corpora

ROOT = Path(__file__).resolve().parent.parent.parent
SRC = ROOT / "src"
PAGE = ROOT / "docs" / "fuzzing.md"


@dataclass
class Parser:
    what: str
    functions: str  # As the headers spell them.
    target: str


PARSERS = [
    Parser("request head: line, target, host, fields, framing", "find_head_end parse_request_head choose_request_id wants_keep_alive", "head_parser_fuzz"),
    Parser("chunked bodies", "BodyDecoder::decode take_line_byte", "body_decoder_fuzz"),
    Parser("whole conversations, pipelining", "Server", "connection_fuzz"),
    Parser("gzip bodies", "make_gunzip_sink", "gunzip_fuzz"),
    Parser("Range, Accept-Encoding, If-None-Match", "parse_range_header accepts_coding etag_listed", "range_fuzz"),
    Parser("queries and urlencoded forms", "Query percent_decode is_utf8", "url_fuzz"),
    Parser("JSON", "parse_json", "json_fuzz"),
    Parser("every route: cookies, Authorization, cursors, forms, NDJSON commits, preupload, LFS batches and links, OAuth forms",
           "HubApp::begin", "request_fuzz"),
    Parser("repository names", "RepoId::parse", "repo_id_fuzz"),
    Parser("paths, branches, tags, revisions", "RepoPath::parse why_bad_ref_name why_bad_branch_name", "repo_path_fuzz"),
    Parser("pkt-lines and the commands of a push", "parse_packet parse_push_request", "pktline_fuzz"),
    Parser("LFS pointers", "LfsPointer::parse", "pointer_fuzz"),
    Parser(".gitattributes and .gitignore", "Attributes::parse Ignore::parse", "attributes_fuzz"),
    Parser("cards: front matter, YAML, validation, derived tags", "parse_yaml validate derive", "yaml_fuzz"),
    Parser("safetensors headers and indexes", "read_safetensors read_safetensors_header safetensors_index_shards", "safetensors_fuzz"),
    Parser("GGUF headers", "read_gguf", "gguf_fuzz"),
    Parser("config.json and its kin", "read_config", "config_fuzz"),
    Parser("xorbs, chunk records, chunk tables", "parse_record_header XorbValidator::feed XorbValidator::finish end_record ChunkTable::decode", "xorb_fuzz"),
    Parser("shards", "parse_shard", "shard_fuzz"),
    Parser("packed chunks (LZ4, BG4)", "Decoder::decode", "codec_fuzz"),
    Parser("cutting into chunks", "Chunker::next chunk_lengths", "chunker_fuzz"),
    Parser("Xet tokens and signed ranges", "Signer::claims_of Signer::signed_ranges", "token_fuzz"),
    Parser("rows of a backup", "parse_row", "dump_fuzz"),
]

INTRODUCTION = """# Fuzzing

Every place where bytes of strangers are parsed has a libFuzzer target beside its code (`x_fuzz.cc`). Seeds are made by
the real writers of each format (`tests/fuzz/corpora.py`). `scripts/test` replays all seeds through every target;
`scripts/nightly fuzzers` runs the targets with AddressSanitizer and UndefinedBehaviorSanitizer and writes its
figures into [reliability.md](reliability.md).

No crash is not yet the right answer: `tests/fuzz/oracles.py` asks the formats' own programs about made and broken inputs
(safetensors' library, PyYAML, gguf's reader, `git check-attr`, `check-ignore`, `check-ref-format`), and any difference is a failure.

Packs are not parsed here: `git index-pack --strict` does that in a child with limits of memory and time. Settings files
and block sums are the operator's own.

Made by `python tests/fuzz/parsers.py`; a parser that no row names fails `tests/fuzz`.

"""


def target_file(target: str) -> Path | None:
    return next(SRC.glob(f"*/{target}.cc"), None)


def text() -> str:
    rows = ["| what is parsed | functions | target | seeds |", "| --- | --- | --- | --- |"]
    for parser in PARSERS:
        maker = corpora.MAKERS[parser.target]
        functions = ", ".join(f"`{name}`" for name in parser.functions.split())
        rows.append(f"| {parser.what} | {functions} | `{target_file(parser.target).relative_to(ROOT)}` | `{maker.__name__}` |")
    return INTRODUCTION + "\n".join(rows) + "\n"


def declared() -> set[str]:
    """Functions of the headers that answer with a parsed value or the reason why there is none."""
    found = set()
    for header in SRC.rglob("*.h"):
        code = re.sub(r"//[^\n]*", "", header.read_text())
        found |= {match[1] for match in re.finditer(r"(?:Parsed<[\w:<>\s*]+>|tl::expected<[\w:<>\s,*]+>)\s+(\w+)\(", code)}
    return found


if __name__ == "__main__":
    PAGE.write_text(text())
    sys.exit(0)
