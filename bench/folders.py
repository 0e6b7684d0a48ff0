"""Repositories of very many files: a page of a folder, a commit of one file, info; asked for the first time, and again.

The hub gives an answer again while nothing has changed (src/api/answer_memory.h). So before each first request there is a
commit of one file, which is timed as well: what is asked for then has never been asked of that commit.
"""

import itertools
import time
from collections.abc import Callable

import content
import measure

chosen = measure.options(__doc__, rounds=None)
SHAPES = {"1,000 folders": 1000, "one folder": 1}
COUNTS = (1_000,) if chosen.quick else (1_000, 10_000, 100_000)
REQUESTS = 3 if chosen.quick else 40
# By the clock at the median, of a repository of 100,000 files in 1,000 folders that is asked for the first time.
GOALS_MS = {"page of the top folder": 30, "page of a folder": 30, "commit of one file": 60}


class Timed:
    """What requests of one kind took, each by the clock and of the hub's CPU."""

    def __init__(self, hub: measure.Hub) -> None:
        self.hub = hub
        self.walls_ms: list[float] = []
        self.cpus_ms: list[float] = []

    def __call__(self, work: Callable[[], object]) -> None:
        before, begin = measure.cpu_ms(self.hub.pid), time.perf_counter()
        work()
        self.walls_ms.append((time.perf_counter() - begin) * 1000)
        self.cpus_ms.append(measure.cpu_ms(self.hub.pid) - before)

    def cells(self) -> list[str]:
        return [f"{measure.median(self.walls_ms):.1f}", f"{measure.percentile(self.walls_ms, 0.99):.1f}",
                f"{sum(self.cpus_ms) / len(self.cpus_ms):.1f}"]


def fill(hub: measure.Hub, count: int, folder_count: int) -> str:
    repo = content.create_repo(hub, f"many-{count}-{folder_count}")
    paths = [f"folder-{n % folder_count:04}/file-{n:06}.txt" for n in range(count)]
    for begin in range(0, count, 25_000):
        content.commit(hub, repo, {path: f"{path}\n".encode() for path in paths[begin:begin + 25_000]})
    return repo


def main() -> None:
    table = measure.Table(
        "50-folders", "Repositories of many files", command=chosen.command,
        note=f"Milliseconds by the clock, one connection; median and 99th percentile of {REQUESTS} requests each. `First`: nobody has asked that of this "
             "commit, for each of these requests comes after a commit of one more file, and pages of a folder are of another folder each. "
             "`Again`: the same request straight after, while nothing has changed; answers of up to 256 KiB are remembered. A commit is durable "
             "when it is answered.",
        columns=["files", "in", "what", "asked", "p50 ms", "p99 ms", "CPU ms each", "goal p50", "met"])
    with measure.Hub().begin() as hub:
        hub.sign_in()
        for count in COUNTS:
            for folder_count in SHAPES.values():
                folder_count = min(folder_count, count // 10)
                repo = fill(hub, count, folder_count)
                number = itertools.count()
                commits = Timed(hub)

                def change() -> None:
                    """Leaves the hub idle: what it does after a commit is not the next request's."""
                    at = next(number)
                    commits(lambda: content.commit(hub, repo, {f"folder-{at % folder_count:04}/new-{at}.txt": b"new\n"}))
                    hub.settle()

                reads = {"page of the top folder": "/tree/main", "page of a folder": "/tree/main/folder-{:04}",
                         "page of a folder with commits": "/tree/main/folder-{:04}?expand=true",
                         "page of all files": "/tree/main?recursive=true", "info": ""}

                def add(what: str, asked: str, timed: Timed) -> None:
                    bound = GOALS_MS.get(what) if count == 100_000 and folder_count > 1 and asked != "again" else None
                    p50 = measure.median(timed.walls_ms)
                    table.add(f"{count:,}", "1 folder" if folder_count == 1 else f"{folder_count:,} folders", what, asked, *timed.cells(),
                              *(measure.verdict(p50, most=bound, unit=" ms") if bound else measure.NO_GOAL))

                hub.settle()
                for what, path in reads.items():
                    first, again = Timed(hub), Timed(hub)
                    for _ in range(REQUESTS):
                        change()
                        url = f"/api/models/{repo}" + path.format((next(number) * 7) % folder_count)
                        answers = []
                        for timed in (first, again):
                            timed(lambda: answers.append(hub.get(url)))
                        if answers[0] != answers[1]:
                            raise RuntimeError(f"{url} gave something else again, though nothing had changed")
                    add(what, "first", first)
                    add(what, "again", again)
                add("commit of one file", "", commits)
    table.publish(chosen.quick)


main()
