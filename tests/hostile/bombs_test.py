"""Small requests that would cost much: each is refused, or done, for little time and memory.

The aims are those of bombs.py, 1 s and 256 MiB; the limit of time here is ten times that, so that a slow or busy
machine does not decide. Sizes are those that the body limits of docs/routes.md let through. What each cost stands in the
report, from where bombs.py publishes it.
"""

import base64
import gzip
import hashlib
import json
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

import bombs
from lib.server import Server
from raw import talk
from urllib.parse import urlsplit

CPU_S_MAX = 10 * bombs.CPU_S_AIM
MEMORY_MB_MAX = bombs.MEMORY_MB_AIM
MODEL = "/api/models/alice/bombs"


@pytest.fixture
def little(server, record_property) -> Callable[[str, str], AbstractContextManager[bombs.Cost]]:
    """What happens inside costs the hub little."""
    @contextmanager
    def look(kind: str, bomb: str) -> Iterator[bombs.Cost]:
        cost = bombs.Cost(kind, bomb)
        try:
            with bombs.measured(server, cost):
                yield cost
        finally:
            bombs.record(record_property, bombs.COST, cost)
        spent = f"{cost.cpu_s:.2f} CPU s, {cost.grown_mb:.0f} MiB"
        print(spent)
        assert cost.cpu_s < CPU_S_MAX and cost.grown_mb < MEMORY_MB_MAX, spent
    return look


@pytest.fixture(scope="module")
def token(server) -> str:
    token = server.add_token("alice")
    for name in ("bombs", "pushes"):
        assert server.request("POST", "/api/repos/create", {"name": name}, token)[0] == 200
    return token


@pytest.fixture(scope="module")
def xet_token(server, token) -> str:
    return json.loads(server.request("GET", f"{MODEL}/xet-write-token/main", token=token)[2])["accessToken"]


def validate(server: Server, body: bytes) -> int:
    return server.request("POST", "/api/validate-yaml", body, headers={"Content-Type": "application/json"})[0]


def card(text: str) -> bytes:
    return json.dumps({"content": f"---\n{text}\n---\n", "repoType": "model"}).encode()


JSON_BODIES = {
    "deep lists": b"[" * 20_000_000,
    "deep objects": b'{"a":' * 4_000_000,
    "a million keys": b"{" + b",".join(b'"%d":0' % i for i in range(1_000_000)) + b"}",
    "the same key a million times": b"{" + b",".join([b'"content":0'] * 1_000_000) + b"}",
    "a number of a million digits": b'{"content":' + b"9" * 1_000_000 + b"}",
    "an exponent of a million digits": b'{"content":1e' + b"9" * 1_000_000 + b"}",
    "a string of escapes": b'{"content":"' + b"\\u0041" * 3_000_000 + b'"}',
    "twenty million blanks": b" " * 20_000_000 + b"{}",
}


@pytest.mark.parametrize("name", JSON_BODIES)
def test_json(server, little, name):
    with little("JSON", name) as cost:
        cost.answer = status = validate(server, JSON_BODIES[name])
        assert status in (200, 400, 413)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
YAML_TEXTS = {
    "a billion laughs": LAUGHS,
    "a laugh in keys": "&a a: b\n" + "".join(f"? {{*a : {i}}}\n: x\n" for i in range(1000)),
    "an alias of itself": "a: &a [*a]\n",
    "merges of merges": "m0: &m0 {a: b}\n" + "".join(f"m{i}: &m{i}\n  <<: [{', '.join([f'*m{i - 1}'] * 50)}]\n  k{i}: v\n" for i in range(1, 60)),
    "deep flow": "a: " + "[" * 1_000_000,
    "deep blocks": "".join(" " * i + f"k{i}:\n" for i in range(3000)),
    "deep dashes": "- " * 500_000 + "x",
    "two million entries": "tags:\n" + "- a\n" * 2_000_000,
    "a hundred thousand anchors": "".join(f"k{i}: &a{i} v\n" for i in range(100_000)),
    "a hundred thousand keys": "".join(f"k{i}: v\n" for i in range(100_000)),
    "a scalar of ten megabytes": "a: " + "x" * 10_000_000,
    "a number of a million digits": "a: " + "9" * 1_000_000,
    "many sexagesimals": "a: " + ":".join(["59"] * 100_000),
    "ten thousand documents": "a: b\n---\n" * 10_000,
    "tags of tags": "".join(f"%TAG !e{i}! tag:e{i},2000:\n" for i in range(10_000)) + "--- !e1!x y\n",
}


@pytest.mark.parametrize("name", YAML_TEXTS)
def test_yaml(server, little, name):
    with little("YAML", name) as cost:
        cost.answer = status = validate(server, card(YAML_TEXTS[name]))
        assert status in (200, 400, 413)


def test_gzip(server, token, little):
    """A gigabyte of nothing in some megabytes, on the routes that inflate."""
    packer, nothing = zlib.compressobj(1, wbits=31), bytes(1 << 20)
    bomb = b"".join(packer.compress(nothing) for _ in range(1024)) + packer.flush()
    for path, kind in (("git-upload-pack", "application/x-git-upload-pack-request"), ("git-receive-pack", "application/x-git-receive-pack-request")):
        with little("gzip", f"a gigabyte of nothing for {path}") as cost:
            cost.answer = status = server.request("POST", f"/alice/bombs.git/{path}", bomb, token, {"Content-Type": kind, "Content-Encoding": "gzip"})[0]
            assert status in (400, 413), path
    with little("gzip", "a gigabyte of nothing where nothing is inflated") as cost:
        cost.answer = status = server.request("POST", "/api/validate-yaml", bomb, token, {"Content-Encoding": "gzip"})[0]
        assert status == 415
    with little("gzip", "a bomb in a bomb") as cost:
        cost.answer = status = server.request("POST", "/alice/bombs.git/git-upload-pack", gzip.compress(bomb), token, {"Content-Encoding": "gzip, gzip"})[0]
        assert status in (400, 415)


HEADS = {
    "a hundred thousand headers": (b"GET /health HTTP/1.1\r\nHost: hub\r\n" + b"X-a: b\r\n" * 100_000 + b"\r\n", {431}),
    "two hundred headers": (b"GET /health HTTP/1.1\r\nHost: hub\r\n" + b"X: \r\n" * 200 + b"\r\n", {431}),
    "a header of ten megabytes": (b"GET /health HTTP/1.1\r\nHost: hub\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n", {431}),
    "an address of ten megabytes": (b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\nHost: hub\r\n\r\n", {414}),
    "a path of ten thousand segments": (b"GET " + b"/a" * 10_000 + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {404}),
    "a path of ten thousand slashes": (b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {400, 404}),
    "ten thousand ranges": (b"GET /alice/bombs/resolve/main/.gitattributes HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nRange: bytes=" +
                            b",".join([b"0-1"] * 10_000) + b"\r\n\r\n", {200, 206, 416}),
    "three thousand filters": (b"GET /api/models?" + b"&".join([b"filter=%d" % i for i in range(2500)]) + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {200, 400, 414}),
    "two thousand expands": (b"GET /api/models?" + b"&".join([b"expand=likes"] * 2000) + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {200, 400, 414}),
    "a search for everything": (b"GET /api/models?search=" + b"%25_" * 7000 + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {200, 400, 414}),
    "a cursor that is none": (b"GET /api/models?cursor=" + b"A" * 30_000 + b" HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {200, 400}),
    "a limit of everything": (b"GET /api/models?limit=99999999999999999999&skip=99999999999 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n", {200, 400}),
    "a token of sixty kilobytes": (b"GET /api/whoami-v2 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Bearer hf_" + b"a" * 60_000 + b"\r\n\r\n", {401}),
    "a password of sixty kilobytes": (b"GET /api/whoami-v2 HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: Basic " +
                                      base64.b64encode(b"alice:" + b"a" * 40_000) + b"\r\n\r\n", {401}),
    "ten thousand cookies": (b"GET /settings/tokens HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nCookie: " + b"a=b;" * 14_000 + b"\r\n\r\n", {302, 303}),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads(server, token, little, name):
    sent, statuses = HEADS[name]
    with little("heads of requests", name) as cost:
        seen = talk(("127.0.0.1", urlsplit(server.url).port), sent)
        cost.answer = ", ".join(map(str, seen.statuses))
        assert len(seen.statuses) == 1 and seen.statuses[0] in statuses, seen.received[:500]


def lines(*objects: dict) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in ({"key": "header", "value": {"summary": "x"}}, *objects)) + b"\n"


def file_line(path: str, content: bytes = b"") -> dict:
    return {"key": "file", "value": {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}}


POSTS = {
    "a million deletions": (f"{MODEL}/commit/main", lambda: lines() + b'{"key":"deletedFile","value":{"path":"nothing"}}\n' * 1_000_000, "application/x-ndjson"),
    "a million empty lines": (f"{MODEL}/commit/main", lambda: lines() + b"\n" * 1_000_000, "application/x-ndjson"),
    "a million headers": (f"{MODEL}/commit/main", lambda: lines() * 1_000_000, "application/x-ndjson"),
    "a million keys that nobody knows": (f"{MODEL}/commit/main", lambda: lines() + b'{"key":"x","value":{}}\n' * 1_000_000, "application/x-ndjson"),
    "a line without an end": (f"{MODEL}/commit/main", lambda: lines() + b'{"key":"file","value":{"path":"a","content":"' + b"A" * 60_000_000, "application/x-ndjson"),
    "a path a thousand folders deep": (f"{MODEL}/commit/main", lambda: lines(file_line("d/" * 1000 + "x", b"1")), "application/x-ndjson"),
    "a path of a megabyte": (f"{MODEL}/commit/main", lambda: lines(file_line("d" * 1_000_000, b"1")), "application/x-ndjson"),
    "a summary of a megabyte": (f"{MODEL}/commit/main", lambda: json.dumps({"key": "header", "value": {"summary": "s" * 1_000_000}}).encode() + b"\n" +
                                json.dumps(file_line("summary.txt")).encode(), "application/x-ndjson"),
    "a card of ten megabytes": (f"{MODEL}/commit/main", lambda: lines(file_line("README.md", b"---\ntags:\n" + b"- a\n" * 2_000_000 + b"---\n")), "application/x-ndjson"),
    "a card that laughs": (f"{MODEL}/commit/main", lambda: lines(file_line("README.md", b"---\n" + LAUGHS.encode() + b"---\n")), "application/x-ndjson"),
    "attributes without end": (f"{MODEL}/commit/main", lambda: lines(file_line(".gitattributes", b"**/*a*b*c*d*e*f*/** filter=lfs\n" * 20_000),
                                                                     file_line("a" * 200 + "/" + "b" * 200, b"1")), "application/x-ndjson"),
    "a config a million deep": (f"{MODEL}/commit/main", lambda: lines(file_line("config.json", b"[" * 1_000_000)), "application/x-ndjson"),
    "a batch of a hundred thousand": ("/alice/bombs.git/info/lfs/objects/batch", lambda: json.dumps({"operation": "upload", "transfers": ["basic"], "objects": [
        {"oid": hashlib.sha256(b"%d" % i).hexdigest(), "size": i} for i in range(100_000)]}).encode(), "application/vnd.git-lfs+json"),
    "a batch of what the limit lets through": ("/alice/bombs.git/info/lfs/objects/batch", lambda: json.dumps({"operation": "upload", "transfers": ["multipart"], "objects": [
        {"oid": hashlib.sha256(b"%d" % i).hexdigest(), "size": i} for i in range(10_000)]}).encode(), "application/vnd.git-lfs+json"),
    "a large file in a billion parts": ("/alice/bombs.git/info/lfs/objects/batch", lambda: json.dumps({"operation": "upload", "transfers": ["multipart"], "objects": [
        {"oid": "a" * 64, "size": (1 << 62)}]}).encode(), "application/vnd.git-lfs+json"),
    "half a million paths": (f"{MODEL}/paths-info/main", lambda: b"&".join([b"paths=a"] * 500_000), "application/x-www-form-urlencoded"),
    "preupload of a hundred thousand": (f"{MODEL}/preupload/main", lambda: json.dumps({"files": [{"path": f"f{i}.bin", "size": 1, "sample": ""} for i in range(100_000)]}).encode(), "application/json"),
    "preupload with attributes without end": (f"{MODEL}/preupload/main", lambda: json.dumps({"gitAttributes": "*a*b*c*d*e*f*g filter=lfs\n" * 20_000, "files": [
        {"path": "a" * 2000 + f"{i}.bin", "size": 1, "sample": ""} for i in range(200)]}).encode(), "application/json"),
    "a discussion of a megabyte": (f"{MODEL}/discussions", lambda: json.dumps({"title": "t" * 500_000, "description": "d" * 400_000}).encode(), "application/json"),
    "a hundred thousand form fields": ("/oauth/token", lambda: b"a=b&" * 4_000, "application/x-www-form-urlencoded"),
    "a password of sixteen kilobytes": ("/login", lambda: b"name=alice&password=" + b"a" * 16_000, "application/x-www-form-urlencoded"),
}


@pytest.mark.parametrize("name", POSTS)
def test_posts(server, token, little, name):
    path, body, kind = POSTS[name]
    content = body()
    with little("bodies", name) as cost:
        status, _, answer = server.request("POST", path, content, None if path.startswith(("/login", "/oauth")) else token, {"Content-Type": kind})
        cost.answer = status
        assert status < 500, answer[:300]
        server.settle()  # Cards and configurations are read behind the answer.


def upload(server: Server, token: str, path: str, content: bytes) -> None:
    """By LFS, as any client could."""
    oid = hashlib.sha256(content).hexdigest()
    _, _, answer = server.request("POST", "/alice/bombs.git/info/lfs/objects/batch", {
        "operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(content)}]}, token)
    action = json.loads(answer)["objects"][0].get("actions", {}).get("upload")
    if action:
        place = urlsplit(action["href"])
        status, _, answer = server.request("PUT", f"{place.path}?{place.query}", content)
        assert status == 200, answer
    status, _, answer = server.request("POST", f"{MODEL}/commit/main", lines(
        {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": len(content)}}), token, {"Content-Type": "application/x-ndjson"})
    assert status == 200, answer


def gguf(tensors: int, pairs: int, rest: bytes = b"") -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, tensors, pairs) + rest


def gguf_string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


TENSOR = b'"t%d":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}'
WEIGHTS = {
    "length.safetensors": struct.pack("<Q", 1 << 63) + b"{}",
    "longer.safetensors": struct.pack("<Q", 100_000_000) + b"{}",
    "deep.safetensors": struct.pack("<Q", 5_000_000) + b'{"a":' * 1_000_000,
    "many.safetensors": (lambda header: struct.pack("<Q", len(header)) + header)(
        b"{" + b",".join(TENSOR % (i, 4 * i, 4 * i + 4) for i in range(200_000)) + b"}") + bytes(800_000),
    "overflow.safetensors": (lambda header: struct.pack("<Q", len(header)) + header)(
        b'{"a":{"dtype":"F32","shape":[' + b",".join([b"4294967296"] * 1000) + b'],"data_offsets":[0,4]}}') + bytes(4),
    "counts.gguf": gguf(1 << 60, 1 << 60),
    "tensors.gguf": gguf(1 << 32, 0, bytes(1_000_000)),
    "string.gguf": gguf(0, 1, struct.pack("<Q", 1 << 62)),
    "array.gguf": gguf(0, 1, gguf_string(b"a") + struct.pack("<IIQ", 9, 8, 1 << 61)),
    "nested.gguf": gguf(0, 1, gguf_string(b"a") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 200_000),
    "empty-strings.gguf": gguf(0, 1, gguf_string(b"a") + struct.pack("<IIQ", 9, 8, 1_000_000) + bytes(8_000_000)),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_headers_of_weights(server, token, little, name):
    with little("headers of weights", name) as cost:
        upload(server, token, name, WEIGHTS[name])
        cost.answer = "200, taken"
        server.settle()
        assert server.request("GET", MODEL, token=token)[0] == 200


def record(scheme: int, packed: bytes, plain: int, version: int = 0) -> bytes:
    return bytes([version]) + len(packed).to_bytes(3, "little") + bytes([scheme]) + plain.to_bytes(3, "little") + packed


XORBS = {
    "chunks of a byte, without end": record(0, b"a", 1) * 3_000_000,
    "an LZ4 frame of nothing": record(1, b"\x04\x22\x4d\x18\x40\x40\xc0" + struct.pack("<I", 300) + b"\x1f" + b"\x00\x01\x00" + b"\xff" * 290, 131072) * 10_000,
    "a chunk longer than chunks are": record(0, bytes(200_000), 200_000),
    "a chunk that says sixteen megabytes": record(1, bytes(10), (1 << 24) - 1) * 1000,
    "a header and no end": record(0, bytes(100), 100)[:8],
}


@pytest.mark.parametrize("name", XORBS)
def test_xorbs(server, xet_token, little, name):
    with little("xorbs", name) as cost:
        status, _, answer = server.request("POST", f"/cas/v1/xorbs/default/{'a' * 64}", XORBS[name], xet_token)
        cost.answer = status
        assert status in (400, 413), answer


SHARD_HEADER = b"HFRepoMetaData\0" + bytes([85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169]) + struct.pack("<QQ", 2, 0)
SHARDS = {
    "a file of four billion terms": SHARD_HEADER + bytes(32) + struct.pack("<IIQ", 0, 0xFFFFFFFF, 0) + bytes(1000),
    "a million files": SHARD_HEADER + (b"\1" * 32 + struct.pack("<IIQ", 0, 0, 0)) * 1_000_000,
    "a xorb of four billion chunks": SHARD_HEADER + b"\xff" * 32 + bytes(16) + bytes(32) + struct.pack("<IIII", 0, 0xFFFFFFFF, 0xFFFFFFFF, 0),
    "a million xorbs": SHARD_HEADER + b"\xff" * 32 + bytes(16) + (b"\1" * 32 + struct.pack("<IIII", 0, 0, 0, 0)) * 1_000_000,
    "nothing but ones": b"\xff" * 10_000_000,
}


@pytest.mark.parametrize("name", SHARDS)
def test_shards(server, xet_token, little, name):
    with little("shards", name) as cost:
        status, _, answer = server.request("POST", "/cas/v1/shards", SHARDS[name], xet_token)
        cost.answer = status
        assert status in (400, 413), answer


# ---- pushes


def packet(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


def size_of(kind: int, size: int) -> bytes:
    """The header of an object in a pack: three bits of kind, then the size, seven bits at a time."""
    first, size = kind << 4 | size & 15, size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 127, size >> 7
    out.append(first)
    return bytes(out)


def varint(size: int) -> bytes:
    out = bytearray()
    while size >> 7:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes(out) + bytes([size])


def pack(*objects: bytes) -> bytes:
    body = struct.pack(">4sII", b"PACK", 2, len(objects)) + b"".join(objects)
    return body + hashlib.sha1(body).digest()


def blob(content: bytes, kind: int = 3) -> bytes:
    return size_of(kind, len(content)) + zlib.compress(content, 1)


def oid_of(content: bytes, kind: str = "blob") -> bytes:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).digest()


def commit_of(tree: bytes) -> bytes:
    return b"tree " + tree.hex().encode() + b"\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nm\n"


def led_to(*objects: bytes, oid: bytes) -> tuple[bytes, bytes]:
    """The objects, and a commit that has the blob `oid`."""
    tree = b"100644 x\0" + oid
    commit = commit_of(oid_of(tree, "tree"))
    return pack(*objects, blob(tree, 2), blob(commit, 1)), oid_of(commit, "commit")


def zeros_pack() -> tuple[bytes, bytes]:
    packer, size, nothing = zlib.compressobj(1), 1 << 29, bytes(1 << 20)
    packed = b"".join(packer.compress(nothing) for _ in range(size >> 20)) + packer.flush()
    oid = hashlib.sha1(b"blob %d\0" % size)
    for _ in range(size >> 20):
        oid.update(nothing)
    return led_to(size_of(3, size) + packed, oid=oid.digest())


def delta(base: bytes, oid: bytes, result_bytes: int, operations: bytes) -> bytes:
    content = varint(len(base)) + varint(result_bytes) + operations
    return size_of(7, len(content)) + oid + zlib.compress(content)


def copying_pack() -> tuple[bytes, bytes]:
    """A delta of some hundred bytes that makes a gigabyte out of sixteen megabytes of nothing."""
    base, times = bytes(0xFFFFFF), 64
    oid = hashlib.sha1(b"blob %d\0" % (len(base) * times))
    for _ in range(times):
        oid.update(base)
    return led_to(blob(base), delta(base, oid_of(base), len(base) * times, b"\xf0\xff\xff\xff" * times), oid=oid.digest())


def chain_pack() -> tuple[bytes, bytes]:
    """Deltas of deltas, five thousand deep."""
    objects, content = [blob(b"x" * 100)], b"x" * 100
    for index in range(5_000):
        new = content[:90] + b"%010d" % index
        objects.append(delta(content, oid_of(content), 100, b"\x90\x5a" + b"\x0a" + b"%010d" % index))
        content = new
    return led_to(*objects, oid=oid_of(content))


def wide_pack() -> tuple[bytes, bytes]:
    """A folder of a million files, all of them one."""
    content = b"x"
    tree = b"".join(b"100644 %07d\0" % index + oid_of(content) for index in range(1_000_000))
    commit = commit_of(oid_of(tree, "tree"))
    return pack(blob(content), blob(tree, 2), blob(commit, 1)), oid_of(commit, "commit")


def deep_pack() -> tuple[bytes, bytes]:
    """A folder in a folder, twenty thousand deep."""
    content = b"x"
    tree = b"100644 x\0" + oid_of(content)
    objects = [blob(content), blob(tree, 2)]
    for _ in range(20_000):
        tree = b"40000 d\0" + oid_of(tree, "tree")
        objects.append(blob(tree, 2))
    commit = commit_of(oid_of(tree, "tree"))
    return pack(*objects, blob(commit, 1)), oid_of(commit, "commit")


def bush_pack() -> tuple[bytes, bytes]:
    """Ten folders that are one, in ten that are one, twelve times: a trillion files in a kilobyte."""
    content = b"x"
    tree = b"100644 x\0" + oid_of(content)
    objects = [blob(content), blob(tree, 2)]
    for _ in range(12):
        tree = b"".join(b"40000 %d\0" % index + oid_of(tree, "tree") for index in range(10))
        objects.append(blob(tree, 2))
    commit = commit_of(oid_of(tree, "tree"))
    return pack(*objects, blob(commit, 1)), oid_of(commit, "commit")


PUSHES = {
    "half a gigabyte of nothing": zeros_pack,
    "a delta that copies": copying_pack,
    "a chain of deltas": chain_pack,
    "a pack that says four billion objects": lambda: (struct.pack(">4sII", b"PACK", 2, 0xFFFFFFFF) + bytes(1000), b"\1" * 20),
    "an object that says sixteen exabytes": lambda: (pack(size_of(3, (1 << 63) - 1) + zlib.compress(b"x")), b"\1" * 20),
    "a million files": wide_pack,
    "twenty thousand folders": deep_pack,
    "a bush": bush_pack,
}


# Nothing is wrong with these: they are much, and are taken.
DONE = ("a chain of deltas", "a million files")


@pytest.mark.parametrize("name", PUSHES)
def test_pushes(server, token, little, name):
    content, commit = PUSHES[name]()
    # A branch of its own: one that is there already would be the reason of the refusal.
    branch = b"refs/heads/" + name.replace(" ", "-").encode()
    command = packet(b"0" * 40 + b" " + commit.hex().encode() + b" " + branch + b"\0 report-status agent=git/2.39\n") + b"0000"
    with little("pushes", name) as cost:
        status, _, answer = server.request("POST", "/alice/pushes.git/git-receive-pack", command + content, token,
                                           {"Content-Type": "application/x-git-receive-pack-request"})
        taken = b"ok " + branch in answer
        cost.answer = f"{status}, {'taken' if taken else 'refused'}"
        assert status in (200, 400, 413), answer
        print(answer)
        assert taken == (name in DONE), answer


def test_a_push_of_a_hundred_thousand_references(server, token, little):
    oid = json.loads(server.request("GET", "/api/models/alice/pushes/revision/main", token=token)[2])["sha"].encode()
    commands = [packet(b"0" * 40 + b" " + oid + b" refs/heads/b%d" % index + (b"\0 report-status\n" if index == 0 else b"\n")) for index in range(100_000)]
    with little("pushes", "a hundred thousand references") as cost:
        status, _, answer = server.request("POST", "/alice/pushes.git/git-receive-pack", b"".join(commands) + b"0000" + pack(), token,
                                           {"Content-Type": "application/x-git-receive-pack-request"})
        taken = status == 200 and b"ok refs/heads/b99999" in answer
        cost.answer = f"{status}, {'taken' if taken else 'refused'}"
        assert status in (200, 400, 413), answer[:300]
        assert not taken, answer[:300]


def test_nothing_is_left_of_it(server, token):
    assert server.request("GET", "/health")[0] == 200
    result = server.verify()
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert subprocess.run(["git", "ls-remote", f"{server.url}/alice/bombs"], capture_output=True, timeout=60).returncode == 0
