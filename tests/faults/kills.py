"""kill -9 of the hub at random moments, while people work on it with real clients.

    python tests/faults/kills.py [--kills N] [--seed S] [--at-once HUBS] [--publish]

Every round: people work (workers.py), after a random time the process is killed, started again by its
own command, everybody ends or repeats what he was at, and then each looks for what he was promised; the
hub, git and the database are checked too. The seed decides who does what and when the kill comes; how
far the work is by then is the machine's.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import survival  # noqa: E402
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402
from workers import Crew  # noqa: E402

WORK_S_MAX = 3.0  # The longest work before a kill, as in figure D1 of the fault model.
STINT_KILLS = 10  # Then everything is read back, and work goes on with a new hub: verify reads all that is stored, after each kill.
STOPPING = threading.Event()  # After this kill no other.


@dataclass
class Outcome:
    kills: int = 0
    problems: list[str] = field(default_factory=list)
    restart_s: list[float] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    cuts: list[str] = field(default_factory=list)  # What each cut of the power lost.

    def add(self, counts: dict[str, int], more: dict[str, int]) -> None:
        for what, count in more.items():
            counts[what] = counts.get(what, 0) + count


def run(kills: int, seed: int, database: str | None = None, say=lambda text: None, on_disk=None, env=None) -> Outcome:
    """Stops at the first round with a problem, and keeps the data folder then. `on_disk(server)` puts the data folder on
    a disk that loses its power with each kill (disks.CutDisk); `env(server)` gives the hub's environment."""
    outcome = Outcome()
    dice = random.Random(seed)
    while outcome.kills < kills and not outcome.problems and not STOPPING.is_set():
        _stint(min(STINT_KILLS, kills - outcome.kills), dice, database, outcome, on_disk, env)
        say(f"{outcome.kills} kills, {sum(outcome.done.values())} done, {sum(outcome.cut.values())} cut off, "
            f"{len(outcome.problems)} problems")
    return outcome


def run_beside(hubs: int, kills: int, seed: int, say) -> Outcome:
    """The same with so many hubs at once, each with crews and a seed of its own: a round waits more than it computes."""
    def one(number: int) -> Outcome:
        part = run(-(-kills // hubs), seed + number, say=lambda text: say(f"hub {number}: {text}"))
        if part.problems:
            STOPPING.set()
        return part

    whole = Outcome()
    with ThreadPoolExecutor(hubs) as pool:
        for part in pool.map(one, range(hubs)):
            whole.kills += part.kills
            whole.problems += part.problems
            whole.restart_s += part.restart_s
            whole.add(whole.done, part.done)
            whole.add(whole.cut, part.cut)
    return whole


def _stint(kills: int, dice: random.Random, database: str | None, outcome: Outcome, on_disk, env) -> None:
    server = Server(database)
    server.env = env(server) if env else {}
    crew = None
    disk = None
    try:
        disk = on_disk(server) if on_disk else None
        server.add_user("root", "--admin")
        server.add_user("alice")
        token = server.add_token("alice")
        server.options = ("--lfs-part-bytes", str(5 << 20))
        server.start(*server.options)
        status, _, body = server.request("POST", "/api/repos/create", {"name": "shared"}, token)
        assert status == 200, body
        crew = Crew(server.url, token, "alice/shared", dice.randrange(1 << 30))
        for number in range(1, kills + 1):
            crew.go()
            last = number == kills or STOPPING.is_set()
            time.sleep(dice.uniform(0, WORK_S_MAX))  # Not to wait for something: the moment of the kill.
            server.stop(kill=True)
            if disk is not None:
                outcome.cuts.append(disk.cut(dice.randrange(1 << 60), dice.choice(["nothing", "some"])))
            outcome.kills += 1
            try:
                outcome.restart_s.append(survival.restart(server))
                if env is not None:  # Damage is expected, and people may wait for answers for minutes.
                    outcome.problems += survival.problems_at_rest(server)
                if not outcome.problems:
                    outcome.problems += crew.rest()
                    outcome.problems += crew.check(everything=last)
                    outcome.problems += survival.problems_at_rest(server)
            except Exception:  # It does not start, or nobody can work with it any more.
                outcome.problems.append(traceback.format_exc()[-4000:])
            if outcome.problems or last:
                break
        if not outcome.problems:
            done, cut = crew.counts()
            outcome.add(outcome.done, done)
            outcome.add(outcome.cut, cut)
    finally:
        if crew is not None:
            crew.stop(now=bool(outcome.problems))
        server.stop()
        if outcome.problems and not env:
            if disk is not None:
                shutil.copytree(server.data, server.folder / "data-after-the-cut")
            print(f"kill {outcome.kills}; the data folder is kept: {server.folder}", file=sys.stderr)
        if disk is not None:
            disk.close()
        if not outcome.problems or env:
            server.remove()


def publish(engine: str, seed: int, hubs: int, outcome: Outcome) -> None:
    times = sorted(outcome.restart_s)
    figures.write(
        "reliability", f"10-kills-{engine.lower()}", title=f"Killed under real clients, {engine}",
        command=f"scripts/nightly kills, or: python tests/faults/kills.py --kills {outcome.kills} --seed {seed} --at-once {hubs}", seed=seed,
        columns=["kills", "pieces of work acknowledged", "cut off", "lost, damaged or half there", "restart, median s", "longest s"],
        rows=[[f"{outcome.kills:,}", f"{sum(outcome.done.values()):,}", f"{sum(outcome.cut.values()):,}", len(outcome.problems),
               f"{times[len(times) // 2]:.2f}", f"{times[-1]:.2f}"]],
        note="`kill -9` at random moments (0 to 3 s) of uploads through Xet and LFS, commits by several clients at once, git pushes, "
             "moves, deletions, tags, squashes, discussions and merges, with huggingface_hub, hf-xet, git and git-lfs. After each kill: "
             "a restart without a hand, all or nothing of what was cut off, a sample of the acknowledged files read back (all of them "
             f"every {STINT_KILLS} kills), `hearth verify`, `git fsck --full --strict` of every repository, the database's own check. "
             "Done: " + ", ".join(f"{what} {count:,}" for what, count in sorted(outcome.done.items())) + ". Cut off: " +
             ", ".join(f"{what} {count:,}" for what, count in sorted(outcome.cut.items())) + ".")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--at-once", type=int, default=1, metavar="HUBS", help="so many hubs beside each other, on SQLite")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--on-postgresql", action="store_true", help="at the server that HEARTH_TEST_POSTGRES names")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: STOPPING.set())  # Ends well, with the figures of what was done.
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    def say(text: str) -> None:
        print(text, flush=True)

    if options.on_postgresql:
        outcome = run(options.kills, seed, os.environ["HEARTH_TEST_POSTGRES"], say=say)
    else:
        outcome = run_beside(options.at_once, options.kills, seed, say)
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    print(f"{outcome.kills} kills; done: {outcome.done}; cut off: {outcome.cut}; longest restart {max(outcome.restart_s):.2f} s")
    if options.publish:
        publish("PostgreSQL" if options.on_postgresql else "SQLite", seed, options.at_once, outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
