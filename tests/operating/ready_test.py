"""/ready: whether a load balancer should send requests here, and each reason why not."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lib.server import ROOT, Server

on_one_database = pytest.mark.skipif("HEARTH_TEST_DATABASE" in os.environ, reason="the other run has it")


def look(server: Server) -> tuple[int, list[str]]:
    """The status, and what is not ready."""
    status, headers, body = server.request("GET", "/ready")
    answer = json.loads(body)
    if status == 200:
        assert answer == {"status": "ready"}
        return status, []
    assert status == 503 and headers["Retry-After"] and answer["error"] and headers["X-Error-Message"]
    assert all(reason["message"].endswith(".") for reason in answer["notReady"])
    return status, [reason["check"] for reason in answer["notReady"]]


def test_a_hub_that_works_is_ready_for_anyone():
    server = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    try:
        server.start()  # Without an administrator: whoever opens the link comes through the load balancer too.
        assert look(server) == (200, [])
        assert server.request("HEAD", "/ready")[0] == 200
        assert server.request("GET", "/ready", token="wrong")[0] == 200
    finally:
        server.remove()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "none", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@on_one_database
def test_a_full_disk(small_disk):
    server = Server()
    server.data = small_disk / "data"
    try:
        server.add_user("root", "--admin")
        server.start()
        assert look(server) == (200, [])
        with open(small_disk / "filler", "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, 80 << 20)
        assert look(server) == (503, ["disk"])
        assert "make room" in json.loads(server.request("GET", "/ready")[2])["error"]
        assert server.request("GET", "/health")[0] == 200  # Reading goes on.
        assert "make room" in server.hearth("doctor", check=False)
        (small_disk / "filler").unlink()
        assert look(server) == (200, [])
    finally:
        server.remove()


class Postgres:
    """A PostgreSQL of the test's own, to be stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = subprocess.run(["bash", str(ROOT / "tests/lib/postgres.sh"), "start", str(folder)],
                                  capture_output=True, text=True, check=True).stdout.strip()

    def signal(self, number: int) -> None:
        """To every process of it."""
        parent = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in [parent, *map(int, children)]:
            os.kill(pid, number)

    def stop(self) -> None:
        subprocess.run(["bash", str(ROOT / "tests/lib/postgres.sh"), "stop", str(self.folder)], check=True)


@pytest.fixture
def postgres():
    # Not below tmp_path, where the user of PostgreSQL may not go.
    folder = Path(f"/tmp/hearth-ready-{os.getpid()}")
    database = Postgres(folder)
    yield database
    database.stop()
    shutil.rmtree(folder, ignore_errors=True)


@on_one_database
def test_a_database_that_hangs_or_is_gone(postgres):
    server = Server(postgres.url)
    try:
        server.add_user("root", "--admin")
        server.start()
        assert look(server) == (200, [])
        postgres.signal(signal.SIGSTOP)
        try:
            assert look(server) == (503, ["database"])
        finally:
            postgres.signal(signal.SIGCONT)
        until_ready(server)
        postgres.stop()
        assert look(server) == (503, ["database"])
    finally:
        server.stop(kill=True)
        server.remove()


def until_ready(server: Server) -> None:
    deadline = time.monotonic() + 60
    while look(server)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_hub_that_is_about_to_stop(server):
    server.start("--drain-wait-s", "600")
    assert look(server) == (200, [])
    server.process.terminate()
    deadline = time.monotonic() + 60
    while look(server) != (503, ["draining"]):
        assert time.monotonic() < deadline
    # Whoever still comes is served.
    assert server.request("GET", "/api/models", token=server.add_token("root"))[0] == 200
    assert server.stop() == 0  # A second signal ends the wait.
