"""Builds the pages: python3 web/build.py FOLDER

Installs Node.js and the packages of package-lock.json when they are not there, builds the site, and writes FOLDER's
site.pack, site_data.cc and site_pack.S, which become part of the program (src/pages). CMake calls it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
sys.path.insert(0, str(WEB.parent / "scripts"))

import nodejs  # noqa: E402


def packages(web: Path) -> None:
    """node_modules as the lock says."""
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    done = web / "node_modules" / ".hearth-lock"
    if not done.exists() or done.read_text() != lock:
        nodejs.install_packages(web)
        done.write_text(lock)


def main() -> None:
    out = Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    # Two build folders may come here at once, and share node_modules and what SvelteKit writes beside it.
    with open(WEB / ".build-lock", "w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        packages(WEB)
        site = out / "files"
        shutil.rmtree(site, ignore_errors=True)
        env = {**os.environ, "HEARTH_SITE": str(site), "NODE_ENV": "production"}
        done = subprocess.run([str(nodejs.node()), str(WEB / "node_modules" / "vite" / "bin" / "vite.js"), "build",
                               "--logLevel", "warn"],
                              cwd=WEB, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout + done.stderr)
        subprocess.run([str(nodejs.node()), str(WEB / "pack.mjs"), str(site), str(out)], check=True)


main()
