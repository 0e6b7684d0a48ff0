"""Stands between clients and a hub: counts what goes over the wire, and can be a bad network."""

import math
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset.


@dataclass(frozen=True)
class Faults:
    """What goes wrong with a connection. Shares are of all connections, the rest of them work."""
    delay_s: float = 0       # Of each block, so that a question and its answer take at least twice that.
    piece_bytes: int = 0     # A block arrives in pieces of at most so many; 0: as it was sent.
    refused: float = 0       # Share that is reset before a byte has passed.
    closed: float = 0        # Share that ends after some bytes, as if that were all.
    reset: float = 0         # Share that is reset after some bytes.
    stalled: float = 0       # Share in which nothing passes for a while, after some bytes.
    stall_s: float = 0
    bytes_max: int = 8 << 20  # "Some bytes": 1 to so many of both ways, each order of magnitude as often.


class Relay:
    """Passes bytes between clients and the hub on this port of loopback. `lost` counts, in a multiprocessing.Value, the
    connections that clients have lost and on which the hub may be at work still."""

    def __init__(self, hub_port: int, faults: Faults = Faults(), seed: int = 0, lost=None) -> None:
        self.hub_port, self.faults, self.lost = hub_port, faults, lost
        self.up = self.down = self.connections = self.hit = 0
        self.lock = threading.Lock()
        self.dice = random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://localhost:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def take(self) -> tuple[int, int]:
        """Bytes up and down since the last time."""
        with self.lock:
            seen = (self.up, self.down)
            self.up = self.down = 0
        return seen

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                fault = self._draw()
                at = int(math.exp(self.dice.uniform(0, math.log(self.faults.bytes_max))))
                seed = self.dice.random()
            if fault == "refused":
                self.count_hit()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
                continue
            try:
                hub = socket.create_connection(("127.0.0.1", self.hub_port))
            except OSError:
                client.close()
                continue
            for end in (client, hub):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            passage = _Passage(self, client, hub, fault, at, random.Random(seed))
            for is_up in (True, False):
                threading.Thread(target=passage.carry, args=(is_up,), daemon=True).start()

    def count_hit(self) -> None:
        with self.lock:
            self.hit += 1

    def _draw(self) -> str:
        drawn = self.dice.random()
        for fault in ("refused", "closed", "reset", "stalled"):
            drawn -= getattr(self.faults, fault)
            if drawn < 0:
                return fault
        return ""


class _Passage:
    """One connection, both ways."""

    def __init__(self, relay: Relay, client: socket.socket, hub: socket.socket, fault: str, at: int, dice: random.Random) -> None:
        self.relay, self.client, self.hub, self.fault, self.dice = relay, client, hub, fault, dice
        self.left = at
        self.lock = threading.Lock()
        self.cut = False

    def carry(self, is_up: bool) -> None:
        source, sink = (self.client, self.hub) if is_up else (self.hub, self.client)
        try:
            while block := source.recv(1 << 18):
                with self.relay.lock:
                    if is_up:
                        self.relay.up += len(block)
                    else:
                        self.relay.down += len(block)
                if self.relay.faults.delay_s:
                    time.sleep(self.relay.faults.delay_s)  # What a slow network is; nothing waits for anything by it.
                if not self._pass(block, sink, is_up):
                    return
            with self.lock:
                if not self.cut:
                    sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One end is gone; so is the other, then.
            if not self.cut:
                with suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)

    def _pass(self, block: bytes, sink: socket.socket, is_up: bool) -> bool:
        """False when the connection has ended by this."""
        pieces = self.relay.faults.piece_bytes
        while block:
            with self.lock:
                if self.cut:
                    return False
                size = self.dice.randint(1, pieces) if pieces else len(block)
                if self.fault:
                    size = min(size, self.left)
                    self.left -= size
            sink.sendall(block[:size])
            block = block[size:]
            if not self.fault or self.left > 0:
                continue
            if self.fault == "stalled":
                self.fault = ""
                self.relay.count_hit()
                time.sleep(self.relay.faults.stall_s)
                continue
            self._cut(is_up)
            return False
        return True

    def _cut(self, is_up: bool) -> None:
        """For the client it is over. The hub is let to its end where it may have a request: what becomes of that must be
        known before anyone looks for it."""
        with self.lock:
            self.cut = True
        self.relay.count_hit()
        if self.relay.lost is not None:
            with self.relay.lost.get_lock():
                self.relay.lost.value += 1
        try:
            if self.fault == "reset":
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            with suppress(OSError):
                self.client.shutdown(socket.SHUT_RD if self.fault == "reset" else socket.SHUT_RDWR)
            self.client.close()
            with suppress(OSError):
                self.hub.shutdown(socket.SHUT_WR)
                while self.hub.recv(1 << 18):
                    pass
        finally:
            self.hub.close()
            if self.relay.lost is not None:
                with self.relay.lost.get_lock():
                    self.relay.lost.value -= 1
