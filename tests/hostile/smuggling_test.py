"""Requests that two readers could understand differently: one verdict each, and nothing behind it is a request.

Each case ends with the bytes of a second request that a lenient reader would find there. The hub answers once, closes
(or has read those bytes as what they are, a body), and its log does not know of the second. Then all of them again
through nginx with connections kept to the hub: what the hub saw is what nginx meant, and the requests of others that
come behind on the same connections get their own answers.
"""

import re
import shutil
import signal
import socket
import subprocess
import time
from urllib.parse import urlsplit

import pytest

import bombs
from lib.proven import REQUEST
from raw import talk

TARGET = "/api/validate-yaml"  # A POST that strangers may send.
CLOSE = b"Connection: close\r\n"


def smuggled(number: int) -> bytes:
    return f"GET /smuggled-{number} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n".encode()


def post(headers: bytes, body: bytes = b"", line: bytes = b"POST " + TARGET.encode() + b" HTTP/1.1\r\n") -> bytes:
    return line + b"Host: hub\r\n" + headers + b"\r\n" + body


def get(headers: bytes = b"", line: bytes = b"GET /health HTTP/1.1\r\n", host: bytes = b"Host: hub\r\n") -> bytes:
    return line + host + headers + b"\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"
S = b"@@SMUGGLED@@"  # Becomes smuggled(number); LENGTH its length, HEX in hexadecimal.

# What is sent, and the status of the one answer (several: any of them).
REFUSED = {
    # Two lengths.
    "length and coding": (post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + S), 400),
    "coding and length": (post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n" + S), 400),
    "length of all and coding": (post(b"Content-Length: LENGTH\r\n" + CHUNKED, S), 400),
    "two lengths": (post(b"Content-Length: 0\r\nContent-Length: LENGTH\r\n", S), 400),
    "the same length twice": (post(b"Content-Length: 0\r\nContent-Length: 0\r\n", S), 400),
    "a list of lengths": (post(b"Content-Length: 0, LENGTH\r\n", S), 400),
    "a list of one length": (post(b"Content-Length: 0, 0\r\n", S), 400),
    # Lengths that are none.
    "a length with plus": (post(b"Content-Length: +0\r\n", S), 400),
    "a negative length": (post(b"Content-Length: -1\r\n", S), 400),
    "a hexadecimal length": (post(b"Content-Length: 0x0\r\n", S), 400),
    "an empty length": (post(b"Content-Length:\r\n", S), 400),
    "a length with a blank inside": (post(b"Content-Length: 0 0\r\n", S), 400),
    "a length with a tab and more": (post(b"Content-Length: 0\tx\r\n", S), 400),
    "a length beyond 64 bits": (post(b"Content-Length: 18446744073709551616\r\n", S), 400),
    "a length with a fraction": (post(b"Content-Length: 0.0\r\n", S), 400),
    "a length in other digits": (post("Content-Length: \u0660\r\n".encode(), S), 400),
    # Codings that one reader knows and another does not.
    "coding twice": (post(CHUNKED + CHUNKED, b"0\r\n\r\n" + S), 400),
    "coding twice, the second unknown": (post(CHUNKED + b"Transfer-encoding: cow\r\n", b"0\r\n\r\n" + S), 400),
    "an unknown coding": (post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + S), 501),
    "a list of codings": (post(b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n" + S), 501),
    "chunked, then another": (post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + S), 501),
    "a quoted coding": (post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n" + S), 501),
    "a coding with a parameter": (post(b"Transfer-Encoding: chunked;q=1\r\n", b"0\r\n\r\n" + S), 501),
    "a coding behind a vertical tab": (post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n" + S), 400),
    "a coding with NUL": (post(b"Transfer-Encoding: chunked\x00\r\n", b"0\r\n\r\n" + S), 400),
    "an empty coding": (post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n" + S), 501),
    "a coding in HTTP/1.0": (post(CHUNKED, b"0\r\n\r\n" + S, line=b"POST " + TARGET.encode() + b" HTTP/1.0\r\n"), 400),
    # Names that one reader trims.
    "a blank before the colon": (post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + S), 400),
    "a tab before the colon": (post(b"Content-Length\t: 0\r\n", S), 400),
    "a length's name with NUL": (post(b"Content-Length\x00: 0\r\n", S), 400),
    "a name with a control character": (post(b"Content\x01Length: 0\r\n", S), 400),
    "a name beyond ASCII": (post("Content-L\u0117ngth: 0\r\n".encode(), S), 400),
    "no name": (post(b": 0\r\n", S), 400),
    "no colon": (post(b"Content-Length 0\r\n", S), 400),
    # Ends of lines.
    "a folded header": (post(b"X: a\r\n Content-Length: 5\r\n", S), 400),
    "a folded coding": (post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n" + S), 400),
    "a first header that is folded": (b"POST /health HTTP/1.1\r\n Host: hub\r\n\r\n" + S, 400),
    "a bare LF in a header": (post(b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + S), 400),
    "a bare LF behind the request line": (b"GET /health HTTP/1.1\nHost: hub\r\n\r\n" + S, 400),
    "bare LFs at the head's end": (b"GET /health HTTP/1.1\r\nHost: hub\n\n" + S, 400),
    "a bare CR in a header": (post(b"X: y\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + S), 400),
    "CR CR LF": (post(b"X: y\r\r\n", S), 400),
    "NUL in a value": (post(b"X: \x00\r\n", S), 400),
    "too many empty lines before": (b"\r\n" * 6 + get() + S, 400),
    # Request lines.
    "no version": (b"GET /health\r\n" + S, 400),
    "two blanks": (get(line=b"GET  /health HTTP/1.1\r\n") + S, 400),
    "tabs for blanks": (get(line=b"GET\t/health\tHTTP/1.1\r\n") + S, 400),
    "a blank in the address": (get(line=b"GET /health HTTP/1.1 HTTP/1.1\r\n") + S, 400),
    "NUL in the address": (get(line=b"GET /hea\x00lth HTTP/1.1\r\n") + S, 400),
    "a fragment": (get(line=b"GET /health#x HTTP/1.1\r\n") + S, 400),
    "a method with a control character": (get(line=b"GET\x0b /health HTTP/1.1\r\n") + S, 400),
    "an address that is none": (get(line=b"GET health HTTP/1.1\r\n") + S, 400),
    "a tunnel": (get(line=b"CONNECT hub:80 HTTP/1.1\r\n") + S, 501),
    "all of them": (get(line=b"GET * HTTP/1.1\r\n") + S, 400),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + S, 505),
    "HTTP/1.2": (get(line=b"GET /health HTTP/1.2\r\n") + S, 505),
    "a version in lower case": (get(line=b"GET /health http/1.1\r\n") + S, 400),
    # Hosts.
    "no host": (get(host=b"") + S, 400),
    "two hosts": (get(host=b"Host: hub\r\nHost: other\r\n") + S, 400),
    "a host with a path": (get(host=b"Host: hub/x\r\n") + S, 400),
    "a host with a user": (get(host=b"Host: a@hub\r\n") + S, 400),
    "a host with a blank": (get(host=b"Host: hub x\r\n") + S, 400),
    "an absolute address without a host": (get(line=b"GET http:///health HTTP/1.1\r\n") + S, 400),
    "an absolute address with a user": (get(line=b"GET http://a@hub/health HTTP/1.1\r\n") + S, 400),
    # Chunks. The refusal comes when the body is read.
    "a chunk size with plus": (post(JSON + CHUNKED, b"+0\r\n\r\n" + S), 400),
    "a chunk size with 0x": (post(JSON + CHUNKED, b"0x0\r\n\r\n" + S), 400),
    "a negative chunk size": (post(JSON + CHUNKED, b"-1\r\n\r\n" + S), 400),
    "a blank before a chunk size": (post(JSON + CHUNKED, b" 0\r\n\r\n" + S), 400),
    "a blank behind a chunk size": (post(JSON + CHUNKED, b"0 \r\n\r\n" + S), 400),
    "no chunk size": (post(JSON + CHUNKED, b"\r\n\r\n" + S), 400),
    "a chunk size beyond 64 bits": (post(JSON + CHUNKED, b"10000000000000000\r\n" + S), 400),
    "a chunk line that ends in LF": (post(JSON + CHUNKED, b"0\n\r\n" + S), 400),
    "a chunk line that ends in CR": (post(JSON + CHUNKED, b"0\r\r\n" + S), 400),
    "a chunk shorter than its bytes": (post(JSON + CHUNKED, b"1\r\nxx\r\n0\r\n\r\n" + S), 400),
    "a chunk that ends in LF": (post(JSON + CHUNKED, b"1\r\nx\n0\r\n\r\n" + S), 400),
    "an extension with a bare LF": (post(JSON + CHUNKED, b"0;a\n\r\n" + S), 400),
    "an extension with a quote": (post(JSON + CHUNKED, b'0;a="\r\n\r\n' + S), 400),
    "an extension with NUL": (post(JSON + CHUNKED, b"0;\x00\r\n\r\n" + S), 400),
    "a long extension": (post(JSON + CHUNKED, b"0;" + b"a" * 5000 + b"\r\n\r\n" + S), 400),
    "a trailer that ends in LF": (post(JSON + CHUNKED, b"0\r\nX: y\n\r\n" + S), 400),
    "a folded trailer": (post(JSON + CHUNKED, b"0\r\n X: y\r\n\r\n" + S), 400),
    "long trailers": (post(JSON + CHUNKED, b"0\r\n" + b"X: y\r\n" * 2000 + b"\r\n" + S), 400),
    # Expectations.
    "another expectation": (post(b"Expect: 200-ok\r\nContent-Length: LENGTH\r\n", S), 417),
    # Behind an error nothing is read, however good it is.
    "a good one behind a bad one": (get(host=b"") + S, 400),
}

# These are understood, in one way: the second request is a body, or comes too late.
READ_AS_BODY = {
    "a body for GET": get(CLOSE + b"Content-Length: LENGTH\r\n") + S,
    "a chunked body for GET": get(CLOSE + CHUNKED) + b"HEX\r\n" + S + b"\r\n0\r\n\r\n",
    "a length with an underscore beside": post(CLOSE + JSON + b"Content_Length: 0\r\nContent-Length: LENGTH\r\n", S),
    "a coding with an underscore beside": post(CLOSE + JSON + b"Transfer_Encoding: chunked\r\nContent-Length: LENGTH\r\n", S),
    "a length that Connection names": post(b"Connection: close, content-length\r\n" + JSON + b"Content-Length: LENGTH\r\n", S),
    "a body that waited for nobody": post(CLOSE + JSON + b"Expect: 100-continue\r\nContent-Length: LENGTH\r\n", S),
    "a body of a refused request": post(CLOSE + b"Content-Length: LENGTH\r\n", S, line=b"POST /api/repos/create HTTP/1.1\r\n"),
    "a refused body that waited for nobody": post(b"Expect: 100-continue\r\nContent-Length: LENGTH\r\n", S, line=b"POST /api/repos/create HTTP/1.1\r\n"),
    "a body of what is not there": post(CLOSE + b"Content-Length: LENGTH\r\n", S, line=b"POST /nowhere HTTP/1.1\r\n"),
    "a chunked body of what is not there": post(CHUNKED, b"HEX\r\n" + S + b"\r\n0\r\n\r\n", line=b"POST /nowhere HTTP/1.1\r\n"),
    "a coding in capitals": post(CLOSE + JSON + b"TRANSFER-ENCODING: Chunked\r\n", b"HEX\r\n" + S + b"\r\n0\r\n\r\n"),
    "a length in a trailer": post(CLOSE + JSON + CHUNKED, b"HEX\r\n" + S + b"\r\n0\r\nContent-Length: 0\r\n\r\n"),
    "a length with zeros before": post(CLOSE + JSON + b"Content-Length: 000LENGTH\r\n", S),
    "a request behind Connection: close": get(CLOSE) + S,
    "a request behind close and keep-alive": get(b"Connection: close, keep-alive\r\n") + S,
    "a request behind HTTP/1.0": get(line=b"GET /health HTTP/1.0\r\n") + S,
    "an upgrade to HTTP/2": get(b"Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n") + S,
    "an absolute address of another host": get(CLOSE, line=b"GET http://other/health HTTP/1.1\r\n") + S,
}

ALL = [(name, sent, (status,) if isinstance(status, int) else status) for name, (sent, status) in REFUSED.items()] + [
    (name, sent, None) for name, sent in READ_AS_BODY.items()]


def bytes_of(template: bytes, number: int) -> bytes:
    second = smuggled(number)
    return template.replace(S, second).replace(b"LENGTH", b"%d" % len(second)).replace(b"HEX\r\n", b"%x\r\n" % len(second))


def address_of(server) -> tuple[str, int]:
    return "127.0.0.1", urlsplit(server.url).port


def whole_log(server) -> str:
    """With all that was asked by now: an answer may be there a moment before its line is."""
    mark = f"/mark-{time.monotonic_ns()}"
    assert talk(address_of(server), get(CLOSE, line=f"GET {mark} HTTP/1.1\r\n".encode())).statuses == [404]
    deadline = time.monotonic() + 20
    while mark not in (text := (server.folder / "server.log").read_text(errors="replace")):
        assert time.monotonic() < deadline, "the log does not know a request of ours"
        time.sleep(0.001)
    return text


@pytest.mark.parametrize("number", range(len(ALL)), ids=[name for name, _, _ in ALL])
def test_one_verdict(server, number, record_property):
    name, template, statuses = ALL[number]
    seen = talk(address_of(server), bytes_of(template, number))
    taken = re.search(rf"/smuggled-{number}\b", whole_log(server)) is not None or len(seen.statuses) > 1
    bombs.record(record_property, bombs.SMUGGLING, bombs.Smuggling("straight to the hub", 1, [name] if taken else []))
    assert seen.closed, seen
    assert len(seen.statuses) == 1, seen
    if statuses:
        assert seen.statuses[0] in statuses, seen
        assert b"X-Error-Message: " in seen.received and b'{"error":' in seen.received, seen
    assert not taken, seen


def test_two_requests_at_once_are_two(server):
    """The other side of the coin: what is not ambiguous is answered, in its order."""
    seen = talk(address_of(server), get() + post(JSON + b"Content-Length: 2\r\n", b"{}") + get(CLOSE, line=b"GET /nowhere HTTP/1.1\r\n"))
    assert [seen.statuses[0], seen.statuses[2]] == [200, 404] and seen.closed, seen


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log info; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  log_format hub '$request_method $request_uri $upstream_status';
  access_log {folder}/access.log hub;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream hub {{ server 127.0.0.1:{hub}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port}; underscores_in_headers on; ignore_invalid_headers off; lingering_close off;
    location / {{ proxy_pass http://hub; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering {buffering}; }}
  }}
}}
"""


@pytest.fixture(params=["on", "off"])
def nginx(server, tmp_path, request):
    """Its port, its log, and whether it buffers bodies ("on", "off"): nginx as lenient as it can be told to be, with one kept connection to the hub."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, hub=urlsplit(server.url).port, port=port, buffering=request.param))
    process = subprocess.Popen([program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "error.log").read_text()
        yield port, tmp_path / "access.log", request.param
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=20)


def test_through_nginx_the_hub_sees_what_nginx_meant(server, nginx, record_property):
    port, access_log, buffering = nginx
    begin = len((server.folder / "server.log").read_text(errors="replace"))
    for number, (name, template, _) in enumerate(ALL):
        number += 1000
        talk(("127.0.0.1", port), bytes_of(template, number), wait_s=0.5)
        # Another client's request goes over the same connection to the hub next.
        own = f"victim-{number}"
        answer = talk(("127.0.0.1", port), get(CLOSE + f"X-Request-Id: {own}\r\n".encode()))
        assert answer.statuses == [200] and own.encode() in answer.received, (name, answer)
    meant = [line.split()[1] for line in access_log.read_text().splitlines() if line.split()[-1].isdigit()]
    log = whole_log(server)[begin:]
    seen = [path for _, path, _ in REQUEST.findall(log)]
    assert seen.count("/health") > len(ALL), "the log is not read"
    taken = [ALL[number][0] for number in range(len(ALL)) if seen.count(f"/smuggled-{number + 1000}") > meant.count(f"/smuggled-{number + 1000}")]
    bombs.record(record_property, bombs.SMUGGLING, bombs.Smuggling(f"through nginx, proxy_request_buffering {buffering}", len(ALL), taken))
    assert not taken, "the hub saw requests that nginx did not send"
