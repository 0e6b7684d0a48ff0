"""Large files as what takes up storage: listed with where they stand, and deleted for good."""

import os
import subprocess

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError


def upload(api, repo_id: str, *files: tuple[str, bytes], **more) -> str:
    return api.create_commit(repo_id, commit_message="files", **more,
                             operations=[CommitOperationAdd(path, content) for path, content in files]).oid


@pytest.fixture
def large(model, api) -> dict[str, bytes]:
    """Two large files on main, one of which was deleted since, and one on a branch alone."""
    content = {name: os.urandom(150_000) for name in ("kept.bin", "gone.bin", "side.bin")}
    upload(api, model, ("kept.bin", content["kept.bin"]), ("deep/gone.bin", content["gone.bin"]), ("a.txt", b"text\n"))
    api.create_tag(model, tag="v1", tag_message="with all of them")
    api.create_branch(model, branch="side")
    upload(api, model, ("side.bin", content["side.bin"]), revision="side")
    api.create_commit(model, commit_message="away", operations=[CommitOperationDelete("deep/gone.bin")])
    return content


def read(model: str, path: str, folder, **more) -> bytes:
    with open(hf_hub_download(model, path, cache_dir=folder, **more), "rb") as file:
        return file.read()


def test_large_files_are_listed_with_a_path_and_a_ref(api, model, large):
    found = {file.filename: file for file in api.list_lfs_files(model)}
    assert set(found) == {"kept.bin", "deep/gone.bin", "side.bin"}
    assert found["kept.bin"].ref == found["deep/gone.bin"].ref == "refs/heads/main"
    assert found["side.bin"].ref == "refs/heads/side" and found["side.bin"].size == 150_000
    [kept] = api.get_paths_info(model, ["kept.bin"])
    assert found["kept.bin"].file_oid == kept.lfs.sha256 and found["kept.bin"].xetHash == kept.xet_hash


def test_deleted_out_of_the_whole_history(api, model, large, tmp_path, server, token):
    before = api.repo_info(model, expand=["usedStorage"]).used_storage
    commits = api.list_repo_commits(model)
    files = [file for file in api.list_lfs_files(model) if file.filename != "side.bin"]
    api.permanently_delete_lfs_files(model, files)
    assert [file.filename for file in api.list_lfs_files(model)] == ["side.bin"]
    assert before - api.repo_info(model, expand=["usedStorage"]).used_storage > 250_000
    # The history is the same but for them.
    after = api.list_repo_commits(model)
    assert [commit.title for commit in after] == [commit.title for commit in commits]
    assert [commit.authors for commit in after] == [commit.authors for commit in commits]
    assert [commit.created_at for commit in after] == [commit.created_at for commit in commits]
    for revision, names in (("main", {"a.txt"}), ("v1", {"a.txt"}), ("side", {"a.txt", "side.bin"})):
        assert set(api.list_repo_files(model, revision=revision)) == {".gitattributes", *names}
    with pytest.raises(EntryNotFoundError):
        read(model, "kept.bin", tmp_path)
    with pytest.raises(EntryNotFoundError):  # Under its former commit there is no content either.
        read(model, "kept.bin", tmp_path, revision=commits[1].commit_id)
    assert read(model, "side.bin", tmp_path, revision="side") == large["side.bin"]
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", f"{server.url}/{model}", str(clone)], check=True, env={**os.environ, "GIT_LFS_SKIP_SMUDGE": "1"})
    assert subprocess.run(["git", "-C", str(clone), "fsck", "--full", "--strict"], capture_output=True).returncode == 0
    tag = subprocess.run(["git", "-C", str(clone), "tag", "-n1", "v1"], capture_output=True, text=True).stdout
    assert "with all of them" in tag
    # What was deleted can come again.
    upload(api, model, ("kept.bin", large["kept.bin"]))
    assert read(model, "kept.bin", tmp_path / "again") == large["kept.bin"]
    assert {file.filename for file in api.list_lfs_files(model)} == {"kept.bin", "side.bin"}
    assert server.hearth("verify") is not None


def test_deleted_while_the_commits_stay(api, model, large, tmp_path, server):
    before = api.repo_info(model).sha
    [file] = [file for file in api.list_lfs_files(model) if file.filename == "kept.bin"]
    api.permanently_delete_lfs_files(model, [file], rewrite_history=False)
    assert api.repo_info(model).sha == before and "kept.bin" in api.list_repo_files(model)
    with pytest.raises(EntryNotFoundError):
        read(model, "kept.bin", tmp_path)
    assert {file.filename for file in api.list_lfs_files(model)} == {"deep/gone.bin", "side.bin"}
    copy = api.duplicate_repo(model, f"{model}-copy").repo_id
    with pytest.raises(EntryNotFoundError):
        read(copy, "kept.bin", tmp_path)
    assert server.hearth("verify") is not None
    upload(api, model, ("kept.bin", large["kept.bin"]))
    assert read(model, "kept.bin", tmp_path / "again") == large["kept.bin"]


def test_one_by_one_and_by_whom(api, model, large, server, token, bob_token):
    files = {file.filename: file.file_oid for file in api.list_lfs_files(model)}
    path = f"/api/models/{model}/lfs-files"
    with pytest.raises(HfHubHTTPError, match="403"):
        list(HfApi(token=bob_token).list_lfs_files(model))
    assert server.request("DELETE", f"{path}/{files['side.bin']}", token=bob_token)[0] == 403
    assert server.request("DELETE", f"{path}/{files['side.bin']}?rewriteHistory=true", token=token)[0] == 200
    assert "side.bin" not in api.list_repo_files(model, revision="side")
    # What is not there is deleted.
    assert server.request("DELETE", f"{path}/{files['side.bin']}", token=token)[0] == 200
    assert server.request("DELETE", f"{path}/side.bin", token=token)[0] == 400


def test_a_pull_request_keeps_its_events(api, model, large, bob_token):
    bob = HfApi(token=bob_token)
    bob.create_commit(model, commit_message="proposed", create_pr=True, operations=[CommitOperationAdd("p.txt", b"p\n")])
    before = [event.type for event in api.get_discussion_details(model, 1).events]
    api.permanently_delete_lfs_files(model, api.list_lfs_files(model))
    details = api.get_discussion_details(model, 1)
    assert [event.type for event in details.events] == before and details.status == "open"
    assert set(api.list_repo_files(model, revision="refs/pr/1")) == {".gitattributes", "a.txt", "p.txt"}
    api.merge_pull_request(model, 1)
    assert "p.txt" in api.list_repo_files(model)


@pytest.mark.parametrize("repo_type", ["dataset", "space"])
def test_large_files_of_each_type_of_repository(api, new_name, server, token, repo_type):
    repo_id = new_name()
    api.create_repo(repo_id, repo_type=repo_type, space_sdk="static" if repo_type == "space" else None)
    content = {name: os.urandom(150_000) for name in ("a.bin", "b.bin", "c.bin")}
    upload(api, repo_id, *content.items(), repo_type=repo_type)
    files = {file.filename: file for file in api.list_lfs_files(repo_id, repo_type=repo_type)}
    assert set(files) == set(content)
    api.permanently_delete_lfs_files(repo_id, [files["a.bin"]], repo_type=repo_type)
    path = f"/api/{repo_type}s/{repo_id}/lfs-files/{files['b.bin'].file_oid}?rewriteHistory=true"
    assert server.request("DELETE", path, token=token)[0] == 200
    assert [file.filename for file in api.list_lfs_files(repo_id, repo_type=repo_type)] == ["c.bin"]
    left = api.list_repo_files(repo_id, repo_type=repo_type)
    assert "c.bin" in left and not {"a.bin", "b.bin"} & set(left)
    path = hf_hub_download(repo_id, "c.bin", repo_type=repo_type)
    with open(path, "rb") as file:
        assert file.read() == content["c.bin"]
