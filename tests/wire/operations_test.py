"""Every operation that the Hub documents, and every one that clients call besides, has a row: it works, or it answers
501 with a sentence."""

import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest

API = Path(__file__).resolve().parent.parent.parent / "src" / "api"
VALUES = {"repoType": "models", "namespace": "alice", "repo": "open", "rev": "main", "path": "folder/a.txt"}


def operations(name: str) -> list[tuple[str, str, str]]:
    lines = (API / name).read_text().splitlines()[1:]
    return [(method, path, title) for method, path, _, title in (line.split("\t") for line in lines)]


def not_built(server) -> set[str]:
    page = subprocess.run([server.binary, "routes"], capture_output=True, text=True, check=True).stdout.split("## Not built")[1]
    return set(re.findall(r"^\| (\w+) \| `([^`]*)`", page, re.M))


@pytest.mark.parametrize("name,count_min", [("operations.tsv", 311), ("client_operations.tsv", 20)])
def test_each_operation_has_a_row(server, values, name, count_min):
    rows = operations(name)
    assert len(rows) >= count_min
    missing = {(method, re.sub(r"\{[^}]*\}", "{}", path)) for method, path in not_built(server)}
    lost, silent = [], []
    for method, path, title in rows:
        asked = re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], "zz"), path)
        # Nothing here may change what other cases rely on: the built ones get a body that none takes.
        if (method, re.sub(r"\{[^}]*\}", "{}", path)) not in missing and method == "DELETE":
            continue
        status, headers, body = server.request(method, urllib.parse.quote(asked), None if method == "GET" else b"?", values["alice"])
        if b"nothing at this address" in body or status == 405:
            lost.append((method, asked, status))
        elif status == 501 and (headers.get("X-Error-Code") != "NotImplemented" or title.encode() not in body):
            silent.append((method, asked, body))
    assert not lost
    assert not silent


def test_head_answers_as_get_does(server, values):
    """Each GET of the lists that works, asked by HEAD: the same status and headers, and nothing behind them."""
    missing = {path for method, path in not_built(server) if method == "GET"}
    compared = 0
    for name in ("operations.tsv", "client_operations.tsv"):
        for method, path, _ in operations(name):
            if method != "GET" or re.sub(r"\{[^}]*\}", "{}", path) in {re.sub(r"\{[^}]*\}", "{}", known) for known in missing}:
                continue
            asked = urllib.parse.quote(re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], "zz"), path))
            status, headers, body = server.request("GET", asked, token=values["alice"])
            head_status, head_headers, head_body = server.request("HEAD", asked, token=values["alice"])
            assert (head_status, head_body) == (status, b""), asked
            for field in ("Content-Type", "Content-Length", "X-Repo-Commit", "X-Error-Code", "ETag"):
                assert head_headers.get(field) == headers.get(field), (asked, field)
            compared += 1
    assert compared > 40
