"""One hub for the run, seeded with users and repositories that the cases name."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.document import Document  # noqa: E402
from lib.proven import Watcher  # noqa: E402
from lib.server import Server  # noqa: E402


@pytest.fixture(scope="session")
def server(request):
    hub = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    request.config.pluginmanager.register(Watcher(hub))
    try:
        hub.add_user("root", "--admin")
        for name in ("alice", "bob"):
            hub.add_user(name, password=f"{name}-password")
        hub.start()
        yield hub
    finally:
        hub.remove()


@pytest.fixture(scope="session", autouse=True)
def document(server) -> Document:
    """Every answer of the run is held to it, those of server.request() here."""
    known = Document(json.loads(server.request("GET", "/.well-known/openapi.json")[2]))

    def check(*answer) -> None:
        problems = known.problems(*answer)
        assert problems == [], problems
    server.on_answer = check
    return known


@pytest.fixture(scope="session")
def values(server) -> dict[str, str]:
    """What {{name}} stands for in the cases."""
    found = {name: server.add_token(name, "wire") for name in ("root", "alice", "bob")}
    found["alice-read"] = server.add_token("alice", "reading", "read")
    for owner, name, private in (("alice", "open", False), ("alice", "secret", True), ("bob", "his", False)):
        status, _, body = server.request("POST", "/api/repos/create", {"name": name, "private": private}, found[owner])
        assert status == 200, body
    line = json.dumps({"key": "header", "value": {"summary": "start"}}) + "\n" + json.dumps(
        {"key": "file", "value": {"path": "folder/a.txt", "content": "one line\n"}}) + "\n" + json.dumps(
        {"key": "file", "value": {"path": "empty.txt", "content": ""}}) + "\n"
    for owner, repo_id in (("alice", "alice/open"), ("alice", "alice/secret")):
        status, _, body = server.request("POST", f"/api/models/{repo_id}/commit/main", line.encode(), found[owner],
                                         {"Content-Type": "application/x-ndjson"})
        assert status == 200, body
        found["head-of-" + repo_id.split("/")[1]] = json.loads(body)["commitOid"]
    for access in ("read", "write"):
        _, _, body = server.request("GET", f"/api/models/alice/open/xet-{access}-token/main", token=found["alice"])
        found[f"xet-{access}"] = json.loads(body)["accessToken"]
    return found
