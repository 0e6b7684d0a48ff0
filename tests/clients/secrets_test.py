"""What opens something stands nowhere in plain: not in the log, not in the database (fault model: tokens,
passwords and cookies are kept as hashes). The real clients first, with each kind of credential."""

import hashlib
import json
import random
import re
import subprocess
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest
from huggingface_hub import HfApi, hf_hub_download

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


def everything_stored(server) -> bytes:
    if server.database:
        return subprocess.run(["pg_dump", server.database], check=True, capture_output=True).stdout
    return b"".join(path.read_bytes() for path in server.data.glob("hearth.db*"))


@pytest.mark.last
def test_no_secret_stands_in_the_log_or_the_database(server, token, tmp_path):
    server.add_user("carla", password=PASSWORD)
    tokens = {role: server.add_token("carla", role, role) for role in ("read", "write")}
    tokens["fine-grained"] = server.hearth("token", "add", "carla", "--name", "fine", "--role", "fine-grained", "--can",
                                           "write:carla").strip().splitlines()[-1]
    cookie = signed_in(server)
    secrets = [token, PASSWORD, cookie, *tokens.values(), *device_login(server, cookie)]
    api = HfApi(token=tokens["write"])
    for kind in ("read", "fine-grained"):
        assert HfApi(token=tokens[kind]).whoami()["name"] == "carla"
    repo_id = "carla/kept-secret"
    api.create_repo(repo_id, private=True)
    api.upload_file(path_or_fileobj=random.randbytes(300_000), path_in_repo="x.bin", repo_id=repo_id)
    hf_hub_download(repo_id, "x.bin", token=tokens["read"], cache_dir=tmp_path / "cache")
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
    # Where people paste them by mistake.
    for path in (f"/{tokens['read']}", f"/api/models?search={tokens['read']}", f"/setup/{tokens['read']}/"):
        server.request("GET", path)

    log = (server.folder / "server.log").read_bytes()
    stored = everything_stored(server)
    assert b"carla/kept-secret" in log and b"carla" in stored, "nothing was looked at"
    for secret in secrets:
        assert len(secret) >= 12
        assert secret.encode() not in log, f"the log holds {secret[:6]}…"
        assert secret.encode() not in stored, f"the database holds {secret[:6]}…"
    assert re.search(rb"[?&](sig|who|token|code)=[^*&\s\"]", log) is None
