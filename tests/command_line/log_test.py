"""The log as a program reads it: one JSON object a line, whatever clients send."""

import json
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from lib.server import Server  # noqa: E402


def test_bytes_that_are_no_text_leave_a_line_that_is_json():
    server = Server()
    try:
        server.start("--log-format", "json")
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b'GET /health HTTP/1.1\r\nHost: hub\r\nUser-Agent: \xff\xfe"\r\nConnection: close\r\n\r\n')
            while connection.recv(4096):
                pass
        server.stop()
        lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
        assert [line["agent"] for line in lines if line.get("path") == "/health" and line["agent"].startswith("?")] == ['??"']
    finally:
        server.remove()
