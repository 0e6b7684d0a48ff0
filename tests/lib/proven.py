"""Which operations of the hub's API a test saw succeed.

A pytest plugin: while a test runs it reads the server's log, and afterwards it notes each operation of
src/api/*.tsv that answered with success as a property of the test in the JUnit report. The page of
operations is made from these (tests/scoreboard.py); a test that fails proves nothing.
"""

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

API = Path(__file__).resolve().parent.parent.parent / "src" / "api"
LISTS = ("operations.tsv", "client_operations.tsv")
# "<time> info request method=GET path=/api/whoami-v2 query="" route=/api/whoami-v2 status=200 …", see api/request_log.cc.
REQUEST = re.compile(r' request method=([A-Z]+) path="?(/[^\s"]*)"? .*? status=(\d{3}) ')


def read_operations(name: str) -> list[tuple[str, str, str, str]]:
    """Method, path, tag and title of each row of a list; of several tags the first."""
    rows = [line.split("\t") for line in (API / name).read_text().splitlines()[1:]]
    return [(method, path, tags.split(",")[0], title) for method, path, tags, title in rows]


class Operations:
    """Finds the operation of a request: the pattern with the most literal parts wins, as in the server."""

    def __init__(self) -> None:
        self._by_method: dict[str, list[tuple[int, re.Pattern, str]]] = {}
        for name in LISTS:
            for method, path, _, _ in read_operations(name):
                parts = path.strip("/").split("/")
                literals = sum(not part.startswith("{") for part in parts)
                pattern = "/".join(self._part(part, last=part is parts[-1]) for part in parts)
                self._by_method.setdefault(method, []).append((literals, re.compile(f"/{pattern}/?"), f"{method} {path}"))
        for rows in self._by_method.values():
            rows.sort(key=lambda row: -row[0])

    @staticmethod
    def _part(part: str, last: bool) -> str:
        if part == "{repoType}":
            return "(?:models|datasets|spaces)"
        if part == "{path}" and last:
            return ".+"
        return "[^/]+" if part.startswith("{") else re.escape(part)

    def of(self, method: str, target: str) -> str | None:
        path = urlsplit(target).path
        for _, pattern, operation in self._by_method.get("GET" if method == "HEAD" else method, ()):
            if pattern.fullmatch(path):
                return operation
        return None


class Watcher:
    """`server` is a lib.server.Server whose log says every request (--access-log, which is the default)."""

    def __init__(self, server) -> None:
        self._server = server
        self._operations = Operations()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item):
        log = self._server.folder / "server.log"
        begin = log.stat().st_size if log.exists() else 0
        yield
        item.user_properties += [("operation", name) for name in sorted(self._seen(log, begin))]

    def _seen(self, log: Path, begin: int) -> set[str]:
        """An answer may reach the client a moment before its line reaches the log: a last request of ours marks the end."""
        mark = f"/no-such-address/{time.monotonic_ns()}"
        if self._server.process is not None and self._server.process.poll() is None:
            try:
                self._server.request("GET", mark)
            except OSError:
                mark = ""
        text = ""
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            with open(log, "rb") as lines:
                lines.seek(begin)
                text = lines.read().decode(errors="replace")
            if not mark or mark in text:
                break
        return {operation for method, target, status in REQUEST.findall(text) if status[0] in "23"
                if (operation := self._operations.of(method, target))}
