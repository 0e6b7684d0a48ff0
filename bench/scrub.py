"""How fast everything that is stored is read and compared, and how long a hub with a million files takes to start."""

import hashlib
import resource
import subprocess
import time
import urllib.request
from pathlib import Path

import content
import measure

chosen = measure.options(__doc__, rounds=3)
LARGE_MIB = (64,) if chosen.quick else (1024, 10 * 1024)
SMALL_COUNTS = (2_000,) if chosen.quick else (10_000, 100_000, 1_000_000)


def child_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(command: list[str], **more: object) -> measure.Spent:
    before, begin = child_cpu_s(), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)
    return measure.Spent(child_cpu_s() - before, time.monotonic() - begin)


def scrub(hub: measure.Hub) -> measure.Spent:
    return timed([hub.binary, "scrub", "--data", str(hub.data)])


def sums(hub: measure.Hub) -> measure.Spent:
    """The peer: the same files read and hashed by sha256sum."""
    folders = [str(path) for name in ("blobs", "xorbs") if (path := hub.data / name).exists()]
    return timed(["sh", "-c", 'find "$@" -type f -print0 | xargs -0 sha256sum', "sums", *folders])


def compare(table: measure.Table, hub: measure.Hub, what: str, stored_mib: float) -> None:
    seen = measure.in_turn(chosen.rounds, {"hub": lambda: scrub(hub), "sums": lambda: sums(hub)})
    own = [one.cpu_s for one in seen["hub"]]
    peer = [one.cpu_s for one in seen["sums"]]
    hub.start()  # Once for the page cache.
    hub.stop()
    begin = time.monotonic()
    hub.start()
    urllib.request.urlopen(hub.url + "/health").read()
    start_s = time.monotonic() - begin
    hub.stop()
    wall = measure.median([one.wall_s for one in seen["hub"]])
    table.add(what, f"{stored_mib:,.0f}", measure.spread(own), measure.spread(peer), measure.spread([a / max(b, 0.01) for a, b in zip(own, peer)]),
              f"{wall:,.1f}", f"{stored_mib / wall:,.0f}", f"{start_s:.2f}", *measure.verdict(start_s, most=1, unit=" s"))


def put_small_files(data: Path, first: int, count: int) -> None:
    """As uploads by Git LFS leave them."""
    for number in range(first, count):
        text = b"%d\n" % number
        sha256 = hashlib.sha256(text).hexdigest()
        path = data / "blobs" / sha256[:2] / sha256[2:4] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def main() -> None:
    table = measure.Table(
        "95-scrub", "Reading all that is stored", command=chosen.command,
        note="`hearth scrub` at full speed beside `sha256sum` of the same files, both from the page cache where they fit: what is measured is the "
             "comparing, not the disk. Half of the large files came through LFS and stand whole, half through Xet. The server itself reads at most "
             "`--scrub-mb-per-s` (50): 100 GB take it 34 minutes.",
        columns=["stored", "MiB", "Hearth, CPU s", "sha256sum, CPU s", "ratio", "s", "MiB/s", "start then, s", "goal", "met"])
    for size_mib in LARGE_MIB:
        with measure.Hub().begin("--chunk-lfs-uploads", "false") as hub:
            hub.sign_in()
            repo = content.create_repo(hub, "kept")
            folder = measure.folder("files")
            each_mib = size_mib // 8
            for number in range(8):
                file = folder / f"{number}.bin"
                sha256 = content.random_file(file, each_mib * measure.MIB)
                if number % 2:
                    content.upload_lfs(hub, repo, file.name, file, sha256)
                else:
                    content.upload_by_xet(hub, repo, file.name, str(file))
                file.unlink()
            hub.settle()
            hub.stop()
            compare(table, hub, "8 large files", size_mib)
    with measure.Hub().begin() as hub:
        hub.stop()
        had = 0
        for count in SMALL_COUNTS:
            put_small_files(hub.data, had, count)
            had = count
            compare(table, hub, f"{count:,} files of a line", count * 7 / measure.MIB)
    table.publish(chosen.quick)


main()
