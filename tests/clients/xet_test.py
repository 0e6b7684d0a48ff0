"""The Xet protocol and Git LFS: the real clients, and their requests one by one with the vectors that a real
client once sent (tests/vectors/xet)."""

import hashlib
import io
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from huggingface_hub import hf_hub_download

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "xet"
EXPECTED = json.loads((VECTORS / "expected.json").read_text())


def some_bytes(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def vector(name: str) -> bytes:
    return (VECTORS / name).read_bytes()


def stored_xorb_bytes(server) -> int:
    server.settle()  # Files of LFS clients are chunked in the background.
    return sum(path.stat().st_size for path in (server.data / "xorbs").rglob("*") if path.is_file())


def forget_local_chunks() -> None:
    """As another machine: no xorb or shard that this one has seen."""
    shutil.rmtree(Path(os.environ["HF_HOME"]) / "xet", ignore_errors=True)


def xet_token(server, repo_id: str, token: str | None, scope: str = "write", rev: str = "main", query: str = ""):
    status, headers, body = server.request("GET", f"/api/models/{repo_id}/xet-{scope}-token/{rev}{query}", token=token)
    if status != 200:
        return status, None
    answer = json.loads(body)
    assert headers["X-Xet-Access-Token"] == answer["accessToken"]
    assert headers["X-Xet-Cas-Url"] == answer["casUrl"] == server.url + "/cas"
    assert headers["X-Xet-Token-Expiration"] == str(answer["exp"])
    assert 600 < answer["exp"] - time.time() < 1000
    return status, answer["accessToken"]


def upload_vector(server, name: str, write_token: str) -> None:
    xorb = EXPECTED[name]["xorb"]["hash"]
    status, _, body = server.request("POST", f"/cas/v1/xorbs/default/{xorb}", vector(f"{name}.xorb"), write_token)
    assert (status, json.loads(body)) == (200, {"was_inserted": True})
    status, _, body = server.request("POST", "/cas/v2/shards", vector(f"{name}.shard"), write_token)
    assert status == 200
    assert json.loads(body.decode().splitlines()[-1])["type"] == "result", body


@pytest.fixture
def client_files(tmp_path):
    noise = some_bytes(1_000_000, 1011)  # Nobody else's content: a hit in another xorb would end where that one ends.
    text = (b"The quick brown fox jumps over the lazy dog. " * 25_000)[:1_000_000]
    ramp = b"".join(struct.pack("<f", i * 0.001) for i in range(250_000))
    (tmp_path / "first.bin").write_bytes(noise + text + ramp)
    (tmp_path / "second.bin").write_bytes(noise + some_bytes(500_000, 1012) + ramp)
    return tmp_path


# ---- The real client ----

def test_a_second_machine_sends_only_what_is_new(server, api, model, client_files, tmp_path):
    api.upload_file(path_or_fileobj=str(client_files / "first.bin"), path_in_repo="first.bin", repo_id=model)
    before = stored_xorb_bytes(server)
    forget_local_chunks()
    api.upload_file(path_or_fileobj=str(client_files / "second.bin"), path_in_repo="second.bin", repo_id=model)
    assert stored_xorb_bytes(server) - before < 800_000
    for name in ("first.bin", "second.bin"):
        path = hf_hub_download(model, name, local_dir=tmp_path / "down")
        assert Path(path).read_bytes() == (client_files / name).read_bytes()
    assert all(info.xet_hash for info in api.get_paths_info(model, ["first.bin", "second.bin"]))


def test_a_stranger_to_the_repository_learns_nothing_of_its_chunks(server, api, new_name, token, bob_token):
    private, his = new_name(), new_name("bob")
    api.create_repo(private, private=True)
    api.create_repo(his, token=bob_token)
    upload_vector(server, "v3", xet_token(server, private, token)[1])
    write = xet_token(server, his, bob_token)[1]
    xorb, chunk = EXPECTED["v3"]["xorb"]["hash"], EXPECTED["v3"]["chunks"][0]["hash"]

    def what_he_sees() -> list[int]:
        return [server.request("GET", f"/cas/v1/chunks/default/{chunk}", token=write)[0],
                server.request("POST", f"/cas/v1/xorb-grants/default/{xorb}", {}, token=write)[0],
                server.request("HEAD", f"/cas/v1/xorbs/default/{xorb}", token=write)[0],
                server.request("POST", "/cas/v1/shards", vector("v3.shard"), token=write)[0]]

    assert what_he_sees() == [404, 404, 404, 400]
    # With the same content of his own all is as if nobody had had it.
    upload_vector(server, "v3", write)
    assert what_he_sees() == [200, 200, 200, 200]


def test_a_pull_request_brings_large_files(api, model, bob_token, tmp_path):
    (tmp_path / "proposal.bin").write_bytes(some_bytes(700_000, 14))
    info = api.upload_file(path_or_fileobj=str(tmp_path / "proposal.bin"), path_in_repo="proposal.bin", repo_id=model,
                           create_pr=True, token=bob_token)
    path = hf_hub_download(model, "proposal.bin", revision=f"refs/pr/{info.pr_num}", local_dir=tmp_path / "down")
    assert Path(path).read_bytes() == some_bytes(700_000, 14)


def test_without_xet_files_go_by_lfs_in_one_piece_and_in_parts(server, api, model, tmp_path):
    for name, size in (("one.bin", 400_000), ("parts.bin", 12 * 1024 * 1024 + 1)):
        (tmp_path / name).write_bytes(some_bytes(size, size))
    code = f"""
from huggingface_hub import HfApi, hf_hub_download
for name in ("one.bin", "parts.bin"):
    HfApi().upload_file(path_or_fileobj={str(tmp_path)!r} + "/" + name, path_in_repo=name, repo_id={model!r})
    path = hf_hub_download({model!r}, name, local_dir={str(tmp_path / "plain")!r})
    assert open(path, "rb").read() == open({str(tmp_path)!r} + "/" + name, "rb").read()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "HF_HUB_DISABLE_XET": "1"})
    server.settle()  # Chunking in the background has files there too.
    assert not [path for path in (server.data / "uploads").iterdir()], "parts are cleared away"
    # A task chunks them; from then on Xet clients see them.
    deadline = time.monotonic() + 60
    while not all(info.xet_hash for info in api.get_paths_info(model, ["one.bin", "parts.bin"])):
        assert time.monotonic() < deadline, "the files were not chunked"
        time.sleep(0.1)
    path = hf_hub_download(model, "parts.bin", local_dir=tmp_path / "xet")
    assert Path(path).read_bytes() == some_bytes(12 * 1024 * 1024 + 1, 12 * 1024 * 1024 + 1)


# ---- Its requests ----

def test_a_file_is_reconstructed_for_its_repository_only(server, api, model, new_name, bob_token, token):
    _, write = xet_token(server, model, token)
    upload_vector(server, "v1", write)
    upload_vector(server, "v2", write)
    file = EXPECTED["v2"]["file_hash"]
    _, read = xet_token(server, model, token, "read")
    status, _, body = server.request("GET", f"/cas/v2/reconstructions/{file}", token=read,
                                     headers={"Range": "bytes=150000-250000"})
    assert status == 200
    plan, expected = json.loads(body), json.loads(vector("v2.reconstruction-v2.range-150000-250000.json"))
    urls = [entry.pop("url") for entries in plan["xorbs"].values() for entry in entries]
    for entries in expected["xorbs"].values():
        for entry in entries:
            entry.pop("url")
    assert plan == expected and len(urls) == 1
    old = [json.loads(server.request("GET", f"/cas{path}/{file}", token=read)[2])
           for path in ("/v1/reconstructions", "/reconstructions", "/reconstruction")]
    assert all(list(answer) == ["offset_into_first_range", "terms", "fetch_info"] for answer in old)
    status, _, body = server.request("GET", f"/cas/v1/reconstructions?file_id={file}", token=read)
    assert status == 200 and list(json.loads(body)["files"]) == [file]
    status, _, body = server.request("POST", "/cas/v1/reconstructions", [{"prefix": "default", "hash": file}], token=read)
    assert status == 200 and list(json.loads(body)["files"]) == [file]
    assert server.request("GET", f"/cas/v2/reconstructions/{file}", token=read,
                          headers={"Range": "bytes=400000-500000"})[0] == 416
    status, headers, _ = server.request("HEAD", f"/cas/v1/files/{file}", token=read)
    assert (status, headers["Content-Length"]) == (200, "400000")
    # Another repository, whoever asks.
    other = new_name("bob")
    api.create_repo(other, token=bob_token)
    _, his = xet_token(server, other, bob_token, "read")
    assert server.request("GET", f"/cas/v2/reconstructions/{file}", token=his)[0] == 404
    assert server.request("HEAD", f"/cas/v1/files/{file}", token=his)[0] == 404


def test_signed_ranges_are_given_and_nothing_else(server, model, token):
    _, write = xet_token(server, model, token)
    upload_vector(server, "v1", write)
    file = EXPECTED["v1"]["file_hash"]
    body = server.request("GET", f"/cas/v1/reconstructions/{file}", token=write, headers={"Range": "bytes=30000-40000"})[2]
    [fetch] = json.loads(body)["fetch_info"][EXPECTED["v1"]["xorb"]["hash"]]
    url = fetch["url"].removeprefix(server.url)
    first, last = fetch["url_range"]["start"], fetch["url_range"]["end"]
    xorb = vector("v1.xorb")

    def get(bytes_range: str | None, path: str = url):
        return server.request("GET", path, headers={"Range": bytes_range} if bytes_range else {})

    status, headers, body = get(f"bytes={first}-{last}")
    assert (status, body) == (206, xorb[first:last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(xorb)}"
    assert headers["Content-Type"] == "application/octet-stream"
    status, headers, body = get(f"bytes={first}-{first + 9},{first + 100}-{first + 109}")
    assert status == 206
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\S{32,})", headers["Content-Type"])[1].encode()
    parts = body.split(b"--" + boundary)
    assert [part.split(b"\r\n\r\n", 1)[1] for part in parts[1:-1]] == [
        xorb[first:first + 10] + b"\r\n", xorb[first + 100:first + 110] + b"\r\n"]
    assert get(None)[0] == 403
    assert get(f"bytes={first - 1}-{last}")[0] == 403
    assert get(f"bytes={first}-{last + 1}")[0] == 403
    assert get(f"bytes=-{last}")[0] == 403
    assert get(f"bytes={first}-{last}", url.replace("r=", "r=0-9,"))[0] == 403
    assert get(f"bytes={first}-{last}", url[:-1] + ("A" if url[-1] != "A" else "B"))[0] == 403
    assert get(f"bytes={first}-{last}", url.replace("&e=", "&e=9"))[0] == 403


def test_tokens_open_what_they_say_and_die_with_their_maker(server, api, model, new_name, token, bob_token):
    file, xorb = EXPECTED["v1"]["file_hash"], EXPECTED["v1"]["xorb"]["hash"]
    _, read = xet_token(server, model, token, "read")
    for method, path in (("POST", f"/cas/v1/xorbs/default/{xorb}"), ("POST", "/cas/v1/shards"),
                         ("POST", f"/cas/v1/xorb-grants/default/{xorb}")):
        assert server.request(method, path, b"x", token=read)[0] == 403
    for wrong in (None, token, read[:-1] + ("A" if read[-1] != "A" else "B"), "xet1.e30.AAAA"):
        assert server.request("GET", f"/cas/v2/reconstructions/{file}", token=wrong)[0] == 401
    # Who may not write gets no token for it; a stranger may read what is public.
    assert xet_token(server, model, bob_token)[0] == 403
    assert xet_token(server, model, None)[0] == 401
    assert xet_token(server, model, None, "read")[0] == 200
    assert xet_token(server, model, bob_token, rev="None", query="?create_pr=1")[0] == 200
    private = new_name()
    api.create_repo(private, private=True)
    assert xet_token(server, private, None, "read")[0] == 401
    assert xet_token(server, private, bob_token, "read")[0] == 404
    assert xet_token(server, private, bob_token, rev="None", query="?create_pr=1")[0] == 404
    # Revoked, or the right is gone: dead at the next request.
    short = server.add_token("alice", "short-lived")
    _, from_short = xet_token(server, private, short, "read")
    assert server.request("GET", f"/cas/v2/reconstructions/{file}", token=from_short)[0] == 404
    server.hearth("token", "revoke", "alice", "short-lived")
    assert server.request("GET", f"/cas/v2/reconstructions/{file}", token=from_short)[0] == 401
    _, anonymous = xet_token(server, model, None, "read")
    api.update_repo_settings(model, private=True)
    assert server.request("GET", f"/cas/v2/reconstructions/{file}", token=anonymous)[0] == 401


def test_uploads_that_are_not_what_they_say_are_refused_in_words(server, model, token):
    _, write = xet_token(server, model, token)
    name = EXPECTED["v3"]["xorb"]["hash"]
    body = bytearray(vector("v3.xorb"))
    body[100] ^= 1
    assert server.request("POST", f"/cas/v1/xorbs/default/{name}", bytes(body), token=write)[0] == 400
    assert server.request("POST", "/cas/v1/xorbs/default/zz", vector("v3.xorb"), token=write)[0] == 400
    assert server.request("POST", f"/cas/v1/xorb-grants/default/{'0' * 64}", {"length": 1}, token=write)[0] == 404
    assert server.request("GET", f"/cas/v1/chunks/default/{'0' * 64}", token=write)[0] == 404
    shard = bytearray(vector("v3.shard"))
    for mangled in (bytes(shard[:-50]), bytes(shard[:60]) + b"\xff" * 4 + bytes(shard[64:]), b"nonsense"):
        status, headers, answer = server.request("POST", "/cas/v2/shards", mangled, token=write)
        last = json.loads(answer.decode().splitlines()[-1])
        assert (status, last["type"], last["retryable"]) == (200, "error", False)
        assert headers["Content-Type"].startswith("application/x-ndjson")
        assert len(last["message"]) > 20
        assert server.request("POST", "/cas/v1/shards", mangled, token=write)[0] == 400
    assert server.request("POST", "/v1/telemetry", {"event": "x"})[0] == 200
    assert server.request("GET", f"/cas/v2/file-chunk-hashes/{name}", token=write)[0] == 404


def test_older_clients_find_their_paths(server, model, token):
    _, write = xet_token(server, model, token)
    v1 = EXPECTED["v1"]
    assert server.request("POST", f"/cas/xorb/default/{v1['xorb']['hash']}", vector("v1.with-footer.xorb"), token=write)[0] == 200
    status, _, body = server.request("POST", f"/cas/shard/default/{'1' * 64}", vector("v1.with-lookup-and-footer.shard"), token=write)
    assert status == 200 and json.loads(body)["result"] in (0, 1)
    status, _, body = server.request("POST", "/cas/shards", vector("v1.shard"), token=write)
    assert (status, json.loads(body)["result"]) == (200, 0)
    for path in ("/chunk/default", "/chunks/default", "/v1/chunks/default", "/v1/chunks/default-merkledb"):
        status, _, answer = server.request("GET", f"/cas{path}/{v1['chunks'][0]['hash']}", token=write)
        more = len(answer) - EXPECTED["dedup_response"]["length"]  # Entries of other xorbs that the files around it are made of.
        assert status == 200 and more >= 0 and more % 48 == 0
    status, headers, _ = server.request("HEAD", f"/cas/v1/xorbs/default/{v1['xorb']['hash']}", token=write)
    assert (status, headers["Content-Length"]) == (200, str(v1["xorb"]["serialized_length"]))
    assert server.request("POST", f"/cas/v1/xorb-grants/default/{v1['xorb']['hash']}", {}, token=write)[0] == 200


# ---- Git LFS ----

def batch(server, repo_id: str, operation: str, objects: list, token: str | None, transfers: list | None = None):
    request = {"operation": operation, "objects": objects, "hash_algo": "sha256"}
    if transfers:
        request["transfers"] = transfers
    status, headers, body = server.request("POST", f"/{repo_id}.git/info/lfs/objects/batch", request, token,
                                           {"Accept": "application/vnd.git-lfs+json"})
    return status, headers, json.loads(body)


def path_of(server, href: str) -> str:
    parts = urlsplit(href)
    assert href.startswith(server.url)
    return f"{parts.path}?{parts.query}"


def test_an_object_comes_by_its_link_and_leaves_by_another(server, model, token, bob_token):
    content = b"some large file"
    oid = hashlib.sha256(content).hexdigest()
    wanted = [{"oid": oid, "size": len(content)}]
    assert batch(server, model, "download", wanted, None)[2]["objects"][0]["error"]["code"] == 404
    assert batch(server, model, "upload", wanted, None)[0] == 401
    assert "WWW-Authenticate" in batch(server, model, "upload", wanted, None)[1]
    status, headers, answer = batch(server, model, "upload", wanted, token, ["basic", "multipart"])
    assert status == 200 and headers["Content-Type"].startswith("application/vnd.git-lfs+json")
    assert answer["transfer"] == "basic"
    actions = answer["objects"][0]["actions"]
    put = path_of(server, actions["upload"]["href"])
    assert server.request("PUT", put, b"another large f")[0] == 400
    assert server.request("PUT", put, content + b"!")[0] == 400
    assert server.request("PUT", put.replace(oid, "0" * 64), content)[0] == 403
    assert server.request("PUT", put.replace("size=15", "size=16"), content)[0] == 403
    verify = path_of(server, actions["verify"]["href"])
    assert server.request("POST", verify, {"oid": oid, "size": 15})[0] == 404
    assert server.request("PUT", put, content)[0] == 200
    assert server.request("POST", verify, {"oid": oid, "size": 15})[0] == 200
    assert server.request("POST", verify, {"oid": oid, "size": 16})[0] == 422
    assert server.request("POST", f"/{model}/info/lfs/verify", {"oid": oid, "size": 15}, token)[0] == 200
    assert "actions" not in batch(server, model, "upload", wanted, token)[2]["objects"][0]
    href = batch(server, model, "download", wanted, None)[2]["objects"][0]["actions"]["download"]["href"]
    get = path_of(server, href)
    assert server.request("GET", get)[2] == content
    assert server.request("GET", get, headers={"Range": "bytes=5-9"})[::2] == (206, content[5:10])
    assert server.request("PUT", get, content)[0] == 403
    # A link of one right is none for another, and both die with the right.
    assert server.request("GET", put)[0] == 403


def test_an_object_of_one_repository_is_not_one_of_another(server, api, model, new_name, token, bob_token):
    content = some_bytes(1000, 15)
    wanted = [{"oid": hashlib.sha256(content).hexdigest(), "size": 1000}]
    put = batch(server, model, "upload", wanted, token)[2]["objects"][0]["actions"]["upload"]["href"]
    assert server.request("PUT", path_of(server, put), content)[0] == 200
    other = new_name("bob")
    api.create_repo(other, token=bob_token)
    assert batch(server, other, "download", wanted, bob_token)[2]["objects"][0]["error"]["code"] == 404
    assert "actions" in batch(server, other, "upload", wanted, bob_token)[2]["objects"][0]
    # A link that was given for a public repository is worth nothing once it is private.
    get = path_of(server, batch(server, model, "download", wanted, None)[2]["objects"][0]["actions"]["download"]["href"])
    assert server.request("GET", get)[0] == 200
    api.update_repo_settings(model, private=True)
    assert server.request("GET", get)[0] == 401
    assert batch(server, model, "download", wanted, None)[0] == 401
    assert batch(server, model, "download", wanted, bob_token)[0] == 404


def test_parts_make_the_whole_and_xet_is_offered_to_those_who_know_it(server, model, token):
    content = some_bytes(11 * 1024 * 1024, 16)
    oid = hashlib.sha256(content).hexdigest()
    wanted = [{"oid": oid, "size": len(content)}]
    answer = batch(server, model, "upload", wanted, token, ["basic", "multipart"])[2]
    assert answer["transfer"] == "multipart"
    upload = answer["objects"][0]["actions"]["upload"]
    chunk = int(upload["header"]["chunk_size"])
    numbers = sorted(name for name in upload["header"] if name.isdigit())
    assert numbers == ["00001", "00002", "00003"] and chunk == 5 * 1024 * 1024
    etags = []
    for index, number in enumerate(numbers):
        part = content[index * chunk:(index + 1) * chunk]
        put = path_of(server, upload["header"][number])
        assert server.request("PUT", put, part[:-1])[0] == 400
        status, headers, _ = server.request("PUT", put, part)
        assert status == 200
        etags.append({"partNumber": index + 1, "etag": headers["ETag"]})
        complete = server.request("POST", path_of(server, upload["href"]), {"oid": oid, "parts": etags})[0]
        assert complete == (200 if number == "00003" else 400)
    assert server.request("POST", path_of(server, upload["href"]), {"oid": oid, "parts": etags})[0] == 200
    new = [{"oid": "a" * 64, "size": 10}, {"oid": "not one", "size": 10}, {"oid": "b" * 64, "size": -1}]
    answer = batch(server, model, "upload", new, token, ["basic", "multipart", "xet"])[2]
    assert answer["transfer"] == "xet"
    action = answer["objects"][0]["actions"]["upload"]
    assert action["href"] == f"{server.url}/api/models/{model}/xet-write-token/main"
    assert all(isinstance(value, str) for value in action["header"].values())
    assert server.request("GET", f"/cas/v1/chunks/default/{'0' * 64}",
                          token=action["header"]["X-Xet-Access-Token"])[0] == 404
    assert [item["error"]["code"] for item in answer["objects"][1:]] == [422, 422]


def test_git_lfs_pushes_and_clones(server, model, token, tmp_path):
    def git(*arguments: str, cwd: Path | None = None) -> str:
        return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout

    remote = server.url.replace("://", f"://alice:{token}@") + "/" + model
    git("clone", "-q", remote, str(tmp_path / "one"))
    content = some_bytes(600_000, 17)
    (tmp_path / "one" / "weights.bin").write_bytes(content)
    git("add", "weights.bin", cwd=tmp_path / "one")
    git("commit", "-q", "-m", "weights", cwd=tmp_path / "one")
    git("lfs", "push", "origin", "main", cwd=tmp_path / "one")
    git("push", "-q", "origin", "main", cwd=tmp_path / "one")
    git("clone", "-q", remote, str(tmp_path / "two"))
    assert (tmp_path / "two" / "weights.bin").read_bytes() == content
    assert Path(hf_hub_download(model, "weights.bin", local_dir=tmp_path / "hub")).read_bytes() == content


def test_locks_are_not_offered(server, model, token):
    assert server.request("POST", f"/{model}.git/info/lfs/locks/verify", {}, token)[0] == 404
    assert server.request("GET", f"/{model}.git/info/lfs/locks", None, token)[0] == 404


def test_bytes_from_memory_are_a_large_file_too(api, model, tmp_path):
    content = some_bytes(300_000, 18)
    api.upload_file(path_or_fileobj=io.BytesIO(content), path_in_repo="memory.bin", repo_id=model)
    assert Path(hf_hub_download(model, "memory.bin", local_dir=tmp_path)).read_bytes() == content
