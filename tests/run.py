"""Runs the test suites and adds up what they report.

Each suite writes JUnit XML into build/test-results/; the sums come from there and nowhere else, so
a suite that dies without a report counts as a failure. So does a case that is skipped for a reason
that SKIPS does not have.
"""

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HEARTH_BUILD", ROOT / "build"))
RESULTS = BUILD / "test-results"
sys.path.insert(0, str(ROOT / "tests"))

from lib import environments  # noqa: E402


# The reasons for which a case may be skipped, and the runs in which it may: in another the case must run.
SKIPS = {
    # Xet or not is chosen for a whole run; each of these cases runs in the other.
    "without Xet there are no chunks": ("clients without xet",),
    "only plain LFS uploads are chunked later": ("clients", "clients through a witness"),
    "Xet has no LFS parts": ("clients", "clients through a witness"),
    # It reads what the witness noted, and there is none.
    "only with HEARTH_TEST_FRONT=witness": ("clients",),
    # The engine does not matter to these; they run on SQLite.
    "db_test does it on both engines; here it is the program that says so": ("faults on postgresql",),
    "the rows are put into SQLite's file": ("wire on postgresql",),
    "the other run has it": ("operating on postgresql",),
    # Whoever runs the tests as a user cannot have it otherwise.
    "only root can become someone else": ("command line",),
    # Other tests start these as processes of their own, to kill them.
    "DISABLED_VictimOfTheTestBelow": ("unit hub_test",),
    "DISABLED_VictimOfTheTestsBelow": ("unit xet_test",),
    "DISABLED_Writer": ("unit git_test",),
}
# tests/conformance/run.py has a reason for each case that does not pass, and fails itself where one has none.
LISTED = ("listed", "skipped")


class Tally:
    def __init__(self) -> None:
        self.passed = 0
        self.failed: list[str] = []
        self.skipped: Counter[str] = Counter()  # By reason.

    def add_report(self, suite: str, report: Path, status: int) -> None:
        """Counts the cases of one JUnit report."""
        if not report.exists():
            self.failed.append(f"{suite}: ended with status {status} and no report")
            return
        failed_before = len(self.failed)
        for case in ET.parse(report).getroot().iter("testcase"):
            name = f"{suite}: {case.get('classname', '')}.{case.get('name', '')}"
            reason = why_skipped(case)
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append(name)
            elif reason is None:
                self.passed += 1
            elif suite in SKIPS.get(reason, ()) or _is_listed(case):
                self.skipped[reason] += 1
            else:
                self.failed.append(f"{name}: skipped, and tests/run.py does not allow that here: {reason}")
        if status != 0 and len(self.failed) == failed_before:
            self.failed.append(f"{suite}: ended with status {status}")


def why_skipped(case: ET.Element) -> str | None:
    """The reason that a skipped case gives; None when it ran."""
    skipped = case.find("skipped")
    if skipped is not None:
        reason = skipped.get("message", "")
        # A whole file, by pytest: its reason stands in the text. GoogleTest puts the place before it.
        return (skipped.text or reason if reason == "collection skipped" else reason.partition("\n")[2] or reason).strip()
    # GoogleTest reports what is disabled as a case without a word.
    return case.get("name", "") if case.get("status") == "notrun" else None


def _is_listed(case: ET.Element) -> bool:
    skipped = case.find("skipped")
    return skipped is not None and skipped.get("type") in LISTED


def print_skipped(skipped: Counter[str]) -> None:
    for reason, count in skipped.most_common():
        print(f"skipped {count}: {reason}")


def run(suite: str, command: list[str], report: Path, tally: Tally, env: dict | None = None) -> None:
    report.unlink(missing_ok=True)
    begin = time.monotonic()
    print(f"== {suite}", flush=True)
    process = subprocess.run(command, cwd=ROOT, env={**os.environ, **(env or {})})
    passed, failed, skipped = tally.passed, len(tally.failed), tally.skipped.copy()
    tally.add_report(suite, report, process.returncode)
    skipped = tally.skipped - skipped
    print_skipped(skipped)
    print(f"== {suite}: {tally.passed - passed} passed, {len(tally.failed) - failed} failed, {skipped.total()} skipped, "
          f"{time.monotonic() - begin:.0f} s", flush=True)


def unit(tally: Tally) -> None:
    for program in sorted((BUILD / "bin").glob("*_test")):
        report = RESULTS / f"{program.name}.xml"
        run(f"unit {program.name}", [str(program), f"--gtest_output=xml:{report}", "--gtest_brief=1"],
            report, tally)


def python_suite(name: str, places: str, tally: Tally, lock: str = "tools", env: dict | None = None,
                 extra: list[str] | None = None) -> None:
    try:
        python = environments.python_of(lock)
    except subprocess.CalledProcessError as error:
        tally.failed.append(f"{name}: the environment '{lock}' could not be installed: {error}")
        return
    report = RESULTS / f"{name.replace(' ', '-')}.xml"
    run(name, [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *places.split(),
               f"--junitxml={report}", *(extra or [])], report, tally,
        {"HEARTH_BIN": str(BUILD / "bin" / "hearth"), **(env or {})})


def layers(tally: Tally) -> None:
    python_suite("layers", "tests/layers", tally)


def command_line(tally: Tally) -> None:
    python_suite("command line", "tests/command_line", tally)


def docs(tally: Tally) -> None:
    python_suite("docs", "tests/docs", tally)


def wire(tally: Tally) -> None:
    python_suite("wire on sqlite", "tests/wire", tally)
    python_suite("wire on postgresql", "tests/wire", tally,
                 env={"HEARTH_TEST_DATABASE": os.environ["HEARTH_TEST_POSTGRES"]})


def clients(tally: Tally) -> None:
    python_suite("clients", "tests/clients", tally, lock="current")
    python_suite("clients without xet", "tests/clients/hub_test.py tests/clients/verify_test.py", tally, lock="current",
                 env={"HF_HUB_DISABLE_XET": "1"})
    # Every answer against the OpenAPI document; without what starts its hub anew.
    python_suite("clients through a witness", "tests/clients/hub_test.py tests/clients/git_test.py tests/clients/copies_test.py tests/clients/lfs_files_test.py tests/clients/listing_test.py tests/clients/ten_flows_test.py tests/clients/xet_test.py tests/clients/document_test.py",
                 tally, lock="current", env={"HEARTH_TEST_FRONT": "witness"})
    for lock in ("hub-0.36", "hub-1.6"):
        python_suite(f"clients {lock}", "tests/clients/ten_flows_test.py tests/clients/verify_test.py", tally, lock=lock)
    python_suite("clients on postgresql", "tests/clients/ten_flows_test.py tests/clients/copies_test.py tests/clients/lfs_files_test.py tests/clients/rebuild_test.py tests/clients/verify_test.py tests/clients/quota_test.py", tally, lock="current",
                 env={"HEARTH_TEST_DATABASE": os.environ["HEARTH_TEST_POSTGRES"]})


def clients_js(tally: Tally) -> None:
    python_suite("clients of javascript", "tests/clients_js", tally)


def web(tally: Tally) -> None:
    """The pages, in a browser."""
    python_suite("web", "tests/web", tally, lock="web")


def faults(tally: Tally) -> None:
    python_suite("faults", "tests/faults", tally, lock="current")
    python_suite("faults on postgresql", "tests/faults/kills_test.py tests/faults/upgrades_test.py", tally, lock="current",
                 env={"HEARTH_TEST_DATABASE": os.environ["HEARTH_TEST_POSTGRES"]})


def hostile(tally: Tally) -> None:
    python_suite("hostile", "tests/hostile", tally, lock="hostile")
    python_suite("fuzz", "tests/fuzz", tally, lock="hostile")


def backup(tally: Tally) -> None:
    python_suite("backup", "tests/backup", tally, lock="current")
    python_suite("backup on postgresql", "tests/backup", tally, lock="current",
                 env={"HEARTH_TEST_DATABASE": os.environ["HEARTH_TEST_POSTGRES"]},
                 extra=["-k", "at_work or restore_that_is_killed or empty_places or own_database or a_pair"])


def fronts(tally: Tally) -> None:
    """Through TLS of the hub's own and through nginx."""
    python_suite("fronts", "tests/fronts", tally, lock="current")
    for front in ("tls", "nginx-tls"):
        python_suite(f"clients through {front}", "tests/clients/ten_flows_test.py tests/clients/git_test.py", tally, lock="current",
                     env={"HEARTH_TEST_FRONT": front})


def operating(tally: Tally) -> None:
    """What a hub says of itself, read by real programs of operators."""
    python_suite("operating", "tests/operating", tally)
    python_suite("operating on postgresql", "tests/operating", tally,
                 env={"HEARTH_TEST_DATABASE": os.environ["HEARTH_TEST_POSTGRES"]})


def package(tally: Tally) -> None:
    """What is in the Debian package; that it installs and runs on a bare machine is a part of the nightly run."""
    python_suite("package", "tests/package", tally)


def conformance(tally: Tally) -> None:
    for client in ("huggingface_hub", "datasets"):
        for name, options in ((f"conformance of {client}", []), (f"conformance of {client} without xet", ["--without-xet"])):
            report = RESULTS / f"{name.replace(' ', '-')}.xml"
            run(name, [sys.executable, "tests/conformance/run.py", client, f"--report={report}", *options], report, tally)
    report = RESULTS / "conformance-page.xml"
    run("conformance page", [sys.executable, "tests/conformance/page.py", f"--report={report}"], report, tally)


def bench(tally: Tally) -> None:
    python_suite("bench", "tests/bench", tally)


def scoreboard(tally: Tally) -> None:
    report = RESULTS / "scoreboard.xml"
    run("scoreboard", [sys.executable, "tests/scoreboard.py", f"--report={report}"], report, tally)


# In the order in which they run; one a line, so that two changes meet less often.
SUITES = {
    "unit": unit,
    "layers": layers,
    "command-line": command_line,
    "docs": docs,
    "wire": wire,
    "clients": clients,
    "clients-js": clients_js,
    "web": web,
    "faults": faults,
    "hostile": hostile,
    "backup": backup,
    "fronts": fronts,
    "operating": operating,
    "package": package,
    "bench": bench,
    "conformance": conformance,
    "scoreboard": scoreboard,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="default: all")
    chosen = parser.parse_args().suites or list(SUITES)
    if "HEARTH_TEST_POSTGRES" not in os.environ:
        # Once more, under a PostgreSQL of our own.
        postgres = ROOT / "tests" / "lib" / "postgres.sh"
        return subprocess.run(["bash", str(postgres), "run", sys.executable, __file__, *chosen]).returncode
    RESULTS.mkdir(parents=True, exist_ok=True)
    tally = Tally()
    for name in chosen:
        SUITES[name](tally)
    print_skipped(tally.skipped)
    for name in tally.failed:
        print(f"FAILED {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed")
    return 1 if tally.failed or tally.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
