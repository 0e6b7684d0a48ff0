"""docs/operations.md: which operations of the hosted hub's API this hub has, and the test that proves it.

    python tests/scoreboard.py [--update] [--report FILE]

Made from the JUnit reports of the last run (build/test-results) and the lists in src/api; a test's
report names the operations that it saw succeed (tests/lib/proven.py). Without --update the page is
compared: an operation that is no longer proven, one that is proven and not on the page, and a named
test that no longer proves its operation are failures.
"""

import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HEARTH_BUILD", ROOT / "build"))
PAGE = ROOT / "docs" / "operations.md"
sys.path.insert(0, str(ROOT / "tests"))
from lib import proven  # noqa: E402

# The reports that must be there, in the order in which a proof is preferred: real clients first.
REPORTS = ("clients", "clients-of-javascript", "conformance-of-huggingface_hub", "conformance-of-datasets", "clients-without-xet",
           "conformance-of-huggingface_hub-without-xet", "wire-on-sqlite")
DOCUMENTED, CALLED = proven.LISTS

HEADING = """# Operations

The hosted hub documents {total} operations. Of these **{proven} are proven by a running test** of this hub, {open} are there
without such a proof, and {missing} are not built: they answer 501 with a sentence. Proven means that a test which passed saw the
operation succeed; the test named is one of them, a real client's where there is one. ({called} more operations, which are not
documented, are called by clients: the last table.)

Made by `tests/scoreboard.py --update` from a whole run of `scripts/test`, which fails when page and run differ; do not edit.
"""


def missing_reports() -> list[str]:
    return [name for name in REPORTS if not (BUILD / "test-results" / f"{name}.xml").exists()]


def proofs() -> dict[str, list[str]]:
    """The tests that saw each operation succeed, the preferred first."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in REPORTS:
        names: dict[str, set[str]] = defaultdict(set)
        for case in ET.parse(BUILD / "test-results" / f"{name}.xml").getroot().iter("testcase"):
            if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
                continue
            # Without the parameters of a case, which may be long.
            test = f"{case.get('classname', '').removeprefix('tests.')}.{case.get('name', '').split('[')[0]}"
            for entry in case.iter("property"):
                if entry.get("name") == "operation":
                    names[entry.get("value", "")].add(test)
        for operation, tests in names.items():
            found[operation] += [f"{name}: {test}" for test in sorted(tests)]
    return found


def not_built() -> set[str]:
    binary = os.environ.get("HEARTH_BIN", str(BUILD / "bin" / "hearth"))
    page = subprocess.run([binary, "routes"], capture_output=True, text=True, check=True).stdout.split("## Not built")[1]
    return {_nameless(f"{method} {path}") for method, path in re.findall(r"^\| (\w+) \| `([^`]*)`", page, re.M)}


def _nameless(operation: str) -> str:
    """The route table has other names for the parts of a path."""
    return re.sub(r"\{[^}]*\}", "{}", operation)


def named_tests(page: str) -> dict[str, str]:
    """Operation and test of each proven row of a page."""
    return dict(re.findall(r"^\| `([^`]*)` \|[^|]*\| ([^|]*?: [^|]*) \|$", page, re.M))


def page_text(found: dict[str, list[str]], kept: dict[str, str]) -> str:
    missing = not_built()

    def state_of(operation: str) -> str:
        tests = found.get(operation)
        if tests:
            # A name that still holds stays, so that the page changes only when something did.
            return kept[operation] if kept.get(operation) in tests else tests[0]
        return "501" if _nameless(operation) in missing else "there, not proven"

    by_tag: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for method, path, tag, title in proven.read_operations(DOCUMENTED):
        operation = f"{method} {path}"
        by_tag[tag].append((operation, title, state_of(operation)))
    rows = [row for tag in by_tag.values() for row in tag]
    called = [(f"{method} {path}", title, state_of(f"{method} {path}"))
              for method, path, _, title in proven.read_operations(CALLED)]

    def count(rows: list[tuple[str, str, str]]) -> tuple[int, int, int]:
        absent = sum(state == "501" for _, _, state in rows)
        silent = sum(state == "there, not proven" for _, _, state in rows)
        return len(rows) - absent - silent, silent, absent

    def table(rows: list[tuple[str, str, str]]) -> list[str]:
        return ["| operation | what it does | proof |", "| --- | --- | --- |",
                *(f"| `{operation}` | {title.replace('|', '/')} | {state} |" for operation, title, state in rows), ""]

    numbers = count(rows)
    lines = [HEADING.format(total=len(rows), proven=numbers[0], open=numbers[1], missing=numbers[2], called=len(called)),
             "| part | proven | there, not proven | 501 |", "| --- | --- | --- | --- |"]
    for tag in sorted(by_tag, key=lambda tag: (-count(by_tag[tag])[0], tag)):
        lines.append("| [{0}](#{0}) | {1} | {2} | {3} |".format(tag, *count(by_tag[tag])))
    lines.append("")
    for tag in sorted(by_tag, key=lambda tag: (-count(by_tag[tag])[0], tag)):
        lines += [f"## {tag}", "", *table(by_tag[tag])]
    lines += ["## Called by clients, not documented", "", *table(called)]
    return "\n".join(lines).rstrip() + "\n"


def differences(found: dict[str, list[str]], page: str) -> list[str]:
    named = named_tests(page)
    problems = [f"{operation}: {test} does not prove it any more" for operation, test in named.items()
                if test not in found.get(operation, ())]
    if not problems and page != page_text(found, named):
        listed = {f"{method} {path}" for name in proven.LISTS for method, path, _, _ in proven.read_operations(name)}
        problems = [f"{operation}: proven by {tests[0]}, and not so on the page" for operation, tests in sorted(found.items())
                    if operation in listed and operation not in named] or ["the page is not what the lists and routes give"]
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    lacking = missing_reports()
    if lacking:
        print(f"No report of {', '.join(lacking)} in {BUILD}/test-results: run scripts/test wire clients conformance scoreboard")
        return 1
    found = proofs()
    page = PAGE.read_text() if PAGE.exists() else ""
    if options.update:
        page = page_text(found, named_tests(page))
        PAGE.write_text(page)
    problems = differences(found, page)
    for problem in problems:
        print(f"FAILED {problem}")
    print("".join(re.findall(r"Of these \*\*(.*?)\*\*", page)) + f", {len(problems)} differences between page and run")
    if options.report:
        suite = ET.Element("testsuite", name="scoreboard")
        case = ET.SubElement(suite, "testcase", classname="scoreboard", name="the page is what the run proved")
        if problems:
            ET.SubElement(case, "failure", message="\n".join([*problems, "read them; then: tests/scoreboard.py --update"]))
        ET.ElementTree(suite).write(options.report)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
