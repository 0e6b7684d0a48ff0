"""What opens something stands nowhere in plain: not in the log of either form, not in the database, not in a file of the
hub or of a backup (fault model: tokens, passwords and cookies are kept as hashes). The real clients first, with each kind
of credential."""

import base64
import hashlib
import json
import os
import random
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download

from lib.server import Server

PASSWORD = "correct-horse-battery-93"


def git(*arguments: str, cwd=None) -> None:
    subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True)


def signed_in(server) -> str:
    """The session cookie of someone who typed a password, after a wrong one."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    for password in (PASSWORD + "-wrong", PASSWORD):
        page = browser.open(server.url + "/login").read().decode()
        form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        form |= {"name": "carla", "password": password}
        try:
            browser.open(server.url + "/login", urllib.parse.urlencode(form).encode())
        except urllib.error.HTTPError as error:
            assert error.code == 401
    return next(cookie.value for cookie in jar if cookie.name == "token")


def device_login(server, cookie: str) -> list[str]:
    """The codes and tokens of `hf auth login` by device code."""
    def form(path: str, **fields: str) -> dict:
        return json.loads(server.request("POST", path, urllib.parse.urlencode(fields).encode(),
                                         headers={"Content-Type": "application/x-www-form-urlencoded"})[2])
    codes = form("/oauth/device", client_id="tests", scope="openid")
    page = server.request("GET", f"/device?user_code={codes['user_code']}", headers={"Cookie": f"token={cookie}"})[2].decode()
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)) | {"answer": "approve"}
    status, _, body = server.request("POST", "/device", urllib.parse.urlencode(fields).encode(),
                                     headers={"Cookie": f"token={cookie}", "Content-Type": "application/x-www-form-urlencoded"})
    assert status == 200, body
    tokens = form("/oauth/token", grant_type="urn:ietf:params:oauth:grant-type:device_code", device_code=codes["device_code"],
                  client_id="tests")
    assert server.request("GET", "/api/whoami-v2", token=tokens["access_token"])[0] == 200
    return [codes["device_code"], tokens["access_token"], tokens["refresh_token"]]


def signed_link(server, repo_id: str, token: str) -> str:
    """Uploads by a link that carries its right; its signature."""
    content = random.randbytes(2_000)
    batch = {"operation": "upload", "objects": [{"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}]}
    body = server.request("POST", f"/{repo_id}.git/info/lfs/objects/batch", batch, token)[2]
    link = json.loads(body)["objects"][0]["actions"]["upload"]["href"]
    assert server.request("PUT", link.removeprefix(server.url), content)[0] == 200
    return link.rpartition("sig=")[2]


def pasted_by_mistake(server, secret: str) -> None:
    for path in (f"/{secret}", f"/api/models?search={secret}", f"/setup/{secret}/"):
        server.request("GET", path)


def secrets_of_real_clients(server, tmp_path) -> list[str]:
    """Each kind of credential, after it was used."""
    server.add_user("carla", password=PASSWORD)
    tokens = {role: server.add_token("carla", role, role) for role in ("read", "write")}
    tokens["fine-grained"] = server.hearth("token", "add", "carla", "--name", "fine", "--role", "fine-grained", "--can",
                                           "write:carla").strip().splitlines()[-1]
    cookie = signed_in(server)
    secrets = [PASSWORD, cookie, *tokens.values(), *device_login(server, cookie)]
    api = HfApi(endpoint=server.url, token=tokens["write"])
    for kind in ("read", "fine-grained"):
        assert HfApi(endpoint=server.url, token=tokens[kind]).whoami()["name"] == "carla"
    repo_id = "carla/kept-secret"
    api.create_repo(repo_id, private=True)
    api.upload_file(path_or_fileobj=random.randbytes(300_000), path_in_repo="x.bin", repo_id=repo_id)
    hf_hub_download(repo_id, "x.bin", endpoint=server.url, token=tokens["read"], cache_dir=tmp_path / "cache")
    secrets.append(signed_link(server, repo_id, tokens["write"]))
    answer = json.loads(server.request("GET", f"/api/models/{repo_id}/xet-write-token/main", token=tokens["write"])[2])
    secrets.append(answer["accessToken"])
    assert server.request("GET", "/cas/v1/chunks/default/" + "0" * 64, token=answer["accessToken"])[0] == 404
    work = tmp_path / "work"
    git("clone", "-q", server.url.replace("://", f"://carla:{tokens['write']}@") + f"/{repo_id}", str(work))
    (work / "by-git.bin").write_bytes(random.randbytes(200_000))
    git("add", ".", cwd=work)
    git("commit", "-qm", "by git", cwd=work)
    git("push", "-q", cwd=work)
    pasted_by_mistake(server, tokens["read"])
    return secrets


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """With its name, which could hold a secret too."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()
        except FileNotFoundError:
            pass  # Of work that is done by now.


def assert_kept(server, secrets: list[str], tmp_path) -> None:
    """Neither the log nor the database nor any file of the hub or of a backup holds one of them."""
    log = (server.folder / "server.log").read_bytes()
    assert b"carla/kept-secret" in log, "nothing was looked at"
    for secret in secrets:
        assert len(secret) >= 12
        assert secret.encode() not in log, f"the log holds {secret[:6]}…"
    assert re.search(rb"[?&](sig|who|token|code)=[^*&\s\"]", log) is None

    server.hearth("backup", str(tmp_path / "backup"))
    places = {"the data folder": files_below(server.data), "a backup": files_below(tmp_path / "backup")}
    if server.database:
        dump = subprocess.run(["pg_dump", server.database], check=True, capture_output=True).stdout
        places["the database"] = iter([("dump", dump)])
    # Only its own file and the backup may have the key by which links are signed.
    key = (server.data / "secret.key").read_bytes()
    keys = (key, key.hex().encode(), base64.b64encode(key))
    assert len(key) == 32 and not any(form in log for form in keys)
    for place, files in places.items():
        with_carla: list[str] = []
        names: list[str] = []
        for name, content in files:
            names.append(name)
            if b"carla" in content:
                with_carla.append(name)
            for secret in secrets:
                assert secret.encode() not in content and secret not in name, f"{place} holds {secret[:6]}… in {name}"
            if place != "a backup" and name != "secret.key":
                assert not any(form in content for form in keys), f"{place} holds the key in {name}"
        assert with_carla, f"nothing was looked at in {place}: {names}"
        if place == "the data folder":
            assert any(name.endswith("/config") for name in names), "no repository was looked at"


@pytest.mark.last
def test_no_secret_stands_in_the_log_the_database_or_a_file(server, token, tmp_path):
    assert_kept(server, [token, *secrets_of_real_clients(server, tmp_path)], tmp_path)


def test_no_secret_stands_in_a_log_for_programs(tmp_path):
    own = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    try:
        own.add_user("root", "--admin")
        own.start("--log-format", "json")
        secrets = secrets_of_real_clients(own, tmp_path)
        lines = [line for line in own.log().splitlines() if '"request"' in line]
        assert lines and all(isinstance(json.loads(line), dict) for line in lines[1:]), "it is no log for programs"
        assert_kept(own, secrets, tmp_path)
    finally:
        own.remove()
