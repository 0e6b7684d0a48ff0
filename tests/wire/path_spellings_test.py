"""Some hundreds of spellings of paths that lead out of a repository or into its .git, through every route that takes a
path: none reads a byte that the repository does not hold, none is written."""

import itertools
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

ROUTES = (Path(__file__).resolve().parent.parent.parent / "docs" / "routes.md").read_text()
CANARY = b"a canary that no repository holds"

# Decoded: what a commit may say.
UP = ["..", "../..", "./..", "a/../..", "folder/../../..", ".", "./.", "folder/.", "/..", "//..", "folder//..", "..\\..", "a\\..\\..\\.."]
# Names that file systems take for .git: letters in any case, code points that HFS+ leaves out, NTFS's short names, streams, and
# dots and blanks at the end (git's own list, t/t0060-path-utils.sh and path.c: is_hfs_dotgit, is_ntfs_dotgit).
IGNORED = "\u200c\u200d\u200e\u200f\u202a\u202e\u206a\u206f\ufeff"
DOT_GIT = [".git", ".GIT", ".Git", ".gIt", "git~1", "GIT~1", ".git ", ".git.", ".git. .", ".git::$INDEX_ALLOCATION", ".git:x",
           ".git\\", "..git\\x", *(f".g{c}it" for c in IGNORED), *(f"{c}.git" for c in IGNORED), *(f".git{c}" for c in IGNORED)]
TARGETS = ["", "canary", "hearth.db", "config", "HEAD", "refs/heads/main"]
CONTROL = ["a\0b", "\0", "a\nb", "a\rb", "a\tb", "\x01", "\x7f", "a\x1fb"]


def written() -> list[str]:
    """Paths that no commit may make."""
    up = [f"{way}/{target}".rstrip("/") for way, target in itertools.product(UP, TARGETS)]
    inside = [f"{before}{name}/{target}".rstrip("/") for name, target, before in itertools.product(DOT_GIT, ("", "config"), ("", "folder/"))]
    return [*up, *inside, *CONTROL, *(f"folder/{name}" for name in CONTROL), "", "/", "/etc/passwd", "a//b", "a/", "folder/a.txt/b/../c"]


def asked() -> list[str]:
    """Raw paths of a request. Twice and badly encoded ones are names like others, of files that are not there."""
    once = [quote(path, safe="/") for path in written() if path]
    all_hex = ["".join(f"%{byte:02x}" for byte in f"{way}/{target}".encode()) for way, target in itertools.product(UP, TARGETS[1:3])]
    twice = [path.replace("%", "%25") for path in all_hex]
    overlong = [path.replace("..", dots).replace("/", slash) for path in ("../canary", "../../canary", "../../../hearth.db")
                for dots in ("%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae%f0%80%80%ae", "%2e%2e", ".%2e", "%u002e%u002e", "%uff0e%uff0e",
                             quote("\uff0e\uff0e"), quote("\u2024\u2024"))
                for slash in ("/", "%2f", "%2F", "%5c", "%c0%af", "%e0%80%af", quote("\u2215"), quote("\uff0f"))]
    return [*once, *all_hex, *twice, *overlong]


@pytest.fixture(scope="module")
def canary(server):
    place = server.data / "canary"
    place.write_bytes(CANARY)
    yield place
    place.unlink()


def routes() -> list[str]:
    """What is built and takes a path, by docs/routes.md, which is made from the route table."""
    return re.findall(r"^\| GET \| `(/[^`]*\{path\*\})` \| who ", ROUTES, re.M)


def test_there_are_routes_and_spellings():
    assert len(routes()) >= 6
    assert len(asked()) > 500 and len(written()) > 200


@pytest.mark.parametrize("pattern", routes())
def test_no_spelling_reads_what_is_not_in_the_repository(server, values, canary, pattern):
    base = (pattern.replace("{prefix}/", "").replace("{types}", "models").replace("{repo}", "alice/open").replace("{rev}", "main")
            .replace("{path*}", ""))
    server.on_answer, check = None, server.on_answer
    shell = server.request("GET", "/", token=values["alice"])[2]
    try:
        for path in asked():
            status, headers, body = server.request("GET", base + path, token=values["alice"])
            assert status < 500, (path, status, body)
            assert CANARY not in body and b"SQLite format" not in body and b"[core]" not in body and b"ref: refs" not in body, path
            # A page answers with the same shell whatever the path is: nothing of a repository is in it.
            if status == 200 and body != shell:
                assert "/tree" in base, (path, body)  # The folder itself, where the rest of the path is empty.
    finally:
        server.on_answer = check


def lines_for(path: str, oid: str) -> list[dict]:
    return [{"key": "file", "value": {"path": path, "content": "written"}},
            {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": oid, "size": 5}},
            {"key": "deletedFile", "value": {"path": path}},
            {"key": "deletedFolder", "value": {"path": path}},
            {"key": "copyFile", "value": {"path": path, "srcPath": "folder/a.txt", "srcRevision": "main"}},
            {"key": "copyFile", "value": {"path": "copied", "srcPath": path, "srcRevision": "main"}}]


def test_no_spelling_is_written(server, values, canary):
    server.on_answer, check = None, server.on_answer
    try:
        head = json.loads(server.request("GET", "/api/models/alice/open", token=values["alice"])[2])["sha"]
        for path in written():
            for line in lines_for(path, "0" * 64):
                body = "\n".join(map(json.dumps, [{"key": "header", "value": {"summary": "out"}}, line])).encode()
                status, _, answer = server.request("POST", "/api/models/alice/open/commit/main", body, values["alice"],
                                                   {"Content-Type": "application/x-ndjson"})
                assert 400 <= status < 500, (path, line, status, answer)
            status, _, answer = server.request("POST", "/api/models/alice/open/paths-info/main", {"paths": [path]}, values["alice"])
            assert status < 500 and CANARY not in answer and (status >= 400 or json.loads(answer) == []), (path, answer)
            preload = {"files": [{"path": path, "sample": "", "size": 7}]}
            status, _, answer = server.request("POST", "/api/models/alice/open/preupload/main", preload, values["alice"])
            assert status < 500, (path, answer)
        assert json.loads(server.request("GET", "/api/models/alice/open", token=values["alice"])[2])["sha"] == head
        assert canary.read_bytes() == CANARY
    finally:
        server.on_answer = check
