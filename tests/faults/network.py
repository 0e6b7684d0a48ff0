"""A bad network between a hub and people at work with real clients, whose own retries are all the help there is.

    python tests/faults/network.py [--seconds S] [--seed N] [--publish]

Each kind of fault has its turn: people work and read (workers.py) through a relay (lib/relay.py). What a client calls done
must be there, byte for byte; of what it gives up all or nothing; what it downloads is right or an error. Afterwards the
hub, git and the database are checked, on a network that is well again.
"""

import argparse
import multiprocessing
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import survival  # noqa: E402
from lib import figures  # noqa: E402
from lib.relay import Faults, Relay  # noqa: E402
from lib.server import Server  # noqa: E402
from workers import KINDS, READERS, Crew  # noqa: E402

NETWORKS = {
    "well": Faults(),
    "slow: 25 ms each way": Faults(delay_s=0.025),
    "pieces of 1 to 3,000 bytes": Faults(piece_bytes=3000),
    "a tenth of connections refused": Faults(refused=0.1),
    "a tenth of connections ends too early": Faults(closed=0.1),
    "a tenth of connections reset": Faults(reset=0.1),
    "a tenth of connections stalls for 3 s": Faults(stalled=0.1, stall_s=3),
    "all of it": Faults(delay_s=0.005, piece_bytes=60_000, refused=0.03, closed=0.04, reset=0.04, stalled=0.04, stall_s=2),
}


@dataclass
class Turn:
    network: str
    connections: int = 0
    hit: int = 0
    done: dict[str, int] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def run(seconds: float, seed: int, networks=tuple(NETWORKS), database: str | None = None, say=lambda text: None) -> list[Turn]:
    """Stops at the first problem, and keeps the data folder then."""
    turns: list[Turn] = []
    server = Server(database)
    try:
        server.add_user("root", "--admin")
        server.add_user("alice")
        token = server.add_token("alice")
        server.start("--lfs-part-bytes", str(5 << 20))
        for number, name in enumerate(networks):
            status, _, body = server.request("POST", "/api/repos/create", {"name": f"shared-{number}"}, token)
            assert status == 200, body
            turns.append(_turn(server, token, f"alice/shared-{number}", name, seconds, seed + number))
            say(f"{name}: {sum(turns[-1].done.values())} done, {sum(turns[-1].cut.values())} given up: {turns[-1].cut}, "
                f"{turns[-1].hit} of {turns[-1].connections} connections hit")
            if turns[-1].problems:
                break
        return turns
    finally:
        server.stop()
        if turns and turns[-1].problems:
            print(f"{turns[-1].network}; the data folder is kept: {server.folder}", file=sys.stderr)
        else:
            server.remove()


def _turn(server: Server, token: str, shared_repo: str, name: str, seconds: float, seed: int) -> Turn:
    lost = multiprocessing.get_context("spawn").Value("i", 0)
    relay = Relay(int(server.url.rpartition(":")[2]), seed=seed, lost=lost)
    turn = Turn(name)
    crew = Crew(relay.url, token, shared_repo, seed, (*KINDS, *READERS), lost)
    try:
        relay.faults = NETWORKS[name]
        crew.go()
        time.sleep(seconds)  # Not to wait for something: this is how long they work.
        turn.problems += crew.rest()
        relay.faults = Faults()
        if not turn.problems:
            turn.problems += crew.check(everything=True)
            turn.problems += survival.problems_at_rest(server)
        turn.done, turn.cut = crew.counts()
        turn.connections, turn.hit = relay.connections, relay.hit
        return turn
    finally:
        crew.stop(now=bool(turn.problems))
        relay.close()


def publish(seconds: float, seed: int, turns: list[Turn]) -> None:
    def of(turn: Turn, reading: bool) -> str:
        done, cut = (sum(count for what, count in counted.items() if what.startswith(("download", "clone")) == reading)
                     for counted in (turn.done, turn.cut))
        return f"{done:,} of {done + cut:,}"
    figures.write(
        "reliability", "16-network", title="A bad network",
        command=f"scripts/nightly network, or: python tests/faults/network.py --seconds {seconds:g} --seed {seed}", seed=seed,
        columns=["network", "connections", "hit by a fault", "pieces of work done", "downloads and clones done", "lost, half there or wrong"],
        rows=[[turn.network, f"{turn.connections:,}", f"{turn.hit:,}", of(turn, False), of(turn, True), len(turn.problems)] for turn in turns],
        note=f"{seconds:g} s for each network: four people who upload through Xet and LFS, push, commit, move, tag, squash, discuss and merge, and three "
             "who download by hf-xet, by huggingface_hub without it and by git with git-lfs, through a relay that does to their connections what the row "
             "says, after 1 to 8,388,608 bytes, each order of magnitude as often. `Done` is what the clients' own retries brought to an end; the rest they gave "
             "up with an error, as they do for what is not safe to repeat (a commit whose answer is lost). All that is done is there byte for byte, of the "
             "rest all or nothing, and `hearth verify`, `git fsck` and the database's own check find nothing.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each network")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--publish", action="store_true")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    turns = run(chosen.seconds, chosen.seed, say=lambda text: print(text, flush=True))
    for problem in turns[-1].problems:
        print(problem)
    if chosen.publish:
        publish(chosen.seconds, chosen.seed, turns)
    return 1 if turns[-1].problems else 0


if __name__ == "__main__":
    sys.exit(main())
