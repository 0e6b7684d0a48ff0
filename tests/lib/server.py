"""A hub of its own for a test run: a real server on a free port of loopback, with its own data."""

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent.parent


class Server:
    """Starts in start(), ends in stop(). `database` is a PostgreSQL server's URL, or None for SQLite."""

    def __init__(self, database: str | None = None) -> None:
        self.binary = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
        self.folder = Path(tempfile.mkdtemp(prefix="hearth-test-"))
        self.data = self.folder / "data"
        self.database = _new_database(database) if database else None
        self.process: subprocess.Popen | None = None
        self.url = ""
        self.env: dict[str, str] = {}
        # Called with method, target, status, headers and body of each answer that request() gets.
        self.on_answer: Callable[[str, str, int, dict[str, str], bytes], None] | None = None

    def start(self, *options: str, port: int = 0) -> "Server":
        log = open(self.folder / "server.log", "ab")
        # A name, not an address: the datasets library puts "datasets-server." before it.
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{port}", *self._database_option(), *options],
            stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.env})
        deadline = time.monotonic() + 30
        self.url = ""
        for line in self.process.stdout:
            found = re.match(rb"listening on (https?://\S+)", line)
            if found:
                self.url = found[1].decode().replace("127.0.0.1", "localhost")
                break
            if time.monotonic() > deadline:
                break
        if not self.url:
            self.stop()
            raise RuntimeError("the server did not start:\n" + self.log())
        return self

    def stop(self, kill: bool = False) -> int | None:
        if self.process is None:
            return None
        self.process.kill() if kill else self.process.terminate()
        status = self.process.wait(timeout=40)
        self.process.stdout.close()
        self.process = None
        return status

    def remove(self) -> None:
        self.stop()
        if not os.environ.get("HEARTH_TEST_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-20_000:]

    def hearth(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """Runs a command of the command line on this hub's data."""
        result = subprocess.run([self.binary, *arguments, "--data", str(self.data), *self._database_option()],
                                input=stdin, capture_output=True, text=True)
        if check and result.returncode != 0:
            raise RuntimeError(f"hearth {' '.join(arguments)}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def add_user(self, name: str, *options: str, password: str = "") -> None:
        if password:
            self.hearth("user", "add", name, "--password-stdin", *options, stdin=password + "\n")
        else:
            self.hearth("user", "add", name, *options)

    def add_token(self, user: str, name: str = "test", role: str = "write") -> str:
        return self.hearth("token", "add", user, "--name", name, "--role", role).strip().splitlines()[-1]

    def settle(self) -> None:
        """Waits until no background work is queued or running."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            tasks = json.loads(self.hearth("tasks", "--json"))
            if not any(task["state"] in ("queued", "running") for task in tasks):
                return
            time.sleep(0.1)
        raise RuntimeError(f"the background work does not end: {tasks}")

    def verify(self) -> subprocess.CompletedProcess:
        return subprocess.run([self.binary, "verify", "--data", str(self.data), *self._database_option()],
                              capture_output=True, text=True, errors="replace")

    def request(self, method: str, path: str, body: object = None, token: str | None = None,
                headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """One plain request; errors are answers too. A dict is sent as JSON."""
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        if isinstance(body, (dict, list)):
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, given, content, target = answer.status, dict(answer.headers), answer.read(), answer.url
        except urllib.error.HTTPError as error:
            status, given, content, target = error.code, dict(error.headers), error.read(), error.url
        if self.on_answer is not None and target == self.url + path:  # Not after a redirect, which urllib follows.
            self.on_answer(method, path, status, given, content)
        return status, given, content

    def _database_option(self) -> list[str]:
        return ["--database", self.database] if self.database else []


def _new_database(server_url: str) -> str:
    """A fresh database on that PostgreSQL server."""
    name = "hearth_" + secrets.token_hex(6)
    subprocess.run(["psql", "-q", server_url, "-c", f"CREATE DATABASE {name}"], check=True)
    parts = urlsplit(server_url)
    return urlunsplit(parts._replace(path="/" + name))
