"""System calls that fail under a hub at work: EIO, ENOSPC, EINTR, and reads and writes that stop half way.

    python tests/faults/io_errors.py [--errors N] [--seed S] [--publish]

A library that is preloaded into the hub (faulty_calls.cc, also into every git that it starts) lets some calls on the data
folder fail, by the seed. The ways to write are done one after the other (pieces.py), each until it succeeds. An error is a
status of 5xx with a sentence; what is seen is the state before or the one after; the process goes on, but stops when a flush
failed. Afterwards, on a good disk again, all is there and whole.
"""

import argparse
import http.client
import random
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import pieces  # noqa: E402
import steps  # noqa: E402
import survival  # noqa: E402
from disks import faulty_calls  # noqa: E402
from lib import figures  # noqa: E402

# What each call may meet, and up to which passing of it: a pass of all pieces has about so many.
EFFECTS = {
    "open": (["eio", "enospc", "eintr"], 3000), "read": (["eio", "eintr", "short"], 3000),
    "write": (["eio", "enospc", "eintr", "short"], 2000), "rename": (["eio", "enospc"], 200), "mkdir": (["eio", "enospc"], 150),
    "link": (["eio"], 30), "unlink": (["eio"], 300), "truncate": (["eio"], 10), "fsync": (["enospc"], 400),
    "fsync_folder": (["enospc"], 400),
}
ERRORS_A_PASS = 60
TRIES_MAX = 40  # One error each, at worst.
STUCK = "have moved, and the database does not know"
STOPPED = (74, -signal.SIGABRT)  # After a failed flush: base/fs.cc; SQLite's, db/sqlite.cc.


@dataclass
class Outcome:
    errors: dict[str, int] = field(default_factory=dict)  # That happened, by call.
    stops: int = 0  # After a failed flush.
    refused: int = 0  # Pieces that were answered with an error.
    stuck: int = 0  # Where even the way back of a ref met an error (docs/fault-model.md).
    problems: list[str] = field(default_factory=list)

    def count(self) -> int:
        return sum(self.errors.values())


def rules(dice: random.Random) -> list[str]:
    chosen = []
    for _ in range(ERRORS_A_PASS):
        call = dice.choice(["read"] * 4 + ["write"] * 4 + ["open"] * 3 + list(EFFECTS))
        effects, passings = EFFECTS[call]
        chosen.append(f"{call}={dice.choice(effects)}@{_passing(dice, passings)}")
    if dice.random() < 0.5:
        chosen.append(f"{dice.choice(['fsync', 'fsync_folder'])}=eio@{_passing(dice, 400)}")
    return chosen


def _passing(dice: random.Random, passings: int) -> int:
    """Early ones more often: there is something else to fail each time. A start has about twenty."""
    return int(15 * (passings / 15) ** dice.random())


class Pass:
    def __init__(self, bench: steps.Bench, seen: list[dict], dice: random.Random, outcome: Outcome) -> None:
        self.bench, self.seen, self.dice, self.outcome = bench, seen, dice, outcome
        self.log = bench.server.folder / "faulty-calls.log"

    def run(self) -> None:
        self.log.unlink(missing_ok=True)
        self.bench.reset()
        self._start()
        for index, name in enumerate(pieces.ORDER):
            self._piece(index, name)
            if self.outcome.problems:
                break
        self.bench.server.stop()
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            call = line.split()[1]
            self.outcome.errors[call] = self.outcome.errors.get(call, 0) + 1
        if self.outcome.problems:
            return
        self.bench.start()
        if (found := steps.visible_state(self.bench.hub)) != self.seen[-1]:
            self._problem("afterwards", steps._difference(found, self.seen[-1], self.seen[-1]))
        self.outcome.problems += survival.problems_at_rest(self.bench.server)

    def _start(self) -> None:
        """With errors to come. A start that meets one may end with a sentence; the next is without."""
        self.bench.server.env = faulty_calls(self.bench.server, *rules(self.dice))
        try:
            self.bench.server.start(*self.bench.OPTIONS)
        except RuntimeError:
            self.bench.start()

    def _piece(self, index: int, name: str) -> None:
        for attempt in range(1, TRIES_MAX + 1):
            acknowledged = False
            seen_bytes = (self.bench.server.folder / "server.log").stat().st_size
            try:
                steps.WAYS[name](self.bench.hub)
                acknowledged = True
            except Exception as error:
                self.outcome.refused += 1
                if self._stopped(name):
                    continue
                if why := pieces.unclean(error):
                    return self._problem(name, why)
            try:
                found = pieces.look(self.bench.hub)
            except Exception as error:
                if self._stopped(name):
                    continue
                return self._problem(name, f"reading does not go on: {error!r}")
            expected = self.seen[index + 1:index + 2] if acknowledged else self.seen[index:index + 2]
            if found not in expected and not acknowledged and STUCK in self._log_since(seen_bytes):
                # The ref has moved, and neither the record of it nor the way back could be written: the next start completes it.
                self.outcome.stuck += 1
                self.bench.server.stop()
                self.bench.start()
                found = pieces.look(self.bench.hub)
                if found != self.seen[index + 1]:
                    return self._problem(name, f"not completed: {steps._difference(found, *self.seen[index:index + 2])}")
                self.bench.server.stop()
                self._start()
                return None
            if found not in expected:
                return self._problem(name, f"acknowledged: {acknowledged}: {steps._difference(found, *self.seen[index:index + 2])}")
            if acknowledged:
                return None
        return self._problem(name, f"does not succeed in {TRIES_MAX} tries")

    def _log_since(self, seen_bytes: int) -> str:
        with open(self.bench.server.folder / "server.log", "rb") as log:
            log.seek(seen_bytes)
            return log.read().decode(errors="replace")

    def _stopped(self, name: str) -> bool:
        """Whether the hub has ended, as after a failed flush it must; then it is started again."""
        try:
            self.bench.server.request("GET", "/health")  # Any answer: it may have met an error too.
            return False
        except (OSError, http.client.HTTPException):
            pass
        status = self.bench.server.process.wait(timeout=30)
        if status not in STOPPED:
            self._problem(name, f"the hub ended with {status}: {self.bench.server.log()[-1500:]}")
        self.outcome.stops += 1
        self.bench.server.stop()
        self._start()
        return True

    def _problem(self, where: str, what: str) -> None:
        last = self.log.read_text().splitlines()[-5:] if self.log.exists() else []
        self.outcome.problems.append(f"{where}: {what}\nthe last that failed: {last}\n{self.bench.server.log()[-1500:]}")


def run(errors: int, seed: int, say=lambda text: None) -> Outcome:
    outcome = Outcome()
    dice = random.Random(seed)
    bench = steps.Bench()
    try:
        seen = pieces.states(bench)
        while outcome.count() < errors and not outcome.problems:
            Pass(bench, seen, dice, outcome).run()
            say(f"{outcome.count()} errors, {outcome.refused} refused, {outcome.stops} stops, {len(outcome.problems)} problems")
        return outcome
    finally:
        bench.remove()


def publish(seed: int, outcome: Outcome) -> None:
    figures.write(
        "reliability", "14-io-errors", title="System calls that fail",
        command=f"scripts/nightly io-errors, or: python tests/faults/io_errors.py --errors {outcome.count()} --seed {seed}", seed=seed,
        columns=["calls that failed", "pieces refused", "stops after a failed flush", "completed by the next start", "lost, damaged, half there or not clean"],
        rows=[[f"{outcome.count():,}", f"{outcome.refused:,}", outcome.stops, outcome.stuck, len(outcome.problems)]],
        note="EIO, ENOSPC, EINTR, and reads and writes of half the bytes, in the data folder of a hub and of every git it starts, while "
             f"{len(pieces.ORDER)} ways to write are done until each succeeds. By call: " +
             ", ".join(f"{call} {count:,}" for call, count in sorted(outcome.errors.items())) +
             ". Every refusal was a 5xx with a sentence, reading went on, and on a good disk all that was acknowledged was there. "
             "What was refused was not seen, but where the record of a moved ref and the way back both met an error: the next start completes that.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--errors", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    outcome = run(options.errors, seed, say=lambda text: print(text, flush=True))
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    if options.publish:
        publish(seed, outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
