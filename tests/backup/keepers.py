"""People who only ever add files, each with one of the real clients, while others make a mess: what was acknowledged to them
at a moment is what a backup that begins then must hold."""

import hashlib
import multiprocessing
import time
import traceback
from dataclasses import dataclass

KINDS = ("xet", "lfs", "git")


@dataclass(frozen=True)
class Fact:
    acknowledged: float  # time.monotonic(), which all processes of a machine share.
    repo_id: str
    revision: str
    path: str
    sha256: str


def _keep(kind: str, seed: int, url: str, token: str, facts, stop) -> None:
    from workers import Worker  # It sets up the client's environment, before the client is imported.
    worker = Worker(kind, seed, url, token, "")
    repo_id = f"alice/kept-{kind}"
    try:
        worker.api.create_repo(repo_id)
        while not stop.is_set():
            path, content = worker._name_of_file(), worker._content()
            if kind == "git":
                if not (worker.home / "clone").exists():
                    worker._git("clone", "-q", url.replace("://", f"://alice:{token}@") + f"/{repo_id}", str(worker.home / "clone"))
                    worker._git("-C", str(worker.home / "clone"), "lfs", "install", "--local")
                content = content[:200_000] if path.endswith(".txt") else content
                file = worker.home / "clone" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                worker._git("-C", str(worker.home / "clone"), "add", "-A")
                worker._git("-C", str(worker.home / "clone"), "commit", "-q", "-m", path)
                worker._git("-C", str(worker.home / "clone"), "push", "-q", "origin", "HEAD:main")
                revision = worker._git("-C", str(worker.home / "clone"), "rev-parse", "HEAD").strip()
            else:
                revision = worker.api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id).oid
            acknowledged = time.monotonic()
            sha256 = hashlib.sha256(content).hexdigest()
            facts.put([Fact(acknowledged, repo_id, revision, path, sha256), Fact(acknowledged, repo_id, "main", path, sha256)])
            if worker.dice.random() < 0.3:
                tag = f"at-{worker.serial}"
                worker.api.create_tag(repo_id, tag=tag, revision=revision, tag_message="m" if worker.dice.random() < 0.5 else None)
                facts.put([Fact(time.monotonic(), repo_id, tag, path, sha256)])
    except Exception as error:
        facts.put(f"{kind}: " + "".join(traceback.format_exception(error))[-2000:])
    finally:
        facts.put(None)


class Keepers:
    def __init__(self, url: str, token: str, seed: int) -> None:
        # Not forked: the clients' own threads and the transfer library do not survive that.
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue()
        self._stop = context.Event()
        self.facts: list[Fact] = []
        self.problems: list[str] = []
        self._running = len(KINDS)
        self._processes = [context.Process(target=_keep, args=(kind, seed + index, url, token, self._queue, self._stop), daemon=True)
                           for index, kind in enumerate(KINDS)]
        for process in self._processes:
            process.start()

    def wait_for(self, count: int) -> None:
        """Until so many facts are known, and one at least of each client."""
        while self._running == len(KINDS) and (len(self.facts) < count or len({fact.repo_id for fact in self.facts}) < len(KINDS)):
            self._take()

    def stop(self) -> None:
        self._stop.set()
        while self._running:
            self._take()
        for process in self._processes:
            process.join(timeout=30)

    def _take(self) -> None:
        item = self._queue.get(timeout=120)
        if item is None:
            self._running -= 1
        elif isinstance(item, str):
            self.problems.append(item)
        else:
            self.facts += item
