"""How long a hub with much in it takes until it answers, and what it holds in memory then."""

import subprocess
import time
import urllib.request

import measure

chosen = measure.options(__doc__)
COUNTS = (3_000,) if chosen.quick else (6_000, 60_000, 600_000)


def main() -> None:
    table = measure.Table(
        "90-start", "Start", command=chosen.command,
        note="From the start of the program to its first answer, files warm in the page cache; then the resident memory, idle. The hubs are those of "
             "`scripts/bench listing`.",
        columns=["repositories", "s until it answers", "CPU s", "goal", "met", "memory, MiB", "goal", "met"])
    for count in COUNTS:
        kept = measure.kept_folder(f"listing-{count}")
        if not kept.with_suffix(".complete").exists():
            subprocess.run([measure.tool("fill_hub"), str(kept), str(count)], check=True)
            kept.with_suffix(".complete").touch()
        hub = measure.Hub(data=kept)
        seconds, cpus = [], []
        for _ in range(chosen.rounds + 1):
            begin = time.monotonic()
            hub.start()
            urllib.request.urlopen(hub.url + "/health").read()
            seconds.append(time.monotonic() - begin)
            cpus.append(measure.cpu_s(hub.pid))
            memory = measure.memory_mib(hub.pid, "VmRSS")
            hub.stop()
        # The first one warms the cache.
        middle = measure.median(seconds[1:])
        table.add(f"{count:,}", measure.spread(seconds[1:]), measure.spread(cpus[1:]), *measure.verdict(middle, most=1, unit=" s"),
                  f"{memory:.1f}", *measure.verdict(memory, most=30, unit=" MiB"))
    table.publish(chosen.quick)


main()
