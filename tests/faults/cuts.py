"""Power cuts: whatever was not flushed is lost, while people work on the hub with real clients.

    python tests/faults/cuts.py [--cuts N] [--seed S] [--without-fsync files|folders|all] [--publish]

The rounds of kills.py, on a disk of ours (cut_disk/main.cc): with each kill it loses the bytes of files that were not
flushed, and the names of folders that were not; or, as disks do, some of both. `--without-fsync` turns the hub's flushes
into nothing: then loss must be found, or this proves nothing.
"""

import argparse
import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import kills  # noqa: E402
from disks import CutDisk, faulty_calls  # noqa: E402
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

UNFLUSHED = {"files": ["fsync=nothing"], "folders": ["fsync_folder=nothing"], "all": ["fsync=nothing", "fsync_folder=nothing"]}


def on_disk(server: Server) -> CutDisk:
    return CutDisk(server.data, Path(server.binary))


def run(cuts: int, seed: int, say=lambda text: None) -> kills.Outcome:
    return kills.run(cuts, seed, say=say, on_disk=on_disk)


def run_without_fsync(what: str, cuts: int, seed: int) -> kills.Outcome:
    """The same with a hub whose flushes are lies; the outcome is to have problems."""
    return kills.run(cuts, seed, on_disk=on_disk, env=lambda server: faulty_calls(server, *UNFLUSHED[what]))


def publish(seed: int, outcome: kills.Outcome, controls: dict[str, kills.Outcome]) -> None:
    times = sorted(outcome.restart_s)
    row = [f"{outcome.kills:,}", f"{sum(outcome.done.values()):,}", f"{sum(outcome.cut.values()):,}", len(outcome.problems),
           f"{times[len(times) // 2]:.2f}", f"{times[-1]:.2f}"]
    found = ", ".join(f"{what} ({control.kills})" for what, control in controls.items())
    figures.write(
        "reliability", "12-cuts", title="The power cut under real clients",
        command=f"scripts/nightly cuts, or: python tests/faults/cuts.py --cuts {outcome.kills} --seed {seed}", seed=seed,
        columns=["cuts", "pieces of work acknowledged", "cut off", "lost, damaged or half there", "restart, median s", "longest s"],
        rows=[row],
        note="The rounds of the kills above, with the data folder and SQLite on a disk of the tests' own (FUSE): at the kill it loses the "
             "bytes of files and the names of folders that were not flushed, in half of the cuts all of them, in half any part (pages of "
             "4,096 bytes and sectors of them, sizes, names). The check of the check: with the hub's flushes turned into nothing loss was "
             f"found each time, by what was not flushed (and after how many cuts): {found}. "
             "Done: " + ", ".join(f"{what} {count:,}" for what, count in sorted(outcome.done.items())) + ".")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--without-fsync", choices=[*UNFLUSHED])
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: kills.STOPPING.set())  # Ends well, with the figures of what was done.
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    if options.without_fsync:
        outcome = run_without_fsync(options.without_fsync, options.cuts, seed)
        print(f"{outcome.kills} cuts; found: {outcome.problems}")
        return 0 if outcome.problems else 1
    controls = {what: run_without_fsync(what, 20, seed) for what in UNFLUSHED} if options.publish else {}
    outcome = run(options.cuts, seed, say=lambda text: print(text, flush=True))
    for what, control in controls.items():
        if not control.problems:
            outcome.problems.append(f"with the flushes of {what} left out nothing was found to be lost: these tests prove nothing")
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    for number, lost in enumerate(outcome.cuts, 1):
        print(f"cut {number}: {lost}")
    print(f"{outcome.kills} cuts; done: {outcome.done}; cut off: {outcome.cut}; longest restart {max(outcome.restart_s):.2f} s")
    if options.publish:
        publish(seed, outcome, controls)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
