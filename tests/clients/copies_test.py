"""Copies of whole repositories, and of files from one repository to another."""

import os

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, HfApi, hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

LARGE = os.urandom(400_000)


@pytest.fixture(params=["model", "dataset", "space"])
def source(request, api, new_name) -> dict[str, str]:
    """A repository with a text, a large file, a branch and a tag."""
    repo = {"repo_id": new_name(), "repo_type": request.param}
    api.create_repo(**repo, **({"space_sdk": "static"} if request.param == "space" else {}))
    fill(api, repo)
    api.create_tag(**repo, tag="v1", tag_message="first")
    api.create_branch(**repo, branch="side")
    return repo


def fill(api, repo: dict[str, str]) -> None:
    api.create_commit(**repo, commit_message="files", operations=[
        CommitOperationAdd("data/a.txt", b"one line\n"), CommitOperationAdd("data/w.bin", LARGE)])


def content(repo: dict[str, str], name: str, folder, **more) -> bytes:
    with open(hf_hub_download(**repo, filename=name, cache_dir=folder / repo["repo_id"].replace("/", "-"), **more), "rb") as file:
        return file.read()


def commit_ids(api, repo: dict[str, str]) -> list[str]:
    return [commit.commit_id for commit in api.list_repo_commits(**repo)]


def test_a_duplicate_has_history_and_large_files(api, source, new_name, tmp_path):
    url = api.duplicate_repo(source["repo_id"], new_name("acme"), repo_type=source["repo_type"])
    copy = {"repo_id": url.repo_id, "repo_type": source["repo_type"]}
    assert not url.files_copy_pending
    assert commit_ids(api, copy) == commit_ids(api, source)
    refs = api.list_repo_refs(**copy)
    assert {branch.name for branch in refs.branches} == {"main", "side"} and [tag.name for tag in refs.tags] == ["v1"]
    for revision in ("main", "v1", "side"):
        assert content(copy, "data/w.bin", tmp_path, revision=revision) == LARGE
    # They are two from here on.
    api.upload_file(**copy, path_or_fileobj=b"another\n", path_in_repo="data/a.txt")
    api.delete_repo(**source)
    assert content(copy, "data/a.txt", tmp_path) == b"another\n"
    assert content(copy, "data/w.bin", tmp_path / "again") == LARGE


def test_a_duplicate_of_one_s_own_name(api, source, bob_token):
    bob = HfApi(token=bob_token)
    url = bob.duplicate_repo(source["repo_id"], repo_type=source["repo_type"])
    assert url.repo_id == "bob/" + source["repo_id"].split("/")[1]
    with pytest.raises(HfHubHTTPError, match="409"):
        bob.duplicate_repo(source["repo_id"], repo_type=source["repo_type"])
    assert bob.duplicate_repo(source["repo_id"], repo_type=source["repo_type"], exist_ok=True) == url
    assert bob.repo_info(url.repo_id, repo_type=source["repo_type"]).private is False


def test_visibility_of_duplicates(api, source, new_name, bob_token):
    api.update_repo_settings(**source, private=True)
    kept = api.duplicate_repo(source["repo_id"], new_name(), repo_type=source["repo_type"]).repo_id
    opened = api.duplicate_repo(source["repo_id"], new_name(), repo_type=source["repo_type"], private=False).repo_id
    assert api.repo_info(kept, repo_type=source["repo_type"]).private
    assert not api.repo_info(opened, repo_type=source["repo_type"]).private
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token=bob_token).duplicate_repo(source["repo_id"], "bob/stolen", repo_type=source["repo_type"])
    with pytest.raises(HfHubHTTPError, match="403"):
        HfApi(token=bob_token).duplicate_repo(opened, "acme/pushed", repo_type=source["repo_type"])


def test_files_go_from_repository_to_repository(api, source, new_name, tmp_path):
    target = {"repo_id": new_name("acme"), "repo_type": "dataset"}
    api.create_repo(**target)
    prefix = "" if source["repo_type"] == "model" else source["repo_type"] + "s/"
    api.copy_files(f"hf://{prefix}{source['repo_id']}/data/", f"hf://datasets/{target['repo_id']}/copied/")
    assert content(target, "copied/w.bin", tmp_path) == LARGE and content(target, "copied/a.txt", tmp_path) == b"one line\n"
    api.create_commit(**target, commit_message="more", operations=[
        CommitOperationCopy("data/w.bin", "again.bin", src_repo_id=source["repo_id"], src_repo_type=source["repo_type"], src_revision="v1")])
    [copied] = api.get_paths_info(**target, paths=["again.bin"])
    [there] = api.get_paths_info(**source, paths=["data/w.bin"])
    assert (copied.lfs, copied.xet_hash) == (there.lfs, there.xet_hash)
    api.delete_repo(**source)
    assert content(target, "again.bin", tmp_path) == LARGE


def test_nothing_is_copied_from_where_one_may_not_read(api, model, new_name, server, token, bob_token):
    repo = {"repo_id": model, "repo_type": "model"}
    fill(api, repo)
    bob = HfApi(token=bob_token)
    target = bob.create_repo(new_name("bob")).repo_id
    [large] = api.get_paths_info(**repo, paths=["data/w.bin"])
    wanted = {"target": {"type": "model", "name": target},
              "files": [{"xetHash": large.xet_hash, "sha256": large.lfs.sha256, "filename": "data/w.bin"}]}

    def ask(body: dict, who: str, source: str = model) -> tuple[int, bytes]:
        status, _, answer = server.request("POST", f"/api/models/{source}/lfs-files/duplicate", body, who)
        return status, answer

    api.update_repo_settings(**repo, gated="manual")
    assert ask(wanted, bob_token)[0] == 403 and ask(wanted, None)[0] == 401
    with pytest.raises(GatedRepoError):
        bob.copy_files(f"hf://{model}/data/w.bin", f"hf://{target}/w.bin")
    with pytest.raises(GatedRepoError):
        bob.duplicate_repo(model)
    api.update_repo_settings(**repo, gated=False, private=True)
    assert ask(wanted, bob_token)[0] == 404
    # Nor into what one may not write to, nor what is not there.
    api.update_repo_settings(**repo, private=False)
    hidden = api.create_repo(new_name(), private=True).repo_id
    assert ask({**wanted, "target": {"type": "model", "name": hidden}}, bob_token)[0] == 404
    status, answer = ask({**wanted, "files": [{"sha256": "0" * 64, "xetHash": large.xet_hash, "filename": "x"}]}, bob_token)
    assert status == 200 and b"no such file" in answer
    status, answer = ask({**wanted, "files": [{"sha256": large.lfs.sha256, "xetHash": "0" * 64, "filename": "x"}]}, bob_token)
    assert status == 200 and b"another Xet hash" in answer
    with pytest.raises(HfHubHTTPError, match="was not uploaded to this repository"):
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{large.lfs.sha256}\nsize {len(LARGE)}\n"
        bob.upload_file(repo_id=target, path_or_fileobj=pointer.encode(), path_in_repo="stolen.txt")
    status, answer = ask(wanted, bob_token)
    assert status == 200 and b'"failed":[]' in answer
