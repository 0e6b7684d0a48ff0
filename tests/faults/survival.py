"""What must be true of a hub after any fault, whatever was going on: nothing here knows what was acknowledged (that is each
test's own), only what always holds."""

import sqlite3
import subprocess
import time
from pathlib import Path

# "< 5 s plus a bounded check", docs/fault-model.md; a shared machine gets four times that before it counts as a failure.
START_S_MAX = 20


def restart(server) -> float:
    """Starts the hub again on the same port, by nothing but its own command; returns the seconds it took."""
    port = int(server.url.rsplit(":", 1)[1])
    begin = time.monotonic()
    server.start(*getattr(server, "options", ()), port=port)
    took_s = time.monotonic() - begin
    assert took_s < START_S_MAX, f"the restart took {took_s:.1f} s"
    return took_s


def problems_at_rest(server) -> list[str]:
    """All that the hub's own check, git and the database find wrong. The hub may run; nothing may be writing."""
    server.settle()
    found = []
    verified = server.verify()
    if verified.returncode != 0:
        found.append("hearth verify: " + verified.stdout[-3000:] + verified.stderr[-1000:])
    for folder in repository_folders(server):
        checked = subprocess.run(["git", "-C", str(folder), "fsck", "--full", "--strict", "--no-dangling"],
                                 capture_output=True, text=True)
        if checked.returncode != 0 or "error" in checked.stderr:
            found.append(f"git fsck {folder.name}: {checked.stdout[-500:]}{checked.stderr[-500:]}")
    if server.database is None:
        with sqlite3.connect(f"file:{server.data / 'hearth.db'}?mode=ro", uri=True) as connection:
            answer = connection.execute("PRAGMA integrity_check").fetchall()
            if answer != [("ok",)]:
                found.append(f"PRAGMA integrity_check: {answer[:5]}")
    return found + leftovers(server)


def repository_folders(server) -> list[Path]:
    return sorted(path.parent for path in (server.data / "git").rglob("HEAD") if (path.parent / "objects").is_dir())


# Locked by the kernel for whoever holds them open, not by being there: src/git/garbage.cc.
LOCKED_BY_KERNEL = ("hearth-objects.lock", "hearth-packing.lock")


def leftovers(server) -> list[str]:
    """Locks of git that nobody holds any more would stop every later write; the hub knows its own, see src/git/refs.cc."""
    found = []
    for path in (server.data / "git").rglob("*.lock"):
        repository = next(parent for parent in path.parents if parent.suffix == ".git")
        if path.parent == repository and path.name in LOCKED_BY_KERNEL:
            continue
        own = repository / "hearth-refs.lock"
        if not (own.exists() and path.samefile(own)):
            found.append(f"left over: {path.relative_to(server.data)}")
    return found
