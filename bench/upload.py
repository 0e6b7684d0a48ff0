"""A large file up, through Xet by hf-xet and through LFS, by step, beside what plain tools need for the same bytes."""

import os
import re
import shutil
import subprocess
import sys
import threading

import content
import measure

chosen = measure.options(__doc__, rounds=3)
SIZES_MIB = (8,) if chosen.quick else (10, 100, 1024)

# Libraries and symbols of a profile, by what the program does there. The first that fits counts. Nothing but hashes is asked
# of libcrypto here, and its loops have no names.
STEPS = {
    "hash": r"libcrypto|XXH3|sha256|sha1|blake3|SHA256",
    "verify": r"[Cc]hunker|crc64|crc32|lz4|LZ4|byte_group|merkle|xorb|block_sum",
    "receive": r"recv|tcp|skb|sock|copyout|copy_to_iter|_copy_to|inet|softirq|asio|net_rx|loopback",
    "write": r"ext4|jbd2|write|copy_from|_copy_from_iter|folio|filemap|page|blk|bio|fsync|xas|iov|writeback|clear_",
}


class Profile:
    """perf, while the work runs: by step, in parts of the whole. Nothing where perf is not installed."""

    def __init__(self, pid: int) -> None:
        self.data = measure.folder("perf") / "data"
        self.process = None
        if shutil.which("perf"):
            self.process = subprocess.Popen(["perf", "record", "-q", "-F", "499", "-o", str(self.data), "-p", str(pid)],
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def parts(self) -> dict[str, float]:
        if self.process is None:
            return {}
        self.process.send_signal(2)
        self.process.wait()
        text = subprocess.run(["perf", "report", "-i", str(self.data), "--stdio", "--sort", "dso,symbol", "-g", "none"], capture_output=True, text=True).stdout
        sums = dict.fromkeys([*STEPS, "other"], 0.0)
        for share, symbol in re.findall(r"^\s+([\d.]+)%\s+(\S+\s+\[.\]\s+\S+)", text, re.M):
            step = next((name for name, pattern in STEPS.items() if re.search(pattern, symbol)), "other")
            sums[step] += float(share) / 100
        return sums


def plain_tools(file: str) -> None:
    """What no hub can do without: one hash, one durable copy."""
    copy = str(measure.folder("copy") / "copy")
    measure.run_client(["sha256sum", file])
    measure.run_client(["dd", f"if={file}", f"of={copy}", "bs=1M", "conv=fsync", "status=none"])
    os.remove(copy)


def tools_cpu_s(work) -> float:
    before = os.times()
    work()
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def sample_memory(hub: measure.Hub, work) -> float:
    measure.forget_peak(hub.pid)
    work()
    return measure.memory_mib(hub.pid, "VmHWM")


def many_uploads(hub: measure.Hub, repo: str, count: int, size_mib: int) -> None:
    """At once, each of another file."""
    folder = measure.folder("many")
    files = [folder / str(number) for number in range(count)]
    sums = [content.random_file(file, size_mib * measure.MIB) for file in files]
    failures: list[BaseException] = []

    def one(file, sha256) -> None:
        try:
            content.put_lfs(hub, repo, file, sha256)
        except BaseException as error:  # noqa: BLE001: told below, by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=one, args=pair) for pair in zip(files, sums)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shutil.rmtree(folder)
    if failures:
        raise failures[0]


def main() -> None:
    steps = list(STEPS) + ["other"]
    table = measure.Table(
        "20-upload", "A large file up", command=chosen.command,
        note="Random bytes, which nothing compresses or shares. CPU seconds of the hub a GiB until it is idle again; what plain tools need is "
             "`sha256sum` and `dd conv=fsync` of the same file. The steps are the parts of a profile of one more upload (hash: SHA-256, BLAKE3 and the sums of blocks; verify: "
             "cutting into chunks, their sums, unpacking; receive and write: mostly the kernel).",
        columns=["through", "MiB", "Hearth, CPU s/GiB", "plain tools", "ratio", "goal", "met", "MiB/s", *(f"{step}, CPU s/GiB" for step in steps)])
    files = measure.folder("files")
    with measure.Hub().begin("--chunk-lfs-uploads", "false") as hub:
        hub.sign_in()
        repo = content.create_repo(hub, "large")
        number = iter(range(1_000_000))

        def fresh(size_mib: int):
            file = files / f"{next(number)}.bin"
            return file, content.random_file(file, size_mib * measure.MIB)

        def through_lfs(size_mib: int) -> measure.Spent:
            file, sha256 = fresh(size_mib)
            seen = measure.spent(hub.pid, lambda: content.upload_lfs(hub, repo, file.name, file, sha256))
            file.unlink()
            return seen

        def through_xet(size_mib: int) -> measure.Spent:
            file, _ = fresh(size_mib)
            seen = measure.spent(hub.pid, lambda: content.upload_by_xet(hub, repo, file.name, str(file)))
            file.unlink()
            return seen

        def tools(size_mib: int) -> float:
            file, _ = fresh(size_mib)
            seen = tools_cpu_s(lambda: plain_tools(str(file)))
            file.unlink()
            return seen

        for size_mib in SIZES_MIB:
            ways = {"Xet": lambda: through_xet(size_mib), "LFS": lambda: through_lfs(size_mib)}
            seen = measure.in_turn(chosen.rounds, {**ways, "tools": lambda: tools(size_mib)})
            least = [cpu * 1024 / size_mib for cpu in seen["tools"]]
            for way, work in ways.items():
                own = [one.cpu_s * 1024 / size_mib for one in seen[way]]
                speed = measure.median([size_mib / one.wall_s for one in seen[way]])
                profile = Profile(hub.pid)
                again = work()
                parts = profile.parts()
                most = {"Xet": 4, "LFS": 2}[way]
                table.add(way, size_mib, measure.spread(own), measure.spread(least), measure.spread([a / max(b, 0.01) for a, b in zip(own, least)]),
                          *(measure.verdict(measure.median(own), most=most) if size_mib == SIZES_MIB[-1] else measure.NO_GOAL), f"{speed:,.0f}",
                          *(f"{parts[step] * again.cpu_s * 1024 / size_mib:.2f}" if parts else "" for step in steps))
    table.publish(chosen.quick)

    memory = measure.Table(
        "80-memory", "Memory", command=chosen.command,
        note="Resident memory of the hub's process: idle after its start, and the most while files come in through LFS at once. It holds blocks, never files.",
        columns=["when", "MiB", "goal", "met"])
    with measure.Hub().begin() as hub:
        hub.sign_in()
        repo = content.create_repo(hub, "many")
        hub.stop()
        hub.begin()
        idle = measure.memory_mib(hub.pid, "VmRSS")
        memory.add("idle", f"{idle:.1f}", *measure.verdict(idle, most=30, unit=" MiB"))
        for count in (8,) if chosen.quick else (1, 64, 640):
            size_mib = 1 if chosen.quick else 16 if count < 100 else 2
            peak = sample_memory(hub, lambda: many_uploads(hub, repo, count, size_mib))
            memory.add(f"{count} uploads at once, {size_mib} MiB each", f"{peak:.1f}", *(measure.verdict(peak, most=400, unit=" MiB") if count == 64 else measure.NO_GOAL))
    memory.publish(chosen.quick)


main()
