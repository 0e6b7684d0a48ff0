"""People at work on a hub that is killed under their hands. Each worker is a process with a real client; it knows what the
hub acknowledged, and what was under way when an answer did not come: of that, all or nothing must be there afterwards.

A worker does one piece of work at a time, chosen by its seeded dice. When a piece fails it looks at what is there now:
the state before or the state after, nothing between; then it goes on from there.
"""

import hashlib
import http.client
import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path

KINDS = ("xet", "lfs", "git", "chores")
READERS = ("xet reader", "http reader", "git reader")  # Of the shared repository: where nothing but the network fails.
FILE_BYTES_MAX = 24 << 20
LOOKS = 20  # At what became of a piece of work, and for each file of it, until the network lets one through.
REPOS_MAX = 4  # Each worker's own: then one is deleted, so that a long run does not fill the disk.


class Worker:
    """`kind` is what the clients use. `lost`: how many requests nobody waits for any more and the hub may be at still, see
    lib/relay.py; a hub that was killed has none."""

    def __init__(self, kind: str, seed: int, url: str, token: str, shared_repo: str, lost=None) -> None:
        os.environ.update(HF_ENDPOINT=url, HF_TOKEN=token, HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1",
                          HF_HUB_DISABLE_UPDATE_CHECK="1", HF_UPDATE_DOWNLOAD_COUNTS="0", GIT_TERMINAL_PROMPT="0")
        os.environ["HF_HUB_DISABLE_XET"] = "0" if kind.startswith("xet") else "1"
        self.home = Path(tempfile.mkdtemp(prefix="hearth-worker-"))
        os.environ["HF_HOME"] = str(self.home / "hf")
        from huggingface_hub import HfApi
        self.api = HfApi()
        self.kind, self.url, self.token, self.shared, self.lost = kind, url, token, shared_repo, lost
        self.dice = random.Random(seed)
        self.serial = 0
        self.repos: dict[str, dict] = {}  # repo_id -> {"head": {path: sha256}, "kept": {(revision, path): sha256}, "refs": …}
        self.shared_files: dict[str, str] = {}
        self.done: dict[str, int] = {}
        self.cut: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        self.pool = [self.dice.randbytes(1 << 16) for _ in range(8)]  # Pieces that come again: Xet finds them.

    # --- what a worker does

    def step(self) -> None:
        work = {"xet": self._commit_files, "lfs": self._commit_files, "git": self._push, "chores": self._chore,
                "xet reader": self._download, "http reader": self._download, "git reader": self._clone}[self.kind]
        work()

    def _new_name(self) -> str:
        self.serial += 1
        return f"alice/{self.kind}-{os.getpid()}-{self.serial}"

    def _content(self) -> bytes:
        """Mostly small, at times of many parts; some of it known to the hub already."""
        size = self.dice.choice([0, 1, 200, 5_000, 70_000, 300_000, 2_000_000, self.dice.randrange(FILE_BYTES_MAX)])
        if self.dice.random() < 0.3:
            return (self.dice.choice(self.pool) * (size // 65536 + 1))[:size]
        return self.dice.randbytes(size)

    def _name_of_file(self) -> str:
        self.serial += 1
        return f"{self.dice.choice(['', 'deep/er/'])}{self.kind}-{self.serial}{self.dice.choice(['.bin', '.txt', '.safetensors'])}"

    def _attempt(self, what: str, work, settled) -> None:
        """Does a piece of work. `settled(acknowledged)` looks at the hub and adopts what is there; it raises when that is
        neither the state before nor the one after."""
        try:
            result = work()
            acknowledged = True if result is None else result
        except Exception as error:  # The hub went away, or refuses what an unseen success already did.
            acknowledged = None
            self.reasons[what] = repr(error)[:300]
        count = self.cut if acknowledged is None else self.done
        count[what] = count.get(what, 0) + 1
        while acknowledged is None and self.lost is not None and self.lost.value > 0:
            time.sleep(0.02)  # What the client has given up may happen yet.
        for looks_left in range(LOOKS - 1, -1, -1):
            try:
                return settled(acknowledged)
            except AssertionError as error:
                raise AssertionError(f"{what}, acknowledged: {acknowledged is not None} ({self.reasons.get(what)}): {error}") from None
            except Exception:  # It went away while being looked at.
                if looks_left == 0:
                    raise
                self.wait_for_the_hub()

    def wait_for_the_hub(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=10).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

    def _ensure_repo(self) -> str | None:
        if len(self.repos) > REPOS_MAX:
            repo_id = self.dice.choice(sorted(self.repos))

            def gone(acknowledged) -> None:
                if not self.api.repo_exists(repo_id):
                    self.repos.pop(repo_id)
                else:
                    assert not acknowledged, f"{repo_id} was deleted, and is there"
            self._attempt("delete repository", lambda: self.api.delete_repo(repo_id), gone)
            return None
        if not self.repos or self.dice.random() < 0.1:
            repo_id = self._new_name()

            def made(acknowledged) -> None:
                if self.api.repo_exists(repo_id):
                    self.repos[repo_id] = {"head": {}, "kept": {}, "tags": {}}
                else:
                    assert not acknowledged, f"{repo_id} was made, and is not there"
            self._attempt("create repository", lambda: self.api.create_repo(repo_id), made)
            return None
        return self.dice.choice(sorted(self.repos))

    def _commit_files(self) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete
        if self.dice.random() < 0.3:
            return self._commit_to_the_shared_one()
        repo_id = self._ensure_repo()
        if repo_id is None:
            return
        state = self.repos[repo_id]
        before = dict(state["head"])
        after = dict(before)
        operations = []
        for _ in range(self.dice.choice([1, 1, 2, 5])):
            path, content = self._name_of_file(), self._content()
            after[path] = hashlib.sha256(content).hexdigest()
            operations.append(CommitOperationAdd(path, content))
        if before and self.dice.random() < 0.3:
            path = self.dice.choice(sorted(before))
            after.pop(path)
            operations.append(CommitOperationDelete(path))

        def settled(info) -> None:
            head, files = self._files_of(repo_id)
            assert files in ((after,) if info else (before, after)), \
                f"{repo_id}: half of a commit: {sorted(set(files.items()) ^ set(after.items()))[:4]}"
            state["head"] = files
            if files == after:
                state["kept"].update({(head, path): sha256 for path, sha256 in list(after.items())[-5:]})
        self._attempt("commit", lambda: self.api.create_commit(repo_id, operations, commit_message=f"n{self.serial}"), settled)

    def _commit_to_the_shared_one(self) -> None:
        path, content = self._name_of_file(), self._content()[:300_000]
        sha256 = hashlib.sha256(content).hexdigest()

        def settled(info) -> None:
            found = self._sha256_of(self.shared, "main", path)
            assert found == sha256 or (found is None and not info), f"{self.shared}: {path} is {found}"
            if found:
                self.shared_files[path] = sha256
        self._attempt("commit beside others",
                      lambda: self.api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=self.shared), settled)

    def _push(self) -> None:
        repo_id = self._ensure_repo()
        if repo_id is None:
            return
        state = self.repos[repo_id]
        clone = self.home / "clone"
        shutil.rmtree(clone, ignore_errors=True)
        address = self.url.replace("://", f"://alice:{self.token}@") + f"/{repo_id}"
        before, after = dict(state["head"]), dict(state["head"])

        def push() -> bool:
            self._git("clone", "-q", address, str(clone))
            self._git("-C", str(clone), "lfs", "install", "--local")
            for _ in range(self.dice.choice([1, 2, 8])):
                path, content = self._name_of_file(), self._content()
                (clone / path).parent.mkdir(parents=True, exist_ok=True)
                (clone / path).write_bytes(content[:200_000] if path.endswith(".txt") else content)
                after[path] = hashlib.sha256((clone / path).read_bytes()).hexdigest()
            self._git("-C", str(clone), "add", "-A")
            self._git("-C", str(clone), "commit", "-q", "-m", f"n{self.serial}")
            self._git("-C", str(clone), "push", "-q", "origin", "HEAD:main")
            return True

        def settled(acknowledged) -> None:
            head, files = self._files_of(repo_id)
            assert files in ((after,) if acknowledged else (before, after)), f"{repo_id}: half of a push"
            state["head"] = files
            state["kept"].update({(head, path): sha256 for path, sha256 in list(files.items())[-5:]})
        self._attempt("push", push, settled)

    def _git(self, *arguments: str) -> str:
        env = {**os.environ, "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Alice",
               "GIT_AUTHOR_EMAIL": "alice@example.org", "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@example.org"}
        return subprocess.run(["git", "-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.smudge=git-lfs smudge -- %f",
                               "-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true", *arguments],
                              check=True, capture_output=True, text=True, timeout=120, env=env).stdout

    def _chore(self) -> None:
        repo_id = self._ensure_repo()
        if repo_id is None:
            return
        self.dice.choice([self._tag, self._move, self._squash, self._discuss, self._pull_request, self._branch, self._small])(repo_id)

    def _small(self, repo_id: str) -> None:
        state, path, content = self.repos[repo_id], self._name_of_file(), self.dice.randbytes(300)
        sha256 = hashlib.sha256(content).hexdigest()

        def settled(info) -> None:
            found = self._sha256_of(repo_id, "main", path)
            assert found == sha256 or (found is None and not info), f"{repo_id}: {path} is {found}"
            if found:
                state["head"][path] = sha256
        self._attempt("small commit", lambda: self.api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id), settled)

    def _tag(self, repo_id: str) -> None:
        state = self.repos[repo_id]
        name = f"v{self.serial}"
        self.serial += 1
        remove = self.dice.choice(sorted(state["tags"])) if state["tags"] and self.dice.random() < 0.4 else None

        def settled(acknowledged) -> None:
            there = {tag.name for tag in self.api.list_repo_refs(repo_id).tags}
            after = set(state["tags"]) - {remove} if remove else set(state["tags"]) | {name}
            assert there == after or (not acknowledged and there == set(state["tags"])), f"{repo_id}: tags are {there}, not {after}"
            state["tags"] = dict.fromkeys(there)
        if remove:
            self._attempt("delete tag", lambda: self.api.delete_tag(repo_id, tag=remove), settled)
        else:
            self._attempt("tag", lambda: self.api.create_tag(repo_id, tag=name, tag_message="m"), settled)

    def _branch(self, repo_id: str) -> None:
        name = f"b{self.serial}"
        self.serial += 1

        def names() -> set[str]:
            return {branch.name for branch in self.api.list_repo_refs(repo_id).branches}

        def made(acknowledged) -> None:
            assert not acknowledged or name in names(), f"{repo_id}: branch {name} is lost"

        def gone(acknowledged) -> None:
            assert not acknowledged or name not in names(), f"{repo_id}: branch {name} is there again"
        self._attempt("branch", lambda: self.api.create_branch(repo_id, branch=name), made)
        if name in names():
            self._attempt("delete branch", lambda: self.api.delete_branch(repo_id, branch=name), gone)

    def _move(self, repo_id: str) -> None:
        target = self._new_name()

        def settled(acknowledged) -> None:
            now = self.api.repo_info(repo_id).id  # The old name leads to the new one.
            assert now in ((target,) if acknowledged else (repo_id, target)), f"{repo_id} is now {now}"
            if now != repo_id:
                self.repos[target] = self.repos.pop(repo_id)
        self._attempt("move", lambda: self.api.move_repo(repo_id, target), settled)

    def _squash(self, repo_id: str) -> None:
        state = self.repos[repo_id]

        def settled(acknowledged) -> None:
            count = len(self.api.list_repo_commits(repo_id))
            assert count == 1 or not acknowledged, f"{repo_id}: {count} commits after the squash"
            state["kept"] = {}
            _, files = self._files_of(repo_id)
            assert files == state["head"], f"{repo_id}: a squash changed the files"
        self._attempt("squash", lambda: self.api.super_squash_history(repo_id), settled)

    def _discuss(self, repo_id: str) -> None:
        text = f"said {self.serial}"
        self.serial += 1
        made: list[int] = []

        def opened(discussion) -> None:
            found = [item.num for item in self.api.get_repo_discussions(repo_id) if item.title == text]
            assert len(found) == 1 or (not discussion and not found), f"{repo_id}: {len(found)} discussions named {text!r}"
            made[:] = found

        def commented(acknowledged) -> None:
            events = self.api.get_discussion_details(repo_id, made[0]).events
            count = sum(getattr(event, "content", None) == text for event in events)
            assert count == 1 or (not acknowledged and count == 0), f"{repo_id}: the comment is there {count} times"
        self._attempt("open discussion", lambda: self.api.create_discussion(repo_id, title=text), opened)
        if made:
            self._attempt("comment", lambda: self.api.comment_discussion(repo_id, made[0], comment=text), commented)

    def _pull_request(self, repo_id: str) -> None:
        state, path, content = self.repos[repo_id], self._name_of_file(), self.dice.randbytes(500)
        sha256 = hashlib.sha256(content).hexdigest()
        title = f"pr {self.serial}"
        numbers: list[int] = []

        def opened(info) -> None:
            found = [item.num for item in self.api.get_repo_discussions(repo_id) if item.title == title]
            assert len(found) == 1 or (not info and not found), f"{repo_id}: {len(found)} pull requests named {title!r}"
            numbers[:] = found
            if found and info:
                assert self._sha256_of(repo_id, f"refs/pr/{found[0]}", path) == sha256

        def merged(acknowledged) -> None:
            found = self._sha256_of(repo_id, "main", path)
            assert found == sha256 or (found is None and not acknowledged), f"{repo_id}: {path} is {found} after the merge"
            status = self.api.get_discussion_details(repo_id, numbers[0]).status
            assert (status == "merged") == bool(found), f"{repo_id}: merged {bool(found)}, and it says {status}"
            if found:
                state["head"][path] = sha256
        self._attempt("open pull request", lambda: self.api.upload_file(
            path_or_fileobj=content, path_in_repo=path, repo_id=repo_id, create_pr=True, commit_message=title), opened)
        if numbers and self._sha256_of(repo_id, f"refs/pr/{numbers[0]}", path) == sha256:
            def merge() -> None:
                if self.api.get_discussion_details(repo_id, numbers[0]).status == "draft":
                    self.api.change_discussion_status(repo_id, numbers[0], new_status="open")
                self.api.merge_pull_request(repo_id, numbers[0])
            self._attempt("merge", merge, merged)

    # --- reading, by the clients whose retries are tried

    def _shared_now(self) -> dict:
        """Path -> entry of the tree, of some revision that all of the files are read at."""
        entries = {entry.path: entry for entry in self.api.list_repo_tree(self.shared, recursive=True) if hasattr(entry, "blob_id")}
        if not entries:
            time.sleep(0.1)
        return entries

    def _download(self) -> None:
        from huggingface_hub import hf_hub_download
        entries = self._shared_now()
        if not entries:
            return
        entry = entries[self.dice.choice(sorted(entries))]
        cache = self.home / "cache"

        def settled(local) -> None:
            if local:
                self._compare(Path(local).read_bytes(), entry)
            shutil.rmtree(cache, ignore_errors=True)
        self._attempt(f"download ({self.kind.split()[0]})", lambda: hf_hub_download(self.shared, entry.path, cache_dir=cache), settled)

    def _clone(self) -> None:
        clone = self.home / "clone"
        shutil.rmtree(clone, ignore_errors=True)
        address = self.url.replace("://", f"://alice:{self.token}@") + f"/{self.shared}"
        entries = self._shared_now()  # Files of this repository never change once they are there.

        def settled(acknowledged) -> None:
            for path, entry in entries.items() if acknowledged else ():
                self._compare((clone / path).read_bytes(), entry)
        self._attempt("clone", lambda: self._git("clone", "-q", address, str(clone)), settled)

    def _compare(self, content: bytes, entry) -> None:
        if entry.lfs:
            assert hashlib.sha256(content).hexdigest() == entry.lfs.sha256, f"{entry.path}: other bytes than {entry.lfs.sha256}"
        else:
            assert hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == entry.blob_id, f"{entry.path}: other bytes"

    # --- what it sees

    def _files_of(self, repo_id: str) -> tuple[str, dict[str, str]]:
        """Head and files of main, by what the hub says of them; check() reads the bytes."""
        head = self.api.list_repo_refs(repo_id).branches[0].target_commit
        files = {}
        for entry in self.api.list_repo_tree(repo_id, recursive=True, revision=head):
            if not hasattr(entry, "blob_id") or entry.path == ".gitattributes":
                continue
            files[entry.path] = entry.lfs.sha256 if entry.lfs else self._sha256_of(repo_id, head, entry.path)
        return head, files

    def _sha256_of(self, repo_id: str, revision: str, path: str) -> str | None:
        for _ in range(LOOKS if self.lost is not None else 1):
            try:
                return self._sha256_now(repo_id, revision, path)
            except (OSError, http.client.HTTPException) as error:
                failed = error
        raise failed

    def _sha256_now(self, repo_id: str, revision: str, path: str) -> str | None:
        from huggingface_hub import hf_hub_url
        url = hf_hub_url(repo_id, path, revision=revision, endpoint=self.url)
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {self.token}"}), timeout=60) as answer:
                # http.client takes a head that was cut off for a whole one, without the length and so without a body.
                if "Content-Length" not in answer.headers:
                    raise http.client.IncompleteRead(b"")
                return hashlib.sha256(answer.read()).hexdigest()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise RuntimeError(f"{url}: {error.code} {error.read()[:300]!r}") from None

    def check(self, everything: bool) -> list[str]:
        """What the hub acknowledged to this worker and does not have. Without `everything` a sample of older files."""
        facts = {(repo_id, "main", path): sha256 for repo_id, state in self.repos.items() for path, sha256 in state["head"].items()}
        facts |= {(repo_id, revision, path): sha256 for repo_id, state in self.repos.items()
                  for (revision, path), sha256 in state["kept"].items()}
        facts |= {(self.shared, "main", path): sha256 for path, sha256 in self.shared_files.items()}
        chosen = sorted(facts) if everything else self.dice.sample(sorted(facts), min(20, len(facts)))
        return [f"{self.kind}: {fact} is {found}, not {facts[fact]}" for fact in chosen
                if (found := self._sha256_of(*fact)) != facts[fact]]


def serve(pipe, go, kind: str, seed: int, url: str, token: str, shared_repo: str, lost) -> None:
    """The process of a worker: works while `go` is set, answers what is asked through `pipe`."""
    worker = Worker(kind, seed, url, token, shared_repo, lost)
    problems: list[str] = []
    try:
        while True:
            if go.is_set() and not problems and not pipe.poll():
                try:
                    worker.step()
                except Exception as error:
                    if _hub_was_away(error):  # While the worker only looked at something.
                        worker.wait_for_the_hub()
                    else:
                        problems.append(f"{kind}: " + "".join(traceback.format_exception(error))[-2000:])
                continue
            if not pipe.poll(0.02):
                continue
            asked = pipe.recv()
            if asked == "stop":
                break
            if asked == "rest":
                pipe.send(problems)
            elif asked == "counts":
                pipe.send((worker.done, worker.cut))
            else:
                pipe.send(problems + worker.check(everything=asked == "check everything"))
    finally:
        shutil.rmtree(worker.home, ignore_errors=True)


def _hub_was_away(error: Exception) -> bool:
    """Of the clients' libraries, whichever they use in this version."""
    return isinstance(error, (OSError, http.client.IncompleteRead)) or any(kind.__name__ == "TransportError" for kind in type(error).__mro__)


class Crew:
    """All workers; each a process of its own."""

    def __init__(self, url: str, token: str, shared_repo: str, seed: int, kinds=KINDS, lost=None) -> None:
        # Not forked: the clients' own threads and the transfer library do not survive that.
        context = multiprocessing.get_context("spawn")
        self._go = context.Event()
        self._members = []
        for index, kind in enumerate(kinds):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, self._go, kind, seed * 100 + index, url, token, shared_repo, lost), daemon=True)
            process.start()
            self._members.append((process, ours))
        self._ask("rest")  # Until each is up.

    def go(self) -> None:
        self._go.set()

    def rest(self) -> list[str]:
        """Lets everyone end what he is at; returns what they found wrong."""
        self._go.clear()
        return [problem for found in self._ask("rest") for problem in found]

    def check(self, everything: bool) -> list[str]:
        return [problem for found in self._ask("check everything" if everything else "check") for problem in found]

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """How many pieces of each work were done, and how many were cut off."""
        done: dict[str, int] = {}
        cut: dict[str, int] = {}
        for counted in self._ask("counts"):
            for total, part in zip((done, cut), counted):
                for what, count in part.items():
                    total[what] = total.get(what, 0) + count
        return done, cut

    def stop(self, now: bool = False) -> None:
        """`now`: without letting them end what they are at."""
        for process, pipe in self._members:
            try:
                pipe.send("stop")
            except OSError:
                pass
            process.join(timeout=0 if now else 30)
            if process.is_alive():
                process.kill()

    def _ask(self, what: str) -> list:
        for _, pipe in self._members:
            pipe.send(what)
        answers = []
        for process, pipe in self._members:
            if not pipe.poll(240):
                raise RuntimeError(f"a worker (process {process.pid}) does not answer")
            answers.append(pipe.recv())
        return answers
