"""A disk that is full: each way to write meets it, with nothing left and with a little.

    python tests/faults/disk_full.py [--publish] [WAY…]

The data folder stands on a file system of its own (tmpfs), filled up to a few KiB. What does not fit is refused with a
sentence, reading goes on, nothing half is seen; once there is room again the same thing succeeds, without a restart, and
everything is whole. The ways are those of steps.py: requests, pushes, and commands of the command line beside the hub.
"""

import argparse
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import pieces  # noqa: E402
import steps  # noqa: E402
import survival  # noqa: E402
from lib import figures  # noqa: E402

DISK_BYTES = 96 << 20
# What is left to write. The last takes an upload of steps.LARGE, and not its chunks beside it.
LEFT_BYTES = {"nothing": 0, "8 KiB": 8 << 10, "128 KiB": 128 << 10, "512 KiB": 512 << 10}
# Without hf-xet, which tries again for more than a minute.
QUICK = (("large file by LFS and its commit", "nothing"), ("large file by LFS and its commit", "512 KiB"), ("git push", "8 KiB"),
         ("merge", "nothing"), ("large file by LFS in parts and its commit", "512 KiB"), ("create a repository", "8 KiB"))


@dataclass
class Outcome:
    paths: int = 0
    refused: int = 0
    stuck: int = 0  # Where even the way back of a ref did not fit (docs/fault-model.md).
    problems: list[str] = field(default_factory=list)


class FullBench(steps.Bench):
    """Its data folder is a small disk."""

    def reset(self, to: Path | None = None) -> None:
        self.server.stop(kill=True)
        self.unmount()
        shutil.rmtree(self.server.data, ignore_errors=True)
        self.server.data.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.server.data)],
                                 capture_output=True, text=True)
        if mounted.returncode != 0:
            raise RuntimeError(f"a small disk cannot be mounted here, and without it no test shows what a full one does: {mounted.stderr}")
        shutil.copytree(to or self.saved, self.server.data, dirs_exist_ok=True)

    def unmount(self) -> None:
        if os.path.ismount(self.server.data):
            subprocess.run(["umount", "-l", str(self.server.data)], check=True)

    def remove(self) -> None:
        self.server.stop()
        self.unmount()
        super().remove()

    def fill(self, left_bytes: int) -> None:
        with open(self.ballast, "wb", buffering=0) as file:
            block = b"\0" * (1 << 20)
            while block:
                try:
                    file.write(block)
                except OSError:
                    block = block[:len(block) // 2]
            size = file.tell()
            file.truncate(max(0, size - left_bytes))

    @property
    def ballast(self) -> Path:
        return self.server.data / "ballast"

    def fill_under(self, name: str, left: str, outcome: Outcome) -> None:
        where, way = f"{name}, {left} left", steps.EVERY[name]
        outcome.paths += 1

        def problem(what: str) -> None:
            outcome.problems.append(f"{where}: {what}\n{self.server.log()[-1500:]}")
        begin, before, after = self.stage(name)
        self.options = way.options
        self.reset(begin)
        (self.server.folder / "server.log").unlink(missing_ok=True)
        self.start()
        self.fill(LEFT_BYTES[left])
        acknowledged = False
        try:
            way.do(self.hub)
            acknowledged = True
        except Exception as error:
            outcome.refused += 1
            if why := pieces.unclean(error):
                problem(why)
        with contextlib.suppress(sqlite3.Error), sqlite3.connect(self.server.data / "hearth.db") as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        is_stuck = "have moved, and the database does not know" in self.server.log()
        outcome.stuck += is_stuck
        try:
            found = self.state_of(way)
            if not is_stuck and found != after and (acknowledged or found != before and not way.between(found, before, after)):
                problem(f"acknowledged: {acknowledged}: {steps._difference(found, before, after)}")
        except Exception as error:
            problem(f"reading does not go on: {error!r}")
        self.ballast.unlink()
        try:
            if is_stuck:  # The next change completes it, and may say that there is nothing to do.
                with contextlib.suppress(RuntimeError):
                    way.do(self.hub)
            way.do(self.hub)
            self.server.settle()
            if (found := self.state_of(way)) != after:
                problem(f"with room again: {steps._difference(found, before, after)}")
        except Exception as error:
            problem(f"with room again: {error!r}")
        outcome.problems += [f"{where}: {found}" for found in survival.problems_at_rest(self.server)]

    def stage(self, name: str) -> tuple[Path, dict, dict]:
        """What a way begins on, and the states before and after it."""
        if name not in self.stages:
            begin = self.prepared(name)
            self.stages[name] = (begin, *self.undisturbed(steps.EVERY[name], begin))
        return self.stages[name]

    stages: dict[str, tuple[Path, dict, dict]] = {}


def run(paths, say=lambda text: None) -> Outcome:
    outcome = Outcome()
    bench = FullBench()
    bench.stages = {}
    try:
        for name, left in paths:
            bench.fill_under(name, left, outcome)
            say(f"{name}, {left} left: {len(outcome.problems)} problems")
            if outcome.problems:
                break
        return outcome
    finally:
        bench.remove()


def publish(outcome: Outcome) -> None:
    figures.write(
        "reliability", "13-disk-full", title="A disk that is full",
        command="scripts/nightly disk-full, or: python tests/faults/disk_full.py",
        columns=["ways to write times room left", "refused with a sentence", "of them completed by the next change", "lost, half there, not readable or not clean"],
        rows=[[outcome.paths, outcome.refused, outcome.stuck, len(outcome.problems)]],
        note=f"Each of {len(steps.EVERY)} ways to write on a disk with {', '.join(LEFT_BYTES)} left, and a checkpoint of the database on it. "
             "What does not fit is refused and not seen, but where even the way back of a moved ref did not fit; reading goes on; with room again the same succeeds without a restart, and `hearth verify` and "
             "`git fsck` find nothing.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", metavar="WAY")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    outcome = run([(name, left) for name in options.ways or steps.EVERY for left in LEFT_BYTES], say=lambda text: print(text, flush=True))
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    if options.publish:
        publish(outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
