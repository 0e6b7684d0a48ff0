"""Figures that the project publishes: each script writes its own section, the pages are made from them.

A section is one JSON file, docs/figures/PAGE/NAME.json, written by write() and by nothing else; write()
also makes docs/PAGE.md again from all sections of the page, in the order of their file names. A figure
so carries the command, the commit, the machine and the date of the run that gave it.
"""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = ROOT / "docs" / "figures"

TITLES = {
    "benchmarks": ("Benchmarks",
                   "Ratios are to a peer that did the same work in the same run on the same cores. CPU seconds are user + "
                   "system time of the server's processes; wall clock is given where people feel it, and is noisy on a "
                   "shared machine."),
    "reliability": ("Reliability",
                    "What was done to a hub to break it, how often, and what it lost. What is promised stands in "
                    "[fault-model.md](fault-model.md)."),
}


def write(page: str, name: str, *, title: str, command: str, columns: list[str], rows: list[list[object]],
          note: str = "", seed: int | None = None) -> None:
    """Replaces the section `name` ("20-kills": the number orders the sections) and the page. `command` is what makes
    the figures again, from the root of a clone; `note` says what was done in a sentence or three."""
    folder = FIGURES / page
    folder.mkdir(parents=True, exist_ok=True)
    section = {
        "title": title, "command": command, "date": datetime.date.today().isoformat(), "commit": _commit(),
        "machine": _machine(), "seed": seed, "note": note, "columns": columns,
        "rows": [[str(cell) for cell in row] for row in rows],
    }
    (folder / f"{name}.json").write_text(json.dumps(section, indent=1, ensure_ascii=False) + "\n")
    page_path(page).write_text(text_of(page))


def read(page: str, name: str) -> dict | None:
    """The section as it was last written; None when it never was."""
    path = FIGURES / page / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def page_path(page: str) -> Path:
    return ROOT / "docs" / f"{page}.md"


def text_of(page: str) -> str:
    heading, introduction = TITLES[page]
    parts = [f"# {heading}\n\n{introduction}\n\nWritten by the commands named below; do not edit.\n"]
    for path in sorted((FIGURES / page).glob("*.json")):
        section = json.loads(path.read_text())
        seed = f", seed {section['seed']}" if section["seed"] is not None else ""
        parts.append(f"## {section['title']}\n")
        if section["note"]:
            parts.append(section["note"] + "\n")
        parts.append(f"`{section['command']}`: {section['date']}, commit {section['commit']}{seed}, {section['machine']}.\n")
        parts.append("\n".join([_row(section["columns"]), _row(["---"] * len(section["columns"])),
                                *(_row(row) for row in section["rows"])]) + "\n")
    return "\n".join(parts)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _commit() -> str:
    """HEAD, with a "+" where something has changed since. What a former section wrote into docs/ does not count: it
    changes no figure."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs/figures", ":(exclude)docs/*.md")
    head = git("rev-parse", "--short=10", "HEAD")
    return f"{head}{'+' if changed else ''}" if head else "unknown"


def _machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores ({model}), {memory_gib:.0f} GiB"
