"""The `hf` command line, unmodified."""

import os
import re
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub", minversion="2.0")


def hf(*arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    program = Path(sys.executable).with_name("hf")
    result = subprocess.run([str(program), *arguments], capture_output=True, text=True, env={**os.environ, **env}, timeout=300)
    if check and result.returncode != 0:
        raise AssertionError(f"hf {' '.join(arguments)}:\n{result.stdout}{result.stderr}")
    return result


def test_login_by_token_and_whoami(tmp_path, token):
    env = {"HF_HOME": str(tmp_path), "HF_TOKEN": ""}
    hf("auth", "login", "--token", token, **env)
    assert "alice" in hf("auth", "whoami", **env).stdout
    assert hf("auth", "login", "--token", "hf_" + "x" * 34, check=False, **env).returncode != 0


def test_login_by_device_code(tmp_path, server):
    """A person approves in a browser what the command line asks for."""
    program = Path(sys.executable).with_name("hf")
    process = subprocess.Popen([str(program), "auth", "login"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, text=True,
                               env={**os.environ, "HF_HOME": str(tmp_path), "HF_TOKEN": "", "PYTHONUNBUFFERED": "1"})
    output: list[str] = []
    code_seen = threading.Event()

    def read() -> None:
        for line in process.stdout:
            output.append(line)
            if re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", line):
                code_seen.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert code_seen.wait(60), "".join(output)
    user_code = re.search(r"\b[A-Z]{4}-[A-Z]{4}\b", "".join(output))[0]
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(f"{server.url}/login?next=/device%3Fuser_code%3D{user_code}").read().decode()
    page = _submit(browser, server.url + "/login", page, username="alice", password="alice-password")
    if user_code not in page:
        page = browser.open(f"{server.url}/device?user_code={user_code}").read().decode()
    _submit(browser, server.url + "/device", page, button="approve")
    assert process.wait(60) == 0, "".join(output)
    reader.join()
    env = {"HF_HOME": str(tmp_path), "HF_TOKEN": ""}
    assert "alice" in hf("auth", "whoami", **env).stdout


def _submit(browser, url: str, page: str, button: str = "", **values: str) -> str:
    """Sends the first form of a page: its hidden fields, `values` by order of the visible ones."""
    form = re.search(r"<form[^>]*>(.*?)</form>", page, re.S)
    assert form, page
    action = re.search(r'action="([^"]*)"', form[0])
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form[1]):
        name = re.search(r'name="([^"]*)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if not name:
            continue
        if 'type="hidden"' in tag:
            fields[name[1]] = value[1].replace("&amp;", "&") if value else ""
        elif 'type="password"' in tag:
            fields[name[1]] = values["password"]
        elif name[1] in ("name", "username", "user"):
            fields[name[1]] = values.get("username", "")
        elif value:
            fields[name[1]] = value[1]
    if button:
        chosen = re.search(rf'<button[^>]*name="([^"]*)"[^>]*value="({button}[^"]*)"', page)
        assert chosen, page
        fields[chosen[1]] = chosen[2]
    if action:
        url = urllib.parse.urljoin(url, action[1].replace("&amp;", "&"))
    return browser.open(url, urllib.parse.urlencode(fields).encode()).read().decode()


def test_upload_and_download(new_name, tmp_path):
    repo_id = new_name()
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    (source / "w.bin").write_bytes(os.urandom(200_000))
    hf("upload", repo_id, str(source / "a.txt"))
    hf("upload", repo_id, str(source), ".", "--commit-message", "all")
    hf("download", repo_id, "--local-dir", str(tmp_path / "all"))
    assert (tmp_path / "all" / "w.bin").read_bytes() == (source / "w.bin").read_bytes()
    hf("download", repo_id, "a.txt", "--local-dir", str(tmp_path / "one"))
    assert (tmp_path / "one" / "a.txt").read_text() == "a"
    data = new_name()
    hf("upload", data, str(source), ".", "--repo-type", "dataset", "--private")
    hf("download", data, "--repo-type", "dataset", "--include", "*.txt", "--local-dir", str(tmp_path / "set"))
    assert [path.name for path in (tmp_path / "set").glob("*.*") if path.is_file()] == ["a.txt"]


def test_repositories(api, new_name):
    repo_id = new_name()
    hf("repos", "create", repo_id, "--private")
    hf("repos", "tag", "create", repo_id, "v1")
    assert "v1" in hf("repos", "tag", "list", repo_id).stdout
    hf("repos", "branch", "create", repo_id, "dev")
    hf("repos", "settings", repo_id, "--public")
    assert not api.repo_info(repo_id).private
    moved = new_name("acme")
    hf("repos", "move", repo_id, moved)
    hf("repos", "delete", moved, "--yes")
    assert not api.repo_exists(moved)


def test_what_is_on_the_hub(model):
    hf("upload", model, __file__, "code/it.py", "--commit-message", "look")
    assert model in hf("models", "ls", "--author", "alice", "--limit", "1000").stdout
    assert "it.py" in hf("models", "ls", model, "-R").stdout
    assert model in hf("models", "info", model).stdout
    hf("repos", "delete-files", model, "code/it.py")
    assert "it.py" not in hf("models", "ls", model, "-R").stdout


def test_what_takes_up_how_much(api, model, new_name, bob_token):
    api.upload_file(path_or_fileobj=os.urandom(300_000), path_in_repo="w.bin", repo_id=model)
    team = new_name("acme")
    api.create_repo(team, repo_type="dataset", private=True)
    assert model in hf("repos", "ls", "--limit", "1000").stdout
    [mine] = [repo for repo in api.list_user_repos() if repo.id == model]
    assert 300_000 <= mine.storage < 400_000 and mine.visibility == "public"
    [theirs] = [repo for repo in api.list_user_repos(namespace="acme") if repo.id == team]
    assert theirs.visibility == "private" and theirs.type == "dataset"
    assert hf("repos", "ls", "--namespace", "acme", check=False, HF_TOKEN=bob_token).returncode != 0
