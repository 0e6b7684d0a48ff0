"""Runs the tests that a client's source distribution carries against a hub of ours, and holds the outcome against the
lists of that client.

    python tests/conformance/run.py CLIENT [--update] [--without-xet] [--report FILE] [FILE…]

CLIENT is huggingface_hub or datasets. CLIENT/passing.tsv names each test that must pass, CLIENT/expected.tsv each that does
not, with the reason in a few words. Whatever differs is a failure: a test that is named and fails, passes against its line, is
skipped or is not there any more; one that is not named; and one that is skipped for a reason that SKIPS does not have. --update
writes the lists anew from the run; reasons that were there stay. What a run saw goes on docs/conformance.md by page.py.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
BUILD = Path(os.environ.get("HEARTH_BUILD", TESTS.parent / "build"))
sys.path.insert(0, str(TESTS))
from lib import environments  # noqa: E402


# Some tests start processes that import all of the client; on a busy machine one of datasets took three minutes.
TEST_S_MAX = 300


@dataclass(frozen=True)
class Client:
    # The files whose tests ask a server; the others test the client alone. A value chooses among a file's tests, as pytest -k.
    files: dict[str, str]
    # Those in which it matters by which way large files go.
    files_of_transfers: tuple[str, ...]


CLIENTS = {
    "huggingface_hub": Client(
        dict.fromkeys((
            "test_hf_api", "test_snapshot_download", "test_file_download", "test_hf_file_system", "test_cache_layout",
            "test_cache_no_symlinks", "test_utils_cache", "test_commit_api", "test_commit_scheduler", "test_xet_upload", "test_repocard",
            "test_cli", "test_cli_discussions", "test_kernels", "test_buckets", "test_buckets_cli", "test_buckets_hf_file_system",
            "test_copy_files", "test_bucket_live_follow", "test_hub_mixin", "test_hub_mixin_pytorch", "test_utils_http",
            "test_utils_telemetry"), ""),
        ("test_hf_api", "test_snapshot_download", "test_file_download", "test_hf_file_system", "test_cache_layout",
         "test_commit_scheduler", "test_repocard", "test_hub_mixin")),
    # In the last three only these tests ask for data of their own; their neighbours read fixed public data sets or no hub.
    "datasets": Client(
        {"test_upstream_hub": "", "test_hub": "delete_from_hub", "test_file_utils": "private", "test_inspect": "private and not exception",
         "test_load": "private and not pathological"},
        ("test_upstream_hub",)),
}


# By what a skipped test says: why, in words of ours.
SKIPS = (
    ("needs public content of the Hub", "needs public content of the hosted hub"),
    ("belongs to the pass with", "belongs to the other pass"),
    ("switched off in the client's own runs|Not implemented yet|Inference parameter is being revamped|Creating duplicated collections",
     "switched off in the client's own runs"),
    ("Test user is flagged as isHF", "speaks of the hosted hub's test user"),
    ("Windows", "is for Windows"),
    ("needs torchcodec", "needs a library that is not among the tests' own"),
)

# A line of the lists without it: in each run that the test's file is part of.
ONLY = {"xet": "only with Xet", "plain": "only without Xet"}


def client_tests(client: str) -> Path:
    """The tests of the distribution, with our files for that client beside them."""
    ours = HERE / client
    cache = environments.cache_dir() / "sdists"
    lock = ours / "sdist.txt"
    name = re.match(r"(\S+)==(\S+)", lock.read_text())
    archive = cache / f"{name[1]}-{name[2]}.tar.gz"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(environments.installer_python()), "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation",
                        "--no-binary", ":all:", "--require-hashes", "-d", str(cache), "-r", str(lock)], check=True)
    target = BUILD / "conformance" / client
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    # By tar: Debian's Python 3.11.2 has no extraction filter yet.
    subprocess.run(["tar", "--no-same-owner", "-xzf", str(archive), "-C", str(target)], check=True)
    folder = target / f"{name[1]}-{name[2]}" / "tests"
    for path in (*ours.glob("*.py"), ours / "fixtures"):
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, folder / path.name)
    (folder / "__init__.py").touch()
    return folder


@dataclass
class Outcome:
    kind: str  # passed, failed, skipped
    message: str = ""
    operations: set[str] = field(default_factory=set)  # That the test saw succeed, see tests/lib/proven.py.


def run_file(python: Path, folder: Path, name: str, chosen: str, env: dict[str, str]) -> dict[str, Outcome]:
    """The outcome of each test of one file, in a process of its own with a hub of its own."""
    report = folder.parent / f"{name}.xml"
    log = folder.parent / f"{name}.log"
    with open(log, "w") as out:
        subprocess.run([str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider",
                        "--timeout", str(TEST_S_MAX), f"tests/{name}.py", "-k", chosen, f"--junitxml={report}"],
                       cwd=folder.parent, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **env}, timeout=6 * TEST_S_MAX)
    if not report.exists():
        return {f"{name}.the file": Outcome("failed", "could not be run: " + log.read_text()[-300:])}
    outcomes: dict[str, Outcome] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        identity = f"{case.get('classname', '').removeprefix('tests.')}.{case.get('name')}"
        broken = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        if broken is not None:
            outcomes[identity] = Outcome("failed", (broken.get("message") or "") + "\n" + (broken.text or ""))
        elif skipped is not None:
            outcomes[identity] = Outcome("skipped", skipped.get("message") or "")
        else:
            seen = {entry.get("value", "") for entry in case.iter("property") if entry.get("name") == "operation"}
            outcomes.setdefault(identity, Outcome("passed")).operations |= seen
    return outcomes


def reason_of(message: str) -> str:
    missing = re.findall(r'does not have the operation "([^"]+)"', message)
    if missing:
        return f"not built: {missing[0]}"
    if "Name or service not known" in message or "ConnectError" in message or "NameResolution" in message:
        return "asks the internet"
    found = re.search(r"^E\s+(\S.*)$", message, re.MULTILINE)
    return re.sub(r"\s+", " ", (found[1] if found else message.strip().split("\n")[0]))[:120]


def why_skipped(message: str) -> str | None:
    return next((words for pattern, words in SKIPS if re.search(pattern, message)), None)


@dataclass
class Line:
    """Of a list: a test has the list's outcome in these runs."""
    runs: set[str]
    reason: str = ""


class Lists:
    """What a client's tests must do, in the run with Xet ("xet") and in the one without ("plain")."""

    HEADINGS = {"passing": "# Tests of the client that must pass; made by run.py --update.",
                "expected": "# Tests of the client that do not pass, each with its reason; made by run.py --update."}

    def __init__(self, folder: Path, client: Client) -> None:
        self._folder, self._client = folder, client
        self.passing = self._read("passing")
        self.expected = self._read("expected")

    def _runs_of(self, identity: str) -> set[str]:
        return {"xet", "plain"} if identity.split(".")[0] in self._client.files_of_transfers else {"xet"}

    def _read(self, name: str) -> dict[str, Line]:
        path = self._folder / f"{name}.tsv"
        lines = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            if line.startswith("#"):
                continue
            identity, *rest = line.split("\t")
            only = next((key for key, words in ONLY.items() if words in rest), None)
            reason = rest[0] if rest and rest[0] not in ONLY.values() else ""
            lines[identity] = Line({only} if only else self._runs_of(identity), reason)
        return lines

    def write(self) -> None:
        for name, lines in (("passing", self.passing), ("expected", self.expected)):
            rows = [self.HEADINGS[name]]
            for identity, line in sorted(lines.items()):
                only = [] if line.runs == self._runs_of(identity) else [ONLY[next(iter(line.runs))]]
                rows.append("\t".join([identity, *([line.reason] if line.reason else []), *only]))
            (self._folder / f"{name}.tsv").write_text("\n".join(rows) + "\n")

    def update(self, outcomes: dict[str, Outcome], which: str, files: tuple[str, ...]) -> None:
        """With the outcomes of the tests of `files` in the run `which`."""
        for lines, kind in ((self.passing, "passed"), (self.expected, "failed")):
            for identity, line in lines.items():
                if identity.split(".")[0] not in self._client.files:
                    line.runs.clear()
                elif identity.split(".")[0] in files:
                    line.runs.discard(which)
            for identity, outcome in outcomes.items():
                if outcome.kind == kind:
                    lines.setdefault(identity, Line(set())).runs.add(which)
                    if kind == "failed" and not lines[identity].reason:
                        lines[identity].reason = reason_of(outcome.message)
            for identity in [identity for identity, line in lines.items() if not line.runs]:
                del lines[identity]

    def problems(self, outcomes: dict[str, Outcome], which: str, files: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for identity, outcome in outcomes.items():
            passes = which in self.passing.get(identity, Line(set())).runs
            fails = which in self.expected.get(identity, Line(set())).runs
            if outcome.kind == "passed" and fails:
                found[identity] = "is listed as not passing, and passes: take its line out"
            elif outcome.kind == "passed" and not passes:
                found[identity] = "passes, and is not named among those that must: --update"
            elif outcome.kind == "failed" and not fails:
                found[identity] = reason_of(outcome.message)
            elif outcome.kind == "skipped" and (passes or fails):
                found[identity] = f"is skipped, and is listed: {outcome.message[:120]}"
            elif outcome.kind == "skipped" and why_skipped(outcome.message) is None:
                found[identity] = f"is skipped without a reason that SKIPS has: {outcome.message[:120]}"
        for lines in (self.passing, self.expected):
            for identity, line in lines.items():
                file = identity.split(".")[0]
                if file not in self._client.files or which in line.runs and file in files and identity not in outcomes:
                    found[identity] = "is listed, and did not run"
        return found


def write_report(path: Path, outcomes: dict[str, Outcome], problems: dict[str, str], lists: Lists) -> None:
    """One that passes as it must is a case, one that does not and is listed a skipped case with its reason."""
    suite = ET.Element("testsuite", name="conformance")
    for identity in sorted({*outcomes, *problems}):
        case = ET.SubElement(suite, "testcase", classname=identity.rsplit(".", 1)[0], name=identity.rsplit(".", 1)[1])
        outcome = outcomes.get(identity, Outcome("absent"))
        if identity in problems:
            ET.SubElement(case, "failure", message=problems[identity])
        elif outcome.kind == "failed":
            ET.SubElement(case, "skipped", type="listed", message=lists.expected[identity].reason)
        elif outcome.kind == "skipped":
            ET.SubElement(case, "skipped", type="skipped", message=why_skipped(outcome.message) or "")
        properties = ET.SubElement(case, "properties")
        for operation in sorted(outcome.operations):
            ET.SubElement(properties, "property", name="operation", value=operation)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(suite).write(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("files", nargs="*", help="default: every file whose tests ask a server")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--without-xet", action="store_true")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    client = CLIENTS[options.client]
    files = tuple(options.files or (client.files_of_transfers if options.without_xet else client.files))
    which = "plain" if options.without_xet else "xet"
    begin = time.monotonic()
    folder = client_tests(options.client)
    python = environments.python_of("current")
    env = {"HEARTH_TESTS": str(TESTS), "HEARTH_BIN": os.environ.get("HEARTH_BIN", str(BUILD / "bin" / "hearth")), "HF_HUB_DISABLE_TELEMETRY": "0"}
    if options.without_xet:
        env["HF_HUB_DISABLE_XET"] = "1"
    outcomes: dict[str, Outcome] = {}
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda name: run_file(python, folder, name, client.files.get(name, ""), env), files):
            outcomes.update(found)

    lists = Lists(HERE / options.client, client)
    if options.update:
        lists.update(outcomes, which, files)
        lists.write()
    problems = lists.problems(outcomes, which, files)
    for identity, problem in sorted(problems.items()):
        print(f"FAILED {identity}: {problem}")
    good = [outcome.kind for identity, outcome in outcomes.items() if identity not in problems]
    print(f"{good.count('passed')} of the client's own tests pass, {good.count('failed')} are listed with a reason, "
          f"{good.count('skipped')} are skipped, {len(problems)} differ from the lists ({time.monotonic() - begin:.0f} s)")
    if options.report:
        write_report(options.report, outcomes, problems, lists)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
