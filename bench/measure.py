"""What the scripts of this folder share: servers to measure, CPU seconds, rounds in turn, how figures are written.

A figure is a ratio to a peer that did the same work in the same run, in CPU seconds (user + system) of the server's
processes, its children included: the machine is shared, so wall clock alone says little. The server runs on the first
core, what loads it on the others, where there are two. Timings never decide whether a script succeeds: a wrong answer
does, and stands in no table.
"""

import argparse
import atexit
import itertools
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = {CORES[0]}
CLIENT_CORES = set(CORES[1:]) or SERVER_CORES


def options(description: str, rounds: int | None = 5, **more: dict) -> argparse.Namespace:
    """The options that every script takes, and more of its own. `rounds`: where none are asked for; None: the script has no
    peer to take turns with. The result's `command` is what makes the same figures again, whatever the defaults are by then."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work, are the answers right; publishes nothing")
    parser.add_argument("--rounds", type=int, default=None,
                        help="not used here" if rounds is None else f"rounds in turn with the peer; {rounds} where nothing is said")
    for name, settings in more.items():
        parser.add_argument("--" + name.replace("_", "-"), **settings)
    chosen = parser.parse_args()
    if chosen.rounds is None or rounds is None:
        chosen.rounds = 1 if chosen.quick else rounds
    said = ["scripts/bench", Path(sys.argv[0]).stem]
    for name in (*(["rounds"] if rounds else []), *more):
        value = getattr(chosen, name)
        if value is not None and value is not False:
            said.append("--" + name.replace("_", "-") + ("" if value is True else f"={value}"))
    chosen.command = " ".join(said)
    return chosen


def folder(name: str) -> Path:
    """A folder for this run, gone at its end. Beside the build, not in /tmp, which may be memory."""
    parent = ROOT / "build" / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=name + "-", dir=parent))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def kept_folder(name: str) -> Path:
    """A folder that later runs find again: for data that takes minutes to make."""
    kept = ROOT / "build" / "bench" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    return kept


def tool(name: str) -> str:
    """A program of bench/ itself, built when it is missing or old."""
    subprocess.run(["ninja", "-C", str(ROOT / "build"), name], check=True, stdout=subprocess.DEVNULL)
    return str(ROOT / "build" / "bin" / name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- CPU seconds and memory of processes ---

def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:  # A thread that ended meanwhile.
                pass
    return found


def cpu_s(pid: int) -> float:
    """User and system time of the process, of its living descendants, and of those that have ended and were waited for."""
    ticks = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(value) for value in fields[11:15])  # utime, stime, cutime, cstime: proc(5)
    return ticks / TICKS_PER_S


def cpu_ms(pid: int) -> float:
    """As cpu_s, for what takes less than its hundredths of a second: to the nanosecond, from /proc/PID/task/N/schedstat, but
    for the children that have ended."""
    spent_ns = 0
    for one in family(pid):
        try:
            spent_ns += sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{one}/task").iterdir())
            ended = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[13:15]
        except OSError:  # Ended meanwhile: its time is its parent's from now on.
            continue
        spent_ns += sum(int(ticks) for ticks in ended) * 1_000_000_000 // TICKS_PER_S
    return spent_ns / 1e6


def memory_mib(pid: int, what: str) -> float:
    """`what`: VmRSS, now; VmHWM, the most so far."""
    return int(re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)[1]) / 1024


def forget_peak(pid: int) -> None:
    """VmHWM starts again from now: proc(5), clear_refs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@dataclass
class Spent:
    cpu_s: float
    wall_s: float


def spent(pid: int, work: Callable[[], object]) -> Spent:
    """What the server spent while `work` ran. It may have something left to do when its client is content: waits until
    it has been idle for a tenth of a second, which is not counted as wall time."""
    before, begin = cpu_s(pid), time.monotonic()
    work()
    wall = time.monotonic() - begin
    after = cpu_s(pid)
    while True:
        time.sleep(0.1)
        now = cpu_s(pid)
        if now - after <= 0.01:
            return Spent(now - before, wall)
        after = now


def wait_until_idle(pid: int) -> None:
    """Until the server has done what it does after its start: counting downloads and trends of many repositories takes
    seconds."""
    quiet_s, before = 0, cpu_s(pid)
    while quiet_s < 3:
        time.sleep(1)
        now = cpu_s(pid)
        quiet_s = quiet_s + 1 if now - before <= 0.03 else 0
        before = now


# --- Servers ---

class Hub(Server):
    """A hub on the server's cores, with an administrator. `database`: a PostgreSQL server, on which it gets a database of its own."""

    def __init__(self, data: Path | None = None, database: str | None = None) -> None:
        super().__init__(database)
        if data is not None:
            self.data = data
        self.token = ""

    def begin(self, *more: str) -> "Hub":
        # It may be there already, from a run before.
        self.hearth("user", "add", "bench", "--admin", check=False)
        self.start(*more)
        pin(self.pid, SERVER_CORES)
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def sign_in(self) -> str:
        self.token = self.add_token("bench", name=f"bench-{time.monotonic_ns()}")
        return self.token

    def get(self, path: str, status: int = 200) -> bytes:
        got, headers, body = self.request("GET", path, token=self.token or None)
        if got != status:
            raise RuntimeError(f"GET {path}: {got} {body[:300]!r}")
        return body

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *unused: object) -> None:
        self.remove()


class Nginx:
    """One worker, as Debian has it, with sendfile, a log of requests and open files cached: the peer of most figures."""

    def __init__(self, root: Path, extra: str = "") -> None:
        self.folder = folder("nginx")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        bodies = "".join(f"{kind}_temp_path {self.folder}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root; " if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(f"""
{user}daemon off; worker_processes 1; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {self.folder}/access.log; sendfile on; tcp_nopush on; keepalive_requests 100000000; types {{ }} default_type application/json;
  client_max_body_size 0; {bodies}
  open_file_cache max=100 inactive=600s;
  server {{ listen 127.0.0.1:{self.port}; root {root}; {extra} }}
}}
""")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)],
                                        stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        atexit.register(self.stop)
        pin(self.pid, SERVER_CORES)
        wait_for_port(self.port)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def pin(pid: int, cores: set[int]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except OSError:
            pass


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


# --- Clients ---

def on_client_cores() -> None:
    os.sched_setaffinity(0, CLIENT_CORES)


def run_client(command: list[str], **more: object) -> subprocess.CompletedProcess:
    result = subprocess.run(command, preexec_fn=on_client_cores, capture_output=True, text=True, **more)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {result.returncode}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result


@dataclass
class Load:
    request_count: int
    cpu_s: float  # Of the server
    p50_ms: float
    p99_ms: float

    @property
    def per_cpu_s(self) -> float:
        return self.request_count / max(self.cpu_s, 0.01)


UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


# A parameter that no handler knows makes each address another. The first number is another for each run, too.
ANEW_LUA = """
local number, path, mark = FIRST * 1000000000, nil, nil
request = function()
  path = path or wrk.path
  mark = mark or (path:find("?", 1, true) and "&" or "?")
  number = number + 1
  return wrk.format("GET", string.format("%s%sanew=%.0f", path, mark, number))
end
"""
anew_runs = itertools.count(1)


def wrk(pid: int, url: str, connections: int, seconds: float, token: str = "", anew: bool = False) -> Load:
    """Asks for one URL again and again, or with `anew` never twice for the same; any answer but 2xx is an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"]
    if token:
        command += ["-H", f"Authorization: Bearer {token}"]
    if anew:
        script = folder("wrk") / "anew.lua"
        script.write_text(ANEW_LUA.replace("FIRST", str(next(anew_runs))))
        command += ["-s", str(script)]
    before = cpu_s(pid)
    text = run_client([*command, url]).stdout
    used = cpu_s(pid) - before
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{url}: errors\n{text}")
    percentile = {name: float(value) * UNIT_MS[unit]
                  for name, value, unit in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M)}
    return Load(int(re.search(r"(\d+) requests in", text)[1]), used, percentile["50"], percentile["99"])


# --- Rounds and figures ---

def in_turn(rounds: int, ways: dict[str, Callable[[], object]]) -> dict[str, list]:
    """Each way once a round, so that a machine that slows down slows all of them."""
    seen: dict[str, list] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seen[name].append(way())
    return seen


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread(values: list[float], digits: int = 2) -> str:
    """The median, and the least and the most beside it."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def verdict(value: float, least: float | None = None, most: float | None = None, unit: str = "") -> list[str]:
    """The cells "goal" and "met"."""
    if least is not None:
        return [f"≥ {least:g}{unit}", "yes" if value >= least else "no"]
    return [f"≤ {most:g}{unit}", "yes" if value <= most else "no"]


NO_GOAL = ["", ""]


@dataclass
class Table:
    """What a script found: printed always, published unless it was a quick run."""
    name: str
    title: str
    columns: list[str]
    note: str
    command: str
    rows: list[list[object]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        self.rows.append(list(cells))
        print("  ".join(str(cell) for cell in cells), flush=True)

    def publish(self, quick: bool) -> None:
        if quick:
            return
        busy = os.getloadavg()[1]
        note = self.note
        if busy > 2 * len(CORES):
            note += f" The machine was busy with other work (load {busy:.0f}), which wall times and percentiles show."
        figures.write("benchmarks", self.name, title=self.title, command=self.command, columns=self.columns, rows=self.rows, note=note)
