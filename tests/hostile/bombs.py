"""What bombs and smuggled requests do to a hub, in figures: the tests beside this, and what they cost.

    python tests/hostile/bombs.py [--publish]       needs the environment "hostile"

The cases are those of bombs_test.py and smuggling_test.py; this runs them and reads what they recorded. What a request
costs is read from /proc: CPU seconds of the hub and of the children it waited for, and the highest memory of both together.
"""

import argparse
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

CPU_S_AIM = 1
MEMORY_MB_AIM = 256
# Properties of a test in its report: JSON of a Cost, and of a Smuggling.
COST, SMUGGLING = "cost", "smuggling"


@dataclass
class Cost:
    kind: str
    bomb: str
    answer: int | str = ""  # The statuses of the answers, and where they do not say it what became of it.
    cpu_s: float = 0
    grown_mb: float = 0

    @property
    def little(self) -> bool:
        return self.cpu_s < CPU_S_AIM and self.grown_mb < MEMORY_MB_AIM


@dataclass
class Smuggling:
    way: str
    cases: int
    taken_for_two: list[str] = field(default_factory=list)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    return sum(int(ticks) for ticks in _stat(pid)[11:15]) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Of the process and its children."""
    page = os.sysconf("SC_PAGE_SIZE")
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = (int(_stat(int(path.name))[1]), int((path / "statm").read_text().split()[1]))
        except (FileNotFoundError, ProcessLookupError, IndexError):
            pass
    family = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in family} - family:
        family |= more
    return sum(parents[member][1] for member in family if member in parents) * page / 2**20


@contextmanager
def measured(server: Server, cost: Cost) -> Iterator[Cost]:
    """Writes what the hub spends inside."""
    pid = server.process.pid
    before_s, before_mb = cpu_s(pid), memory_mb(pid)
    highest, done = [before_mb], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            highest[0] = max(highest[0], memory_mb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield cost
    finally:
        done.set()
        watcher.join()
        cost.cpu_s, cost.grown_mb = cpu_s(pid) - before_s, highest[0] - before_mb


class Seen:
    """A pytest plugin: what the tests recorded."""

    def __init__(self) -> None:
        self.costs: list[tuple[Cost, bool]] = []  # And whether the test failed.
        self.smuggled: list[tuple[Smuggling, bool]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == COST:
                self.costs.append((Cost(**json.loads(value)), report.failed))
            elif name == SMUGGLING:
                self.smuggled.append((Smuggling(**json.loads(value)), report.failed))

    def rows(self) -> list[list[object]]:
        rows: list[list[object]] = [
            [cost.kind, cost.bomb, cost.answer, f"{cost.cpu_s:.2f}", f"{cost.grown_mb:.0f}", f"{CPU_S_AIM} s, {MEMORY_MB_AIM} MiB",
             _met(cost.little, failed)] for cost, failed in self.costs]
        for way in dict.fromkeys(one.way for one, _ in self.smuggled):
            of_way = [(one, failed) for one, failed in self.smuggled if one.way == way]
            taken = [name for one, _ in of_way for name in one.taken_for_two]
            what = f"{len(taken)} taken for two requests" + (f": {', '.join(taken)}" if taken else "")
            rows.append(["smuggled requests", f"{sum(one.cases for one, _ in of_way)} cases, {way}", what, "", "", "0 taken for two requests",
                         _met(not taken, any(failed for _, failed in of_way))])
        return rows


def _met(good: bool, failed: bool) -> str:
    return "no, and a test fails" if failed else "yes" if good else "no"


def record(record_property, name: str, value: Cost | Smuggling) -> None:
    record_property(name, json.dumps(asdict(value)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    seen = Seen()
    status = pytest.main(["-q", "-p", "no:cacheprovider", str(HERE / "bombs_test.py"), str(HERE / "smuggling_test.py")], plugins=[seen])
    rows = seen.rows()
    for row in rows:
        print(*row, sep="  ")
    if options.publish and seen.costs and seen.smuggled:
        over = sum(not cost.little for cost, _ in seen.costs)
        figures.write(
            "reliability", "72-bombs", title="Bombs and smuggled requests", command="scripts/nightly bombs, or: python tests/hostile/bombs.py",
            columns=["kind", "what", "answer", "CPU seconds", "more memory, MiB", "goal", "met"], rows=rows,
            note=f"Small requests that would cost much, one after the other at one hub: {len(seen.costs)}, of which {over} miss the goal. CPU seconds and "
                 "memory are those of the hub and its children (git), until the answer and the work behind it are done; memory is the highest above what "
                 "they held before, looked at twenty times a second. And requests that two readers could understand differently, each with the bytes of a second one behind it, which "
                 "nobody may take for a request: straight to the hub, and through an nginx that is as lenient as it can be told to be.")
    return 1 if status != 0 or not seen.costs or not seen.smuggled else 0


if __name__ == "__main__":
    sys.exit(main())
