"""Quotas, as the clients' users meet them; and one number for what is stored, wherever one looks."""

import json
import random
import subprocess
import uuid

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import HfHubHTTPError

FULL = "The storage of {} is full"


class Org:
    """An organisation of alice's, whose quota may change beside all other tests."""

    def __init__(self, server, api):
        self.server, self.api = server, api
        self.name = f"quota-{uuid.uuid4().hex[:8]}"
        server.hearth("org", "add", self.name, "--owner", "alice")

    def repo(self) -> str:
        repo_id = f"{self.name}/{uuid.uuid4().hex[:8]}"
        self.api.create_repo(repo_id)
        return repo_id

    def quota(self, size: str) -> None:
        self.server.hearth("quota", self.name, size)

    def use(self) -> dict:
        return json.loads(self.server.hearth("quota", self.name, "--json"))

    def used(self) -> int:
        return self.use()["usedStorage"]

    def settle(self) -> int:
        """The number when no task has git objects to measure any more."""
        self.server.settle()
        return self.used()


@pytest.fixture
def org(server, api) -> Org:
    return Org(server, api)


def add(api, repo_id: str, path: str, content: bytes, **more):
    return api.create_commit(repo_id, commit_message=path, operations=[CommitOperationAdd(path, content)], **more)


def refused(call) -> str:
    with pytest.raises((HfHubHTTPError, RuntimeError, ValueError)) as caught:
        call()
    return str(caught.value)


def test_every_door_says_the_same(api, org, server, token, tmp_path):
    one, two = org.repo(), org.repo()
    content = random.Random(1).randbytes(300_000)
    add(api, one, "a.bin", content)
    add(api, one, "again.bin", content)
    add(api, two, "same.bin", content)
    add(api, one, "text.txt", b"small\n")
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "-q", f"{server.url.replace('://', f'://user:{token}@')}/{one}", str(work)], check=True)
    (work / "pushed.bin").write_bytes(random.Random(2).randbytes(200_000))
    for command in (["add", "."], ["commit", "-qm", "by git"], ["push", "-q"]):
        subprocess.run(["git", "-C", str(work), *command], check=True)
    third = api.duplicate_repo(one, to_id=f"{org.name}/third").repo_id
    api.create_commit(two, commit_message="away", operations=[CommitOperationDelete("same.bin")])
    api.move_repo(from_id=two, to_id=f"{org.name}/moved")
    gone = org.repo()
    add(api, gone, "gone.bin", content)
    api.delete_repo(gone)

    total = org.settle()
    infos = {repo_id: api.model_info(repo_id, expand=["usedStorage"]).used_storage for repo_id in (one, f"{org.name}/moved", third)}
    assert sum(infos.values()) == total
    assert infos[one] > 500_000 and infos[f"{org.name}/moved"] > 300_000
    rows = json.loads(server.request("GET", f"/api/organizations/{org.name}/settings/repositories", token=token)[2])
    assert {row["id"]: row["storage"] for row in rows} == infos
    for repo_id, used in infos.items():
        assert json.loads(server.hearth("repo", "info", repo_id, "--json"))["usedStorage"] == used
    [listed] = [use for use in json.loads(server.hearth("quota", "--json")) if use["name"] == org.name]
    assert listed == org.use() and listed["usedStorage"] == total
    # The same content in three repositories is on the disk once.
    assert listed["storedBytes"] < total - 500_000
    # Of alice's own the route of her settings says it.
    own = json.loads(server.request("GET", "/api/settings/repositories", token=token)[2])
    assert sum(row["storage"] for row in own) == json.loads(server.hearth("quota", "alice", "--json"))["usedStorage"]


def test_python_clients_show_the_sentence(api, org):
    repo_id = org.repo()
    add(api, repo_id, "there.bin", random.Random(1).randbytes(300_000))
    org.quota(str(org.settle() + 200_000))
    # A file for which there is no room is refused before it is sent; one that could be there already by its size, when
    # the hub learns its hash.
    for size in (310_000, 300_000):
        said = refused(lambda: add(api, repo_id, "more.bin", random.Random(2).randbytes(size)))
        assert FULL.format(org.name) in said and "administrator" in said
    assert api.list_repo_files(repo_id) == [".gitattributes", "there.bin"]
    # What is there already needs no room, whatever it is called.
    add(api, repo_id, "other-name.bin", random.Random(1).randbytes(300_000))
    # A full one takes nothing new, small files neither, but lets go.
    org.quota("1000")
    for call in (lambda: add(api, repo_id, "small.txt", b"more\n"),
                 lambda: add(api, repo_id, "new.bin", random.Random(3).randbytes(300_000)),
                 lambda: api.create_repo(f"{org.name}/new"),
                 lambda: api.create_commit(repo_id, commit_message="pr", create_pr=True, operations=[CommitOperationAdd("a.txt", b"a")])):
        assert FULL.format(org.name) in refused(call)
    api.create_repo(repo_id, exist_ok=True)
    api.create_commit(repo_id, commit_message="away", operations=[CommitOperationDelete("there.bin"), CommitOperationDelete("other-name.bin")])
    api.super_squash_history(repo_id)
    api.permanently_delete_lfs_files(repo_id, list(api.list_lfs_files(repo_id)))
    assert org.settle() < 300_000
    org.quota("default")
    add(api, repo_id, "small.txt", b"more\n")


def test_moves_copies_and_coming_back_need_room(api, org, server, model):
    add(api, model, "a.bin", random.Random(4).randbytes(300_000))
    gone = org.repo()
    api.delete_repo(gone)
    org.quota("2000")
    assert FULL.format(org.name) in refused(lambda: api.move_repo(from_id=model, to_id=f"{org.name}/moved"))
    assert FULL.format(org.name) in refused(lambda: api.duplicate_repo(model, to_id=f"{org.name}/copy"))
    org.quota("10")
    with pytest.raises(RuntimeError, match=FULL.format(org.name)):
        server.hearth("repo", "undelete", gone)
    org.quota("unlimited")
    server.hearth("repo", "undelete", gone)
    api.move_repo(from_id=model, to_id=f"{org.name}/moved")
    assert org.settle() > 300_000


def test_a_squash_frees_at_the_next_collection(api, org, server):
    repo_id = org.repo()
    add(api, repo_id, "a.bin", random.Random(5).randbytes(300_000))
    api.create_commit(repo_id, commit_message="away", operations=[CommitOperationDelete("a.bin")])
    api.super_squash_history(repo_id)
    assert org.settle() > 300_000
    server.hearth("gc")
    assert org.settle() < 300_000


def test_git_and_git_lfs_show_the_sentence(api, org, server, token, tmp_path):
    repo_id = org.repo()
    work = tmp_path / "work"
    subprocess.run(["git", "clone", "-q", f"{server.url.replace('://', f'://user:{token}@')}/{repo_id}", str(work)], check=True)

    def push(name: str, content: bytes) -> subprocess.CompletedProcess:
        (work / name).write_bytes(content)
        subprocess.run(["git", "-C", str(work), "add", "."], check=True)
        subprocess.run(["git", "-C", str(work), "commit", "-qm", name], check=True)
        return subprocess.run(["git", "-C", str(work), "push"], capture_output=True, text=True)

    assert push("one.txt", b"one\n").returncode == 0
    org.quota(str(org.settle() + 10_000))
    large = push("large.bin", random.Random(6).randbytes(100_000))
    assert large.returncode != 0 and FULL.format(org.name) in large.stderr, large.stderr
    subprocess.run(["git", "-C", str(work), "reset", "-q", "--hard", "origin/main"], check=True)
    small = push("small.txt", random.Random(7).randbytes(50_000).hex().encode())
    assert small.returncode != 0 and FULL.format(org.name) in " ".join(small.stderr.replace("remote: ", "").split()), small.stderr
    assert "[remote rejected]" in small.stderr
    assert "small.txt" not in api.list_repo_files(repo_id)
    org.quota("default")
    again = subprocess.run(["git", "-C", str(work), "push"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr


def test_verify_finds_the_ledger_right(server):
    assert "all whole" in server.hearth("verify")
