"""Collections without any delay while real clients upload, replace, delete and squash: what is committed stays, byte for byte,
and what nobody needs goes.

With the delays of a real hub no upload would meet a collection in this short a time. Without them an upload may be refused
between its parts, with a sentence that says so; the client then does it again.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.server import Server  # noqa: E402

ROUNDS = 12
NO_DELAYS = ("gc", "--gc-delay-hours", "0", "--gc-xorb-delay-days", "0", "--json")

# Prints the files that its repository must have in the end, by SHA-256, and how many uploads were refused.
CLIENT = """
import hashlib, json, random, sys
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

repo_id, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice, api, mine, refused = random.Random(seed), HfApi(), {}, 0
base = random.Random(1).randbytes(2_000_000)  # Of all clients: content in common.
api.create_repo(repo_id)
for _ in range(rounds):
    path = f"f{dice.randrange(4)}.bin"
    content = base[dice.randrange(500_000):] + dice.randbytes(dice.randrange(200_000)) if dice.random() < 0.7 else dice.randbytes(300_000)
    try:
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id)
        mine[path] = hashlib.sha256(content).hexdigest()
    except (HfHubHTTPError, RuntimeError, OSError):
        refused += 1
    if dice.random() < 0.3 and mine:
        gone = dice.choice(list(mine))
        api.delete_file(gone, repo_id)
        del mine[gone]
    if dice.random() < 0.3:
        api.super_squash_history(repo_id)
print(json.dumps({"files": mine, "refused": refused}))
"""


def test_collections_beside_real_clients_take_nothing_that_is_committed(tmp_path):
    server = Server()
    clients = {}
    try:
        server.add_user("root", "--admin")
        server.add_user("alice")
        token = server.add_token("alice")
        server.start("--gc-interval-hours", "0")  # None of its own: one at a time.
        for number, by in enumerate(("xet", "xet", "lfs")):
            env = {**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN": token, "HF_HOME": str(tmp_path / f"home-{number}"),
                   "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "0" if by == "xet" else "1"}
            repo_id = f"alice/{by}-{number}"
            clients[repo_id] = subprocess.Popen([sys.executable, "-c", CLIENT, repo_id, str(number), str(ROUNDS)], env=env,
                                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        freed_bytes = collections = 0
        while any(client.poll() is None for client in clients.values()):
            freed_bytes += json.loads(server.hearth(*NO_DELAYS))["freedBytes"]
            collections += 1
        committed = 0
        for repo_id, client in clients.items():
            out, err = client.communicate()
            assert client.returncode == 0, err[-3000:]
            told = json.loads(out)
            assert told["refused"] < ROUNDS, "no upload came through"
            for path, sha256 in told["files"].items():
                status, _, body = server.request("GET", f"/{repo_id}/resolve/main/{path}", token=token)
                assert (status, hashlib.sha256(body).hexdigest()) == (200, sha256), f"{repo_id}/{path} {sha256}\n" + server.log()[-3000:]
                committed += 1
        freed_bytes += json.loads(server.hearth(*NO_DELAYS))["freedBytes"]
        assert collections > 1 and committed > 0
        assert freed_bytes > 1 << 20, "nothing was collected: the clients replaced and deleted megabytes"
        server.settle()
        verified = server.verify()
        assert verified.returncode == 0, verified.stdout + verified.stderr
    finally:
        for client in clients.values():
            if client.poll() is None:
                client.kill()
        server.remove()
