"""Damage that nobody has met yet: `hearth scrub` finds it, the real clients are asked for the content again, and it is whole."""

import http.client
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.server import Server  # noqa: E402

CLIENT = """
import sys
from huggingface_hub import HfApi, hf_hub_download
what, path = sys.argv[1:]
if what == "upload":
    HfApi().upload_file(path_or_fileobj=path, path_in_repo="model.bin", repo_id="alice/kept")
else:
    print(hf_hub_download("alice/kept", "model.bin", local_dir=path, force_download=True))
"""


def client(server: Server, token: str, home: Path, xet: bool, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", CLIENT, *arguments], capture_output=True, text=True,
                          env={**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN": token, "HF_HOME": str(home),
                               "HF_HUB_DISABLE_XET": "0" if xet else "1"})


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.mark.parametrize("xet, chunked", [(False, False), (False, True), (True, True)], ids=["LFS", "LFS in chunks", "Xet"])
def test_damage_is_found_refused_and_made_good_by_the_next_upload(tmp_path, xet, chunked):
    server = Server()
    options = ("--chunk-lfs-uploads", "true" if chunked else "false")
    try:
        server.add_user("root", "--admin")
        server.add_user("alice")
        token = server.add_token("alice")
        server.start(*options)
        server.request("POST", "/api/repos/create", {"name": "kept"}, token)
        content = random.Random(5).randbytes(3 << 20)
        file = tmp_path / "model.bin"
        file.write_bytes(content)
        done = client(server, token, tmp_path / "home", xet, "upload", str(file))
        assert done.returncode == 0, done.stderr
        server.settle()
        assert "All is whole." in server.hearth("scrub")

        stored = [path for path in (server.data / ("xorbs" if chunked else "blobs")).rglob("*") if path.is_file() and path.stat().st_size > 1 << 20]
        assert len(stored) == 1
        flip_a_bit(stored[0])
        found = server.hearth("scrub", check=False)
        assert stored[0].name in found and "damaged" in found
        assert stored[0].name in server.hearth("scrub", "--list", check=False)
        assert "damaged" in server.hearth("doctor", check=False)
        try:  # Without a client's patience: flips.py has them meet damage.
            status, _, body = server.request("GET", "/alice/kept/resolve/main/model.bin", token=token)
        except (OSError, http.client.HTTPException):
            status, body = 0, b""  # Cut off in the middle.
        assert status != 200 or len(body) < len(content), "damaged bytes were served as good"

        # Another machine that has the file: this client keeps no list of what it has sent.
        again = client(server, token, tmp_path / "other-home", xet, "upload", str(file))
        assert again.returncode == 0, again.stderr
        server.settle()
        assert "All is whole." in server.hearth("scrub"), again.stderr
        done = client(server, token, tmp_path / "home", xet, "download", str(tmp_path / "second"))
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).read_bytes() == content
        assert server.verify().returncode == 0
    finally:
        server.remove()


def test_a_scrub_that_is_killed_goes_on():
    server = Server()
    try:
        server.add_user("root", "--admin")
        kill_count = 0
        for step in range(1, 40):
            killed = subprocess.run([server.binary, "scrub", "--data", str(server.data)], capture_output=True, text=True,
                                    env={**os.environ, "HEARTH_FAILPOINTS": f"crash@{step}"})
            if killed.returncode == 0:
                break
            kill_count += 1
        assert kill_count >= 5, "the scrub notes how far it is"
        assert "All is whole." in server.hearth("scrub")
        assert server.verify().returncode == 0
    finally:
        server.remove()
