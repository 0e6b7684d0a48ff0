"""What a repository can do, each type can do: the same life for a model, a dataset and a space."""

import os

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import BadRequestError, EntryNotFoundError, RevisionNotFoundError


@pytest.fixture(params=["model", "dataset", "space"])
def repo(request, api, new_name) -> dict[str, str]:
    """A fresh repository, as the arguments that every call takes."""
    repo_id = new_name()
    api.create_repo(repo_id, repo_type=request.param, **({"space_sdk": "static"} if request.param == "space" else {}))
    return {"repo_id": repo_id, "repo_type": request.param}


def test_files_large_and_small(api, repo, tmp_path):
    large = os.urandom(300_000)
    info = api.create_commit(
        **repo, commit_message="files",
        operations=[CommitOperationAdd("folder/deep/a.txt", b"one line\n"), CommitOperationAdd("data.bin", large)])
    assert [entry.path for entry in api.list_repo_tree(**repo, path_in_repo="folder")] == ["folder/deep"]
    assert {entry.path for entry in api.list_repo_tree(**repo, recursive=True)} >= {"folder", "folder/deep", "folder/deep/a.txt", "data.bin"}
    [found, small] = api.get_paths_info(**repo, paths=["data.bin", "folder/deep/a.txt", "absent"])
    assert found.lfs.size == len(large) and small.size == 9
    for name, content in (("data.bin", large), ("folder/deep/a.txt", b"one line\n")):
        for revision in ("main", info.oid):
            with open(hf_hub_download(**repo, filename=name, revision=revision, cache_dir=tmp_path / revision), "rb") as file:
                assert file.read() == content
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(**repo, filename="absent", cache_dir=tmp_path)


def test_branches_and_tags(api, repo):
    first = api.list_repo_commits(**repo)[0].commit_id
    api.create_branch(**repo, branch="trial")
    api.create_tag(**repo, tag="v1", tag_message="first")
    api.upload_file(**repo, path_or_fileobj=b"x", path_in_repo="x.txt", revision="trial")
    refs = api.list_repo_refs(**repo)
    assert {branch.name for branch in refs.branches} == {"main", "trial"}
    assert {branch.name: branch.target_commit for branch in refs.branches}["main"] == first
    assert [tag.name for tag in refs.tags] == ["v1"]
    assert "x.txt" in api.list_repo_files(**repo, revision="trial")
    assert "x.txt" not in api.list_repo_files(**repo, revision="v1")
    api.delete_branch(**repo, branch="trial")
    api.delete_tag(**repo, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_files(**repo, revision="trial")
    refs = api.list_repo_refs(**repo)
    assert [branch.name for branch in refs.branches] == ["main"] and refs.tags == []


def test_history_is_squashed(api, repo):
    for number in range(3):
        api.upload_file(**repo, path_or_fileobj=str(number).encode(), path_in_repo="n.txt")
    assert len(api.list_repo_commits(**repo)) == 4
    files = sorted(api.list_repo_files(**repo))
    api.create_tag(**repo, tag="v1")
    with pytest.raises(BadRequestError, match="Invalid reference for a branch"):
        api.super_squash_history(**repo, branch="v1")
    with pytest.raises(RevisionNotFoundError):
        api.super_squash_history(**repo, branch="absent")
    api.super_squash_history(**repo)
    assert len(api.list_repo_commits(**repo)) == 1
    assert sorted(api.list_repo_files(**repo)) == files


def test_settings_hide_it(api, repo, bob_token):
    bob = HfApi(token=bob_token)
    assert bob.repo_exists(**repo)
    api.update_repo_settings(**repo, private=True)
    assert api.repo_info(**repo).private and not bob.repo_exists(**repo)
    api.update_repo_settings(**repo, private=False)
    assert bob.repo_exists(**repo)


def test_likes(api, repo, server, token):
    kind = repo["repo_type"] + "s"
    assert server.request("POST", f"/api/{kind}/{repo['repo_id']}/like", {}, token)[0] == 200
    assert [user.username for user in api.list_repo_likers(**repo)] == ["alice"]
    assert api.repo_info(**repo).likes == 1
    api.unlike(**repo)
    assert list(api.list_repo_likers(**repo)) == [] and api.repo_info(**repo).likes == 0


def test_the_address_that_caching_clients_remember(api, repo, server, token):
    api.upload_file(**repo, path_or_fileobj=b"cached", path_in_repo="c.txt")
    commit_oid = api.repo_info(**repo).sha
    status, headers, body = server.request(
        "GET", f"/api/resolve-cache/{repo['repo_type']}s/{repo['repo_id']}/{commit_oid}/c.txt", token=token)
    assert (status, body) == (200, b"cached") and headers["X-Repo-Commit"] == commit_oid


def test_people_and_organisations(api, server):
    person = api.get_user_overview("alice")
    assert person.username == "alice" and "acme" in [org.name for org in person.orgs]
    members = [member.username for member in api.list_organization_members("acme")]  # Other tests add some.
    assert "alice" in members and api.get_organization_overview("acme").num_users == len(members)


def test_sizes_and_differences(api, repo, server, token):
    """What no client of Python asks for, and pages and scripts do."""
    path = f"/api/{repo['repo_type']}s/{repo['repo_id']}"
    large = os.urandom(200_000)
    first = api.create_commit(**repo, commit_message="files", operations=[
        CommitOperationAdd("folder/a.txt", b"one\n"), CommitOperationAdd("folder/deep/w.bin", large)]).oid
    api.create_branch(**repo, branch="feat/x")
    api.upload_file(**repo, path_or_fileobj=b"two\n", path_in_repo="folder/a.txt", revision="feat/x")

    def ask(rest: str) -> tuple[int, bytes]:
        status, _, body = server.request("GET", path + rest, token=token)
        return status, body

    assert ask("/treesize/main/folder") == (200, b'{"path":"folder","size":200004}')
    assert ask("/treesize/main/folder%2Fdeep") == (200, b'{"path":"folder/deep","size":200000}')
    whole = sum(entry.size for entry in api.list_repo_tree(**repo, recursive=True) if hasattr(entry, "size"))
    assert ask(f"/treesize/{first}") == (200, b'{"path":"","size":%d}' % whole)
    assert ask("/treesize/main/absent")[0] == 404 and ask("/treesize/absent")[0] == 404
    status, text = ask("/compare/main..feat%2Fx")
    assert status == 200 and b"-one\n+two\n" in text and b"w.bin" not in text
    assert b"-two\n+one\n" in ask("/compare/feat%2Fx..main")[1]
    assert ask("/compare/feat%2Fx...main") == (200, b"")
    assert ask("/compare/feat%2Fx") == (200, text)
    assert ask("/compare/feat%2Fx%5E..feat%2Fx") == (200, text)
    pointer = ask("/compare/HEAD~1..HEAD")[1]
    assert b"+version https://git-lfs.github.com/spec/v1" in pointer and len(pointer) < 2_000
    assert ask("/compare/main..absent")[0] == 404 and ask("/compare/main~9")[0] == 404


def test_tags_that_have_a_meaning(api):
    models, datasets = api.get_model_tags(), api.get_dataset_tags()
    assert {"id": "text-generation", "type": "pipeline_tag", "label": "Text Generation"} in models["pipeline_tag"]
    assert "license:mit" in {tag["id"] for tag in datasets["license"]} & {tag["id"] for tag in models["license"]}
    assert "size_categories:1K<n<10K" in {tag["id"] for tag in datasets["size_categories"]}
