"""Seeds for the fuzzers, made by the real writers of each format.

    python tests/fuzz/corpora.py FOLDER      a folder for each target; needs the environment "hostile"

A seed is named by its hash, so that making them again changes nothing. The first bytes that some targets
read as options are put in front here.
"""

import gzip
import hashlib
import io
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "tests" / "vectors" / "xet"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "wire"), str(ROOT / "tests" / "hostile")]
LARGEST = 200_000  # Longer seeds only slow the fuzzers down.


def wire_requests() -> list[bytes]:
    """The requests of tests/wire as text with LF, with the tokens as request_fuzz spells them."""
    import http_cases

    values = {name: "@W" for name in ("root", "alice", "bob")} | {"alice-read": "@R", "xet-read": "@R", "xet-write": "@W",
                                                                  "head-of-open": "main", "head-of-secret": "main"}
    requests = []
    for path in sorted((ROOT / "tests" / "wire").glob("*.http")):
        for case in http_cases.read_cases(path):
            lines = [case.request_line, *case.headers]
            request = b"\n".join(http_cases.expand(line, values) for line in lines) + b"\n\n" + http_cases.expand(case.body, values)
            request = request.replace(b"alice/open", b"alice/tiny")
            if len(request) <= LARGEST:
                requests.append(request)
    return requests


def client_requests() -> list[bytes]:
    """What huggingface_hub, git and git-lfs ask for, by route; hub-api."""
    repo, token = "models/alice/tiny", "Authorization: Bearer @W\n"
    gets = ["/", "/api/whoami-v2", f"/api/{repo}?expand=likes&expand=tags", f"/api/{repo}/revision/HEAD", f"/api/{repo}/refs?include_prs=1",
            f"/api/{repo}/commits/main?p=0&limit=2&expand%5B%5D=formatted", f"/api/{repo}/tree/main?recursive=true&expand=true&cursor=abc",
            "/api/models?author=alice&search=t&sort=downloads&direction=-1&limit=5&filter=a&filter=b&full=true",
            "/alice/tiny/resolve/main/.gitattributes", "/alice/tiny/raw/refs%2Fpr%2F1/.gitattributes", "/login?next=%2F", "/settings/tokens",
            "/alice/tiny.git/info/refs?service=git-upload-pack", "/alice/tiny/info/refs?service=git-receive-pack", "/avatars/alice.svg",
            f"/api/{repo}/xet-write-token/None?create_pr=1", f"/api/{repo}/discussions?p=0&status=open", "/api/users/alice/likes",
            "/cas/v2/reconstructions/" + "0" * 64, "/cas/v1/chunks/default/" + "a" * 64, "/cas/v1/data/" + "a" * 64 + "?r=0-99&e=1&s=00",
            "/api/lfs/objects/" + "a" * 64 + "?signature=x&expires=1", "/oauth/userinfo", "/api/settings/repositories"]
    requests = [f"GET {path}\n{token}\n".encode() for path in gets]
    requests += [f"GET {path}\nCookie: a=b; hearth_session=@W\nRange: bytes=0-9,20-\nIf-None-Match: \"x\"\n\n".encode() for path in gets[:3]]
    requests.append(b"GET /api/whoami-v2\nAuthorization: Basic YWxpY2U6c2VjcmV0\n\n")
    commit = "\n".join(json.dumps(line) for line in (
        {"key": "header", "value": {"summary": "s", "description": "d", "parentCommit": "0" * 40}},
        {"key": "file", "value": {"content": "aGVsbG8=", "path": "a/b.txt", "encoding": "base64"}},
        {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": "a" * 64, "size": 3}},
        {"key": "copyFile", "value": {"path": "c.txt", "srcPath": ".gitattributes", "srcRevision": "main"}},
        {"key": "deletedFile", "value": {"path": ".gitattributes"}}, {"key": "deletedFolder", "value": {"path": "a/"}}))
    posts = [
        (f"/api/{repo}/commit/main?create_pr=1", "application/x-ndjson", commit),
        (f"/api/{repo}/commit/main", "application/x-ndjson", commit.replace('"parentCommit"', '"p"').split("\n")[0] + "\n" + commit.split("\n")[1]),
        (f"/api/{repo}/preupload/main", "application/json", json.dumps({"files": [{"path": "a.bin", "sample": "AAAA", "size": 3}], "gitAttributes": "*.x filter=lfs"})),
        (f"/api/{repo}/paths-info/main", "application/x-www-form-urlencoded", "paths=.gitattributes&paths=b&expand=true"),
        (f"/api/{repo}/paths-info/main", "application/json", json.dumps({"paths": [".gitattributes"], "expand": True})),
        ("/alice/tiny.git/info/lfs/objects/batch", "application/vnd.git-lfs+json", json.dumps(
            {"operation": "upload", "transfers": ["basic", "multipart", "xet"], "objects": [{"oid": "a" * 64, "size": 3}], "hash_algo": "sha256"})),
        ("/api/repos/create", "application/json", json.dumps({"name": "x", "type": "dataset", "private": True, "files": [{"path": "a", "content": "b"}]})),
        ("/api/repos/move", "application/json", json.dumps({"fromRepo": "alice/tiny", "toRepo": "alice/t2", "type": "model"})),
        ("/api/validate-yaml", "application/json", json.dumps({"content": "---\nlicense: mit\n---\n", "repoType": "model"})),
        (f"/api/{repo}/discussions", "application/json", json.dumps({"title": "t", "description": "d", "pullRequest": True})),
        (f"/api/{repo}/discussions/1/comment", "application/json", json.dumps({"comment": "c"})),
        (f"/api/{repo}/branch/b", "application/json", json.dumps({"startingPoint": "main"})),
        (f"/api/{repo}/tag/main", "application/json", json.dumps({"tag": "v1", "message": "m"})),
        (f"/api/{repo}/super-squash/main", "application/json", json.dumps({"message": "m"})),
        ("/alice/tiny.git/git-upload-pack", "application/x-git-upload-pack-request", "0032want " + "a" * 40 + "\n00000009done\n"),
        ("/login", "application/x-www-form-urlencoded", "name=alice&password=x&next=%2F"),
        ("/oauth/device", "application/x-www-form-urlencoded", "client_id=x&scope=openid"),
        ("/oauth/token", "application/x-www-form-urlencoded", "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=x&client_id=x"),
        (f"/api/{repo}/like", "application/json", "{}"),
    ]
    requests += [f"POST {path}\n{token}Content-Type: {kind}\n\n{body}".encode() for path, kind, body in posts]
    requests.append(f"PUT /api/{repo}/settings\n{token}\n{json.dumps({'private': True, 'gated': 'auto', 'discussionsDisabled': True})}".encode())
    return requests


def request() -> list[bytes]:
    return wire_requests() + client_requests()


def head() -> list[bytes]:
    """The same requests' heads on the wire, and the ambiguous ones of tests/hostile."""
    import smuggling_test as smuggling

    heads = [request.split(b"\n\n")[0].replace(b"\n", b" HTTP/1.1\r\nHost: hub\r\n", 1).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n"
             for request in request()]
    return [head for head in heads if len(head) < 8000] + [smuggling.bytes_of(sent, 1) for _, sent, _ in smuggling.ALL]


def conversation() -> list[bytes]:
    return [one + b"\xff" + other for one, other in zip(head()[::2], head()[1::2])]


def chunked_body() -> list[bytes]:
    bodies = [b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"A;ext=1\r\n0123456789\r\n0\r\nX: y\r\n\r\n", b"00005\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"]
    return [bytes([step, room]) + body for body in bodies for step, room in ((0, 0), (255, 255), (3, 5))]


def ranges() -> list[bytes]:
    values = ["bytes=0-", "bytes=0-0", "bytes=-5", "bytes=0-9,20-29, 40-", "bytes=" + ",".join(f"{i * 10}-{i * 10 + 5}" for i in range(20)),
              "gzip;q=0, br", "gzip;q=1.0, *;q=0", 'W/"abc", "abc"', "*", "bytes=99999999999999999999-"]
    return [struct.pack("<Q", size) + value.encode() for value in values for size in (0, 1 << 20, (1 << 63) - 1)]


def gzipped() -> list[bytes]:
    texts = [b"", b"hello", b"a" * 50_000, b"b" * 200_000, bytes(range(256)) * 20]
    members = [gzip.compress(text, mtime=0) for text in texts]
    named = io.BytesIO()
    with gzip.GzipFile("name.txt", "wb", fileobj=named, mtime=0) as file:
        file.write(b"with a name")
    return [b"\x07" + member for member in [*members, named.getvalue(), members[1] + members[2], members[1] + b"trailing"]]


def queries() -> list[bytes]:
    return [request.split(b"\n")[0].partition(b"?")[2] for request in client_requests() if b"?" in request.split(b"\n")[0]] + [
        request.split(b"\n\n", 1)[1] for request in client_requests() if b"urlencoded" in request]


def json_texts() -> list[bytes]:
    bodies = [request.split(b"\n\n", 1)[1] for request in request()]
    return [body for body in bodies if body[:1] in (b"{", b"[")] + [b"[" * 500 + b"]" * 500, b'"\\ud83d\\ude00\\u0000"', b"1e400", b"-0", b"[1,2.5,true,null]"]


def pointers() -> list[bytes]:
    found = []
    for content in (b"", b"x", b"y" * 10_000):
        oid = hashlib.sha256(content).hexdigest()
        found.append(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n".encode())
    return found + [found[0].replace(b"oid ", b"ext-0-foo sha256:" + b"a" * 64 + b"\noid "), found[0].replace(b"\n", b"\r\n")]


def attributes() -> list[bytes]:
    defaults = (ROOT / "src" / "git" / "default_attributes.cc").read_bytes()
    files = [b"*.bin filter=lfs diff=lfs merge=lfs -text\n", b"[attr]lfs filter=lfs\n*.x lfs\n", b"a/**/b -filter\n!x\n\\#y z\n", b"[a-z]*.{x,y} filter=lfs\n",
             b'"quo\\ted \\101" filter=lfs\n', b"*.log\n!keep.log\n/dir/\n", defaults[:3500]]
    return [path + b"\n" + text for text in files for path in (b"a.bin", b"x/y/b", b"dir/keep.log")]


def pushes() -> list[bytes]:
    """Commands as git send-pack writes them, for a commit that git made."""
    with tempfile.TemporaryDirectory() as folder:
        def git(*arguments: str, **options) -> subprocess.CompletedProcess:
            return subprocess.run(["git", "-C", folder, *arguments], check=False, capture_output=True, **options)

        git("init", "-q", "-b", "main")
        git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "m")
        oid = git("rev-parse", "main").stdout.decode().strip()
    zero = "0" * 40
    def packet(text: str) -> bytes:
        return f"{len(text) + 4:04x}{text}".encode()
    first = f"{zero} {oid} refs/heads/main\0 report-status side-band-64k atomic ofs-delta object-format=sha1 agent=git/2.39\n"
    return [packet(first) + b"0000PACK", packet(first) + packet(f"{oid} {zero} refs/heads/two\n") + b"0000",
            packet(f"shallow {oid}\n") + packet(first) + b"0000", packet(first.replace("atomic", "push-options")) + b"0000" + packet("ci.skip\n") + b"0000",
            b"0000", b"0001", b"0004"]


def names() -> list[bytes]:
    return [name.encode() for name in (
        "main", "refs/heads/main", "refs/pr/1", "feat/x", "v1.0", "a/b/c.txt", ".gitattributes", ".gitmodules", "a/.GIT/x", "..", "a/../b", "a//b",
        "x.lock", "a..b", "@{-1}", "con", "git~1", ".g\u200cit", "ä/ö", "a\\b", "-x", "HEAD", "a" * 300, "x/" * 200 + "x", "alice/tiny", "a--b/c")]


def yaml_texts() -> list[bytes]:
    """Every text of the table that PyYAML made, cards as people write them, and what PyYAML dumps."""
    import yaml

    table = json.loads((ROOT / "src" / "cards" / "yaml_table.json").read_text())
    texts = [row["yaml"] if isinstance(row, dict) and "yaml" in row else json.dumps(row) for row in table]
    card = {"license": "mit", "language": ["en", "de"], "tags": ["a"], "datasets": ["x/y"], "base_model": "a/b", "model-index": [
        {"name": "n", "results": [{"task": {"type": "t"}, "dataset": {"name": "d", "type": "x"}, "metrics": [{"type": "acc", "value": 0.5}]}]}],
        "configs": [{"config_name": "c", "data_files": [{"split": "train", "path": "data/*"}]}], "dataset_info": {"features": [{"name": "a", "dtype": "int64"}]}}
    texts += [yaml.safe_dump(card), yaml.safe_dump(card, default_flow_style=True), yaml.safe_dump([card, card]), "a: &x [1]\nb: *x\nc: *x\n",
              "<<: {a: 1}\nb: 2\n", "? [a, b]\n: c\n", "a: !!binary aGVsbG8=\n", "a: |\n  x\n\n  y\nb: >-\n  z\n", "[" * 70 + "]" * 70]
    return [text.encode() for text in texts]


def safetensors_headers() -> list[bytes]:
    """The library's own files, but for the length in front; then the same with lies."""
    import numpy
    from safetensors.numpy import save

    shapes = [(), (0,), (1,), (3, 4), (2, 0, 5), (7, 1, 1)]
    found = []
    for dtype in ("float32", "float16", "int8", "uint8", "int64", "bool"):
        for count in range(1, 6):
            tensors = {f"t{i}.weight": numpy.zeros(shapes[(i + count) % len(shapes)], dtype) for i in range(count)}
            file = save(tensors, metadata={"format": "pt"} if count % 2 else None)
            length = struct.unpack("<Q", file[:8])[0]
            data = len(file) - 8 - length
            if data < 256:
                found.append(bytes([data]) + file[8:8 + length])
    lies = [b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}', b'{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}',
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
            b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', b'{"weight_map":{"a":"m-00001.safetensors","b":"../x"}}', b"{}", b" " * 100]
    return found + [b"\x04" + lie for lie in lies]


def gguf_files() -> list[bytes]:
    import gguf
    import numpy

    found = []
    for arch, tensors in (("llama", 0), ("llama", 3), ("clip", 1)):
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            writer = gguf.GGUFWriter(file.name, arch)
            writer.add_context_length(4096)
            writer.add_block_count(2)
            writer.add_chat_template("{{ messages }}")
            writer.add_token_list(["a", "b", "</s>"])
            writer.add_token_scores([0.0, 1.0, 2.0])
            writer.add_bos_token_id(1)
            writer.add_array("general.languages", ["en"])
            for index in range(tensors):
                writer.add_tensor(f"blk.{index}.w", numpy.zeros((4, 8), numpy.float32))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            found.append(Path(file.name).read_bytes())
    big = struct.pack("<IIQQ", 0x46554747, 3, 1 << 60, 1 << 60)
    return found + [big, found[0][:4] + b"\x02" + found[0][5:], found[1][:100]]


def configs() -> list[bytes]:
    return [json.dumps(config).encode() for config in (
        {"architectures": ["BertModel"], "model_type": "bert", "torch_dtype": "float16"}, {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "X"]},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}}, {"tokenizer_class": "T", "chat_template": "x", "bos_token": {"content": "<s>"}},
        {"auto_map": {"AutoModel": "m.M"}, "architectures": [1, None]}, [], "x", {"model_type": {"a": 1}})]


def xorbs() -> list[bytes]:
    """Recorded from hf-xet 1.8.0 (tests/vectors/xet)."""
    return [path.read_bytes() for path in sorted(VECTORS.glob("*.xorb"))]


def shards() -> list[bytes]:
    return [path.read_bytes() for path in sorted(VECTORS.glob("*.shard"))]


def packed_chunks() -> list[bytes]:
    """The records of the recorded xorbs: scheme and length in front as the target reads them."""
    found = []
    for xorb in xorbs():
        at = 0
        while at + 8 < len(xorb) and xorb[at] == 0 and len(found) < 40:
            packed, scheme, plain = int.from_bytes(xorb[at + 1:at + 4], "little"), xorb[at + 4], int.from_bytes(xorb[at + 5:at + 8], "little")
            half = (plain - 1) // 2
            found.append(bytes([scheme % 3, half >> 8 & 255, half & 255]) + xorb[at + 8:at + 8 + packed])
            at += 8 + packed
    return found


def plain_bytes() -> list[bytes]:
    return [bytes([step]) + content for step in (0, 7, 255) for content in (b"a" * 100, bytes(range(256)) * 8, hashlib.sha256(b"x").digest() * 40)]


def dump_rows() -> list[bytes]:
    return [json.dumps(row).encode() for row in ([1, "a", None], [], [-9223372036854775808, 1.5], ["\u0000x", "ü"], [{"b": "aGVsbG8="}], [True], "x")]


def signatures() -> list[bytes]:
    return [b"", b"xet_abc.def.ghi", b"0-99&9999999999&" + b"0" * 64, b"0-9,20-29&1&x", b"-&-&-", b"eyJhbGciOiJIUzI1NiJ9.e30.x"]


MAKERS = {
    "request_fuzz": request, "head_parser_fuzz": head, "connection_fuzz": conversation, "body_decoder_fuzz": chunked_body, "range_fuzz": ranges,
    "gunzip_fuzz": gzipped, "url_fuzz": queries, "json_fuzz": json_texts, "pointer_fuzz": pointers, "attributes_fuzz": attributes,
    "pktline_fuzz": pushes, "repo_path_fuzz": names, "repo_id_fuzz": names, "yaml_fuzz": yaml_texts, "safetensors_fuzz": safetensors_headers,
    "gguf_fuzz": gguf_files, "config_fuzz": configs, "xorb_fuzz": xorbs, "shard_fuzz": shards, "codec_fuzz": packed_chunks,
    "chunker_fuzz": plain_bytes, "dump_fuzz": dump_rows, "token_fuzz": signatures,
}


def write(folder: Path) -> dict[str, int]:
    """Makes every corpus; how many seeds each has."""
    counts = {}
    for target, maker in MAKERS.items():
        place = folder / target
        place.mkdir(parents=True, exist_ok=True)
        seeds = {hashlib.sha1(seed).hexdigest(): seed for seed in maker() if len(seed) <= LARGEST}
        for name, seed in seeds.items():
            (place / name).write_bytes(seed)
        counts[target] = len(seeds)
    return counts


if __name__ == "__main__":
    for name, count in write(Path(sys.argv[1])).items():
        print(f"{name}: {count}")
