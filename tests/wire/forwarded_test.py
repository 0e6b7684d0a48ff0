"""Who a trusted proxy says that the client is. A hub of its own, with a small quota."""

import http.client
import os
from urllib.parse import urlsplit

import pytest
from lib.server import Server

QUOTA = 20


@pytest.fixture(scope="module")
def hub():
    server = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    try:
        server.add_user("root", "--admin")
        server.start("--trust-forwarded", "true", "--rate-limit-api", f"50/{QUOTA}", "--rate-limit-poll", "2", "--metrics-token", "the-metrics-token")
        yield server
    finally:
        server.remove()


def left(server: Server, *lines: str) -> int:
    """What is left of the quota of whom the hub takes the client for."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        connection.putrequest("GET", "/api/models?limit=1")
        for line in lines:
            connection.putheader("X-Forwarded-For", line)
        connection.endheaders()
        limit = connection.getresponse().getheader("RateLimit")
        return int(limit.split("r=")[1].split(";")[0])
    finally:
        connection.close()


def test_a_client_behind_a_proxy_cannot_choose_its_address(hub):
    # HAProxy writes a line of its own behind the client's; nginx adds to the client's line.
    seen = [left(hub, f"10.0.0.{number}", "203.0.113.9") for number in range(3)]
    seen += [left(hub, f"10.0.0.{number}, 203.0.113.9") for number in range(2)]
    assert seen == [QUOTA - 1 - number for number in range(5)]


@pytest.mark.parametrize("text", ["*", "unknown", "_hidden", ""])
def test_what_is_no_address_counts_for_the_proxy(hub, text):
    before = left(hub)
    assert left(hub, text) == before - 1


def test_strangers_cannot_keep_prometheus_out(hub):
    statuses = [hub.request("POST", "/oauth/token", b"")[0] for _ in range(4)]
    assert statuses[-1] == 429
    assert hub.request("GET", "/metrics", token="the-metrics-token")[0] == 200
    assert hub.request("GET", "/metrics", token="wrong")[0] == 429
