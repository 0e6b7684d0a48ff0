"""The Debian package as it lies there: what is in it, what it says of itself, and the unit."""

import gzip
import io
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
BINARY = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
VERSION = re.search(r"project\(hearth VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


@pytest.fixture(scope="module")
def package() -> Path:
    done = subprocess.run([str(ROOT / "scripts" / "package")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ROOT / "build" / f"hearth_{VERSION}_amd64.deb"


@pytest.fixture(scope="module")
def files(package) -> dict[str, tarfile.TarInfo]:
    return {member.name.removeprefix("."): member for member in archive(package, "--fsys-tarfile").getmembers()}


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(["dpkg-deb", "-R", str(package), str(folder)], check=True)
    return folder


def archive(package: Path, part: str) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(subprocess.run(["dpkg-deb", part, str(package)], check=True, capture_output=True).stdout))


def field(package: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "-f", str(package), name], check=True, capture_output=True, text=True).stdout.strip()


def test_what_it_says_of_itself(package, unpacked):
    assert field(package, "Version") == VERSION and field(package, "Architecture") == "amd64"
    depends = {entry.split()[0] for entry in field(package, "Depends").split(", ")}
    # Computed from the program; the two last are named by hand.
    assert {"libc6", "libstdc++6", "libssl3", "libgit2-1.5", "libsqlite3-0", "libpq5", "libprometheus-cpp-core1.0", "adduser", "git"} <= depends
    assert not any("civetweb" in name or "curl" in name for name in depends)  # Of prometheus-cpp only the core.
    assert not any(name.endswith("-dev") or name.startswith(("clang", "python")) for name in depends)
    description = field(package, "Description").splitlines()
    assert len(description[0]) <= 60 and not description[0].endswith(".") and len(description) > 1
    changelog = gzip.decompress((unpacked / "usr/share/doc/hearth/changelog.gz").read_bytes()).decode()
    assert changelog.startswith(f"hearth ({VERSION}) ")


def test_where_its_files_stand(files):
    expected = {"/usr/bin/hearth", "/etc/hearth/hearth.toml", "/lib/systemd/system/hearth.service", "/usr/share/man/man1/hearth.1.gz",
                "/usr/share/doc/hearth/copyright", "/usr/share/doc/hearth/changelog.gz", "/usr/share/doc/hearth/install.md",
                "/usr/share/doc/hearth/operating.md", "/usr/share/doc/hearth/alerts.yml"}
    assert expected <= set(files)
    for name, member in files.items():
        assert (member.uid, member.gid) == (0, 0), name
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH), name
        wanted = 0o755 if member.isdir() or name == "/usr/bin/hearth" else 0o644
        assert stat.S_IMODE(member.mode) == wanted, name
        assert re.match(r"/($|etc(/|$)|lib(/|$)|usr(/|$))", name), name


def test_the_scripts_of_the_package(unpacked):
    assert (unpacked / "DEBIAN" / "conffiles").read_text() == "/etc/hearth/hearth.toml\n"
    for name in ("postinst", "prerm", "postrm"):
        script = unpacked / "DEBIAN" / name
        assert script.stat().st_mode & 0o111
        assert script.read_text().startswith("#!/bin/sh\nset -e\n")
        subprocess.run(["sh", "-n", str(script)], check=True)
    sums = (unpacked / "DEBIAN" / "md5sums").read_text()
    assert "usr/bin/hearth" in sums
    subprocess.run(["md5sum", "-c", "--quiet", "DEBIAN/md5sums"], cwd=unpacked, check=True)


def test_the_program_is_stripped_and_knows_nothing_of_where_it_was_built(unpacked):
    program = unpacked / "usr/bin/hearth"
    assert subprocess.run([str(program), "--version"], check=True, capture_output=True, text=True).stdout.strip() == VERSION
    sections = subprocess.run(["readelf", "-SWd", str(program)], check=True, capture_output=True, text=True).stdout
    assert ".debug_info" not in sections and ".symtab" not in sections
    assert "RPATH" not in sections and "RUNPATH" not in sections


def test_the_licences_of_what_is_compiled_in(unpacked):
    text = (unpacked / "usr/share/doc/hearth/copyright").read_text()
    assert "License: Apache-2.0" in text and "Apache License" in (ROOT / "LICENSE").read_text()
    # Header-only and static: what packages.txt names of that kind.
    for package in ("librust-blake3-dev", "libboost1.81-dev", "libcli11-dev", "libfmt-dev", "libspdlog-dev", "libexpected-dev"):
        assert package in text and package in (ROOT / "packages.txt").read_text()
    for name in set(re.findall(r"^License: (.+)$", text, re.M)):
        assert re.search(rf"^License: {re.escape(name)}\n ", text, re.M), f"the text of {name} is not there"


def test_the_manual_page_reads_without_complaint(unpacked):
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(unpacked / "usr/share/man/man1/hearth.1.gz")],
                          capture_output=True, text=True, env={**os.environ, "MANROFFSEQ": ""})
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_the_unit_is_right_and_closed(unpacked):
    unit = unpacked / "lib/systemd/system/hearth.service"
    # A root with what the unit builds on.
    shutil.copytree("/lib/systemd/system", unpacked / "lib/systemd/system", symlinks=True, dirs_exist_ok=True)
    (unpacked / "bin").mkdir()
    shutil.copy("/bin/sh", unpacked / "bin" / "sh")
    done = subprocess.run(["systemd-analyze", "verify", f"--root={unpacked}", "--man=no", "hearth.service"], capture_output=True, text=True)
    assert not [line for line in done.stderr.splitlines() if "hearth" in line], done.stderr
    assert not re.search(r"^Exec\w+=(?!/usr/bin/hearth |/bin/sh )", unit.read_text(), re.M), "a bare Debian has no more"
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", f"--root={unpacked}", "--no-pager",
                           "hearth.service"], capture_output=True, text=True)
    # 2.0 of 10 is what systemd itself calls OK.
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_supervisor_is_told(tmp_path):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(30)
    hub = subprocess.Popen([BINARY, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert notify.recv(1000) == b"READY=1"
    hub.terminate()
    assert notify.recv(1000) == b"STOPPING=1"
    assert hub.wait(timeout=40) == 0
