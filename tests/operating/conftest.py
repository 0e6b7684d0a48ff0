"""Hubs as their operators see them."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.server import Server  # noqa: E402


@pytest.fixture
def server():
    """A hub with an administrator, not started; on the database of HEARTH_TEST_DATABASE."""
    server = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    server.add_user("root", "--admin")
    yield server
    server.remove()
