"""nginx before a hub: what its defaults do, and that the lines of docs/tls.md are needed and enough.

The clients' flows through nginx are tests/clients with HEARTH_TEST_FRONT=nginx.
"""

import json
import random
import re
from pathlib import Path

import pytest
from lib.fronts import NGINX_SITE

DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "tls.md"


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip()}


def test_the_page_says_what_is_tested():
    blocks = re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.S)
    assert any(lines(NGINX_SITE) <= lines(block) for block in blocks)


@pytest.mark.parametrize("name", ["nginx", "nginx-tls"])
def test_a_large_file_ranges_and_a_large_push(hub_behind, name, tmp_path):
    hub = hub_behind(name)
    trusting = {"SSL_CERT_FILE": hub.ca, "GIT_SSL_CAINFO": hub.ca} if name == "nginx-tls" else {}
    content = random.Random(1).randbytes(70_000_000)  # More than a xorb.
    (tmp_path / "w.bin").write_bytes(content)
    code = """
import sys
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download
api = HfApi()
api.create_repo("alice/large")
api.upload_file(path_or_fileobj=sys.argv[1], path_in_repo="w.bin", repo_id="alice/large")
content = open(sys.argv[1], "rb").read()
assert open(hf_hub_download("alice/large", "w.bin"), "rb").read() == content
with HfFileSystem().open("alice/large/w.bin", "rb") as file:
    file.seek(69_000_001)
    assert file.read(1000) == content[69_000_001:69_001_001]
"""
    from lib import environments
    done = hub.run(str(environments.python_of("current")), "-c", code, str(tmp_path / "w.bin"), **trusting)
    assert done.returncode == 0, done.stderr
    done = hub.run("curl", "-sSL", "-r", "5000000-5000009", "-o", str(tmp_path / "part"),
                   f"{hub.server.url}/alice/large/resolve/main/w.bin", **trusting)
    assert done.returncode == 0 and (tmp_path / "part").read_bytes() == content[5_000_000:5_000_010]
    done = push(hub, "alice/large", tmp_path, **trusting)
    assert done.returncode == 0, done.stderr


def push(hub, repo_id: str, folder: Path, **more: str):
    """Pushes 4 MB that do not compress well, as one text file."""
    work = folder / "work"
    more = {"GIT_LFS_SKIP_SMUDGE": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b", **more}
    done = hub.run("git", "clone", "-q", hub.clone_url(repo_id), str(work), **more)
    assert done.returncode == 0, done.stderr
    (work / "big.txt").write_text("".join(f"{random.random()}\n" for _ in range(200_000)))
    hub.run("git", "add", ".", cwd=work, **more)
    hub.run("git", "commit", "-qm", "big", cwd=work, **more)
    return hub.run("git", "push", cwd=work, **more)


def test_links_say_the_public_url_whatever_a_request_says(hub_behind):
    hub = hub_behind("nginx")
    status, _, body = hub.server.request("POST", "/api/repos/create", {"name": "links"}, hub.token,
                                         {"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert status == 200 and json.loads(body)["url"] == f"{hub.server.url}/alice/links"


def test_without_the_size_line_uploads_end_with_413(hub_behind, tmp_path):
    hub = hub_behind("nginx", site=NGINX_SITE.replace("client_max_body_size 0;", ""))
    done = hub.client("small", "alice/small")
    assert done.returncode == 0, done.stderr
    done = hub.client("large", "alice/small", HF_HUB_DISABLE_XET="1")
    assert done.returncode != 0 and "413" in done.stderr
    done = push(hub, "alice/small", tmp_path)
    assert done.returncode != 0 and "413" in done.stderr


def test_with_a_slash_behind_the_port_encoded_names_are_not_found(hub_behind):
    hub = hub_behind("nginx", site=NGINX_SITE.replace(":8080;", ":8080/;"))
    assert hub.client("small", "alice/slash").returncode == 0
    path = "/api/models/alice/slash/branch/with%2Fslash"
    assert hub.server.request("POST", path, {}, hub.token)[0] == 404
    right = hub_behind("nginx")
    assert right.client("small", "alice/slash").returncode == 0
    assert right.server.request("POST", path, {}, right.token)[0] == 200
