"""A hub in which requests that are made up find something: what the rounds with known names of contract.py ask for."""

import base64
import json
import struct
from pathlib import Path

from lib.server import Server

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "xet"
LARGE = json.loads((VECTORS / "expected.json").read_text())["v3"]


class Hub:
    """alice, her organisation acme, and root; the repositories are made by fill()."""

    def __init__(self, server: Server) -> None:
        self.server = server
        server.add_user("root", "--admin")
        server.add_user("alice", password="alice-password")
        server.hearth("org", "add", "acme", "--owner", "alice")
        self.token = server.add_token("alice")
        self.root_token = server.add_token("root")

    def _ask(self, method: str, path: str, body: object = None, token: str | None = None, allowed: tuple[int, ...] = (200,)) -> dict:
        status, _, answer = self.server.request(method, path, body, token or self.token)
        assert status in allowed, f"{method} {path}: {status} {answer[:500]!r}"
        return json.loads(answer) if answer[:1] == b"{" else {}

    def _commit(self, repo: str, *lines: tuple[str, dict]) -> None:
        text = "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in (("header", {"summary": "fill"}), *lines))
        self._ask("POST", f"/api/{repo}/commit/main", text.encode())

    def fill(self) -> dict:
        """Makes whatever is not there (any more). Returns the configuration of schemathesis: what names stand for."""
        for kind in ("model", "dataset", "space"):
            for name in ("tiny", "spare", "moving"):
                body = {"name": name, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
                self._ask("POST", "/api/repos/create", body, allowed=(200, 409))
            for name in ("tiny", "spare"):
                repo = f"{kind}s/alice/{name}"
                self._ask("PUT", f"/api/{repo}/settings", {"discussionsDisabled": False, "private": False})
                self._large_file(repo)
                for branch in ("dev", "other"):
                    self._ask("POST", f"/api/{repo}/branch/{branch}", {}, allowed=(200, 409))
                self._ask("POST", f"/api/{repo}/tag/main", {"tag": "v1"}, allowed=(200, 409))
        opened = self._ask("POST", "/api/models/alice/tiny/discussions", {"title": "a question", "description": "what is it?"})
        asked = self._ask("POST", "/api/models/alice/tiny/discussions", {"title": "a change", "pullRequest": True})
        self._ask("POST", f"/api/models/alice/tiny/discussions/{asked['num']}/status", {"status": "open"})
        return self._names(opened["num"], opened["events"][0]["id"], asked["num"])

    def _large_file(self, repo: str) -> None:
        token = self._ask("GET", f"/api/{repo}/xet-write-token/main")["accessToken"]
        self._ask("POST", f"/cas/v1/xorbs/default/{LARGE['xorb']['hash']}", (VECTORS / "v3.xorb").read_bytes(), token)
        self._ask("POST", "/cas/v1/shards", (VECTORS / "v3.shard").read_bytes(), token)
        header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        index = {"metadata": {"total_size": 4}, "weight_map": {"w": "part.safetensors"}}
        files = {"folder/a.txt": b"one line\n", "model.safetensors.index.json": json.dumps(index).encode(),
                 "part.safetensors": struct.pack("<Q", len(header)) + header + b"\0\0\0\0"}
        plain = [("file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"})
                 for path, content in files.items()]
        self._commit(repo, ("lfsFile", {"path": "w.bin", "oid": LARGE["sha256"], "size": LARGE["size"]}), *plain)

    def _names(self, discussion: int, comment: str, pull_request: int) -> dict:
        write = self._ask("GET", "/api/models/alice/tiny/xet-write-token/main")["accessToken"]
        cas = {"Authorization": f"Bearer {write}"}
        return {
            "parameters": {"namespace": "alice", "repo": "tiny", "repo_type": "models", "rev": "main", "user": "alice",
                           "org": "acme", "path": "folder/a.txt", "num": str(discussion), "comment": comment,
                           "sha": LARGE["sha256"], "name": "alice", "range": "main..dev", "branch": "other"},
            # Of these operations (a regular expression of "METHOD /path"), other names or a credential of their own.
            "operations": [
                ("/tree(size)?/", {"path": "folder"}, {}),
                ("GET /_app/", {"path": "mark.svg"}, {}),
                ("/safetensors-metadata/", {"path": "model.safetensors.index.json"}, {}),
                ("^GET /avatars/", {"name": "alice.svg"}, {}),
                ("/discussions/\\{num\\}/merge$", {"num": str(pull_request)}, {}),
                ("/lfs-files/(batch|\\{sha\\})$", {"repo": "spare"}, {}),
                ("/(super-squash/|settings$)", {"repo": "spare"}, {}),
                ("^DELETE .*/tag/", {"rev": "v1"}, {}),
                ("/cas/.*(reconstruction|/files/)", {"hash": LARGE["file_hash"]}, cas),
                ("/cas/.*xorb", {"hash": LARGE["xorb"]["hash"]}, cas),
                ("/cas/.*/?chunk", {"hash": LARGE["chunks"][0]["hash"]}, cas),
                ("/cas/.*shard", {}, cas),
                ("^GET /metrics$", {}, {"Authorization": f"Bearer {self.root_token}"}),
            ],
            # Of these operations, fields that a body has half of the time.
            "bodies": [
                ("/info/lfs/(verify|objects/batch)$", {"oid": LARGE["sha256"], "size": LARGE["size"]}),
                ("/lfs-files/duplicate$", {"sha256": LARGE["sha256"], "type": "model", "name": "alice/spare"}),
                ("^/api/repos/move$", {"fromRepo": "alice/moving", "toRepo": "alice/moved", "type": "model"}),
                ("/duplicate$", {"repository": "alice/copy"}),
                ("^/cas/v1/reconstructions$", {"hash": LARGE["file_hash"]}),
                ("/commit/", {"path": "made/up.txt", "oid": LARGE["sha256"], "size": LARGE["size"], "encoding": "utf-8"}),
            ],
        }
