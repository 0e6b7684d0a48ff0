"""A proxy that holds every answer of a hub to the hub's OpenAPI document.

    python tests/lib/witness.py HUB_URL PORT REPORT        needs the environment "tools"

Clients notice nothing of it. REPORT gets one JSON object a line: {"operation", "problems"}. Bodies that are no JSON
pass unread; JSON is looked at up to 8 MiB.
"""

import gzip
import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.document import Document  # noqa: E402

KEPT_BYTES_MAX = 8 << 20
# Of one connection, not of the message (RFC 9110, 7.6.1).
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: str
    document: Document
    report = None
    lock = threading.Lock()

    def _blocks_of_request(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            block = self.rfile.read(min(left, 1 << 20))
            if not block:
                raise ConnectionError("the client left")
            left -= len(block)
            yield block

    def _forward(self) -> None:
        upstream = http.client.HTTPConnection(self.hub, timeout=600)
        try:
            self._exchange(upstream)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            upstream.close()

    def _exchange(self, upstream: http.client.HTTPConnection) -> None:
        chunked = "Transfer-Encoding" in self.headers
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP:
                upstream.putheader(name, value)
        if chunked:
            upstream.putheader("Transfer-Encoding", "chunked")
        upstream.endheaders()
        refused = False
        for block in self._blocks_of_request():
            if refused:
                continue  # The hub has answered already: read and forget.
            try:
                upstream.send(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
            except OSError:
                refused = True
        if chunked and not refused:
            upstream.send(b"0\r\n\r\n")
        answer = upstream.getresponse()
        self.send_response_only(answer.status, answer.reason)
        headers = answer.getheaders()
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        has_body = self.command != "HEAD" and answer.status not in (204, 304)
        streamed = has_body and answer.getheader("Content-Length") is None
        if streamed:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kept, is_json = b"", "json" in (answer.getheader("Content-Type") or "")
        complete = True
        while has_body and (block := answer.read1(1 << 18)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if streamed else block)
            if is_json and complete:
                kept += block
                complete = len(kept) <= KEPT_BYTES_MAX
        if streamed:
            self.wfile.write(b"0\r\n\r\n")
        self._note(answer.status, dict(headers), kept if complete else b"")

    def _note(self, status: int, headers: dict[str, str], body: bytes) -> None:
        path = urlsplit(self.path).path
        operation = self.document.find(self.command, path)
        if body and headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        problems = self.document.problems(self.command, self.path, status, headers, body)
        line = {"operation": operation.name if operation else None, "status": status, "checked": bool(body),
                "problems": problems}
        with self.lock:
            self.report.write(json.dumps(line) + "\n")
            self.report.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _forward

    def log_message(self, *_) -> None:
        pass


class Witness(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_) -> None:
        pass  # A client that left.


def main() -> None:
    hub_url, port, report = sys.argv[1:]
    Handler.hub = urlsplit(hub_url).netloc.replace("localhost", "127.0.0.1")
    connection = http.client.HTTPConnection(Handler.hub)
    connection.request("GET", "/.well-known/openapi.json")
    Handler.document = Document(json.loads(connection.getresponse().read()))
    Handler.report = open(report, "a")
    server = Witness(("127.0.0.1", int(port)), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
