"""Environments of the tests, of Python and of Node.js, one for each lock file, kept outside of the clone.

An environment's name holds the hash of its lock file: a changed lock makes a new one, an unchanged
one is used again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))
import nodejs  # noqa: E402

LOCKS = Path(__file__).resolve().parent.parent / "clients" / "locks"


def cache_dir() -> Path:
    named = os.environ.get("HEARTH_TEST_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearth-tests"


def _interpreter() -> str:
    """Debian's Python 3.11: the locks are made for it."""
    for name in ("/usr/bin/python3.11", "python3.11", sys.executable):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("Python 3.11 is not installed: apt-get install python3")


def _installer() -> Path:
    """uv, itself from a lock: it installs the large environment in a fifth of pip's time. And what pip needs to look
    into a source distribution."""
    def install(folder: Path, lock: Path) -> None:
        _make_venv(folder)
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)],
                       check=True)
    return _ready("uv", install)


def _uv() -> str:
    return str(_installer() / "bin" / "uv")


def installer_python() -> Path:
    """An interpreter with pip, to download what is no wheel."""
    return _installer() / "bin" / "python"


def _make_venv(folder: Path) -> None:
    subprocess.run([_interpreter(), "-m", "venv", str(folder)], check=True)


def _ready(name: str, install, lock: Path | None = None) -> Path:
    lock = lock or LOCKS / f"{name}.txt"
    folder = cache_dir() / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if (folder / ".complete").exists():
        return folder
    print(f"== Installing the environment '{name}' (once)", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    install(folder, lock)
    (folder / ".complete").touch()
    return folder


def python_of(name: str) -> Path:
    """The interpreter of an environment; makes the environment when it is not there."""
    uv = _uv()

    def install(folder: Path, lock: Path) -> None:
        _make_venv(folder)
        subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "--python", str(folder / "bin" / "python"), str(lock)],
                       check=True)
    return _ready(name, install) / "bin" / "python"


def node() -> Path:
    """Node.js, the one that builds the pages: newer than Debian's, and the same everywhere."""
    return nodejs.node()


def node_modules(project: Path) -> Path:
    """The packages that the lock of a folder names, as their publishers made them; nothing of theirs is run."""
    def install(folder: Path, lock: Path) -> None:
        folder.mkdir()
        for name in ("package.json", lock.name):
            shutil.copy(project / name, folder)
        nodejs.install_packages(folder, "--omit=optional")
    return _ready(project.name, install, project / "package-lock.json") / "node_modules"
