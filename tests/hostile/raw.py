"""Bytes on a socket, as they are, and what came back."""

import re
import socket
from dataclasses import dataclass


@dataclass
class Conversation:
    statuses: list[int]  # Of the final answers, in their order; 100 Continue is none.
    closed: bool         # By the other side; otherwise the wait ended.
    received: bytes


def talk(address: tuple[str, int], sent: bytes, wait_s: float = 20) -> Conversation:
    """Sends everything at once, leaves the sending side open and reads until the other side closes."""
    with socket.create_connection(address, timeout=wait_s) as connection:
        received, closed = b"", False
        try:
            connection.sendall(sent)
            while block := connection.recv(1 << 16):
                received += block
            closed = True
        except (ConnectionError, BrokenPipeError):
            closed = True
        except TimeoutError:
            pass
    return Conversation(_statuses(received), closed, received)


def _statuses(received: bytes) -> list[int]:
    """The status lines at the places where an answer may begin."""
    statuses, rest = [], received
    while found := re.match(rb"HTTP/1\.[01] (\d{3}) ", rest):
        status = int(found[1])
        head, _, rest = rest.partition(b"\r\n\r\n")
        if status >= 200:
            statuses.append(status)
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            if re.search(rb"(?i)\r\ntransfer-encoding: chunked", head):
                rest = rest.partition(b"0\r\n\r\n")[2]
            elif status not in (204, 304):
                rest = rest[int(length[1]) if length else 0:]
    if rest:
        statuses.append(0)  # Bytes that belong to no answer.
    return statuses
