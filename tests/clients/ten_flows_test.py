"""Ten flows that every supported client version must hold: 0.36, 1.6 and today's."""

import os
import random

import pytest
from huggingface_hub import (
    CommitOperationAdd, CommitOperationDelete, HfFileSystem, ModelCard, hf_hub_download, snapshot_download)
from huggingface_hub.errors import (
    EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError)


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_1_whoami(api, token):
    me = api.whoami()
    assert me["name"] == "alice"
    # And perhaps in organisations of other tests, which share the hub.
    assert "acme" in [org["name"] for org in me["orgs"]]
    with pytest.raises(Exception, match="Invalid user token|Invalid username or password"):  # 0.36: another class
        api.whoami(token="hf_" + "x" * 34)


def test_2_create_exists_and_delete(api, new_name):
    repo_id = new_name()
    url = api.create_repo(repo_id, private=True)
    assert url.repo_id == repo_id
    with pytest.raises(HfHubHTTPError):
        api.create_repo(repo_id)
    api.create_repo(repo_id, exist_ok=True)
    assert api.repo_exists(repo_id)
    assert api.repo_info(repo_id).private
    api.delete_repo(repo_id)
    assert not api.repo_exists(repo_id)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info(repo_id)


def test_2_moved_repository_answers_to_its_old_name(api, model, new_name, tmp_path):
    api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id=model)
    api.upload_file(path_or_fileobj=some_bytes(300_000), path_in_repo="w.bin", repo_id=model)
    to = new_name("acme")
    api.move_repo(model, to)
    with open(hf_hub_download(model, "a.txt", cache_dir=tmp_path / "one"), "rb") as file:
        assert file.read() == b"text"
    with open(hf_hub_download(model, "w.bin", cache_dir=tmp_path / "one"), "rb") as file:
        assert file.read() == some_bytes(300_000)
    assert snapshot_download(model, cache_dir=tmp_path / "all")


def test_3_small_file_up_and_down(api, model):
    info = api.upload_file(path_or_fileobj=b"hello", path_in_repo="dir/h.txt", repo_id=model)
    assert info.oid == api.repo_info(model).sha
    with open(hf_hub_download(model, "dir/h.txt"), "rb") as file:
        assert file.read() == b"hello"
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(model, "absent.txt")
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(model, "dir/h.txt", revision="absent")


def test_4_weights_up_and_down(api, model, tmp_path):
    content = some_bytes(3_000_000)
    (tmp_path / "model.safetensors").write_bytes(content)
    api.upload_file(path_or_fileobj=str(tmp_path / "model.safetensors"), path_in_repo="model.safetensors", repo_id=model)
    with open(hf_hub_download(model, "model.safetensors", cache_dir=tmp_path / "cache"), "rb") as file:
        assert file.read() == content
    [info] = api.get_paths_info(model, ["model.safetensors"])
    assert info.lfs["size"] == len(content)


def test_5_folder_and_snapshot(api, model, tmp_path):
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "config.json").write_text("{}")
    (source / "sub" / "weights.bin").write_bytes(some_bytes(400_000, 2))
    (source / "skip.log").write_text("no")
    api.upload_folder(folder_path=source, repo_id=model, ignore_patterns="*.log")
    target = snapshot_download(model, local_dir=tmp_path / "target")
    assert sorted(api.list_repo_files(model)) == [".gitattributes", "config.json", "sub/weights.bin"]
    assert (tmp_path / "target" / "sub" / "weights.bin").read_bytes() == some_bytes(400_000, 2)
    assert target


def test_6_commit_with_parent_and_delete(api, model):
    head = api.repo_info(model).sha
    first = api.create_commit(model, [CommitOperationAdd("a.txt", b"1"), CommitOperationAdd("b.txt", b"2")],
                              commit_message="two files", parent_commit=head)
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_commit(model, [CommitOperationDelete("a.txt")], commit_message="late", parent_commit=head)
    assert caught.value.response.status_code == 412
    api.create_commit(model, [CommitOperationDelete("a.txt")], commit_message="on time", parent_commit=first.oid)
    assert "a.txt" not in api.list_repo_files(model)
    assert [commit.title for commit in api.list_repo_commits(model)] == ["on time", "two files", "initial commit"]


def test_7_branches_and_tags(api, model):
    api.create_branch(model, branch="feature/x")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=model, revision="feature/x")
    api.create_tag(model, tag="v1", revision="feature/x", tag_message="first")
    refs = api.list_repo_refs(model)
    assert {branch.name for branch in refs.branches} == {"main", "feature/x"}
    assert [tag.name for tag in refs.tags] == ["v1"]
    assert "x.txt" in api.list_repo_files(model, revision="v1")
    assert "x.txt" not in api.list_repo_files(model)
    api.delete_branch(model, branch="feature/x")
    api.delete_tag(model, tag="v1")


def test_8_pull_request(api, model):
    info = api.upload_file(path_or_fileobj=b"proposal", path_in_repo="p.txt", repo_id=model, create_pr=True)
    assert info.pr_num == 1
    assert "p.txt" not in api.list_repo_files(model)
    assert "p.txt" in api.list_repo_files(model, revision="refs/pr/1")
    api.merge_pull_request(model, discussion_num=1)
    assert "p.txt" in api.list_repo_files(model)
    assert api.get_discussion_details(model, 1).status == "merged"


def test_9_file_system(api, model):
    fs = HfFileSystem()
    with fs.open(f"{model}/notes.txt", "w") as file:
        file.write("line 1\nline 2\n")
    fs.invalidate_cache()
    assert fs.exists(f"{model}/notes.txt")
    with fs.open(f"{model}/notes.txt", "rb") as file:
        file.seek(7)
        assert file.read(6) == b"line 2"
    assert f"{model}/notes.txt" in fs.ls(model, detail=False)
    fs.rm(f"{model}/notes.txt")
    fs.invalidate_cache()
    assert not fs.exists(f"{model}/notes.txt")


def test_10_card_and_search(api, new_name):
    repo_id = new_name()
    api.create_repo(repo_id)
    # Not ModelCard.push_to_hub: up to 1.x that asks huggingface.co, whatever HF_ENDPOINT says.
    card = ModelCard("---\nlicense: mit\ntags:\n- hearth-test\npipeline_tag: fill-mask\n---\n\n# A card\n")
    api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=repo_id)
    info = api.model_info(repo_id)
    assert info.pipeline_tag == "fill-mask"
    assert "license:mit" in info.tags
    assert repo_id in [found.id for found in api.list_models(filter="hearth-test", author="alice")]
    assert repo_id in [found.id for found in api.list_models(search=repo_id.split("/")[1][:8])]
    assert os.environ["HF_ENDPOINT"].startswith(("http://localhost", "https://localhost"))
