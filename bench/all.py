"""Runs the scripts of this folder; see scripts/bench."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ["download", "upload", "requests_a_second", "listing", "folders", "clone", "change", "memory", "start", "scrub"]
# What docs/benchmarks.md is made of: scripts and their options. tests/nightly.py runs all of them.
PUBLISHED = [*((name, []) for name in NAMES), ("listing", ["--on-postgresql"])]


def main() -> int:
    flags, names = [], []
    for argument in sys.argv[1:]:
        # Also "--rounds 3": what follows an option and names no script is the option's.
        is_flag = argument.startswith("-") or (flags and argument not in NAMES and "=" not in flags[-1])
        (flags if is_flag else names).append(argument)
    names = names or NAMES
    if unknown := set(names) - set(NAMES):
        print(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *flags], cwd=HERE.parent).returncode != 0:
            failed.append(name)
    for name in failed:
        print(f"FAILED {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
