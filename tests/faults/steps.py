"""A kill at the n-th durable step, for every n, of each way to write.

    python tests/faults/steps.py [--publish] [WAY…]

Each way is done once undisturbed, which gives the state before and the one after. Then, for n = 1, 2, …,
on a copy of the data from before, with a hub that kills itself at its n-th durable step (HEARTH_FAILPOINTS,
src/base/fs.h: every flush, rename, folder and commit of the database), until it is done without a kill. After
each kill the hub starts by its own command, everything is whole, what is visible is the state before or the one
after (the latter when the answer had come), and the same thing done again succeeds. The ways of ALONE begin on data of
their own; of a command of the command line it is the command that is killed, while the hub runs.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import survival  # noqa: E402
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

REPO = "alice/there"
DICE = random.Random(4)
SMALL = b"a line\n" * 40
LARGE = DICE.randbytes(300_000)
HUGE = DICE.randbytes(11 << 20)  # Of three parts: the hub is started with parts of 5 MiB.
GONE = [DICE.randbytes(size) for size in (250_000, 200_000, 320_000, 280_000)]


class Killed(RuntimeError):
    """A command met its failpoint."""


@dataclass
class Hub:
    """A server, and plain requests with alice's token."""
    server: Server
    token: str
    scratch: Path
    failpoints: str = ""  # Of command().

    def command(self, *arguments: str, stdin: str = "") -> str:
        """A command of the command line."""
        done = subprocess.run([self.server.binary, *arguments, "--data", str(self.server.data)], input=stdin, capture_output=True, text=True,
                              env={**os.environ, **({"HEARTH_FAILPOINTS": self.failpoints} if self.failpoints else {})})
        if done.returncode == -signal.SIGKILL:
            raise Killed(f"hearth {' '.join(arguments)}")
        if done.returncode != 0:
            raise RuntimeError(f"hearth {' '.join(arguments)}: {done.returncode} {done.stdout[-1000:]}{done.stderr[-500:]}")
        return done.stdout

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> dict | list:
        status, _, answer = self.server.request(method, path, body, self.token, headers)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer) if answer[:1] in (b"{", b"[") else {}

    def commit(self, *entries: dict, repo: str = REPO, query: str = "") -> dict:
        lines = [{"key": "header", "value": {"summary": "a commit"}}, *entries]
        return self.ask("POST", f"/api/models/{repo}/commit/main{query}", "\n".join(map(json.dumps, lines)).encode(),
                        {"Content-Type": "application/x-ndjson"})

    def upload(self, content: bytes, repo: str = REPO) -> dict:
        """By Git LFS: whole or in parts, as the hub says; returns the line of the commit."""
        oid = hashlib.sha256(content).hexdigest()
        batch = self.ask("POST", f"/{repo}.git/info/lfs/objects/batch", {
            "operation": "upload", "transfers": ["basic", "multipart"], "objects": [{"oid": oid, "size": len(content)}]})
        [found] = batch["objects"]
        upload = found.get("actions", {}).get("upload")
        if upload:
            headers = upload.get("header", {})
            size = int(headers.get("chunk_size", 0))
            address = upload["href"].removeprefix(self.server.url)
            if not size:
                status, _, answer = self.server.request("PUT", address, content)
                if status >= 300:
                    raise RuntimeError(f"upload: {status} {answer!r}")
            else:
                parts = []
                for number in sorted((name for name in headers if name.isdigit()), key=int):
                    piece = content[(int(number) - 1) * size:int(number) * size]
                    status, answered, answer = self.server.request("PUT", headers[number].removeprefix(self.server.url), piece)
                    if status >= 300:
                        raise RuntimeError(f"part {number}: {status} {answer!r}")
                    parts.append({"partNumber": int(number), "etag": answered["ETag"]})
                status, _, answer = self.server.request("POST", address, {"oid": oid, "parts": parts})
                if status >= 300:
                    raise RuntimeError(f"completion: {status} {answer!r}")
        return {"key": "lfsFile", "value": {"path": "large.bin", "algo": "sha256", "oid": oid, "size": len(content)}}

    def git(self, *arguments: str) -> None:
        env = {**os.environ, "HOME": str(self.scratch), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
               "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "Alice",
               "GIT_COMMITTER_EMAIL": "a@example.org"}
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, env=env, cwd=self.scratch)
        if done.returncode != 0:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr[-500:]}")


def text_file(path: str, content: bytes = SMALL) -> dict:
    return {"key": "file", "value": {"path": path, "content": content.decode()}}


def push(hub: Hub) -> None:
    clone = hub.scratch / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    hub.git("clone", "-q", hub.server.url.replace("://", f"://alice:{hub.token}@") + f"/{REPO}", str(clone))
    for index in range(3):
        (clone / f"pushed-{index}.txt").write_bytes(SMALL + bytes([65 + index]))
    hub.git("-C", str(clone), "add", "-A")
    if subprocess.run(["git", "-C", str(clone), "diff", "--cached", "--quiet"]).returncode:
        hub.git("-C", str(clone), "commit", "-q", "-m", "push")
    hub.git("-C", str(clone), "push", "-q", "origin", "HEAD:main")


def upload_by_xet(hub: Hub, content: bytes = LARGE, repo: str = REPO) -> None:
    """hf-xet itself, in a process of its own."""
    source = hub.scratch / "xet.bin"
    source.write_bytes(content)
    program = ("import sys; from huggingface_hub import HfApi; "
               "HfApi(endpoint=sys.argv[1], token=sys.argv[2]).upload_file(path_or_fileobj=sys.argv[3], path_in_repo='xet.bin', repo_id=sys.argv[4])")
    said = hub.scratch / "xet.log"
    client = subprocess.Popen([sys.executable, "-c", program, hub.server.url, hub.token, str(source), repo], stdout=subprocess.DEVNULL,
                              stderr=said.open("wb"), env={**os.environ, "HF_HOME": str(hub.scratch / "hf"), "HF_ENDPOINT": hub.server.url,
                                                              "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                                                              # It tries as often, and waits less between.
                                                              "HF_XET_CLIENT_RETRY_BASE_DELAY": "50ms"})
    # It would try again for minutes when the hub is gone.
    while client.poll() is None and hub.server.process.poll() is None:
        time.sleep(0.02)
    if client.poll() is None:
        client.kill()
    if client.wait() != 0:
        raise RuntimeError("hf-xet's upload failed: " + said.read_text(errors="replace")[-2000:])


def open_pull_request(hub: Hub) -> None:
    hub.commit(text_file("proposed.txt"), query="?create_pr=1")


def merge(hub: Hub) -> None:
    if hub.ask("GET", f"/api/models/{REPO}/discussions/1").get("status") != "merged":
        hub.ask("POST", f"/api/models/{REPO}/discussions/1/merge", {})


def create(hub: Hub) -> None:
    if hub.server.request("GET", "/api/models/alice/new", token=hub.token)[0] != 200:
        hub.ask("POST", "/api/repos/create", {"name": "new", "private": True})


def duplicate(hub: Hub) -> None:
    if hub.server.request("GET", "/api/models/alice/copy", token=hub.token)[0] != 200:
        hub.ask("POST", f"/api/models/{REPO}/duplicate", {"repository": "alice/copy"})


def move(hub: Hub) -> None:
    if hub.server.request("GET", "/api/models/alice/elsewhere", token=hub.token)[0] != 200:
        hub.ask("POST", "/api/repos/move", {"fromRepo": REPO, "toRepo": "alice/elsewhere", "type": "model"})


def delete(hub: Hub) -> None:
    if hub.server.request("GET", f"/api/models/{REPO}", token=hub.token)[0] == 200:
        hub.ask("DELETE", "/api/repos/delete", {"name": "there", "organization": "alice", "type": "model"})


def once(method: str, path: str, body: object, is_done) -> object:
    def way(hub: Hub) -> None:
        if not is_done(hub):
            hub.ask(method, path, body)
    return way


def refs_of(hub: Hub, kind: str) -> set[str]:
    return {item["name"] for item in hub.ask("GET", f"/api/models/{REPO}/refs")[kind]}


def squash(hub: Hub) -> None:
    if len(hub.ask("GET", f"/api/models/{REPO}/commits/main")) > 1:
        hub.ask("POST", f"/api/models/{REPO}/super-squash/main", {})


# What is done, and doing it again after it was done leaves things as they are.
WAYS = {
    "commit of small files": lambda hub: hub.commit(text_file("a.txt"), text_file("deep/er/b.txt"), {"key": "deletedFile", "value": {"path": "old.txt"}})
    if "old.txt" in files_of(hub, REPO, "main") else None,
    "large file by LFS and its commit": lambda hub: hub.commit(hub.upload(LARGE)),
    "large file by LFS in parts and its commit": lambda hub: hub.commit(hub.upload(HUGE)),
    "large file by Xet and its commit": upload_by_xet,
    "git push": push,
    "pull request": lambda hub: None if hub.ask("GET", f"/api/models/{REPO}/discussions")["count"] > 1 else open_pull_request(hub),
    "merge": merge,
    "create a repository": create,
    "duplicate a repository": duplicate,
    "move a repository": move,
    "delete a repository": delete,
    "create a branch": once("POST", f"/api/models/{REPO}/branch/more", {}, lambda hub: "more" in refs_of(hub, "branches")),
    "delete a branch": once("DELETE", f"/api/models/{REPO}/branch/side", None, lambda hub: "side" not in refs_of(hub, "branches")),
    "create a tag": once("POST", f"/api/models/{REPO}/tag/main", {"tag": "v2", "message": "m"}, lambda hub: "v2" in refs_of(hub, "tags")),
    "delete a tag": once("DELETE", f"/api/models/{REPO}/tag/v1", None, lambda hub: "v1" not in refs_of(hub, "tags")),
    "squash": squash,
    "settings": lambda hub: hub.ask("PUT", f"/api/models/{REPO}/settings", {"private": True}),
    "like": lambda hub: hub.ask("POST", f"/api/models/{REPO}/like", {}),
    "discussion": once("POST", f"/api/models/{REPO}/discussions", {"title": "asked", "description": "text"},
                       lambda hub: hub.ask("GET", f"/api/models/{REPO}/discussions")["count"] > 1),
}


def plain_discussion(hub: Hub) -> None:
    hub.ask("POST", f"/api/models/{REPO}/discussions", {"title": "before", "description": "text"})


def of_discussion(hub: Hub) -> dict:
    found = hub.ask("GET", f"/api/models/{REPO}/discussions/2")
    return {"title": found["title"], "status": found["status"],
            "comments": [event["data"]["latest"]["raw"] for event in found["events"] if event["type"] == "comment"]}


def change_discussion(what: str, body: dict, is_done: Callable[[dict], bool]) -> Callable[[Hub], None]:
    def way(hub: Hub) -> None:
        if not is_done(of_discussion(hub)):
            hub.ask("POST", f"/api/models/{REPO}/discussions/2/{what}", body)
    return way


def large_on_a_branch(hub: Hub) -> None:
    """Apart from the other refs: a history is written anew ref by ref (docs/fault-model.md)."""
    hub.ask("POST", f"/api/models/{REPO}/branch/heavy", {})
    lines = [{"key": "header", "value": {"summary": "heavy"}}, hub.upload(LARGE)]
    hub.ask("POST", f"/api/models/{REPO}/commit/heavy", "\n".join(map(json.dumps, lines)).encode(), {"Content-Type": "application/x-ndjson"})


def delete_large(rewrite: bool) -> Callable[[Hub], None]:
    def way(hub: Hub) -> None:
        hub.ask("POST", f"/api/models/{REPO}/lfs-files/batch",
                {"deletions": {"sha": [hashlib.sha256(LARGE).hexdigest()], "rewriteHistory": rewrite}})
    return way


def of_large(hub: Hub) -> dict:
    return {"large": [item["oid"] for item in hub.ask("GET", f"/api/models/{REPO}/lfs-files")],
            "content": hub.server.request("GET", f"/{REPO}/resolve/heavy/large.bin", None, hub.token)[0] == 200}


def another_repository(hub: Hub) -> None:
    hub.commit(hub.upload(LARGE))
    hub.ask("POST", "/api/repos/create", {"name": "target"})


def copy_into_another(hub: Hub) -> None:
    """As huggingface_hub's copy_files does it: the content first, then the commit."""
    oid = hashlib.sha256(LARGE).hexdigest()
    [source] = [item for item in hub.ask("GET", f"/api/models/{REPO}/tree/main") if item["path"] == "large.bin"]
    answer = hub.ask("POST", f"/api/models/{REPO}/lfs-files/duplicate", {
        "target": {"type": "model", "name": "alice/target"}, "files": [{"xetHash": source.get("xetHash"), "sha256": oid, "filename": "large.bin"}]})
    if not answer["success"]:
        raise RuntimeError(f"copy: {answer}")
    hub.commit({"key": "lfsFile", "value": {"path": "copied.bin", "algo": "sha256", "oid": oid, "size": len(LARGE)}}, repo="alice/target")


def undelete(hub: Hub) -> None:
    if hub.server.request("GET", f"/api/models/{REPO}", token=hub.token)[0] != 200:
        hub.command("repo", "undelete", REPO)


def add_token(hub: Hub) -> None:
    if not of_tokens(hub)["tokens"]:
        hub.command("token", "add", "alice", "--name", "another", "--role", "write")


def of_tokens(hub: Hub) -> dict:
    return {"tokens": [token["name"] for token in json.loads(hub.server.hearth("token", "list", "alice", "--json")) if token["name"] == "another"]}


def something_to_collect(hub: Hub) -> None:
    """Large files that nothing names: of a repository past its time, of a commit that was never made, and by Xet of a
    history that was squashed, one of them with chunks that the file in their place has too. Beside them what stays."""
    hub.ask("POST", "/api/repos/create", {"name": "gone"})
    hub.commit(hub.upload(GONE[0], "alice/gone"), repo="alice/gone")
    hub.upload(GONE[1])
    hub.commit(hub.upload(LARGE))
    for content in (GONE[2], GONE[3], GONE[2][:160_000] + LARGE[:70_000]):
        upload_by_xet(hub, content)
    squash(hub)
    hub.server.settle()
    collect(hub)  # Now it is noted what nothing names.
    hub.ask("DELETE", "/api/repos/delete", {"name": "gone", "organization": "alice", "type": "model"})
    with sqlite3.connect(hub.server.data / "hearth.db", timeout=30) as database:  # Weeks pass.
        database.execute("UPDATE repo SET kept_until_ms = deleted_ms WHERE deleted_ms IS NOT NULL")
        database.execute("UPDATE gc_repo SET git_done_ms = 0")
    database.close()


def collect(hub: Hub) -> None:
    told = json.loads(hub.command("gc", "--gc-delay-hours", "0", "--gc-xorb-delay-days", "0", "--json"))
    if told["busyRepositories"] or told["heldOff"]:
        raise RuntimeError(f"hearth gc: 0 it says that it left something for the next time: {told}")


def of_stored(hub: Hub) -> dict:
    return {"stored": sorted(str(path.relative_to(hub.server.data)) for kind in ("blobs", "xorbs", "shards") for path in (hub.server.data / kind).rglob("*")
                             if len(path.name) == 64) + [path.name for path in survival.repository_folders(hub.server)],
            "deleted": [repo["id"] for repo in json.loads(hub.server.hearth("repo", "deleted", "--json"))],
            "content": {path: hashlib.sha256(hub.server.request("GET", f"/{REPO}/resolve/main/{path}", token=hub.token)[2]).hexdigest()
                        for path in files_of(hub, REPO, "main")}}


def is_partly_collected(found: dict, before: dict, after: dict) -> bool:
    return (all(found[key] in (before[key], after[key]) for key in after if key != "stored") and
            set(after["stored"]) <= set(found["stored"]) <= set(before["stored"]))


@dataclass
class Way:
    """One that steps.py kills and that is no part of the others' rounds."""
    do: Callable[[Hub], None]
    prepare: Callable[[Hub], None] = lambda hub: None
    seen: Callable[[Hub], dict] = lambda hub: {}  # Beside the visible state.
    is_command: bool = False
    options: tuple[str, ...] = ()  # Of the hub.
    # What may be seen between before and after, by the document that says so.
    between: Callable[[dict, dict, dict], bool] = lambda found, before, after: False


ALONE = {
    "comment": Way(change_discussion("comment", {"comment": "more"}, lambda seen: "more" in seen["comments"]), plain_discussion, of_discussion),
    "title of a discussion": Way(change_discussion("title", {"title": "after"}, lambda seen: seen["title"] == "after"), plain_discussion, of_discussion),
    "close a discussion": Way(change_discussion("status", {"status": "closed", "comment": "done"}, lambda seen: seen["status"] == "closed"),
                              plain_discussion, of_discussion),
    "large files deleted for good": Way(delete_large(False), large_on_a_branch, of_large),
    # "A crash in between leaves some of them rewritten, every file still there, and the request to be made again."
    "large files deleted out of the history": Way(
        delete_large(True), large_on_a_branch, of_large,
        between=lambda found, before, after: {**found, "large": 0} == {**after, "large": 0} and found["large"] == before["large"]),
    "copy into another repository": Way(copy_into_another, another_repository),
    "undelete a repository": Way(undelete, delete, is_command=True),
    "create a token": Way(add_token, seen=of_tokens, is_command=True),
    "quota": Way(lambda hub: hub.command("quota", "alice", "7TB"), seen=lambda hub: {"quota": hub.server.hearth("quota", "alice", "--json")}, is_command=True),
    "verify --rebuild": Way(lambda hub: hub.command("verify", "--rebuild"), is_command=True),
    # With files that are stored whole beside those in chunks.
    "garbage collection": Way(collect, something_to_collect, of_stored, is_command=True, options=("--chunk-lfs-uploads", "false"),
                              between=is_partly_collected),
}
EVERY = {**{name: Way(way) for name, way in WAYS.items()}, **ALONE}
QUICK = ("large file by LFS and its commit", "git push", "merge")


def files_of(hub: Hub, repo: str, revision: str) -> dict[str, str]:
    tree = hub.ask("GET", f"/api/models/{repo}/tree/{revision}?recursive=1")
    return {entry["path"]: entry.get("lfs", {}).get("oid") or entry["oid"] for entry in tree if entry["type"] == "file"}


def visible_state(hub: Hub, author: str = "alice") -> dict:
    """All that people see, without the names that differ from run to run."""
    state = {}
    for info in hub.ask("GET", f"/api/models?author={author}&full=1"):
        repo = info["id"]
        refs = hub.ask("GET", f"/api/models/{repo}/refs?include_prs=1")
        state[repo] = {
            "private": info["private"], "likes": info["likes"],
            "branches": {item["name"]: [files_of(hub, repo, item["targetCommit"]),
                                        len(hub.ask("GET", f"/api/models/{repo}/commits/{item['targetCommit']}"))]
                         for item in refs["branches"]},
            "tags": sorted(item["name"] for item in refs["tags"]),
            # Without their numbers: one that was taken by a discussion that never came to be is not given again.
            "prs": [files_of(hub, repo, item["targetCommit"]) for item in refs.get("pullRequests", [])],
            "discussions": sorted((item["title"], item["status"])
                                  for item in hub.ask("GET", f"/api/models/{repo}/discussions")["discussions"]),
        }
    return state


@dataclass
class Outcome:
    kills: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Bench:
    """A data folder that each attempt gets as it was at first."""

    OPTIONS: tuple[str, ...] = ("--lfs-part-bytes", str(5 << 20))
    options: tuple[str, ...] = ()  # Beside these, of the way at work.

    def __init__(self, database: str | None = None) -> None:
        self.server = Server(database)
        self.scratch = Path(tempfile.mkdtemp(prefix="hearth-steps-"))
        self.server.add_user("root", "--admin")
        self.server.add_user("alice")
        self.hub = Hub(self.server, self.server.add_token("alice"), self.scratch)
        self.server.start(*self.OPTIONS)
        self.populate()
        self.server.settle()
        self.before = self.state()
        self.server.stop()
        self.saved = self.server.folder / "saved"
        shutil.copytree(self.server.data, self.saved)

    def populate(self) -> None:
        self.hub.ask("POST", "/api/repos/create", {"name": "there"})
        self.hub.commit(text_file("old.txt"), text_file("kept/c.txt", b"c\n"))
        self.hub.ask("POST", f"/api/models/{REPO}/branch/side", {})
        self.hub.ask("POST", f"/api/models/{REPO}/tag/main", {"tag": "v1"})
        open_pull_request(self.hub)

    def state(self) -> dict:
        return visible_state(self.hub)

    def reset(self, to: Path | None = None) -> None:
        self.server.stop(kill=True)
        shutil.rmtree(self.server.data)
        shutil.copytree(to or self.saved, self.server.data)

    def prepared(self, name: str) -> Path:
        """The data that a way begins on; the hub is down, and next begins with the options of the way."""
        way = EVERY[name]
        self.server.stop(kill=True)
        self.options = way.options
        if name not in ALONE:
            return self.saved
        begin = self.server.folder / f"prepared {name}"
        shutil.rmtree(begin, ignore_errors=True)
        self.reset()
        self.start()
        way.prepare(self.hub)
        self.server.settle()
        self.server.stop()
        shutil.copytree(self.server.data, begin)
        return begin

    def state_of(self, way: Way) -> dict:
        return {**visible_state(self.hub), **way.seen(self.hub)}

    def undisturbed(self, way: Way, begin: Path) -> tuple[dict, dict]:
        """The states before and after."""
        self.reset(begin)
        self.start()
        before = self.state_of(way)
        way.do(self.hub)
        self.server.settle()
        return before, self.state_of(way)

    def start(self, failpoints: str = "") -> bool:
        """False: it died before it listened."""
        self.server.env = {"HEARTH_FAILPOINTS": failpoints} if failpoints else {}
        try:
            self.server.start(*self.OPTIONS, *self.options)
            return True
        except RuntimeError:
            if not failpoints:
                raise
            return False

    def outlives_its_tasks(self) -> bool:
        """Of a hub that has a failpoint: whether it does all its background work without meeting it."""
        self._settle_or_die()
        return self._alive()

    def remove(self) -> None:
        self.server.remove()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def kill_at_each_step(self, name: str, outcome: Outcome, first: int = 1) -> None:
        way = EVERY[name]

        def state() -> dict:
            return self.state_of(way)
        begin = self.prepared(name)
        before, after = self.undisturbed(way, begin)
        step = first
        while True:
            where = f"{name}, step {step}"
            self.reset(begin)
            failpoints = f"crash@{step}"
            up = self.start("" if way.is_command else failpoints)
            self.hub.failpoints = failpoints if way.is_command else ""
            answered = False
            refused: Exception | None = None
            if up:
                try:
                    way.do(self.hub)
                    answered = True
                    self._settle_or_die()
                except Exception as error:  # It died; or died and so refused.
                    refused = error
            self.hub.failpoints = ""
            if self._alive() and not isinstance(refused, Killed):
                if not answered:
                    outcome.problems.append(f"{where}: neither killed nor done: {refused!r}")
                break
            outcome.kills[name] = outcome.kills.get(name, 0) + 1
            self.server.stop(kill=True)
            self.start()
            found = state()
            if found != after and (answered or found != before and not way.between(found, before, after)):
                outcome.problems.append(f"{where}: {'acknowledged and lost' if answered else 'half there'}: {_difference(found, before, after)}")
            outcome.problems += [f"{where}: {problem}" for problem in survival.problems_at_rest(self.server)]
            try:
                way.do(self.hub)
                self.server.settle()
                if (found := state()) != after:
                    outcome.problems.append(f"{where}: done again it gives something else: {_difference(found, before, after)}")
            except Exception as error:
                outcome.problems.append(f"{where}: cannot be done again: {error}")
            if outcome.problems:
                break
            step += 1
        self.server.stop(kill=True)

    def _settle_or_die(self) -> None:
        while self.server.process.poll() is None and any(task["state"] in ("queued", "running") for task in self._tasks()):
            time.sleep(0.01)

    def _tasks(self) -> list[dict]:
        return json.loads(self.server.hearth("tasks", "--json"))

    def _alive(self) -> bool:
        """A process that kills itself needs a moment to be gone: its last answer may be on the way still."""
        process = self.server.process
        if process is None:
            return False
        try:
            return self.server.request("GET", "/health")[0] == 200 and process.poll() is None
        except OSError:
            process.wait(timeout=20)
            return False


def _difference(found: dict, before: dict, after: dict) -> str:
    return f"\n  is     {json.dumps(found)[:1500]}\n  before {json.dumps(before)[:1500]}\n  after  {json.dumps(after)[:1500]}"


def run(ways, say=lambda text: None) -> Outcome:
    outcome = Outcome()
    bench = Bench()
    try:
        for name in ways:
            begin = time.monotonic()
            bench.kill_at_each_step(name, outcome)
            say(f"{name}: {outcome.kills.get(name, 0)} kills, {len(outcome.problems)} problems, {time.monotonic() - begin:.0f} s")
            if outcome.problems:
                break
    finally:
        bench.remove()
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", choices=[*EVERY, []], help="default: all")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    outcome = run(options.ways or EVERY, say=lambda text: print(text, flush=True))
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    print(f"{sum(outcome.kills.values())} kills in {len(outcome.kills)} ways, {len(outcome.problems)} problems")
    if options.publish:
        figures.write(
            "reliability", "11-steps", title="Killed at every durable step", command="scripts/nightly steps",
            note="For n = 1, 2, … the hub is killed at its n-th durable step (flush, rename, new folder, commit of the database) until the "
                 "work is done without a kill. After each: a restart without a hand, the state before or the one after, `hearth verify`, "
                 "`git fsck --full --strict`, `PRAGMA integrity_check`, and the same work done again succeeds. Of the last five it is the command of "
                 "the command line that is killed, while the hub runs.",
            columns=["what was done", "kills", "problems"],
            rows=[[name, count, sum(problem.startswith(name) for problem in outcome.problems)] for name, count in outcome.kills.items()])
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
