"""What may not be learnt or done by way of something else. Each of these once worked."""

import hashlib
import json
import random

import pytest


@pytest.fixture
def gated(server, values) -> dict:
    """A gated repository of alice's with a text and a large file whose content bob may not have."""
    name = f"gated-{random.randrange(1 << 30)}"
    token = values["alice"]
    assert server.request("POST", "/api/repos/create", {"name": name}, token)[0] == 200
    repo_id = f"alice/{name}"
    content = random.randbytes(3_000)
    oid = hashlib.sha256(content).hexdigest()
    batch = {"operation": "upload", "objects": [{"oid": oid, "size": len(content)}]}
    _, _, body = server.request("POST", f"/{repo_id}.git/info/lfs/objects/batch", batch, token)
    href = json.loads(body)["objects"][0]["actions"]["upload"]["href"]
    assert server.request("PUT", href.removeprefix(server.url), content)[0] == 200
    lines = [{"key": "header", "value": {"summary": "start"}},
             {"key": "file", "value": {"path": "secret.txt", "content": "TOP-SECRET\n"}},
             {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": oid, "size": len(content)}}]
    status, _, body = server.request("POST", f"/api/models/{repo_id}/commit/main", "\n".join(map(json.dumps, lines)).encode(), token)
    assert status == 200, body
    assert server.request("PUT", f"/api/models/{repo_id}/settings", {"gated": "manual"}, token)[0] == 200
    return {"repo_id": repo_id, "oid": oid, "size": len(content)}


def test_a_hash_and_a_size_are_no_upload(server, values, gated):
    # Large enough a neighbour makes the whole batch one of parts.
    batch = {"operation": "upload", "transfers": ["multipart"],
             "objects": [{"oid": gated["oid"], "size": gated["size"]}, {"oid": "1" * 64, "size": 3 << 30}]}
    _, _, body = server.request("POST", "/bob/his.git/info/lfs/objects/batch", batch, values["bob"])
    [href] = [item["actions"]["upload"]["href"] for item in json.loads(body)["objects"] if item["oid"] == gated["oid"]]
    status, _, body = server.request("POST", href.removeprefix(server.url), {"oid": gated["oid"], "parts": []})
    assert status == 400, body
    batch = {"operation": "download", "objects": [{"oid": gated["oid"], "size": gated["size"]}]}
    _, _, body = server.request("POST", "/bob/his.git/info/lfs/objects/batch", batch, values["bob"])
    assert json.loads(body)["objects"][0]["error"]["code"] == 404


def test_the_diff_of_a_pull_request_stays_behind_the_gate(server, values, gated):
    lines = [{"key": "header", "value": {"summary": "away with it"}}, {"key": "deletedFile", "value": {"path": "secret.txt"}}]
    status, _, body = server.request("POST", f"/api/models/{gated['repo_id']}/commit/main?create_pr=1",
                                     "\n".join(map(json.dumps, lines)).encode(), values["bob"])
    assert status == 200, body
    for token, sees in ((None, False), (values["bob"], False), (values["alice"], True)):
        status, _, body = server.request("GET", f"/api/models/{gated['repo_id']}/discussions/1?diff=1", token=token)
        assert status == 200 and (b"TOP-SECRET" in body) == sees


@pytest.mark.parametrize("body", [{"private": "true"}, {"private": 1}, {"visibility": 5}, {"visibility": "protected"}, {"type": 7}])
def test_a_wish_that_is_not_understood_makes_nothing_public(server, values, body):
    name = f"typed-{random.randrange(1 << 30)}"
    assert server.request("POST", "/api/repos/create", {"name": name, **body}, values["alice"])[0] == 400
    assert server.request("GET", f"/api/models/alice/{name}", token=values["alice"])[0] == 404
    assert server.request("PUT", "/api/models/alice/secret/settings", {"private": "false"}, values["alice"])[0] == 400
    assert server.request("GET", "/api/models/alice/secret")[0] == 401


def test_a_protected_space_shows_no_files(server, values):
    name = f"space-{random.randrange(1 << 30)}"
    wish = {"name": name, "type": "space", "sdk": "static", "visibility": "protected"}
    assert server.request("POST", "/api/repos/create", wish, values["alice"])[0] == 200
    assert server.request("GET", f"/spaces/alice/{name}/resolve/main/README.md")[0] == 401


def test_deletions_name_the_type_they_mean(server, values):
    name = f"kept-{random.randrange(1 << 30)}"
    assert server.request("POST", "/api/repos/create", {"name": name}, values["alice"])[0] == 200
    assert server.request("DELETE", "/api/repos/delete", {"name": name, "type": 5}, values["alice"])[0] == 400
    assert server.request("GET", f"/api/models/alice/{name}")[0] == 200


def test_a_fine_grained_token_opens_no_gate_that_it_does_not_name(server, values, gated):
    token = server.hearth("token", "add", "alice", "--name", f"fine-{random.randrange(1 << 30)}", "--role", "fine-grained", "--can",
                          "discuss:alice/open").strip().splitlines()[-1]
    assert server.request("GET", f"/{gated['repo_id']}/resolve/main/secret.txt", token=token)[0] == 403
    assert server.request("GET", "/alice/open/resolve/main/folder/a.txt", token=token)[0] == 200


def test_discussions_that_are_off_are_off_everywhere(server, values):
    name = f"quiet-{random.randrange(1 << 30)}"
    assert server.request("POST", "/api/repos/create", {"name": name}, values["alice"])[0] == 200
    path = f"/api/models/alice/{name}"
    assert server.request("POST", f"{path}/discussions", {"title": "a title", "description": "x"}, values["bob"])[0] == 200
    assert server.request("PUT", f"{path}/settings", {"discussionsDisabled": True}, values["alice"])[0] == 200
    assert server.request("POST", f"{path}/discussions/1/comment", {"comment": "y"}, values["bob"])[0] == 403
    assert server.request("GET", f"{path}/xet-write-token/None?create_pr=1", token=values["bob"])[0] == 403
    batch = {"operation": "upload", "objects": [{"oid": "1" * 64, "size": 5}]}
    assert server.request("POST", f"/alice/{name}.git/info/lfs/objects/batch", batch, values["bob"])[0] == 403


def test_tokens_for_chunks_name_a_revision_that_is_there(server, values):
    for kind in ("read", "write"):
        assert server.request("GET", f"/api/models/alice/open/xet-{kind}-token/main", token=values["alice"])[0] == 200
        status, headers, _ = server.request("GET", f"/api/models/alice/open/xet-{kind}-token/absent", token=values["alice"])
        assert (status, headers["X-Error-Code"]) == (404, "RevisionNotFound")


def test_a_cookie_does_nothing_for_another_site(server, values):
    """The browser says so even where it names no origin."""
    import http.cookiejar
    import re
    import urllib.parse
    import urllib.request
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = browser.open(server.url + "/login").read().decode()
    form = {"csrf": re.search(r'name="csrf" value="([^"]*)"', page)[1], "next": "/", "name": "bob", "password": "bob-password"}
    browser.open(server.url + "/login", urllib.parse.urlencode(form).encode())
    request = urllib.request.Request(server.url + "/api/repos/create", b'{"name":"forged"}',
                                     {"Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        browser.open(request)
    assert caught.value.code == 403
    del request.headers["Sec-fetch-site"]
    request.add_header("Sec-Fetch-Site", "same-origin")
    assert browser.open(request).status == 200


def test_what_is_private_does_not_trend(server, values):
    def names(token: str | None) -> set[str]:
        status, _, body = server.request("GET", "/api/trending?limit=100", token=token)
        assert status == 200
        return {entry["repoData"]["id"] for entry in json.loads(body)["recentlyTrending"]}
    assert "alice/secret" in names(values["alice"])
    assert "alice/open" in names(None) and not {"alice/secret"} & (names(None) | names(values["bob"]))
