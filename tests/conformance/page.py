"""docs/conformance.md: how many of the clients' own tests pass, and why the others do not.

    python tests/conformance/page.py [--update] [--report FILE]

Made from the JUnit reports of the last four runs of run.py (build/test-results). Without --update the page is compared
with them, and any difference is a failure.
"""

import argparse
import os
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("HEARTH_BUILD", ROOT / "build"))
PAGE = ROOT / "docs" / "conformance.md"
REPORTS = {f"conformance-of-{client}{end}": (client, which)
           for client in ("huggingface_hub", "datasets") for which, end in (("with Xet", ""), ("without Xet", "-without-xet"))}

HEADING = """# Conformance

The tests that the clients' own source distributions carry, unchanged, against this hub. Every test that passes is named in
`tests/conformance/CLIENT/passing.tsv`, every other one with its reason in `expected.tsv` beside it; `scripts/test` fails when a run differs in
any of them, when one is skipped for a new reason or is gone, and when this page does not say what the run gave. Without Xet, only the
files whose tests move large files run again.

Made by `tests/conformance/page.py --update` from a run of `scripts/test conformance`; do not edit.
"""


@dataclass
class Run:
    passed: int = 0
    listed: Counter = field(default_factory=Counter)   # Reasons.
    skipped: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def read(report: Path) -> Run:
    run = Run()
    for case in ET.parse(report).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            run.problems.append(f"{case.get('classname')}.{case.get('name')}")
        elif skipped is None:
            run.passed += 1
        elif skipped.get("type") == "listed":
            run.listed[skipped.get("message", "")] += 1
        else:
            run.skipped[skipped.get("message", "")] += 1
    return run


def page_text(runs: dict[str, Run]) -> str:
    def title(name: str) -> str:
        client, which = REPORTS[name]
        version = re.match(r"(\S+)==(\S+)", (HERE / client / "sdist.txt").read_text())[2]
        return f"{client} {version}, {which}"

    def reasons(counts: dict[str, Counter]) -> list[str]:
        every = sorted({reason for counter in counts.values() for reason in counter},
                       key=lambda reason: (-sum(counter[reason] for counter in counts.values()), reason))
        return ["| why | " + " | ".join(map(title, counts)) + " |", "| --- |" + " --- |" * len(counts),
                *("| " + " | ".join([reason.replace("|", "/"), *(str(counter[reason]) for counter in counts.values())]) + " |" for reason in every), ""]

    lines = [HEADING, "| run | pass | do not, listed with a reason | skipped |", "| --- | --- | --- | --- |",
             *(f"| {title(name)} | {run.passed:,} | {run.listed.total():,} | {run.skipped.total():,} |" for name, run in runs.items()), "",
             "## What does not pass", "", *reasons({name: run.listed for name, run in runs.items()}),
             "## What is skipped", "", *reasons({name: run.skipped for name, run in runs.items()})]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    paths = {name: BUILD / "test-results" / f"{name}.xml" for name in REPORTS}
    problems = [f"no report {path}: run scripts/test conformance" for path in paths.values() if not path.exists()]
    if not problems:
        runs = {name: read(path) for name, path in paths.items()}
        problems = [f"{name}: {problem} differs from the lists" for name, run in runs.items() for problem in run.problems]
        if not problems:
            text = page_text(runs)
            if options.update:
                PAGE.write_text(text)
            elif not PAGE.exists() or PAGE.read_text() != text:
                problems = ["docs/conformance.md is not what the runs gave; read the difference of tests/conformance/page.py --update"]
    for problem in problems:
        print(f"FAILED {problem}")
    if options.report:
        suite = ET.Element("testsuite", name="conformance page")
        case = ET.SubElement(suite, "testcase", classname="conformance", name="the page is what the runs gave")
        if problems:
            ET.SubElement(case, "failure", message="\n".join(problems))
        ET.ElementTree(suite).write(options.report)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
