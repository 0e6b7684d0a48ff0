"""Each limit of docs/limits.md at its edge: one less and the limit itself pass, one more is refused with the status
and a sentence. A row without a test here fails."""

import base64
import json
import re
import socket
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "bytes": 1}


@dataclass
class Answer:
    status: int
    body: bytes = b""
    headers: dict | None = None


def rows_of(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines() if line.startswith("| ")]


def number_of(text: str) -> int:
    number, _, unit = text.replace(",", "").partition(" ")
    return int(number) * UNITS[unit] if unit else int(number)


def documented(*sections: str) -> dict[str, tuple[int, str]]:
    page = (ROOT / "docs" / "limits.md").read_text()
    found = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        if section.split("\n")[0] in sections:
            for what, limit, beyond, _ in rows_of(section)[2:]:
                found[what] = number_of(limit), beyond
    return found


LIMITS = documented("Requests", "Commits and files", "Batches and lists", "Names and texts")


class Hub:
    def __init__(self, server, values) -> None:
        self.server, self.values = server, values
        self.alice = values["alice"]

    def ask(self, method: str, path: str, body: object = None, headers: dict | None = None) -> Answer:
        status, answered, content = self.server.request(method, path, body, self.alice, headers)
        return Answer(status, content, answered)

    def raw(self, head: bytes) -> Answer:
        """A request that ends with its head."""
        place = urlsplit(self.server.url)
        with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
            try:
                connection.sendall(head)
            except OSError:
                pass  # Refused before all was sent: the answer is there to be read.
            answer = b""
            try:
                while block := connection.recv(1 << 16):
                    answer += block
            except OSError:
                pass
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        return Answer(int(head.split(b" ")[1]), body, headers)

    def commit(self, *lines: object, summary: str = "edge", parent: str = "") -> Answer:
        header = {"key": "header", "value": {"summary": summary, **({"parentCommit": parent} if parent else {})}}
        body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in (header, *lines)) + "\n"
        return self.ask("POST", "/api/models/alice/edges/commit/main", body.encode(), {"Content-Type": "application/x-ndjson"})

    def cli(self, *arguments: str, stdin: str = "") -> Answer:
        done = subprocess.run([self.server.binary, *arguments, "--data", str(self.server.data), *self.server._database_option()],
                              input=stdin, capture_output=True, text=True)
        return Answer(200 if done.returncode == 0 else 0, (done.stdout + done.stderr).encode())


@pytest.fixture(scope="module")
def hub(server, values) -> Hub:
    """With a repository of its own: other tests know the head of theirs."""
    hub = Hub(server, values)
    assert hub.ask("POST", "/api/repos/create", {"name": "edges"}).status == 200
    assert hub.commit(file("folder/a.txt", "one line\n")).status == 200
    return hub


def file(path: str, content: str = "", encoding: str = "utf-8") -> dict:
    return {"key": "file", "value": {"path": path, "content": content, "encoding": encoding}}


def path_of(length: int) -> str:
    """Of parts that are not too long."""
    path = "edge-path/" + "/".join("p" * 200 for _ in range(length // 201))
    return path[:length - 1].rstrip("/").ljust(length, "q") if len(path) >= length else path + "/" + "q" * (length - len(path) - 1)


# ---- One function a row: what happens with n of them. ----

def head_bytes(hub: Hub, n: int) -> Answer:
    start = f"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Filler: ".encode()
    return hub.raw(start + b"f" * (n - len(start) - 4) + b"\r\n\r\n")


def target_bytes(hub: Hub, n: int) -> Answer:
    target = b"/health?q=" + b"t" * (n - 10)
    return hub.raw(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")


def header_count(hub: Hub, n: int) -> Answer:
    more = b"".join(b"X-%d: y\r\n" % i for i in range(n - 2))
    return hub.raw(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + more + b"\r\n")


def operations(hub: Hub, n: int) -> Answer:
    line = json.dumps({"key": "deletedFile", "value": {"path": "folder/a.txt"}})
    answer = hub.commit(*[line] * n, parent="0" * 40)
    # All lines were read; that the commit cannot be made is said at its end.
    return Answer(200) if answer.status in (409, 412) else answer


def line_bytes(hub: Hub, n: int) -> Answer:
    start, end = '{"key":"file","value":{"path":"edge-line.txt","content":"x"}', "}"
    return hub.commit(start + " " * (n - len(start) - len(end)) + end)


def inline_file(hub: Hub, n: int) -> Answer:
    return hub.commit(file("edge-inline.txt", base64.b64encode(b"i" * n).decode(), "base64"))


def summary(hub: Hub, n: int) -> Answer:
    return hub.commit(file("edge-summary.txt", str(n)), summary="s" * n)


def path_bytes(hub: Hub, n: int) -> Answer:
    path = path_of(n)
    assert len(path) == n
    return hub.commit(file(path))


def path_part(hub: Hub, n: int) -> Answer:
    return hub.commit(file("p" * n))


def preupload_files(hub: Hub, n: int) -> Answer:
    files = [{"path": f"{i}.txt", "size": 1, "sample": "eA=="} for i in range(n)]
    return hub.ask("POST", "/api/models/alice/edges/preupload/main", {"files": files})


def paths_info(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", "/api/models/alice/edges/paths-info/main", {"paths": [f"{i}.txt" for i in range(n)]})


def batch_objects(hub: Hub, n: int) -> Answer:
    objects = [{"oid": f"{i:064x}", "size": 1} for i in range(n)]
    return hub.ask("POST", "/alice/edges.git/info/lfs/objects/batch", {"operation": "download", "objects": objects})


def object_bytes(hub: Hub, n: int) -> Answer:
    answer = hub.ask("POST", "/alice/edges.git/info/lfs/objects/batch",
                     {"operation": "upload", "transfers": ["multipart"], "objects": [{"oid": "e" * 64, "size": n}]})
    assert answer.status == 200, answer
    error = json.loads(answer.body)["objects"][0].get("error")
    return Answer(error["code"], error["message"].encode()) if error else Answer(200)


def deletions(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", "/api/models/alice/edges/lfs-files/batch", {"deletions": {"sha": [f"{i:064x}" for i in range(n)]}})


def shared(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", "/api/models/alice/edges/lfs-files/duplicate", {
        "target": {"type": "model", "name": "alice/secret"}, "files": [{"sha256": f"{i:064x}"} for i in range(n)]})


def reconstructions(hub: Hub, n: int) -> Answer:
    body = [{"hash": f"{i:064x}"} for i in range(n)]
    status, headers, content = hub.server.request("POST", "/cas/v1/reconstructions", body, hub.values["xet-read"])
    return Answer(status, content, headers)


def conditions(hub: Hub, n: int) -> Answer:
    return hub.ask("GET", "/api/models?" + "&".join(f"filter=f{i}" for i in range(n)))


def condition_bytes(hub: Hub, n: int) -> Answer:
    answers = [hub.ask("GET", f"/api/models?{name}={'c' * n}") for name in ("search", "filter", "author", "pipeline_tag")]
    assert len({answer.status for answer in answers}) == 1, answers
    return answers[0]


def repo_name(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", "/api/repos/create", {"name": "r" * n})


def person_name(hub: Hub, n: int) -> Answer:
    return hub.cli("user", "add", "n" * n)


def full_name(hub: Hub, n: int) -> Answer:
    return hub.cli("user", "add", f"full-{n}", "--fullname", "f" * n)


def email(hub: Hub, n: int) -> Answer:
    return hub.cli("user", "add", f"mail-{n}", "--email", "m" * (n - 10) + "@localhost")


def password(hub: Hub, n: int) -> Answer:
    name = f"password-{n}"
    hub.server.add_user(name)
    return hub.cli("user", "passwd", name, stdin="p" * n + "\n")


def token_name(hub: Hub, n: int) -> Answer:
    return hub.cli("token", "add", "bob", "--role", "read", "--name", "t" * n)


def token_count(hub: Hub, n: int) -> Answer:
    """All but the last are put into the database: they are many."""
    if hub.server.database:
        pytest.skip("the rows are put into SQLite's file")
    name = f"tokens-{n}"
    hub.server.add_user(name)
    with sqlite3.connect(hub.server.data / "hearth.db", timeout=30) as database:
        [user_id] = database.execute("SELECT id FROM namespace WHERE name_key = ?", (name,)).fetchone()
        database.executemany(
            "INSERT INTO access_token (id, token_hash, user_id, display_name, role, created_ms) VALUES (?, ?, ?, ?, 'read', 0)",
            [(f"{name}-{i}", f"{name}-{i}".encode(), user_id, f"t{i}") for i in range(n - 1)])
    database.close()
    return hub.cli("token", "add", name, "--role", "read", "--name", "last")


def ref_name(hub: Hub, n: int) -> Answer:
    name = ("b" * 120 + "/") * 2 + "b" * (n - 242)
    answers = [hub.ask("POST", f"/api/models/alice/edges/{kind}/{quote(name if kind == 'branch' else 'main', safe='')}", body)
               for kind, body in (("branch", {}), ("tag", {"tag": name}))]
    assert len({answer.status for answer in answers}) == 1, answers
    return answers[0]


def ref_part(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", f"/api/models/alice/edges/branch/{'b' * n}", {})


def title(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", "/api/models/alice/edges/discussions", {"title": "t" * n, "description": "edge"})


def comment(hub: Hub, n: int) -> Answer:
    return hub.ask("POST", "/api/models/alice/edges/discussions", {"title": "edge", "description": "c" * n})


TRIED = {
    "request line and headers, together": head_bytes,
    "the target of a request (path and query)": target_bytes,
    "headers of one request": header_count,
    "operations in one commit": operations,
    "one line of a commit's body": line_bytes,
    "a file that is sent inside a commit": inline_file,
    "the summary of a commit, and its description": summary,
    "the path of a file": path_bytes,
    "one part of a path": path_part,
    "files in one request of preupload": preupload_files,
    "paths in one request of paths-info": paths_info,
    "objects in one batch of Git LFS": batch_objects,
    "one object of Git LFS": object_bytes,
    "large files that one request deletes": deletions,
    "large files that one request shares with another repository": shared,
    "files in one request of Xet reconstructions": reconstructions,
    "conditions of one list (searches, filters, apps …)": conditions,
    "one condition of a list": condition_bytes,
    "the name of a repository": repo_name,
    "the name of a person or an organisation": person_name,
    "the full name of a person or an organisation": full_name,
    "an e-mail address": email,
    "a password": password,
    "the name of an access token": token_name,
    "access tokens of one person": token_count,
    "the name of a branch or tag": ref_name,
    "one part of a branch's or tag's name": ref_part,
    "the title of a discussion": title,
    "a comment": comment,
}


def test_the_page_and_the_tests_name_the_same_limits():
    assert TRIED.keys() == LIMITS.keys()


@pytest.mark.parametrize("what", LIMITS)
def test_at_the_edge(hub, what):
    limit, beyond = LIMITS[what]
    for n in (limit - 1, limit):
        answer = TRIED[what](hub, n)
        assert 200 <= answer.status < 300, (n, answer.status, answer.body[:300])
    answer = TRIED[what](hub, limit + 1)
    status = re.match(r"\d+", beyond)
    assert answer.status == (int(status[0]) if status else 0), (answer.status, answer.body[:300])
    sentence = (answer.headers or {}).get("X-Error-Message", "") or answer.body.decode()
    assert len(sentence) > 15 and " " in sentence, answer
    assert hub.server.request("GET", "/health")[0] == 200


BODIES = [row for row in rows_of((ROOT / "docs" / "routes.md").read_text()) if len(row) == 8 and row[3] not in ("–", "body up to", "---")]
took: set[str] = set()  # Rows that would have read a body.
SAMPLES = {"{types}": "models", "{prefix}/": "", "{repo.git}": "alice/edges.git", "{repo}": "alice/edges", "{rev}": "main", "{branch}": "edge",
           "{num}": "1"}


def address_of(pattern: str) -> str:
    path = pattern.strip("`")
    for name, value in SAMPLES.items():
        path = path.replace(name, value)
    return re.sub(r"\{[^}]*\}", "1" * 64, path)


@pytest.mark.parametrize("row", BODIES, ids=[f"{row[0]} {row[1].strip('`')}" for row in BODIES])
def test_a_body_that_is_announced_at_the_edge(hub, row):
    """Nothing of it is sent: whether it may come is said before. Rows that refuse the caller for another reason do so
    at every length."""
    method, pattern, _, size, *_ = row
    limit = number_of(size)
    kind = {"git-upload-pack": "application/x-git-upload-pack-request", "git-receive-pack": "application/x-git-receive-pack-request"}
    token = hub.values["xet-write"] if "/cas/" in pattern else hub.alice
    statuses = {}
    place = urlsplit(hub.server.url)
    for n in (limit - 1, limit, limit + 1):
        head = (f"{method} {address_of(pattern)} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: {kind.get(pattern.strip('`').split('/')[-1], 'application/json')}\r\n"
                f"Content-Length: {n}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
            connection.sendall(head.encode())
            statuses[n] = int(connection.recv(1 << 16).split(b" ")[1])
    assert statuses[limit - 1] == statuses[limit] != 413, statuses
    if statuses[limit] == 100:
        took.add(f"{method} {pattern}")
    assert statuses[limit + 1] == (413 if statuses[limit] == 100 else statuses[limit]), statuses


def test_most_rows_took_the_bodies_above():
    """Those that need a signed link, a form's field or an administrator are the exception."""
    assert len(took) > 0.7 * len(BODIES), took


def test_pages_of_a_tree_are_cut(hub):
    sizes = documented("Pages and other amounts")
    whole = sizes["entries in one page of a tree"][0]
    expanded = sizes["entries in one page of a tree with last commits"][0]
    assert hub.commit(*[file(f"page/{i:04}.txt") for i in range(whole + 1)]).status == 200
    for most, query in ((whole, ""), (expanded, "&expand=true")):
        for n in (most - 1, most, most + 1):
            answer = hub.ask("GET", f"/api/models/alice/edges/tree/main/page?limit={n}{query}")
            assert answer.status == 200 and len(json.loads(answer.body)) == min(n, most)
            assert 'rel="next"' in answer.headers["Link"]


def test_tags_are_cut(hub):
    most, longest = (documented("Pages and other amounts")[what][0] for what in (
        "tags that a card and its files give a repository", "one tag"))
    repo_id = "alice/edge-tags"
    assert hub.ask("POST", "/api/repos/create", {"name": "edge-tags"}).status == 200

    def tags_of(tags: list[str]) -> list[str]:
        header = {"key": "header", "value": {"summary": "tags"}}
        lines = [header, file("README.md", "---\ntags:\n" + "".join(f"- {tag}\n" for tag in tags) + "---\n")]
        status, _, body = hub.server.request("POST", f"/api/models/{repo_id}/commit/main", "\n".join(map(json.dumps, lines)).encode(), hub.alice,
                                             {"Content-Type": "application/x-ndjson"})
        assert status == 200, body
        return json.loads(hub.ask("GET", f"/api/models/{repo_id}").body)["tags"]

    assert len(tags_of([f"tag-{i}" for i in range(most + 10)])) == most
    found = tags_of(["a" * (longest - 1), "b" * longest, "c" * (longest + 1)])
    assert "a" * (longest - 1) in found and "b" * longest in found and "c" * (longest + 1) not in found
