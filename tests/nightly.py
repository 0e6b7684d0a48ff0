"""The long runs; see scripts/nightly. What they saw goes into docs/reliability.md, a section for each part."""

import argparse
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "bench"))
from lib import environments, figures  # noqa: E402
import all as all_of_bench  # noqa: E402

SANITIZERS = {
    # The options make a finding end the process, so that it cannot be overlooked.
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


@dataclass
class Row:
    what: str
    outcome: str
    figures: str
    seconds: float


def run(command: list[str], log: Path, env: dict[str, str] | None = None) -> tuple[int, str, float]:
    begin = time.monotonic()
    with open(log, "w") as out:
        status = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                                env={**os.environ, **SANITIZERS, **(env or {})}).returncode
    return status, log.read_text(errors="replace"), time.monotonic() - begin


def build(preset: str) -> Path:
    folder = ROOT / "build" / preset
    subprocess.run(["cmake", "--preset", preset], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder / "bin"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL of our own: without one the tests of both engines are tests of SQLite alone, and say nothing."""
    with tempfile.TemporaryDirectory(prefix="hearth-postgres.") as folder:
        os.chmod(folder, 0o755)
        keeper = ["bash", str(ROOT / "tests" / "lib" / "postgres.sh")]
        url = subprocess.run([*keeper, "start", f"{folder}/pg"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        try:
            yield url
        finally:
            subprocess.run([*keeper, "stop", f"{folder}/pg"], check=True)


def unit_rows(preset: str, title: str, postgres_url: str, logs: Path) -> list[Row]:
    rows = []
    for program in sorted(build(preset).glob("*_test")):
        status, text, seconds = run([str(program), "--gtest_brief=1"], logs / f"{preset}-{program.name}.log",
                                    {"HEARTH_TEST_POSTGRES": postgres_url})
        passed = re.findall(r"\[  PASSED  \] (\d+) tests?", text)
        rows.append(Row(f"{program.name}, {title}", "passed" if status == 0 else f"FAILED, status {status}",
                        f"{passed[-1]} tests" if passed else "", seconds))
        print(rows[-1], flush=True)
    return rows


def server_row(preset: str, what: str, lock: str, places: str, logs: Path, env: dict[str, str] | None = None) -> Row:
    """Tests against a server with a sanitizer. What that finds goes into files: one that is found when the server ends, or in
    a command, is seen too."""
    name = re.sub(r"\W+", "-", f"{preset}-{what}").lower()
    for former in logs.glob(f"{name}.found*"):
        former.unlink()
    status, text, seconds = run(
        [str(environments.python_of(lock)), "-m", "pytest", "-q", "-p", "no:cacheprovider", *places.split()], logs / f"{name}.log",
        {"HEARTH_BIN": str(ROOT / "build" / preset / "bin" / "hearth"), **(env or {}),
         **{variable: f"{options}:log_path={logs / name}.found" for variable, options in SANITIZERS.items()}})
    passed = re.findall(r"(\d+) passed", text)
    outcome = "passed" if status == 0 else f"FAILED, status {status}"
    if found := sorted(logs.glob(f"{name}.found*")):
        outcome = f"FOUND, see {found[0].name} in build/nightly"
    row = Row(what, outcome, f"{passed[-1]} cases" if passed else "", seconds)
    print(row, flush=True)
    return row


def fuzz_rows(seconds_each: int, logs: Path) -> list[Row]:
    """As many at once as there are cores; a fuzzer takes one."""
    programs = sorted(build("fuzz").glob("*_fuzz"))
    subprocess.run([str(environments.python_of("hostile")), "tests/fuzz/corpora.py", str(ROOT / "build" / "corpus")], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)

    def row_of(program: Path) -> Row:
        corpus = ROOT / "build" / "corpus" / program.name
        status, text, seconds = run(
            [str(program), str(corpus), f"-max_total_time={seconds_each}", "-print_final_stats=1", "-rss_limit_mb=4096",
             f"-artifact_prefix={logs}/{program.name}-"], logs / f"{program.name}.log")
        executed = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)
        edges = re.findall(r"cov: (\d+)", text)
        row = Row(program.name, "nothing found" if status == 0 else f"FOUND, status {status}",
                  f"{int(executed[-1]):,} runs, {int(edges[-1]):,} edges, {len(list(corpus.iterdir())):,} inputs kept" if executed and edges else "",
                  seconds)
        print(row, flush=True)
        return row

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(row_of, programs))


HOURS = "hours in all"


def hours_in_all(rows: list[Row], former: dict | None) -> list[str]:
    """How long each target has been run, with all the runs before: the sum of the section that these rows replace, and this run's.
    A target that is not in there begins anew. A section from before there was a sum gives its own seconds."""
    hours: dict[str, float] = {}
    for cells in former["rows"] if former else []:
        named = dict(zip(former["columns"], cells))
        hours[named["what"]] = float(named[HOURS]) if HOURS in named else float(named["seconds"]) / 3600
    # Three digits: a run loses or wins no more than two seconds by rounding.
    return [f"{hours.get(row.what, 0) + row.seconds / 3600:.3f}" for row in rows]


def sanitizers(options: argparse.Namespace, logs: Path) -> list[Row]:
    with postgres() as url:
        rows = unit_rows("asan", "AddressSanitizer and UndefinedBehaviorSanitizer", url, logs)
        rows.append(server_row("asan", "wire cases, a server with AddressSanitizer, SQLite", "tools", "tests/wire", logs))
        rows.append(server_row("asan", "wire cases, a server with AddressSanitizer, PostgreSQL", "tools", "tests/wire", logs,
                               {"HEARTH_TEST_DATABASE": url}))
        rows += unit_rows("tsan", "ThreadSanitizer", url, logs)
        rows.append(server_row("tsan", "wire cases, a server with ThreadSanitizer", "tools", "tests/wire", logs))
        rows.append(server_row("tsan", "real clients, a server with ThreadSanitizer", "current", "tests/clients/ten_flows_test.py", logs))
    publish("80-sanitizers", "Sanitizers", "sanitizers", rows,
            "Every unit test, what touches the database on SQLite and on PostgreSQL; every wire case; ten things that people do with "
            "huggingface_hub, hf-xet and git.")
    return rows


def fuzzers(options: argparse.Namespace, logs: Path) -> list[Row]:
    rows = fuzz_rows(options.fuzz_s, logs)
    figures.write("reliability", "81-fuzzing", title="Fuzzing", command=f"scripts/nightly fuzzers --fuzz-s {options.fuzz_s}",
                  columns=["what", "outcome", "how much", "seconds", HOURS],
                  rows=[[row.what, row.outcome, row.figures, f"{row.seconds:.0f}", hours]
                        for row, hours in zip(rows, hours_in_all(rows, figures.read("reliability", "81-fuzzing")))],
                  note="libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer, from the seeds of tests/fuzz/corpora.py and what "
                       "earlier runs have kept; one target on each core. The hours are those of all published runs. What is parsed by which: "
                       "[fuzzing.md](fuzzing.md).")
    return rows


def kills(options: argparse.Namespace, logs: Path) -> list[Row]:
    python = environments.python_of("current")
    rows = []
    for engine, count in (("SQLite", options.kills), ("PostgreSQL", options.kills // 10)):
        command = [str(python), "tests/faults/kills.py", f"--kills={count}", "--publish"]
        if engine == "SQLite":
            command.append("--at-once=2")
        if engine == "PostgreSQL":
            command = ["bash", "tests/lib/postgres.sh", "run", *command, "--on-postgresql"]
        status, text, seconds = run(command, logs / f"kills-{engine}.log")
        rows.append(Row(f"{count:,} kills under real clients, {engine}", "passed" if status == 0 else f"FAILED, status {status}", "", seconds))
    return rows


def fault_row(what: str, script: str, arguments: list[str], logs: Path) -> Row:
    """A script of tests/faults that publishes its own section."""
    status, _, seconds = run([str(environments.python_of("current")), f"tests/faults/{script}.py", "--publish", *arguments], logs / f"{script}.log")
    return Row(what, "passed" if status == 0 else f"FAILED, status {status}", "", seconds)


def steps(options: argparse.Namespace, logs: Path) -> list[Row]:
    return [fault_row("a kill at each durable step of each way to write", "steps", [], logs)]


def flips(options: argparse.Namespace, logs: Path) -> list[Row]:
    return [fault_row(f"{options.flips:,} flipped bits", "flips", [f"--flips={options.flips}"], logs)]


def cuts(options: argparse.Namespace, logs: Path) -> list[Row]:
    return [fault_row(f"{options.cuts:,} power cuts under real clients", "cuts", [f"--cuts={options.cuts}"], logs)]


def disk_full(options: argparse.Namespace, logs: Path) -> list[Row]:
    return [fault_row("each way to write on a full disk", "disk_full", [], logs)]


def io_errors(options: argparse.Namespace, logs: Path) -> list[Row]:
    return [fault_row(f"{options.io_errors:,} system calls that fail", "io_errors", [f"--errors={options.io_errors}"], logs)]


def network(options: argparse.Namespace, logs: Path) -> list[Row]:
    return [fault_row("real clients on bad networks", "network", [], logs)]


def upgrades(options: argparse.Namespace, logs: Path) -> list[Row]:
    rows = [fault_row("data of former versions, SQLite", "upgrades", [], logs)]
    status, _, seconds = run(["bash", "tests/lib/postgres.sh", "run", str(environments.python_of("current")), "tests/faults/upgrades.py", "--publish",
                              "--on-postgresql"], logs / "upgrades-postgresql.log")
    return [*rows, Row("data of former versions, PostgreSQL", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]


def backup(options: argparse.Namespace, logs: Path) -> list[Row]:
    python = environments.python_of("current")
    rows = []
    for engine, count, more in (("SQLite", 20, []), ("PostgreSQL", 5, ["--on-postgresql"])):
        # PostgreSQL in both: every other copy goes into the other engine.
        command = ["bash", "tests/lib/postgres.sh", "run", str(python), "tests/backup/rounds.py", f"--rounds={count}", "--publish", *more]
        status, text, seconds = run(command, logs / f"backup-{engine}.log")
        rows.append(Row(f"{count} rounds of backup and restore under real clients, {engine}",
                        "passed" if status == 0 else f"FAILED, status {status}", "", seconds))
    return rows


def package(options: argparse.Namespace, logs: Path) -> list[Row]:
    status, text, seconds = run([sys.executable, "tests/package/clean_root.py", "--publish"], logs / "package-bare.log")
    rows = [Row("the package on a bare machine without network", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]
    status, text, seconds = run([sys.executable, "tests/package/booted.py"], logs / "package-booted.log")
    return [*rows, Row("the package under systemd", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]


def crowds(options: argparse.Namespace, logs: Path) -> list[Row]:
    status, _, seconds = run([str(environments.python_of("tools")), "tests/hostile/crowd.py", "--publish"], logs / "crowds.log")
    return [Row("slow clients, many clients, and more work than there is", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]


def bombs(options: argparse.Namespace, logs: Path) -> list[Row]:
    status, _, seconds = run([str(environments.python_of("hostile")), "tests/hostile/bombs.py", "--publish"], logs / "bombs.log")
    return [Row("small requests that would cost much, and smuggled ones", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]


def gc(options: argparse.Namespace, logs: Path) -> list[Row]:
    """The property test of src/hub/gc_property_test.cc, on each core a part of the steps with seeds of its own."""
    processes = os.cpu_count() or 1
    steps = -(-options.gc_steps // processes)
    first = random.SystemRandom().randrange(1 << 30)
    begin = time.monotonic()
    running: list[subprocess.Popen] = []
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        for process in running:
            process.kill()

    with postgres() as url:
        # Told to end (SIGTERM), it publishes what was done by then: the lives in progress do not count.
        signal.signal(signal.SIGTERM, end)
        for number in range(processes):
            log = open(logs / f"gc-{number}.log", "w")
            running.append(subprocess.Popen(
                [ROOT / "build" / "bin" / "hub_test", "--gtest_filter=GcProperty*"], stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "HEARTH_TEST_POSTGRES": url, "HEARTH_GC_STEPS": str(steps), "HEARTH_GC_SEED": str(first + number * steps)}))
        statuses = [process.wait() for process in running]
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    failed = [number for number, status in enumerate(statuses) if status != 0 and not (ended and status == -signal.SIGKILL)]
    done = sum(int((re.findall(r"(\d+) steps, the last seed", (logs / f"gc-{number}.log").read_text(errors="replace")) or ["0"])[-1])
               for number in range(processes))
    outcome = f"FAILED, see gc-{failed[0]}.log in build/nightly" if failed else "nothing taken that is needed, nothing left that is not"
    row = Row("steps of random lives, some collections killed", outcome,
              (f"{done:,} of {options.gc_steps:,} steps asked for, then told to end" if ended else f"{done:,} steps")
              + f", a life for each thousand; HEARTH_GC_SEED from {first:,} on" + "".join(f" and {first + number * steps:,} on" for number in range(1, processes)),
              time.monotonic() - begin)
    if not done and ended:
        return [row]
    publish("50-gc", "Garbage collection", f"gc --gc-steps {done if ended else options.gc_steps}", [row],
            "Lives of hubs of a thousand steps (uploads by Xet and LFS, commits, branches, squashes, deletions, bringing back, questions for chunks and "
            "uploads that build on the answer within its fourteen days, time that passes) with a "
            "collection after every eighth step, a quarter of them killed at a random durable step. After each, every file that any commit names is "
            "compared; at the end of a life only what a commit needs is left, and the ledger says the same as a recount after every eighth step. The "
            "first life on each core is also led for a hundred steps on PostgreSQL, without kills.")
    return [row]


def contract(options: argparse.Namespace, logs: Path) -> list[Row]:
    status, _, seconds = run([str(environments.python_of("hostile")), "tests/hostile/contract.py", "--cases", str(options.contract_cases), "--publish"],
                             logs / "contract.log")
    return [Row("requests made from the OpenAPI document", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]


def oracles(options: argparse.Namespace, logs: Path) -> list[Row]:
    status, _, seconds = run([str(environments.python_of("hostile")), "tests/fuzz/oracles.py", "--cases", "300000", "--publish"], logs / "oracles.log")
    return [Row("parsers beside the formats' own", "passed" if status == 0 else f"FAILED, status {status}", "", seconds)]


def bench(options: argparse.Namespace, logs: Path) -> list[Row]:
    """Every section of docs/benchmarks.md, which the scripts write themselves."""
    rows = []
    for name, more in all_of_bench.PUBLISHED:
        command = ["bash", "tests/lib/postgres.sh", "run", sys.executable, f"bench/{name}.py", *more]
        status, _, seconds = run(command, logs / f"bench-{name}{''.join(more)}.log")
        rows.append(Row(f"bench {' '.join([name, *more])}", "passed" if status == 0 else f"FAILED, status {status}", "", seconds))
    return rows


def publish(name: str, title: str, part: str, rows: list[Row], note: str) -> None:
    figures.write("reliability", name, title=title, command=f"scripts/nightly {part}", note=note,
                  columns=["what", "outcome", "how much", "seconds"],
                  rows=[[row.what, row.outcome, row.figures, f"{row.seconds:.0f}"] for row in rows])


# A part runs, writes its section of the page, and returns what it saw.
PARTS = {"kills": kills, "steps": steps, "flips": flips, "cuts": cuts, "disk-full": disk_full, "io-errors": io_errors,
         "network": network, "upgrades": upgrades, "backup": backup, "package": package, "crowds": crowds, "bombs": bombs,
         "gc": gc, "contract": contract, "oracles": oracles, "sanitizers": sanitizers, "fuzzers": fuzzers, "bench": bench}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--fuzz-s", type=int, default=300, help="seconds for each fuzzer, of which as many run at once as there are cores")
    parser.add_argument("--kills", type=int, default=1000, help="on SQLite; a tenth of them on PostgreSQL")
    parser.add_argument("--flips", type=int, default=1000, help="bits, one after the other")
    parser.add_argument("--cuts", type=int, default=300, help="of the power")
    parser.add_argument("--gc-steps", type=int, default=1_000_000, help="of random lives with collections; a core does about 200 a second")
    parser.add_argument("--io-errors", type=int, default=2000, help="system calls that fail")
    parser.add_argument("--contract-cases", type=int, default=100_000, help="requests from the OpenAPI document")
    options = parser.parse_args()
    logs = ROOT / "build" / "nightly"
    logs.mkdir(parents=True, exist_ok=True)
    rows = [row for name in options.parts or PARTS for row in PARTS[name](options, logs)]
    failed = [row for row in rows if row.outcome.startswith(("FAILED", "FOUND"))]
    for row in failed:
        print(f"FAILED {row.what}: {row.outcome}")
    print(f"{len(rows) - len(failed)} of {len(rows)} without a finding")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
