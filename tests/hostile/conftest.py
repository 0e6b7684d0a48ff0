"""A hub that other people's bytes are thrown at."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.server import Server  # noqa: E402


@pytest.fixture(scope="module")
def server():
    hub = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    hub.env["HEARTH_LOG_LEVEL"] = "debug"  # Tests look there for requests that must not have been made.
    try:
        hub.add_user("root", "--admin")
        hub.add_user("alice", password="alice-password")
        hub.start()
        yield hub
    finally:
        hub.remove()
