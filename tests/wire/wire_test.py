"""Each case of the *.http files beside this one, and the bad input that has to be computed. A request that is
refused must leave nothing behind."""

import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from http_cases import VECTORS, Case, check, check_document, read_cases, send

HERE = Path(__file__).resolve().parent
EXPECTED = json.loads((VECTORS / "expected.json").read_text())
CASES = [(path.stem, case) for path in sorted(HERE.glob("*.http")) for case in read_cases(path)]


def what_is_stored(server) -> dict:
    """Every file below the data folder that holds content, and every repository with its references."""
    files = {}
    for folder in ("git", "blobs", "xorbs", "shards", "uploads"):
        for parent, _, names in os.walk(server.data / folder):  # Unlike rglob(): without fear of what vanishes.
            for name in names:
                if name in ("hearth-objects.lock", "hearth-packing.lock"):
                    continue  # Empty, and there from a repository's first writer on: src/git/garbage.cc.
                path = Path(parent, name)
                try:
                    files[str(path.relative_to(server.data))] = path.stat().st_size
                except FileNotFoundError:
                    pass
    return {"files": files, "repositories": json.loads(server.hearth("repo", "list", "--json"))}


def assert_nothing_was_stored(server, before: dict) -> None:
    """The answer may come a moment before the hub has swept up what it had put aside."""
    for _ in range(50):
        after = what_is_stored(server)
        if after == before:
            return
        time.sleep(0.1)
    assert sorted(after["files"].items() - before["files"].items()) == []
    assert after == before


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{file}: {case.name}" for file, case in CASES])
def test_case(server, values, document, case: Case):
    before = what_is_stored(server)
    answer = send(case, server.url, values)
    check(case, answer, values)
    check_document(document, case, answer, values)
    if answer.status == 0 or answer.status >= 400:
        assert_nothing_was_stored(server, before)
    assert server.request("GET", "/health")[0] == 200


def post(server, path: str, body: bytes, token: str) -> tuple[int, bytes]:
    status, _, answer = server.request("POST", path, body, token)
    return status, answer


def test_a_xorb_malformed_in_any_field(server, values):
    """Every byte of every chunk header, and of a sample of the payload, with each of three other values."""
    good = (VECTORS / "v3.xorb").read_bytes()
    name = EXPECTED["v3"]["xorb"]["hash"]
    before = what_is_stored(server)
    at, places = 0, []
    while at < len(good):  # The record: version 1, packed length 3, scheme 1, length 3 (all little-endian).
        places += range(at, at + 8)
        at += 8 + int.from_bytes(good[at + 1:at + 4], "little")
    assert at == len(good)
    places += random.Random(1).sample(range(len(good)), 20)
    for place in places:
        for value in {0x00, 0xFF, good[place] ^ 0x01} - {good[place]}:
            bad = good[:place] + bytes([value]) + good[place + 1:]
            status, answer = post(server, f"/cas/v1/xorbs/default/{name}", bad, values["xet-write"])
            assert status == 400, (place, value, answer)
    for length in (0, 1, 7, 8, 100, len(good) - 1):
        assert post(server, f"/cas/v1/xorbs/default/{name}", good[:length], values["xet-write"])[0] == 400, length
    assert post(server, f"/cas/v1/xorbs/default/{'0' * 64}", good, values["xet-write"])[0] == 400
    assert_nothing_was_stored(server, before)


def test_a_shard_malformed_in_any_field(server, values):
    """With its xorb there, a shard changed in any byte is refused, or says the same as it did."""
    good = (VECTORS / "v3.shard").read_bytes()
    status, _ = post(server, f"/cas/v1/xorbs/default/{EXPECTED['v3']['xorb']['hash']}", (VECTORS / "v3.xorb").read_bytes(), values["xet-write"])
    assert status == 200
    before = what_is_stored(server)
    taken = []
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 0x01]) + good[place + 1:]
        status, answer = post(server, "/cas/v1/shards", bad, values["xet-write"])
        assert status in (200, 400), (place, answer)
        if status == 200:
            taken.append(place)
    # What is not read: reserved fields, flags that ask for nothing, and figures that follow from others.
    assert len(taken) < len(good) // 4, taken
    for length in (0, 1, 40, 47, 48, 96, len(good) - 48, len(good) - 1):
        assert post(server, "/cas/v1/shards", good[:length], values["xet-write"])[0] == 400, length
    if not taken:
        assert_nothing_was_stored(server, before)


def test_a_push_that_lies(server, values, tmp_path):
    """What git's own client can be made to send: paths, references and packs that are not allowed."""
    before = what_is_stored(server)
    url = server.url.replace("http://", f"http://alice:{values['alice']}@") + "/alice/open.git"

    def git(*arguments: str, check: bool = True, stdin: bytes = b"") -> str:
        result = subprocess.run(["git", *arguments], cwd=tmp_path, input=stdin, capture_output=True,
                                env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"})
        if check:
            assert result.returncode == 0, result.stderr
        return (result.stdout + (result.stderr if not check else b"")).decode().strip()

    git("init", "-q", "-b", "main")
    git("config", "user.name", "Alice")
    git("config", "user.email", "alice@example.org")
    git("fetch", "-q", url, "main")
    blob = git("hash-object", "-w", "--stdin", stdin=b"x")
    pointer = git("hash-object", "-w", "--stdin", stdin=(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + hashlib.sha256(b"never sent").hexdigest() + "\nsize 10\n").encode())

    def commit_of(tree: str) -> str:
        return git("commit-tree", "-p", "FETCH_HEAD", "-m", "bad", tree)

    def tree_of(name: str, mode: str = "100644", oid: str = blob) -> str:
        kind = {"160000": "commit", "040000": "tree"}.get(mode, "blob")
        return git("mktree", "--missing", "-z", stdin=f"{mode} {kind} {oid}\t{name}\0".encode())

    for name in (".git", ".GIT", "..", "a\nb", "back\\slash", "c\x7fd"):
        said = git("push", url, f"{commit_of(tree_of(name))}:refs/heads/main", check=False)
        assert "rejected" in said or "fatal" in said, (name, said)
    said = git("push", url, f"{commit_of(tree_of('w.bin', oid=pointer))}:refs/heads/main", check=False)
    assert "rejected" in said and "sha256" in said.lower() or "upload" in said.lower(), said
    good = commit_of(tree_of("fine.txt"))
    for ref in ("refs/pr/1", "refs/convert/parquet", "refs/heads/../x", "refs/hearth/x", "refs/heads/a..b", "refs/heads/x.lock"):
        said = git("push", url, f"{good}:{ref}", check=False)
        assert "rejected" in said or "fatal" in said or "error" in said, (ref, said)
    assert_nothing_was_stored(server, before)


def test_nothing_is_damaged_after_all_that(server):
    result = server.verify()
    assert result.returncode == 0, result.stdout + result.stderr
