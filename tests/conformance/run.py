"""Runs the tests that a client's source distribution carries against a hub of ours, and holds the outcome against the
list of that client.

    python tests/conformance/run.py CLIENT [--update] [--without-xet] [--report FILE] [FILE…]

CLIENT is huggingface_hub or datasets. CLIENT/expected.tsv has a line for each test that does not pass, with the reason in a
few words. Every other test must pass, and a listed one must not: then its line goes. --update writes the list anew from the
run; reasons that were there stay.
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
                        "--timeout", "60", f"tests/{name}.py", "-k", chosen, f"--junitxml={report}"],
                       cwd=folder.parent, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **env}, timeout=900)
    if not report.exists():
        return {name: Outcome("failed", "the file could not be run: " + log.read_text()[-300:])}
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


def read_expected(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(line.split("\t", 1) for line in path.read_text().splitlines() if line and not line.startswith("#"))


def write_report(path: Path, results: dict[str, str], outcomes: dict[str, Outcome]) -> None:
    suite = ET.Element("testsuite", name="conformance")
    for identity, problem in sorted(results.items()):
        case = ET.SubElement(suite, "testcase", classname=identity.rsplit(".", 1)[0], name=identity.rsplit(".", 1)[1])
        if problem:
            ET.SubElement(case, "failure", message=problem)
        properties = ET.SubElement(case, "properties")
        for operation in sorted(outcomes[identity].operations):
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
    files = options.files or (client.files_of_transfers if options.without_xet else client.files)
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

    path = HERE / options.client / "expected.tsv"
    expected = read_expected(path)
    failed = {identity: outcome.message for identity, outcome in outcomes.items() if outcome.kind == "failed"}
    if options.update:
        kept = {identity: expected.get(identity) or reason_of(message) for identity, message in failed.items()}
        if options.files or options.without_xet:
            kept |= {identity: reason for identity, reason in expected.items() if identity not in outcomes}
        path.write_text("# Tests of the client that do not pass, each with its reason; made by run.py --update.\n" +
                        "".join(f"{identity}\t{reason}\n" for identity, reason in sorted(kept.items())))
        expected = kept
    results: dict[str, str] = {}
    for identity, outcome in outcomes.items():
        if outcome.kind == "passed":
            results[identity] = "is listed as not passing, and passes: take its line out" if identity in expected else ""
        elif outcome.kind == "failed" and identity not in expected:
            results[identity] = reason_of(outcome.message)
    skipped = sum(outcome.kind == "skipped" for outcome in outcomes.values())
    problems = {identity: problem for identity, problem in results.items() if problem}
    for identity, problem in sorted(problems.items()):
        print(f"FAILED {identity}: {problem}")
    print(f"{len(results) - len(problems)} of the client's own tests pass, {len(failed) - len(problems)} are listed with a reason, "
          f"{skipped} are skipped, {len(problems)} differ from the list ({time.monotonic() - begin:.0f} s)")
    if options.report:
        write_report(options.report, results, outcomes)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
