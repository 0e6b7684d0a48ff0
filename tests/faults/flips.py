"""One flipped bit in each kind of stored file: found, and never served.

    python tests/faults/flips.py [--flips N] [--seed S] [--publish]

A hub holds files in every form it has: whole by their SHA-256, in chunks, packed and loose in git, with what git keeps
beside them and what the data folder is known by. Each round flips one bit of one file, chosen by the dice, under the
running hub (RESTING: while it rests). Then everything is read: a request may be refused or cut off, a start may be, but
what is answered whole must be right. `hearth verify` must name the damage where sums can tell it (not UNPROMISED,
not DERIVED). Then the bit is put back, and everything must be well again.
"""

import argparse
import hashlib
import http.client
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

REPO = "alice/stored"
COPY = "alice/copied"  # A duplicate begins with its refs packed.
# Bytes that were good a moment ago must be compared again; and what came whole stays whole.
OPTIONS = ("--trust-checked-s", "0", "--chunk-lfs-uploads", "false")
# Files of a kind, by where they stand; {stored} and {copied} are the folders of the two repositories.
KINDS = {
    "whole file": "blobs/*/*/*",
    "xorb": "xorbs/**/*",
    "shard": "shards/**/*",
    "git object": "{stored}/objects/??/*",
    "git pack": "{stored}/objects/pack/*.pack",
    "index of a git pack": "{stored}/objects/pack/*.idx",
    "git ref": "{stored}/refs/**/*",
    "git's packed refs": "{copied}/packed-refs",
    "git's HEAD": "{stored}/HEAD",
    "git's config": "{stored}/config",
    "sums": "cache/sums/*/*",
    "secret key": "secret.key",
    "mark of the installation": "installation",
    "database": "hearth.db",
}
# Derived: a damaged one is recognised and made again.
DERIVED = {"sums"}
# Without a sum of their own, so that a flip may be another value that is well formed, or none that matters: found where it
# contradicts something, and no file of people may be wrong even then. SQLite has no sums of its pages;
# docs/fault-model.md says so.
UNPROMISED = {"database", "git ref", "git's packed refs", "git's config", "secret key", "mark of the installation"}
# Flipped while the hub rests. The database: it holds its pages in memory. The index of a pack: it is looked at when it is
# opened, and stays open for half a minute; what changes under it then is a failing memory's doing, not a disk's. The others
# are read when it starts.
RESTING = {"database", "index of a git pack", "secret key", "mark of the installation"}


@dataclass
class Kind:
    flips: int = 0
    found: int = 0
    refused_only: int = 0  # Of these, verify found nothing.
    refused: int = 0  # At least one reader got an error instead.
    harmless: int = 0  # All was answered, and right, and nothing was found.


@dataclass
class Outcome:
    kinds: dict[str, Kind] = field(default_factory=lambda: {name: Kind() for name in KINDS})
    problems: list[str] = field(default_factory=list)

    @property
    def flips(self) -> int:
        return sum(kind.flips for kind in self.kinds.values())


class Shelf:
    """A hub with something in every form, and what it must answer."""

    def __init__(self, dice: random.Random) -> None:
        self.server = Server()
        self.scratch = Path(tempfile.mkdtemp(prefix="hearth-flips-"))
        self.server.add_user("alice", "--admin")
        self.token = self.server.add_token("alice")
        self.server.start(*OPTIONS)
        self.expected: dict[str, str] = {}  # By path in the repository: SHA-256.
        self._fill(dice)
        self.server.settle()
        [stored] = self.server.data.glob("git/*/*.git")
        self._ask("POST", f"/api/models/{REPO}/duplicate", {"repository": COPY})
        self.server.settle()
        self.clean()
        [copied] = set(self.server.data.glob("git/*/*.git")) - {stored}
        self.folders = {name: str(folder.relative_to(self.server.data)) for name, folder in (("stored", stored), ("copied", copied))}
        self.files = {}
        for kind in KINDS:
            self.files[kind] = self.files_of(kind)
            assert self.files[kind], f"no {kind} is stored"

    def files_of(self, kind: str) -> list[Path]:
        return sorted(path for path in self.server.data.glob(KINDS[kind].format(**self.folders))
                      if path.is_file() and path.stat().st_size > 0 and path.suffix != ".lock")

    def link(self) -> str:
        """One that the hub signs, to a large file."""
        batch = self._ask("POST", f"/{REPO}.git/info/lfs/objects/batch", {
            "operation": "download", "transfers": ["basic"], "objects": [{"oid": self.expected["whole.bin"], "size": 900_000}]})
        return batch["objects"][0]["actions"]["download"]["href"].removeprefix(self.server.url)

    def _fill(self, dice: random.Random) -> None:
        from huggingface_hub import CommitOperationAdd, HfApi
        api = HfApi(endpoint=self.server.url, token=self.token)
        api.create_repo(REPO)
        words = [f"word{number} " for number in range(500)]
        contents = {
            "noise.bin": dice.randbytes(1_300_000),
            "text.bin": "".join(dice.choices(words, k=60_000)).encode(),
            "short.bin": dice.randbytes(700),
        }
        # In chunks, by hf-xet.
        api.create_commit(REPO, [CommitOperationAdd(name, content) for name, content in contents.items()], commit_message="xet")
        # Whole, by Git LFS.
        whole = {"whole.bin": dice.randbytes(900_000), "small-whole.bin": dice.randbytes(3000)}
        for content in whole.values():
            self._upload_whole(content)
        lines = [{"key": "header", "value": {"summary": "lfs"}}] + [
            {"key": "lfsFile", "value": {"path": name, "algo": "sha256", "oid": hashlib.sha256(content).hexdigest(), "size": len(content)}}
            for name, content in whole.items()]
        self._ask("POST", f"/api/models/{REPO}/commit/main", "\n".join(map(_json, lines)).encode(), {"Content-Type": "application/x-ndjson"})
        # In git: by the API (one pack or loose objects), and by a push.
        small = {f"notes/{number}.txt": "".join(dice.choices(words, k=200 * number + 9)).encode() for number in range(6)}
        api.create_commit(REPO, [CommitOperationAdd(name, content) for name, content in small.items()], commit_message="small")
        pushed = {f"pushed/{number}.json": ('{"a": "%s"}\n' % dice.randbytes(300 * number + 60).hex()).encode() for number in range(4)}
        clone = self.scratch / "first"
        self._git("clone", "-q", self._address(), str(clone), env={"GIT_LFS_SKIP_SMUDGE": "1"})
        for name, content in pushed.items():
            (clone / name).parent.mkdir(exist_ok=True)
            (clone / name).write_bytes(content)
        self._git("-C", str(clone), "add", "-A")
        self._git("-C", str(clone), "commit", "-q", "-m", "pushed")
        self._git("-C", str(clone), "push", "-q", "origin", "HEAD:main")
        for name, content in {**contents, **whole, **small, **pushed}.items():
            self.expected[name] = hashlib.sha256(content).hexdigest()

    def _upload_whole(self, content: bytes) -> None:
        oid = hashlib.sha256(content).hexdigest()
        batch = self._ask("POST", f"/{REPO}.git/info/lfs/objects/batch", {
            "operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(content)}]})
        href = batch["objects"][0]["actions"]["upload"]["href"]
        status, _, answer = self.server.request("PUT", href.removeprefix(self.server.url), content)
        assert status < 300, answer

    def _ask(self, method: str, path: str, body: object, headers: dict[str, str] | None = None) -> dict:
        import json
        status, _, answer = self.server.request(method, path, body, self.token, headers)
        assert status < 300, (path, status, answer)
        return json.loads(answer)

    def _address(self, repo: str = REPO) -> str:
        return self.server.url.replace("://", f"://alice:{self.token}@") + f"/{repo}"

    def _git(self, *arguments: str, env: dict[str, str] | None = None, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=self.scratch, timeout=120, env={
            **os.environ, "HOME": str(self.scratch), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_AUTHOR_NAME": "Alice",
            "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "a@example.org", **(env or {})})
        if check and done.returncode != 0:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr[-800:]}")
        return done

    def clean(self) -> None:
        verified = self.server.verify()
        if verified.returncode != 0:
            raise RuntimeError(f"verify: {verified.stdout}{verified.stderr}")

    # --- readers: (what was refused, what was answered whole and wrong)

    def read_all(self) -> tuple[list[str], list[str]]:
        refused, wrong = [], []
        wanted = [(REPO, path, sha256) for path, sha256 in self.expected.items()]
        wanted += [(COPY, path, self.expected[path]) for path in ("notes/3.txt", "small-whole.bin")]
        for repo, path, sha256 in wanted:
            for name, headers in ((f"{repo} {path}", {}), (f"{repo} {path} in part", {"Range": "bytes=10-599"})):
                try:
                    status, answered, body = self.server.request("GET", f"/{repo}/resolve/main/{path}", None, self.token, headers)
                except (OSError, http.client.HTTPException) as error:
                    refused.append(f"{name}: {error}")
                    continue
                if status >= 400:
                    refused.append(f"{name}: {status}")
                elif not headers and hashlib.sha256(body).hexdigest() != sha256:
                    wrong.append(f"{name}: {status} {len(body)} bytes, {body[:60]!r}")
                elif headers and hashlib.sha256(body).hexdigest() != self.parts.setdefault(path, hashlib.sha256(body).hexdigest()):
                    wrong.append(f"{name}: {status} {len(body)} bytes")
        return refused, wrong

    parts: dict[str, str]

    def clone(self, repo: str = REPO) -> tuple[list[str], list[str]]:
        target = self.scratch / "clone"
        shutil.rmtree(target, ignore_errors=True)
        done = self._git("clone", "-q", self._address(repo), str(target), check=False, env={"GIT_LFS_SKIP_SMUDGE": "1"})
        if done.returncode != 0:
            return [f"git clone: {done.stderr[-300:]}"], []
        if "unable to checkout" in done.stderr or "empty repository" in done.stderr:  # It says so, and leaves an empty folder.
            return [f"git clone: {done.stderr[-300:]}"], []
        wrong = []
        for path, sha256 in self.expected.items():
            content = (target / path).read_bytes() if (target / path).exists() else b"(absent)"
            if not content.startswith(b"version https://git-lfs") and hashlib.sha256(content).hexdigest() != sha256:
                wrong.append(f"git clone: {path} is {content[:60]!r}")
        return [], wrong

    def download_by_xet(self) -> tuple[list[str], list[str]]:
        """hf-xet itself, with nothing remembered."""
        home = self.scratch / "hf"
        shutil.rmtree(home, ignore_errors=True)
        program = ("import sys, hashlib; from huggingface_hub import hf_hub_download\n"
                   "for path in sys.argv[2:]:\n"
                   "    try: print(path, hashlib.sha256(open(hf_hub_download(sys.argv[1], path), 'rb').read()).hexdigest())\n"
                   "    except Exception as error: print(path, 'refused', type(error).__name__)\n")
        client = subprocess.Popen([sys.executable, "-c", program, REPO, "noise.bin", "text.bin"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True, env={**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": self.server.url, "HF_TOKEN": self.token,
                                                  "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1"})
        try:
            answers, _ = client.communicate(timeout=20)  # It tries a refused range again for minutes.
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            return ["hf-xet: no end of trying"], []
        refused, wrong = [], []
        for line in answers.splitlines():
            path, answer = line.split(" ", 1)
            if answer.startswith("refused"):
                refused.append(f"hf-xet: {line}")
            elif answer != self.expected[path]:
                wrong.append(f"hf-xet: {path}")
        return refused, wrong


def _json(value: object) -> str:
    import json
    return json.dumps(value)


def flip(path: Path, at: int, bit: int) -> None:
    """In place, and its times stay: damage is not a write."""
    times = path.stat()
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def run(flips: int, seed: int, say=lambda text: None, kinds: tuple[str, ...] = tuple(KINDS)) -> Outcome:
    outcome = Outcome()
    dice = random.Random(seed)
    shelf = Shelf(dice)
    shelf.parts = {}
    try:
        refused, wrong = shelf.read_all()
        assert not refused and not wrong, (refused, wrong)
        for number in range(flips):
            name = kinds[number % len(kinds)]
            _one_flip(shelf, name, dice, outcome)
            if (number + 1) % 100 == 0:
                say(f"{number + 1} flips, {len(outcome.problems)} problems")
        refused, wrong = shelf.read_all()
        outcome.problems += [f"all bits are back, and still: {problem}" for problem in refused + wrong]
        shelf.clean()
    finally:
        shelf.server.remove()
        shutil.rmtree(shelf.scratch, ignore_errors=True)
    return outcome


def _one_flip(shelf: Shelf, name: str, dice: random.Random, outcome: Outcome) -> None:
    kind = outcome.kinds[name]
    path = dice.choice(shelf.files[name])
    if not path.exists():  # Git or the hub put it into another form.
        path = shelf.files_of(name)[0]
    saved = path.read_bytes()
    times = path.stat()
    at, bit = dice.randrange(len(saved)), dice.randrange(8)
    where = f"{name} {path.relative_to(shelf.server.data)}, byte {at} of {len(saved)}, bit {bit}"
    resting = name in RESTING
    link = shelf.link() if name == "secret key" else None
    if resting:
        shelf.server.stop()
        saved = path.read_bytes()
        at = dice.randrange(len(saved))
    flip(path, at, bit)
    up = True
    try:
        if resting:
            up = _start(shelf)
        refused, wrong = ([f"the hub does not start"], []) if not up else shelf.read_all()
        if up:
            readers = [lambda: shelf.clone(COPY if "packed refs" in name else REPO)] if name.startswith(("git", "index")) else [shelf.download_by_xet] if name in ("xorb", "shard") and dice.random() < 0.3 else []
            for reader in readers:
                more_refused, more_wrong = reader()
                refused += more_refused
                wrong += more_wrong
            if link and shelf.server.request("GET", link)[0] >= 400:
                refused.append("a link that was signed with the former key")
            elif link:
                wrong.append("a link that was signed with the former key still holds")
        if up and shelf.server.process.poll() is not None:
            outcome.problems.append(f"{where}: the hub died: status {shelf.server.process.returncode}\n{shelf.server.log()[-3000:]}")
            shelf.server.stop()
            _start(shelf)
        verified = shelf.server.verify()
        kind.flips += 1
        kind.refused += bool(refused)
        kind.found += verified.returncode != 0
        kind.harmless += verified.returncode == 0 and not refused and not wrong
        kind.refused_only += bool(refused) and verified.returncode == 0
        if name in UNPROMISED:
            # File bytes are named by their hash: even then none may be wrong.
            outcome.problems += [f"{where}: served: {text}" for text in wrong]
        elif name in DERIVED:
            outcome.problems += [f"{where}: {text}" for text in refused + wrong]
        else:
            outcome.problems += [f"{where}: served: {text}" for text in wrong]
            if verified.returncode == 0:
                outcome.problems.append(f"{where}: not found by verify (refused: {refused[:3]})")
    finally:
        if resting:
            shelf.server.stop(kill=True)
            for suffix in ("-wal", "-shm") if name == "database" else ():
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        with open(path, "r+b") as file:
            file.write(saved)
            file.truncate(len(saved))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        if resting and not _start(shelf):
            raise RuntimeError("the hub does not start with its own database:\n" + shelf.server.log())


def _start(shelf: Shelf) -> bool:
    shelf.server.url = ""
    try:
        shelf.server.start(*OPTIONS)
        return True
    except RuntimeError:
        return False


def publish(seed: int, outcome: Outcome) -> None:
    figures.write(
        "reliability", "40-flips", title="One flipped bit", seed=seed,
        command=f"scripts/nightly flips, or: python tests/faults/flips.py --flips {outcome.flips} --seed {seed}",
        columns=["what was damaged", "flips", "found by verify", "readers or the start were refused", "of these not found by verify",
                 "nothing to find", "served as good"],
        rows=[[name, kind.flips, kind.found, kind.refused, kind.refused_only, kind.harmless,
               sum(problem.startswith(name) and "served" in problem for problem in outcome.problems)] for name, kind in outcome.kinds.items()],
        note="Each flip is one bit of one stored file under the running hub, which compares at every read (`--trust-checked-s 0`; by default it trusts "
             "what it has compared within ten minutes). Then all files are read whole and in part over HTTP, by `git clone` "
             "(damage in git) or by hf-xet (for a part of the damage in xorbs and shards), and `hearth verify` runs; then the bit is put back. "
             f"Of the {outcome.flips:,} flips {_sum(outcome, 'found'):,} were found by `hearth verify`, {_sum(outcome, 'refused_only'):,} more only "
             f"stopped a reader, a clone or the start, and of {_sum(outcome, 'harmless'):,} there was nothing to find: all was answered, and right. These "
             "are sums (derived data: a damaged one is recognised and made again), free space and values without meaning in a page of the "
             "database (SQLite keeps no sums of its pages: a flip in a value it stores is found only where it contradicts something else, see "
             "docs/fault-model.md), and comments, spaces and names that say nothing in the small files of git, which have no sums either. Another "
             "secret key is as good as the old one, but for links that were signed before, which must be refused; another mark of the installation "
             "must stop the start.")


def _sum(outcome: Outcome, what: str) -> int:
    return sum(getattr(kind, what) for kind in outcome.kinds.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these; default: all in turn")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    begin = time.monotonic()
    outcome = run(options.flips, seed, say=lambda text: print(text, flush=True), kinds=tuple(options.kind or KINDS))
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    for name, kind in outcome.kinds.items():
        print(f"{name}: {kind.flips} flips, {kind.found} found by verify, {kind.refused} refused ({kind.refused_only} of them not found), {kind.harmless} with nothing to find")
    print(f"{outcome.flips} flips, {len(outcome.problems)} problems, {time.monotonic() - begin:.0f} s")
    if options.publish:
        publish(seed, outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
