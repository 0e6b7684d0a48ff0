"""One hub for the run, and Node.js with the client in it."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib import environments  # noqa: E402
from lib.proven import Watcher  # noqa: E402
from lib.server import Server  # noqa: E402

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def server(request):
    hub = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    hub.env["HEARTH_LOG_LEVEL"] = "debug"  # Watcher reads the requests there.
    request.config.pluginmanager.register(Watcher(hub))
    try:
        hub.add_user("root", "--admin")
        for name in ("alice", "bob"):
            hub.add_user(name, password=f"{name}-password")
        hub.hearth("org", "add", "acme", "--owner", "alice")
        hub.start("--lfs-part-bytes", str(5 << 20))
        yield hub
    finally:
        hub.remove()


@pytest.fixture(scope="session")
def tokens(server) -> dict[str, str]:
    return {name: server.add_token(name, "tests") for name in ("alice", "bob")}


@pytest.fixture(scope="session")
def client(server, tokens):
    """Runs one function of a file in a Node.js of its own; what it throws is the error."""
    modules = environments.node_modules(HERE)
    node = environments.node()

    def run(file: Path, function: str, folder: Path) -> None:
        given = {"hubUrl": server.url, "tokens": tokens, "name": f"t-{uuid.uuid4().hex[:10]}", "folder": str(folder)}
        done = subprocess.run([str(node), str(HERE / "run_one.mjs"), str(modules), str(file), function, json.dumps(given)],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    return run
