"""Backups of a hub at work: figure D9.

    python tests/backup/rounds.py [--rounds N] [--seed S] [--on-postgresql] [--publish]

Every round: people add files with real clients (keepers.py), others change, move, delete and merge (faults/workers.py); in the
midst of it two backups are taken, one after the other, the second after a few attempts that were killed. Then both are restored elsewhere, one of them into
the other database engine. Each restored hub must pass `hearth verify`, `git fsck` and the database's own check, and every file
that was acknowledged before its backup began must be there, byte for byte.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "faults"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import survival  # noqa: E402
from keepers import Fact, Keepers  # noqa: E402
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402
from workers import Crew  # noqa: E402

FACTS_BEFORE = 12  # That people learn before each backup of a round; the short form is content with less.
KILLS = 3


@dataclass
class Outcome:
    rounds: int = 0
    problems: list[str] = field(default_factory=list)
    backups: list[dict] = field(default_factory=list)   # What `hearth backup --json` said.
    restores: list[dict] = field(default_factory=list)
    killed: int = 0
    files: int = 0


def run(rounds: int, seed: int, database: str | None = None, other: str | None = None, say=lambda text: None,
        facts_before: int = FACTS_BEFORE) -> Outcome:
    """`database` and `other` are a PostgreSQL server's URL, or None for SQLite: of the hub, and of its second copy. Stops at the
    first round with a problem, and keeps what it made then."""
    outcome = Outcome()
    dice = random.Random(seed)
    while outcome.rounds < rounds and not outcome.problems:
        _round(dice, database, other, outcome, facts_before)
        outcome.rounds += 1
        say(f"{outcome.rounds} rounds, {len(outcome.backups)} backups, {outcome.killed} killed, {outcome.files} files compared, "
            f"{len(outcome.problems)} problems")
    return outcome


def _round(dice: random.Random, database: str | None, other: str | None, outcome: Outcome, facts_before: int) -> None:
    server = Server(database)
    copies: list[Server] = []
    crew = keepers = None
    try:
        server.add_user("root", "--admin")
        server.add_user("alice")
        token = server.add_token("alice")
        server.start("--lfs-part-bytes", str(5 << 20))
        status, _, body = server.request("POST", "/api/repos/create", {"name": "shared"}, token)
        assert status == 200, body
        keepers = Keepers(server.url, token, dice.randrange(1 << 30))
        crew = Crew(server.url, token, "alice/shared", dice.randrange(1 << 30))
        crew.go()
        folder = server.folder / "backups"
        begins = []
        for number in range(2):
            keepers.wait_for(len(keepers.facts) + facts_before)
            if number > 0:
                outcome.killed += _killed_backups(server, folder, dice)
            begins.append(time.monotonic())
            outcome.backups.append(json.loads(server.hearth("backup", str(folder), "--json")))
        keepers.stop()
        outcome.problems += crew.rest() + keepers.problems
        checked = subprocess.run([server.binary, "backup", str(folder), "--check"], capture_output=True, text=True)
        if checked.returncode != 0:
            outcome.problems.append("backup --check: " + checked.stdout + checked.stderr)
        for begin, said, engine in zip(begins, outcome.backups[-2:], (database, other)):
            copy = Server(engine)
            copies.append(copy)
            _restore(copy, folder, said["snapshot"], outcome)
            outcome.problems += _compare(copy, token, [fact for fact in keepers.facts if fact.acknowledged < begin], outcome)
    finally:
        if keepers is not None:
            keepers.stop()
        if crew is not None:
            crew.stop()
        for made in [server, *copies]:
            if outcome.problems:
                made.stop()
                print(f"kept: {made.folder} {made.database or ''}", file=sys.stderr)
            else:
                made.remove()


def _killed_backups(server: Server, folder: Path, dice: random.Random) -> int:
    """Backups that are killed somewhere in between; each leaves the list of snapshots as it was."""
    before = _snapshots(server, folder)
    count = 0
    for _ in range(KILLS):
        # 1 to some 60 durable steps: in the small pieces of the database, or in the files.
        killed = subprocess.run([server.binary, "backup", str(folder), "--data", str(server.data), *server._database_option()],
                                capture_output=True, env={**os.environ, "HEARTH_FAILPOINTS": f"crash@{dice.randrange(1, 60)}"})
        assert killed.returncode in (-9, 0), killed.stderr
        if killed.returncode == -9:
            count += 1
            assert _snapshots(server, folder) == before
    return count


def _snapshots(server: Server, folder: Path) -> list[str]:
    said = subprocess.run([server.binary, "backup", str(folder), "--list", "--json"], capture_output=True, text=True, check=True)
    return [entry["snapshot"] for entry in json.loads(said.stdout)]


def _restore(copy: Server, folder: Path, snapshot: str, outcome: Outcome) -> None:
    done = subprocess.run([copy.binary, "restore", str(folder), "--snapshot", snapshot, "--json", "--data", str(copy.data),
                           *copy._database_option()], capture_output=True, text=True)
    if done.returncode != 0:
        outcome.problems.append(f"restore of {snapshot}: status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return
    outcome.restores.append(json.loads(done.stdout.splitlines()[0]))
    copy.start()
    outcome.problems += survival.problems_at_rest(copy)


def _compare(copy: Server, token: str, facts: list[Fact], outcome: Outcome) -> list[str]:
    problems = []
    for fact in facts if copy.url else []:
        found = _sha256_of(copy.url, token, fact)
        outcome.files += 1
        if found != fact.sha256:
            problems.append(f"{fact} is {found} in the restored hub")
    return problems


def _sha256_of(url: str, token: str, fact: Fact) -> str:
    request = urllib.request.Request(f"{url}/{fact.repo_id}/resolve/{fact.revision}/{fact.path}",
                                     headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return hashlib.sha256(answer.read()).hexdigest()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read()[:200]!r}"


def measure(database: str | None, total_mib: int = 1024) -> list[list[str]]:
    """Sizes and times of one hub of `total_mib` MiB, nothing else going on: a row for each step."""
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    from huggingface_hub import HfApi
    server, copy = Server(database), Server(database)
    rows = []
    try:
        server.add_user("alice")
        token = server.add_token("alice")
        server.start()
        api = HfApi(endpoint=server.url, token=token)
        repo_id = api.create_repo("alice/large").repo_id
        dice = random.Random(7)
        for number in range(total_mib // 64):
            api.upload_file(path_or_fileobj=dice.randbytes(64 << 20), path_in_repo=f"part-{number}.bin", repo_id=repo_id)
        server.settle()
        folder = server.folder / "backups"

        def backup(what: str) -> None:
            said = json.loads(server.hearth("backup", str(folder), "--json"))
            rows.append([what, _mb(said["bytes"]), _mb(said["copiedBytes"]), f"{said['seconds']:.1f}"])
        backup("first backup")
        backup("second, nothing changed")
        api.upload_file(path_or_fileobj=dice.randbytes(1 << 20), path_in_repo="small.bin", repo_id=repo_id)
        server.settle()
        backup("third, after an upload of 1 MiB")
        begin = time.monotonic()
        subprocess.run([server.binary, "backup", str(folder), "--check"], check=True, capture_output=True)
        rows.append(["all backups read and compared", rows[-1][1], "", f"{time.monotonic() - begin:.1f}"])
        done = subprocess.run([copy.binary, "restore", str(folder), "--json", "--no-verify", "--data", str(copy.data), *copy._database_option()],
                              capture_output=True, text=True, check=True)
        said = json.loads(done.stdout.splitlines()[0])
        rows.append(["restore", _mb(said["bytes"]), _mb(said["bytes"]), f"{said['seconds']:.1f}"])
        begin = time.monotonic()
        assert copy.verify().returncode == 0
        rows.append(["verify of the restored hub", _mb(said["bytes"]), "", f"{time.monotonic() - begin:.1f}"])
        return rows
    finally:
        server.remove()
        copy.remove()


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def publish(engine: str, seed: int, outcome: Outcome, measured: list[list[str]]) -> None:
    command = f"python tests/backup/rounds.py --rounds {outcome.rounds} --seed {seed}" + (" --on-postgresql" if engine == "PostgreSQL" else "")
    figures.write(
        "reliability", f"60-backup-{engine.lower()}", title=f"Backup and restore while people work, {engine}",
        command=f"scripts/nightly backup, or: {command} --publish", seed=seed,
        columns=["what", "in the hub or snapshot", "bytes written", "seconds"], rows=measured,
        note=f"{outcome.rounds} rounds: {len(outcome.backups)} backups of a hub under uploads through Xet and LFS, git pushes, commits, "
             f"moves, deletions, tags, squashes and merges, {outcome.killed} more killed in between; each restored elsewhere, every "
             f"other one into the other database engine, then `hearth verify`, `git fsck` and the database's own check. "
             f"{outcome.files:,} files that were acknowledged before a backup began were compared byte for byte: "
             f"{len(outcome.problems)} lost, damaged or half there. The rows are of a hub of random bytes at rest.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--on-postgresql", action="store_true", help="the hub at the server that HEARTH_TEST_POSTGRES names")
    parser.add_argument("--publish", action="store_true", help="measure, and write docs/reliability.md")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    postgres = os.environ.get("HEARTH_TEST_POSTGRES")
    engines = (postgres, None) if options.on_postgresql else (None, postgres)
    outcome = run(options.rounds, seed, *engines, say=lambda text: print(text, flush=True))
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    if options.publish and not outcome.problems:
        publish("PostgreSQL" if options.on_postgresql else "SQLite", seed, outcome, measure(engines[0]))
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
