"""Guessed passwords at the page where people sign in: one address guesses, and only that one has to wait."""

import http.client
import re
from urllib.parse import urlencode, urlsplit

import pytest


def log_in(server, name: str, password: str, address: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    """As a browser at that address of loopback does it: the page first, then the form with its hidden field."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60, source_address=(address, 0))
    try:
        connection.request("GET", "/login", headers={"Host": place.netloc})
        answer = connection.getresponse()
        page = answer.read().decode()
        cookie = answer.getheader("Set-Cookie").split(";")[0]
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        form = urlencode({"csrf": csrf, "next": "/", "name": name, "password": password})
        connection.request("POST", "/login", form, {
            "Host": place.netloc, "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        return answer.status, dict(answer.getheaders())
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["guessed", "a-name-that-nobody-has"])
def test_wrong_passwords_hold_up_their_own_address_only(server, name):
    if name == "guessed":
        server.add_user(name, password="guessed-password")
    statuses = [log_in(server, name, "wrong", "127.0.0.9")[0] for _ in range(5)]
    assert statuses == [401] * 5
    # Who is no trusted proxy cannot say that it is someone else.
    status, headers = log_in(server, name, "guessed-password", "127.0.0.9", {"X-Forwarded-For": "192.0.2.7"})
    assert status == 429 and int(headers["Retry-After"]) >= 1
    status, _ = log_in(server, name, "guessed-password", "127.0.0.10")
    assert status == (303 if name == "guessed" else 401)
