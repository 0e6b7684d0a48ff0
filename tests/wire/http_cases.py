"""Reads *.http files: requests as they go over the wire, and what must be answered.

A file holds cases, one behind the other:

    ### name of the case
    POST /api/models/alice/open/commit/main
    Authorization: Bearer {{alice}}

    the body, up to the line that begins with three signs
    >>> 400 InvalidPath
    Content-Type: application/json
    ~ a piece of the body

After `>>>` come the status (several with | between, 2xx for any success, or `closed` for a connection that ends
without an answer) and, if one is wanted, the X-Error-Code; then the headers of the answer, each
with a piece that its value must hold, and pieces of its body. Nothing is added to a request but
Host, Connection and, unless the case has it or Transfer-Encoding, Content-Length. The last line
break before `>>>` is not part of the body.

{{name}} is a value of conftest.py; besides there are
    {{repeat TEXT N}}        TEXT, N times
    {{bytes HEX}}            those bytes
    {{sha256 TEXT}}          a hash, in hexadecimal
    {{vector NAME}}          a file of tests/vectors/xet
    {{vector NAME cut N}}    without its last N bytes
    {{vector NAME set N HEX}}  with other bytes from N on
"""

import hashlib
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "xet"


@dataclass
class Case:
    name: str
    request_line: str
    headers: list[str]
    body: str
    statuses: list[str]
    error_code: str = ""
    wanted_headers: list[tuple[str, str]] = field(default_factory=list)
    wanted_texts: list[str] = field(default_factory=list)


@dataclass
class Answer:
    status: int  # 0: the connection ended without one.
    headers: dict[str, str]
    body: bytes


def read_cases(path: Path) -> list[Case]:
    cases = []
    text = path.read_text()
    for block in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        request, mark, expectation = rest.partition(">>> ")
        assert mark, f"{path.name}: {name}: no >>> line"
        head, _, body = request.partition("\n\n")
        lines = head.strip("\n").split("\n")
        first, *wanted = expectation.strip().split("\n")
        statuses, _, error_code = first.partition(" ")
        case = Case(name.strip(), lines[0], lines[1:], body.removesuffix("\n"), statuses.split("|"), error_code.strip())
        for line in wanted:
            if line.startswith("~ "):
                case.wanted_texts.append(line[2:])
            elif line and not line.startswith("#"):
                header, _, value = line.partition(":")
                case.wanted_headers.append((header.strip().lower(), value.strip()))
        cases.append(case)
    return cases


def expand(text: str, values: dict[str, str]) -> bytes:
    """The text with its {{…}} filled in; everything else as UTF-8."""
    result = b""
    for index, part in enumerate(re.split(r"\{\{(.+?)\}\}", text)):
        result += _value(part, values) if index % 2 else part.encode()
    return result


def _value(expression: str, values: dict[str, str]) -> bytes:
    if expression in values:
        return values[expression].encode()
    word, *rest = expression.split(" ")
    if word == "repeat":
        return " ".join(rest[:-1]).encode() * int(rest[-1])
    if word == "bytes":
        return bytes.fromhex("".join(rest))
    if word == "sha256":
        return hashlib.sha256(" ".join(rest).encode()).hexdigest().encode()
    if word == "vector":
        content = (VECTORS / rest[0]).read_bytes()
        if rest[1:2] == ["cut"]:
            return content[:-int(rest[2])]
        if rest[1:2] == ["set"]:
            at, new = int(rest[2]), bytes.fromhex("".join(rest[3:]))
            return content[:at] + new + content[at + len(new):]
        return content
    raise ValueError(f"nothing is known of {{{{{expression}}}}}")


def send(case: Case, url: str, values: dict[str, str]) -> Answer:
    """Sends the case's bytes on a connection of its own and reads until the hub closes it."""
    host = urlsplit(url)
    body = expand(case.body, values)
    lines = [case.request_line + (" HTTP/1.1" if not case.request_line.endswith("HTTP/1.1") else ""), *case.headers]
    names = {line.split(":")[0].lower() for line in case.headers}
    if "host" not in names:
        lines.append(f"Host: {host.netloc}")
    closes = "connection" not in names
    if closes:
        lines.append("Connection: close")
    if not names & {"content-length", "transfer-encoding"} and (body or lines[0].split(" ")[0] in ("POST", "PUT")):
        lines.append(f"Content-Length: {len(body)}")
    request = b"".join(expand(line, values) + b"\r\n" for line in lines) + b"\r\n" + body
    with socket.create_connection((host.hostname, host.port), timeout=60) as connection:
        try:
            connection.sendall(request)
            # The hub takes a half-closed connection for one that is given up, when it has worked for a quarter of a second:
            # a slow one would then send no body. Only where a body may be cut short, or nothing asks it to close.
            if body or not closes:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # Refused before all was sent: the answer is there to be read.
        answer = b""
        try:
            while block := connection.recv(1 << 20):
                answer += block
        except OSError:
            pass
    return _parse(answer)


def _parse(answer: bytes) -> Answer:
    head, _, body = answer.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):  # 100 Continue
        head, _, body = body.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict((name.lower(), value) for name, _, value in (line.partition(": ") for line in lines[1:]))
    return Answer(int(lines[0].split(" ")[1]), headers, body)


def check(case: Case, answer: Answer, values: dict[str, str]) -> None:
    said = f"{answer.status} {answer.headers} {answer.body[:500]!r}"
    allowed = [status if status.isdigit() else {"closed": "0", "2xx": "2"}[status] for status in case.statuses]
    status = str(answer.status)
    assert status in allowed or ("2" in allowed and 200 <= answer.status < 300), said
    if case.error_code:
        assert answer.headers.get("x-error-code") == case.error_code, said
    if answer.status >= 400 and answer.status != 416 and not case.request_line.startswith("HEAD"):
        assert len(answer.headers.get("x-error-message", "")) > 10 or b"error" in answer.body, said
    for name, piece in case.wanted_headers:
        piece = expand(piece, values).decode()
        assert piece in answer.headers.get(name, ""), f"{name} lacks '{piece}': {said}"
    for piece in case.wanted_texts:
        assert piece.encode() in answer.body, f"the body lacks '{piece}': {said}"


def check_document(document, case: Case, answer: Answer, values: dict[str, str]) -> None:
    """The answer is one that the hub's OpenAPI document allows. Not for what is no HTTP, or is refused as such."""
    parts = expand(case.request_line, values).decode("latin-1").split(" ")
    is_plain = len(parts) == (3 if parts[-1].startswith("HTTP/") else 2) and parts[1].startswith("/")
    if answer.status == 0 or not is_plain or any(line.lower().startswith("host:") for line in case.headers):
        return
    body = _unchunked(answer.body) if answer.headers.get("transfer-encoding") == "chunked" else answer.body
    problems = document.problems(parts[0], parts[1], answer.status, answer.headers, body)
    assert problems == [], f"{problems}: {answer.status} {answer.headers} {body[:500]!r}"


def _unchunked(body: bytes) -> bytes:
    result = b""
    while body:
        line, _, rest = body.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        result, body = result + rest[:size], rest[size + 2:]
    return result
