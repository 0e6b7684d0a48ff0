"""Hubs behind what stands between them and their clients; the clients run as programs of their own, each with
nothing in its environment but what the test gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib import environments  # noqa: E402
from lib.fronts import Front  # noqa: E402
from lib.server import Server  # noqa: E402

# api: a request to the API. xet: an upload and a download of what is large enough to go through Xet.
CLIENT = """
import random, sys
from huggingface_hub import HfApi, hf_hub_download
api, (what, repo_id) = HfApi(), sys.argv[1:]
api.create_repo(repo_id, exist_ok=True)
api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id=repo_id)
if what == "large":
    content = random.Random(3).randbytes(3_000_000)
    api.upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=repo_id)
    with open(hf_hub_download(repo_id, "w.bin"), "rb") as file:
        assert file.read() == content
"""


class Hub:
    """A hub behind a front, and what it takes to run clients against it."""

    def __init__(self, front: Front, folder: Path) -> None:
        self.front = front
        self.server = front.server
        self.folder = folder
        self.ca = str(self.server.folder / "ca" / "ca.pem")
        self.token = self.server.add_token("alice")

    def environment(self, **more: str) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {"PATH": os.environ["PATH"], "HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": self.server.url,
                "HF_TOKEN": self.token, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                "HF_HUB_DISABLE_UPDATE_CHECK": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", **more}

    def client(self, what: str, repo_id: str, lock: str = "current", **more: str) -> subprocess.CompletedProcess:
        """CLIENT under a version of huggingface_hub."""
        return self.run(str(environments.python_of(lock)), "-c", CLIENT, what, repo_id, **more)

    def run(self, *command: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=cwd, env=self.environment(**more), capture_output=True, text=True, timeout=120)

    def clone_url(self, repo_id: str) -> str:
        return self.server.url.replace("://", f"://user:{self.token}@") + f"/{repo_id}"


def start_hub(folder: Path, name: str, *options: str, site: str | None = None) -> Hub:
    server = Server()
    server.add_user("root", "--admin")
    server.add_user("alice")
    front = Front(server, name, site=site)
    front.start(*options)
    return Hub(front, folder)


@pytest.fixture
def hub_behind(tmp_path):
    """hub_behind(name, site=…) starts a hub of the test's own."""
    started = []

    def start(name: str, *options: str, site: str | None = None) -> Hub:
        started.append(start_hub(tmp_path, name, *options, site=site))
        return started[-1]

    yield start
    for hub in started:
        hub.front.stop()
        hub.server.remove()


@pytest.fixture(autouse=True)
def nothing_is_trusted_afterwards(monkeypatch):
    """A front makes this process trust its authority; that is over with the test."""
    saved = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(saved)
