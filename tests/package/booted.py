#!/usr/bin/env python3
"""The package under a real systemd: a bare Debian 12, booted by systemd-nspawn without network.

    python3 tests/package/booted.py         as root

Installs, and looks whether the unit starts closed as it is, comes back after `kill -9`, takes up a certificate at
reload, may bind port 443, and survives an upgrade, while real clients from outside of the root push to it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clean_root import ROOT, bare_root

from lib import environments
from lib.certificates import Authority

CLIENT = """
import random, subprocess, sys
from huggingface_hub import HfApi, hf_hub_download
work, url = sys.argv[1:]
HfApi().create_repo("ann/m")
content = random.Random(1).randbytes(3_000_000)
HfApi().upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id="ann/m")
assert open(hf_hub_download("ann/m", "w.bin"), "rb").read() == content
git = lambda *arguments: subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True)
git("clone", "-q", url + "/ann/m", work)
open(work + "/a.txt", "w").write("by git")
git("-C", work, "add", ".")
git("-C", work, "commit", "-qm", "a")
git("-C", work, "push", "-q")
assert HfApi().file_exists("ann/m", "a.txt")
"""


class Booted:
    def __init__(self, folder: Path) -> None:
        # The two options are for hosts that do not run systemd themselves.
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--boot", "--private-network", "--register=no", "--keep-unit", f"--directory={folder}",
             f"--machine=hearth-test-{os.getpid()}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        self.folder = folder
        self.leader = 0
        self.wait_for("its first process", self._has_leader)
        self.wait_for("systemd", lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"))

    def _has_leader(self) -> bool:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.leader = int(children[0]) if children else 0
        return self.leader != 0

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd",
                               *command], env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                                               "LC_ALL": "C.UTF-8"}, capture_output=True, text=True)
        if check and done.returncode != 0:
            journal = self.run("journalctl", "--no-pager", "-n30", "-u", "hearth", check=False).stdout
            raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}{journal}")
        return done

    def outside(self, *command: str, **environment: str) -> None:
        """A program of this machine on the network of that one."""
        subprocess.run(["nsenter", f"--target={self.leader}", "--net", *command], check=True, stdout=subprocess.DEVNULL,
                       env={"PATH": os.environ["PATH"], **environment})

    def show(self, what: str) -> str:
        return self.run("systemctl", "show", "-p", what, "--value", "hearth").stdout.strip()

    def wait_for(self, what: str, condition) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"it waited for {what} and it did not come")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.leader:
            os.kill(self.leader, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def check(machine: Booted, package: Path, home: Path) -> None:
    shutil.copy(package, machine.folder / "srv" / package.name)
    machine.run("apt-get", "-qq", "update")
    machine.run("apt-get", "-y", "--no-install-recommends", "install", f"/srv/{package.name}")
    assert machine.show("ActiveState") == "active" and machine.run("systemctl", "is-enabled", "hearth").stdout.strip() == "enabled"
    assert "/setup/" in machine.run("sh", "-c", "journalctl -u hearth | grep -A1 'no administrator'").stdout
    print("installed, started and enabled", flush=True)

    machine.run("hearth", "user", "add", "ann", "--admin")
    token = machine.run("hearth", "token", "add", "ann", "--name", "t", "--role", "write").stdout.split()[-1]
    machine.outside(str(environments.python_of("current")), "-c", CLIENT, str(home / "work"), f"http://u:{token}@localhost:8080",
                    HOME=str(home), HF_ENDPOINT="http://localhost:8080", HF_TOKEN=token, HF_HUB_DISABLE_PROGRESS_BARS="1",
                    GIT_LFS_SKIP_SMUDGE="1")
    print("huggingface_hub and git push to it", flush=True)

    machine.run("sh", "-c", "kill -9 $(systemctl show -p MainPID --value hearth)")
    machine.wait_for("the restart", lambda: machine.show("NRestarts") == "1" and machine.show("ActiveState") == "active")
    print("back after kill -9", flush=True)

    authority = Authority(home / "ca")
    for name in ("first", "second"):
        for path, target in zip(authority.issue(name), ("cert.pem", "key.pem"), strict=True):
            shutil.copy(path, machine.folder / "etc/hearth" / target)
        machine.run("chown", "hearth:hearth", "/etc/hearth/key.pem")
        machine.run("chmod", "600", "/etc/hearth/key.pem")
        if name == "first":
            settings = machine.folder / "etc/hearth/hearth.toml"
            text = re.sub(r'^listen = .*$', 'listen = "127.0.0.1:443"', settings.read_text(), flags=re.M)
            settings.write_text(text + 'tls-cert = "/etc/hearth/cert.pem"\ntls-key = "/etc/hearth/key.pem"\n')
            machine.run("systemctl", "restart", "hearth")
            pid = machine.show("MainPID")
        else:
            machine.run("systemctl", "reload", "hearth")
            assert machine.show("MainPID") == pid
        machine.wait_for(f"the certificate '{name}'", lambda: served_name(machine, authority) == name)
    print("https on port 443, a new certificate at reload", flush=True)

    machine.run("dpkg", "-i", f"/srv/{package.name}")
    assert machine.show("ActiveState") == "active" and machine.show("MainPID") != pid
    assert not [line for line in machine.run("hearth", "doctor", check=False).stdout.splitlines() if line.startswith("wrong")]
    machine.run("hearth", "verify")
    machine.run("systemctl", "stop", "hearth")
    assert machine.show("Result") == "success"
    print("upgraded, verified and stopped", flush=True)


def served_name(machine: Booted, authority: Authority) -> str:
    code = f"""
import socket, ssl
with ssl.create_default_context(cafile={str(authority.ca)!r}).wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname="localhost") as s:
    print(dict(pair[0] for pair in s.getpeercert()["subject"])["commonName"])
"""
    return subprocess.run(["nsenter", f"--target={machine.leader}", "--net", sys.executable, "-c", code], capture_output=True,
                          text=True).stdout.strip()


def main() -> int:
    if os.geteuid() != 0:
        print("this needs root rights, for systemd-nspawn", file=sys.stderr)
        return 2
    subprocess.run([str(ROOT / "scripts" / "package")], check=True)
    [package] = (ROOT / "build").glob("hearth_*_amd64.deb")
    tar = bare_root(package, include=("systemd-sysv", "dbus"))
    environments.python_of("current")
    folder = Path(tempfile.mkdtemp(prefix="hearth-booted-"))
    home = Path(tempfile.mkdtemp(prefix="hearth-booted-home-"))
    machine = None
    try:
        folder.chmod(0o755)
        subprocess.run(["tar", "-xf", str(tar), "-C", str(folder), "--exclude=./dev/*"], check=True)
        machine = Booted(folder)
        check(machine, package, home)
    finally:
        if machine is not None:
            machine.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
