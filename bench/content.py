"""Repositories and files that the scripts of this folder measure with, made through the hub's own API."""

import base64
import hashlib
import json
import os
import subprocess
from pathlib import Path

from measure import MIB, Hub, folder, run_client
from lib import environments  # measure has put it on the path.


def random_file(path: Path, size_bytes: int) -> str:
    """Bytes that nothing can compress or share; returns their SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb") as out:
        while size_bytes > 0:
            block = os.urandom(min(8 * MIB, size_bytes))
            digest.update(block)
            out.write(block)
            size_bytes -= len(block)
    return digest.hexdigest()


def create_repo(hub: Hub, name: str, kind: str = "model") -> str:
    status, _, body = hub.request("POST", "/api/repos/create", {"name": name, "type": kind}, hub.token)
    if status not in (200, 201):
        raise RuntimeError(f"creating {name}: {status} {body!r}")
    return f"bench/{name}"


def commit(hub: Hub, repo: str, files: dict[str, bytes], summary: str = "Add files") -> str:
    """One commit of small files; returns its oid."""
    lines = [{"key": "header", "value": {"summary": summary}}]
    lines += [{"key": "file", "value": {"path": path, "encoding": "base64", "content": base64.b64encode(content).decode()}}
              for path, content in files.items()]
    return send_commit(hub, repo, lines)


def send_commit(hub: Hub, repo: str, lines: list[dict]) -> str:
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    status, _, answer = hub.request("POST", f"/api/models/{repo}/commit/main", body, hub.token, {"Content-Type": "application/x-ndjson"})
    if status != 200:
        raise RuntimeError(f"commit to {repo}: {status} {answer[:500]!r}")
    return json.loads(answer)["commitOid"]


def upload_lfs(hub: Hub, repo: str, path: str, file: Path, sha256: str) -> str:
    """A large file through the LFS batch API, as clients without Xet send it; returns the commit."""
    put_lfs(hub, repo, file, sha256)
    return send_commit(hub, repo, [
        {"key": "header", "value": {"summary": "Add a large file"}},
        {"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": sha256, "size": file.stat().st_size}}])


def put_lfs(hub: Hub, repo: str, file: Path, sha256: str) -> None:
    size = file.stat().st_size
    request = {"operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": [{"oid": sha256, "size": size}]}
    status, _, body = hub.request("POST", f"/{repo}.git/info/lfs/objects/batch", json.dumps(request).encode(), hub.token,
                                  {"Content-Type": "application/vnd.git-lfs+json"})
    if status != 200:
        raise RuntimeError(f"LFS batch: {status} {body!r}")
    upload = json.loads(body)["objects"][0]["actions"]["upload"]
    headers = [f"{name}: {value}" for name, value in upload.get("header", {}).items()]
    sent = subprocess.run(["curl", "-sf", "-o", "/dev/null", "-T", str(file), "-H", "Expect:",
                           *(part for header in headers for part in ("-H", header)), upload["href"]])
    if sent.returncode != 0:
        raise RuntimeError(f"the upload to {upload['href']} failed with curl's status {sent.returncode}")


def upload_by_xet(hub: Hub, repo: str, path: str, file: str) -> None:
    """By hf-xet itself, in a process of its own with nothing remembered."""
    script = f"from huggingface_hub import HfApi; HfApi().upload_file(path_or_fileobj={file!r}, path_in_repo={path!r}, repo_id={repo!r})"
    run_client([str(environments.python_of("current")), "-c", script],
               env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(folder("hf-home"))})


def hundred_files(hub: Hub, name: str = "hundred", count: int = 100) -> str:
    """A model of `count` small files, one of them a card."""
    repo = create_repo(hub, name)
    files = {f"shard-{number:05}.txt": b"%d\n" % number * 100 for number in range(count - 3)}
    files["README.md"] = b"---\nlicense: apache-2.0\ntags:\n- bench\nlanguage: en\n---\n# A model\n"
    files["config.json"] = json.dumps({"model_type": "bert", "architectures": ["BertModel"]}).encode()
    commit(hub, repo, files)
    return repo
