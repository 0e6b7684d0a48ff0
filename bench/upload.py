"""A large file up, through Xet by hf-xet and through LFS, by step, beside what plain tools need for the same bytes."""

import collections
import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import content
import measure

chosen = measure.options(__doc__, rounds=3)
SIZES_MIB = (8,) if chosen.quick else (10, 100, 1024)

# Functions and libraries, by what the program does there. Of each sample the innermost frame that one of them fits decides:
# the kernel's functions by the call that led there, those without a name by their library.
STEPS = {
    # SHA-256 of the whole file, and the sums of blocks that stored files are read with. Nothing but hashes is asked of
    # libcrypto here, and its loops have no names.
    "hash": r"libcrypto|libxxhash|XXH3|sha256",
    # Xet: the sums of all chunks, unpacking, cutting into chunks; reading back what the file is put together from.
    "verify": r"blake3|merkle|xet::|[Cc]hunker|crc64|crc32|lz4|LZ4|byte_group",
    # Sockets, the loop, and handing blocks from one thread to the next.
    "receive": r"tcp_|sock_|sk_|skb|inet_|net_rx|softirq|epoll|asio::|sys_recv|sys_accept|hearth::http::",
    "write": r"sys_p?write|vfs_write|f(data)?sync|ext4|jbd2|writeback|filemap_fdatawrite|blk_|bio_|DurableFile",
}
SAMPLES_A_SECOND = 2999
# Fewer say nothing: a step of a half would be known to a tenth.
SAMPLES_MIN = 100


class Profile:
    """perf over all counted rounds of one way: samples of the hub's CPU time by step. Nothing where perf is not installed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.samples: collections.Counter[str] = collections.Counter()

    def during(self, work: Callable[[], measure.Spent]) -> measure.Spent:
        if shutil.which("perf") is None:
            return work()
        data = measure.folder("perf")
        told, control = os.pipe()
        ack, telling = os.pipe()
        # It starts idle and says when it counts and when no more: a short upload would be over before it had begun.
        process = subprocess.Popen(
            ["perf", "record", "-q", "-g", "-F", str(SAMPLES_A_SECOND), "-D", "-1", f"--control=fd:{told},{telling}", "-o", str(data / "samples"),
             "-p", str(self.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(told, telling), preexec_fn=measure.on_client_cores)
        os.close(told)
        os.close(telling)
        try:
            tell(control, ack, "enable")
            seen = work()
            tell(control, ack, "disable")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            os.close(control)
            os.close(ack)
        self.count(data / "samples")
        shutil.rmtree(data)
        return seen

    def count(self, samples: Path) -> None:
        text = measure.run_client(["perf", "script", "-i", str(samples), "--no-inline", "-F", "ip,sym,dso"]).stdout
        for sample in re.split(r"\n{2,}", text.strip("\n")):
            frames = [line.strip().partition(" ")[2] for line in sample.splitlines() if line.strip()]
            if frames:
                self.samples[step_of(frames)] += 1

    def cells(self, cpu_s_per_gib: float) -> list[str]:
        """The parts of what the counted rounds took. Empty where there were too few samples to tell."""
        whole = self.samples.total()
        return [f"{self.samples[step] / whole * cpu_s_per_gib:.2f}" if whole >= SAMPLES_MIN else "" for step in [*STEPS, "other"]]


def step_of(frames: list[str]) -> str:
    return next((name for frame in frames for name, pattern in STEPS.items() if re.search(pattern, frame)), "other")


def tell(control: int, ack: int, what: str) -> None:
    os.write(control, what.encode() + b"\n")
    if not select.select([ack], [], [], 30)[0] or b"ack" not in os.read(ack, 64):
        raise RuntimeError(f"perf did not {what}; does kernel.perf_event_paranoid forbid it?")


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


def main() -> None:
    table = measure.Table(
        "20-upload", "A large file up", command=chosen.command,
        note="Random bytes, which nothing compresses or shares. CPU seconds of the hub a GiB until it is idle again; what plain tools need is "
             "`sha256sum` and `dd conv=fsync` of the same file. The steps add up to the median beside them: they are the parts of a profile of the very "
             f"rounds that were counted ({SAMPLES_A_SECOND:,} samples a CPU second, whose own cost is in it), by the calls that led there; empty where "
             f"there were fewer than {SAMPLES_MIN} samples. Hash: SHA-256 of the file while it comes in, sums of blocks for later reads. Verify (Xet): BLAKE3 "
             "of every chunk and their tree, unpacking, reading the file back in its own order. Receive: sockets, HTTP, blocks "
             "from thread to thread. Write: files, until they are durable.",
        columns=["through", "MiB", "Hearth, CPU s/GiB", "plain tools", "ratio", "goal", "met", "MiB/s", *(f"{step}, CPU s/GiB" for step in [*STEPS, "other"])])
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
            ways = {"Xet": through_xet, "LFS": through_lfs}
            profiles = {way: Profile(hub.pid) for way in ways}
            seen = measure.in_turn(chosen.rounds, {
                **{way: lambda way=way, work=work: profiles[way].during(lambda: work(size_mib)) for way, work in ways.items()},
                "tools": lambda: tools(size_mib)})
            least = [cpu * 1024 / size_mib for cpu in seen["tools"]]
            for way in ways:
                own = [one.cpu_s * 1024 / size_mib for one in seen[way]]
                speed = measure.median([size_mib / one.wall_s for one in seen[way]])
                most = {"Xet": 4, "LFS": 2}[way]
                table.add(way, size_mib, measure.spread(own), measure.spread(least), measure.spread([a / max(b, 0.01) for a, b in zip(own, least)]),
                          *(measure.verdict(measure.median(own), most=most) if size_mib == SIZES_MIB[-1] else measure.NO_GOAL), f"{speed:,.0f}",
                          *profiles[way].cells(measure.median(own)))
    table.publish(chosen.quick)


main()
