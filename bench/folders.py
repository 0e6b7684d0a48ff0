"""Repositories of very many files: a page of a folder, a commit of one file, info."""

import time

import content
import measure

chosen = measure.options(__doc__, rounds=None)
SHAPES = {"1,000 folders": 1000, "one folder": 1}
COUNTS = (1_000,) if chosen.quick else (1_000, 10_000, 100_000)


def timed(work) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    table = measure.Table(
        "50-folders", "Repositories of many files", command=chosen.command,
        note="Milliseconds by the clock, one connection; a commit is durable when it is answered. Median and 99th percentile of 40 requests each.",
        columns=["files", "in", "what", "p50 ms", "p99 ms", "CPU ms each", "goal p50", "met"])
    with measure.Hub().begin() as hub:
        hub.sign_in()
        for count in COUNTS:
            for shape, folder_count in SHAPES.items():
                folder_count = min(folder_count, count // 10)
                repo = content.create_repo(hub, f"many-{count}-{folder_count}")
                paths = [f"folder-{n % folder_count:04}/file-{n:06}.txt" for n in range(count)]
                for begin in range(0, count, 25_000):
                    content.commit(hub, repo, {path: f"{path}\n".encode() for path in paths[begin:begin + 25_000]})
                hub.settle()
                number = iter(range(1_000_000))
                reads = {"page of the top folder": lambda: hub.get(f"/api/models/{repo}/tree/main"),
                         "page of a folder": lambda: hub.get(f"/api/models/{repo}/tree/main/folder-0000"),
                         "page of a folder with commits": lambda: hub.get(f"/api/models/{repo}/tree/main/folder-0000?expand=true"),
                         "page of all files": lambda: hub.get(f"/api/models/{repo}/tree/main?recursive=true"),
                         "commit of one file": lambda: content.commit(hub, repo, {f"folder-0000/new-{next(number)}.txt": b"new\n"}),
                         "info": lambda: hub.get(f"/api/models/{repo}")}
                for what, work in reads.items():
                    work()
                    before = measure.cpu_s(hub.pid)
                    times = [timed(work) for _ in range(3 if chosen.quick else 40)]
                    cpu_ms = (measure.cpu_s(hub.pid) - before) * 1000 / len(times)
                    p50 = measure.median(times)
                    most = {"page of a folder": 30, "page of the top folder": 30, "commit of one file": 60}.get(what)
                    bound = most if most and count == 100_000 and folder_count > 1 else None
                    table.add(f"{count:,}", f"{folder_count:,} folders", what, f"{p50:.1f}", f"{measure.percentile(times, 0.99):.1f}", f"{cpu_ms:.1f}",
                              *(measure.verdict(p50, most=bound, unit=" ms") if bound else measure.NO_GOAL))
    table.publish(chosen.quick)


main()
