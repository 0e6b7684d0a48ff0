"""Slow clients, many clients, and more work than there is: what the hub does with them, in figures.

    python tests/hostile/crowd.py [--publish]       the long form, some minutes

The hub's own figures are read from /proc. Latencies are seen by clients on the same cores, so they are published and
not asserted, but for one: after four times the load that it can take the hub answers as before within RECOVERS_S_MAX.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import resource
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

KEEP = b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n"
LARGE_PATH = "/alice/large/resolve/main/large.txt"
RECOVERS_S_MAX = 5.0
LARGE_BYTES = 9_000_000  # More than the kernel's buffers take.


@dataclass
class Answers:
    """What clients saw: how often each status, what failed, and how long answers took."""

    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0  # Of the refusals that should say when to come again.

    def add(self, status: int, head: bytes, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        if status in (429, 503) and b"\r\nretry-after:" not in head.lower():
            self.without_retry_after += 1

    def quantile_ms(self, part: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else 0.0


def rss_mb(pid: int, name: str = "VmRSS") -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/status has no {name}")


def forget_highest(pid: int) -> None:
    """VmHWM begins anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def address_of(server: Server) -> tuple[str, int]:
    return "127.0.0.1", urlsplit(server.url).port


def seed(server: Server) -> None:
    """A large public file, for those who read slowly, and a small repository to clone."""
    token = server.add_token("alice")
    for name in ("large", "small"):
        status, _, body = server.request("POST", "/api/repos/create", {"name": name}, token)
        assert status == 200, body
    content = base64.b64encode(os.urandom(LARGE_BYTES)).decode()
    lines = "\n".join(json.dumps(line) for line in (
        {"key": "header", "value": {"summary": "large"}},
        {"key": "file", "value": {"path": "large.txt", "content": content, "encoding": "base64"}}))
    status, _, body = server.request("POST", "/api/models/alice/large/commit/main", lines.encode(), token,
                                     {"Content-Type": "application/x-ndjson"})
    assert status == 200, body


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Reads one answer with its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), head


async def keep_asking(address: tuple[str, int], end: asyncio.Event, answers: Answers, sent: bytes = KEEP) -> None:
    """One connection, one request behind the other until `end`. A closed connection is opened again: HTTP allows it."""
    try:
        while not end.is_set():
            reader, writer = await asyncio.open_connection(*address)
            while not end.is_set():
                begin = time.monotonic()
                writer.write(sent)
                status, head = await asyncio.wait_for(answer_of(reader), 60)
                answers.add(status, head, time.monotonic() - begin)
                if b"\r\nconnection: close" in head.lower():
                    break
            writer.close()
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        answers.failures.append(repr(error))


async def ask_for(address: tuple[str, int], seconds: float, clients: int, sent: bytes = KEEP) -> Answers:
    answers, end = Answers(), asyncio.Event()
    tasks = [asyncio.create_task(keep_asking(address, end, answers, sent)) for _ in range(clients)]
    await asyncio.sleep(seconds)
    end.set()
    await asyncio.gather(*tasks)
    return answers


# ---- many


@dataclass
class Crowd:
    idle: int
    refused: int          # Of those who only wanted to connect and stay.
    lost: int             # Connections that did not survive being idle.
    alone: Answers
    among: Answers
    rss_before_mb: float
    rss_mb: float


async def crowd(server: Server, idle: int, active: int, seconds: float) -> Crowd:
    """`idle` connections that have asked once and stay, and `active` that ask all the time."""
    address = address_of(server)
    alone = await ask_for(address, seconds, active)
    before = rss_mb(server.process.pid)
    streams, refused = [], 0
    gate = asyncio.Semaphore(200)

    async def come() -> None:
        nonlocal refused
        async with gate:
            try:
                reader, writer = await asyncio.open_connection(*address)
                writer.write(KEEP)
                status, _ = await answer_of(reader)
                streams.append((reader, writer))
                refused += status != 200
            except (OSError, asyncio.IncompleteReadError):
                refused += 1

    await asyncio.gather(*(come() for _ in range(idle)))
    among = await ask_for(address, seconds, active)
    rss = rss_mb(server.process.pid)
    lost = 0

    async def ask_again(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lost
        async with gate:
            try:
                writer.write(KEEP)
                status, _ = await answer_of(reader)
                lost += status != 200
            except (OSError, asyncio.IncompleteReadError):
                lost += 1

    await asyncio.gather(*(ask_again(*stream) for stream in streams))
    for _, writer in streams:
        writer.transport.abort()
    return Crowd(idle, refused, lost, alone, among, before, rss)


# ---- slow


@dataclass
class Slow:
    sent_away: dict[str, dict[str, int]]  # By kind: how each connection ended.
    normal: Answers
    seconds: float
    rss_mb: float  # The highest.


async def _drip(address: tuple[str, int], first: bytes, drop: bytes, every_s: float, limit_s: float) -> str:
    """Sends `first`, then `drop` again and again; says how the other side ended it."""
    reader, writer = await asyncio.open_connection(*address)
    received = asyncio.create_task(reader.read(-1))
    deadline = time.monotonic() + limit_s
    writer.write(first)
    while not received.done() and time.monotonic() < deadline:
        await asyncio.wait({received}, timeout=every_s)
        if not received.done():
            try:
                writer.write(drop)
            except OSError:
                break
    if not received.done() and time.monotonic() >= deadline:
        received.cancel()
        writer.transport.abort()
        return "still there"
    try:
        answer = await received
    except OSError:
        answer = b""
    writer.transport.abort()
    return f"answered {answer.split(b' ', 2)[1].decode()}" if answer.startswith(b"HTTP/1.1 ") else "cut"


async def _sip(address: tuple[str, int], limit_s: float) -> str:
    """Asks for a large file and takes almost nothing of it."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    try:
        await loop.sock_connect(connection, address)
        await loop.sock_sendall(connection, f"GET {LARGE_PATH} HTTP/1.1\r\nHost: hub\r\n\r\n".encode())
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if not await loop.sock_recv(connection, 5):
                return "cut"
            await asyncio.sleep(1)
            # After a reset the kernel still hands out what has arrived; it also knows the state.
            state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if state != 1:  # TCP_ESTABLISHED
                return "cut"
        return "still there"
    except OSError:
        return "cut"
    finally:
        connection.close()


async def slow(server: Server, each: int, limit_s: float = 150) -> Slow:
    """`each` clients of each slow kind at once, and four that behave."""
    address = address_of(server)
    forget_highest(server.process.pid)
    begin = time.monotonic()
    kinds = {
        # slowhttptest -H: a header now and then.
        "slow head": [_drip(address, b"GET /health HTTP/1.1\r\nHost: hub\r\n", b"X-a: b\r\n", 1, limit_s) for _ in range(each)],
        # slowhttptest -B: a byte now and then of a body that was announced.
        "slow body": [_drip(address, b"POST /api/validate-yaml HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n"
                            b"Content-Length: 1000000\r\n\r\n", b"x", 1, limit_s) for _ in range(each)],
        "slow chunks": [_drip(address, b"POST /api/validate-yaml HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n"
                              b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 1, limit_s) for _ in range(each)],
        # slowhttptest -X: a large answer, read by five bytes a second.
        "slow read": [_sip(address, limit_s) for _ in range(each)],
        "nothing at all": [_drip(address, b"", b"", 1, limit_s) for _ in range(each)],
    }
    normal, end = Answers(), asyncio.Event()
    asking = [asyncio.create_task(keep_asking(address, end, normal)) for _ in range(4)]
    ends = await asyncio.gather(*(asyncio.gather(*clients) for clients in kinds.values()))
    end.set()
    await asyncio.gather(*asking)
    return Slow({kind: {how: list(all_of).count(how) for how in sorted(set(all_of))} for kind, all_of in zip(kinds, ends)},
                normal, time.monotonic() - begin, rss_mb(server.process.pid, "VmHWM"))


# ---- too much


@dataclass
class Overload:
    peak_per_s: float
    offered_per_s: float
    offered: int
    answers: Answers
    recovered_s: float  # From the last request sent to the first answer that came as quickly as before.
    rss_mb: float


def clone_of(server: Server) -> bytes:
    """What costs the hub some milliseconds for a line of text: git asks for the objects of a branch."""
    _, _, refs = server.request("GET", "/alice/small.git/info/refs?service=git-upload-pack")
    oid = re.search(rb"([0-9a-f]{40}) refs/heads/main", refs)[1].decode()
    body = f"0032want {oid}\n00000009done\n".encode()
    return (b"POST /alice/small.git/git-upload-pack HTTP/1.1\r\nHost: hub\r\n"
            b"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: %d\r\n\r\n" % len(body)) + body


async def overload(server: Server, seconds: float, factor: int = 4) -> Overload:
    """`factor` times as many requests a second as the hub can answer, each on a connection of its own."""
    address, work = address_of(server), clone_of(server)
    forget_highest(server.process.pid)
    peak, measured_s = Answers(), 3
    while not peak.seconds:  # What went before may still be at work on a busy machine.
        peak = await ask_for(address, measured_s, 32, work)
    per_s = len(peak.seconds) / measured_s
    usual_s = sorted(peak.seconds)[len(peak.seconds) // 2]
    answers, tasks = Answers(), set()

    async def once() -> None:
        begin = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(work)
            status, head = await asyncio.wait_for(answer_of(reader), 90)
            answers.add(status, head, time.monotonic() - begin)
            writer.close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            answers.failures.append(repr(error))

    begin, offered = time.monotonic(), 0
    while (passed := time.monotonic() - begin) < seconds:
        while offered < passed * per_s * factor:
            task = asyncio.create_task(once())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            offered += 1
        await asyncio.sleep(0.005)
    last = time.monotonic()
    while True:
        one = await ask_for(address, 0.01, 1, work)
        if one.statuses.get(200) and one.seconds[0] < max(usual_s, 0.2):
            break
        if time.monotonic() - last > 60:
            raise RuntimeError(f"the hub does not recover: {one}")
    recovered = time.monotonic() - last
    await asyncio.gather(*tasks)
    return Overload(per_s, offered / seconds, offered, answers, recovered, rss_mb(server.process.pid, "VmHWM"))


def raise_own_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wrong_of_many(many: Crowd) -> list:
    return [many.refused, many.lost, many.among.failures, many.rss_mb > 400]


def wrong_of_slow(lazy: Slow) -> list:
    return [any("still there" in ends for ends in lazy.sent_away.values()), lazy.normal.failures]


def wrong_of_overload(pressed: Overload) -> list:
    return [pressed.answers.failures, pressed.answers.without_retry_after, set(pressed.answers.statuses) - {200, 429, 503},
            pressed.recovered_s > RECOVERS_S_MAX]


def yes(met: bool) -> str:
    return "yes" if met else "no"


def publish(many: Crowd, lazy: Slow, pressed: Overload, options: argparse.Namespace) -> None:
    ends = "; ".join(f"{kind}: {', '.join(f'{count} {how}' for how, count in ends.items())}" for kind, ends in lazy.sent_away.items())
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(pressed.answers.statuses.items()))
    figures.write(
        "reliability", "70-crowds", title="Slow and many clients", command="scripts/nightly crowds, or: python tests/hostile/crowd.py "
                f"--idle {options.idle} --active {options.active} --slow {options.slow} --overload-s {options.overload_s:.0f}",
        columns=["what", "outcome", "clients that behaved", "memory of the hub", "goal", "met"],
        rows=[
            [f"{many.idle:,} idle connections, {len(many.among.seconds):,} requests beside them",
             f"{many.refused} refused, {many.lost} lost, {len(many.among.failures)} requests failed",
             f"p50 {many.among.quantile_ms(.5):.1f} ms, p99 {many.among.quantile_ms(.99):.0f} ms "
             f"(without the idle: {many.alone.quantile_ms(.5):.1f} and {many.alone.quantile_ms(.99):.0f})",
             f"{many.rss_mb:.0f} MiB, {(many.rss_mb - many.rss_before_mb) * 1024 / many.idle:.1f} KiB an idle connection",
             "none refused or lost, ≤ 400 MiB, p99 < 2 × without", yes(not any(wrong_of_many(many)) and many.among.quantile_ms(.99) < 2 * many.alone.quantile_ms(.99))],
            [f"slow heads, bodies, chunks, readers, and silence, all at once, for {lazy.seconds:.0f} s", ends,
             f"{len(lazy.normal.seconds):,} answered, {len(lazy.normal.failures)} failed, p99 {lazy.normal.quantile_ms(.99):.0f} ms",
             f"at most {lazy.rss_mb:.0f} MiB", "all ended, none of the others failed, their p99 < 50 ms",
             yes(not any(wrong_of_slow(lazy)) and lazy.normal.quantile_ms(.99) < 50)],
            [f"{pressed.offered_per_s:.0f} requests a second where {pressed.peak_per_s:.0f} can be answered, {pressed.offered:,} in all",
             f"{statuses}, {len(pressed.answers.failures)} without an answer, {pressed.answers.without_retry_after} refusals without Retry-After",
             f"as before {pressed.recovered_s:.1f} s after the last of them", f"at most {pressed.rss_mb:.0f} MiB",
             f"all answered, as before within {RECOVERS_S_MAX:.0f} s", yes(not any(wrong_of_overload(pressed)))],
        ],
        note="Clients and hub share the cores. A slow head has 10 s, a body or a reader 30 s without progress; a body must also keep up "
             f"256 bytes a second. After the overload it may take {RECOVERS_S_MAX:.0f} s until an answer comes as quickly as before. "
             "It is a `git clone` of a small repository, each on its own connection.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=100)
    parser.add_argument("--slow", type=int, default=1_000, help="clients of each slow kind")
    parser.add_argument("--overload-s", type=float, default=60)
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    raise_own_limit()
    server = Server()
    try:
        server.add_user("root", "--admin")
        server.add_user("alice", password="alice-password")
        server.start()
        seed(server)
        many = asyncio.run(crowd(server, options.idle, options.active, 10))
        print(f"many: {many.refused} refused, {many.lost} lost, {many.among.failures[:3]}, {many.rss_mb:.0f} MiB", flush=True)
        lazy = asyncio.run(slow(server, options.slow))
        print(f"slow: {lazy.sent_away}, {lazy.normal.failures[:3]}", flush=True)
        pressed = asyncio.run(overload(server, options.overload_s))
        print(f"overload: {pressed.peak_per_s:.0f}/s, {pressed.answers.statuses}, {pressed.answers.failures[:3]}, {pressed.recovered_s:.1f} s", flush=True)
    finally:
        server.remove()
    if options.publish:
        publish(many, lazy, pressed, options)
    wrong = [*wrong_of_many(many), *wrong_of_slow(lazy), *wrong_of_overload(pressed)]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
