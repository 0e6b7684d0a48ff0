"""huggingface_hub of today: every flow of a repository's life. Runs with Xet and without it."""

import json
import os
import random
import time

import pytest

hub = pytest.importorskip("huggingface_hub", minversion="2.0")
from huggingface_hub import (  # noqa: E402
    CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, HfFileSystem, ModelCard,
    hf_hub_download, metadata_update, snapshot_download)
from huggingface_hub.errors import (  # noqa: E402
    GatedRepoError, HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError)

XET = os.environ.get("HF_HUB_DISABLE_XET") != "1"


def some_bytes(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# --- The life of a repository ---

@pytest.mark.parametrize("repo_type", ["model", "dataset", "space"])
def test_each_type_is_made_found_and_deleted(api, new_name, repo_type):
    repo_id = new_name()
    options = {"space_sdk": "gradio"} if repo_type == "space" else {}
    url = api.create_repo(repo_id, repo_type=repo_type, **options)
    assert (url.repo_id, url.repo_type) == (repo_id, repo_type)
    info = api.repo_info(repo_id, repo_type=repo_type)
    assert info.author == "alice" and len(info.sha) == 40 and info.created_at is not None
    assert ".gitattributes" in [file.rfilename for file in info.siblings]
    commits = api.list_repo_commits(repo_id, repo_type=repo_type)
    assert [commit.title for commit in commits] == ["initial commit"]
    assert commits[0].authors == ["alice"]
    api.delete_repo(repo_id, repo_type=repo_type)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info(repo_id, repo_type=repo_type)
    api.delete_repo(repo_id, repo_type=repo_type, missing_ok=True)


def test_what_a_space_cannot_have_yet_is_said(api, new_name, caplog):
    with caplog.at_level("WARNING", logger="huggingface_hub"):
        api.create_repo(new_name(), repo_type="space", space_sdk="static", space_secrets=[{"key": "A", "value": "b"}])
    assert "secrets" in caplog.text and "not kept" in caplog.text


def test_names_compare_without_case_and_keep_it(api, new_name):
    repo_id = new_name() + "-CamelCase"
    api.create_repo(repo_id)
    assert api.model_info(repo_id.lower()).id == repo_id
    with pytest.raises(HfHubHTTPError):
        api.create_repo(repo_id.lower())


@pytest.mark.parametrize("name", ["alice/a--b", "alice/a..b", "alice/.x", "alice/x.git", "alice/" + "x" * 97])
def test_bad_names_are_refused_by_the_server(server, token, name):
    namespace, repo = name.split("/")
    status, _, body = server.request("POST", "/api/repos/create", {"name": repo, "organization": namespace}, token)
    assert status == 400, body


def test_a_moved_repository_answers_to_its_old_name(api, model, new_name):
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=model)
    to = new_name("acme")
    api.move_repo(model, to)
    assert api.model_info(model).id == to
    with open(hf_hub_download(model, "x.txt"), "rb") as file:
        assert file.read() == b"x"
    api.upload_file(path_or_fileobj=b"y", path_in_repo="y.txt", repo_id=model)
    assert "y.txt" in api.list_repo_files(to)
    other = new_name()
    api.create_repo(other)
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api.move_repo(other, to)


def test_visibility_and_gating(api, model, bob_token, server, tmp_path):
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="s.txt", repo_id=model)
    bob = HfApi(token=bob_token)
    stranger = HfApi(token=False)
    assert stranger.model_info(model).private is False
    api.update_repo_settings(model, private=True)
    for other in (bob, stranger):
        with pytest.raises(RepositoryNotFoundError):
            other.model_info(model)
        with pytest.raises(RepositoryNotFoundError):
            other.hf_hub_download(model, "s.txt", cache_dir=tmp_path / "none")
    assert server.request("GET", f"/api/models/{model}")[0] == 401
    assert server.request("GET", f"/api/models/{model}", token=bob_token)[0] == 404
    api.update_repo_settings(model, private=False, gated="auto")
    assert stranger.model_info(model).gated == "auto"
    for other in (bob, stranger):
        with pytest.raises(GatedRepoError):
            other.hf_hub_download(model, "s.txt", cache_dir=tmp_path / "none")
    assert api.hf_hub_download(model, "s.txt", cache_dir=tmp_path / "alice")
    api.update_repo_settings(model, gated=False)
    assert bob.hf_hub_download(model, "s.txt", cache_dir=tmp_path / "bob")


def test_rights_in_an_organisation(api, new_name, bob_token, server):
    bob = HfApi(token=bob_token)
    repo_id = new_name("acme")
    with pytest.raises(HfHubHTTPError):
        bob.create_repo(repo_id)
    api.create_repo(repo_id, private=True)
    with pytest.raises(RepositoryNotFoundError):
        bob.model_info(repo_id)
    server.hearth("org", "member", "add", "acme", "bob", "--role", "read")
    assert bob.model_info(repo_id).private
    with pytest.raises(HfHubHTTPError) as caught:
        bob.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo_id)
    assert caught.value.response.status_code == 403
    server.hearth("org", "member", "add", "acme", "bob", "--role", "write")
    bob.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo_id)
    server.hearth("org", "member", "remove", "acme", "bob")
    with pytest.raises(RepositoryNotFoundError):
        bob.model_info(repo_id)


def test_a_read_token_reads_and_a_revoked_one_is_dead_at_once(api, model, server):
    reader = HfApi(token=server.add_token("alice", "reading", "read"))
    assert reader.model_info(model).id == model
    with pytest.raises(HfHubHTTPError) as caught:
        reader.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=model)
    assert caught.value.response.status_code == 403
    server.hearth("token", "revoke", "alice", "reading")
    for asked in (lambda: reader.model_info(model), lambda: list(reader.list_models(author="alice"))):
        with pytest.raises(HfHubHTTPError) as caught:
            asked()
        assert caught.value.response.status_code == 401


def test_a_fine_grained_token_does_what_it_names(api, model, new_name, server):
    other, datasets = new_name(), new_name("acme")
    api.create_repo(other, private=True)
    api.create_repo(datasets, repo_type="dataset", private=True)
    value = server.hearth("token", "add", "alice", "--name", "fine", "--role", "fine-grained", "--can", f"write:{model}",
                          "--can", f"read:datasets/{datasets}", "--expires-days", "1").strip().splitlines()[-1]
    fine = HfApi(token=value)
    assert fine.whoami()["auth"]["accessToken"]["role"] == "fineGrained"
    fine.upload_file(path_or_fileobj=some_bytes(300_000), path_in_repo="w.bin", repo_id=model)
    assert fine.dataset_info(datasets).private
    for refused in (lambda: fine.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=datasets, repo_type="dataset"),
                    lambda: fine.create_repo(new_name()), lambda: fine.update_repo_settings(other, private=False)):
        with pytest.raises(HfHubHTTPError) as caught:
            refused()
        assert caught.value.response.status_code in (403, 404)
    with pytest.raises(RepositoryNotFoundError):
        fine.model_info(other)
    server.hearth("token", "revoke", "alice", "fine")


# --- Files ---

def test_preupload_leaves_unchanged_files_out(api, model):
    api.upload_file(path_or_fileobj=b"same", path_in_repo="a.txt", repo_id=model)
    before = api.model_info(model).sha
    api.upload_file(path_or_fileobj=b"same", path_in_repo="a.txt", repo_id=model)
    assert api.model_info(model).sha == before


def test_every_size_around_the_borders(api, model, tmp_path):
    sizes = [0, 1, 511, 512, 513, 8191, 8192, 65536, 131072, 131073, 1_000_001]
    for size in sizes:
        (tmp_path / f"{size}.bin").write_bytes(some_bytes(size, size))
    api.upload_folder(folder_path=tmp_path, repo_id=model)
    target = snapshot_download(model, cache_dir=tmp_path / "cache")
    for size in sizes:
        with open(f"{target}/{size}.bin", "rb") as file:
            assert file.read() == some_bytes(size, size), size


def test_a_large_file_comes_back_whole(api, model, tmp_path):
    """Past one xorb (64 MiB), with text that compresses and floats that group."""
    content = some_bytes(70_000_000, 7) + b"the same line again\n" * 400_000
    (tmp_path / "big.safetensors").write_bytes(content)
    api.upload_file(path_or_fileobj=tmp_path / "big.safetensors", path_in_repo="big.safetensors", repo_id=model)
    [info] = api.get_paths_info(model, ["big.safetensors"])
    assert info.size == len(content)
    path = hf_hub_download(model, "big.safetensors", cache_dir=tmp_path / "cache")
    with open(path, "rb") as file:
        assert file.read() == content


def test_bytes_from_memory_and_ranges(api, model):
    content = some_bytes(6_500_000, 3)
    api.upload_file(path_or_fileobj=content, path_in_repo="m.bin", repo_id=model)
    fs = HfFileSystem()
    with fs.open(f"{model}/m.bin", "rb", block_size=1 << 20) as file:
        file.seek(3_000_000)
        assert file.read(1000) == content[3_000_000:3_001_000]
        file.seek(-10, 2)
        assert file.read() == content[-10:]


def test_plain_http_reads_what_xet_wrote(api, model, server, token):
    content = some_bytes(2_500_000, 4)
    api.upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=model)
    path = f"/{model}/resolve/main/w.bin"
    status, headers, body = server.request("GET", path, token=token)
    assert (status, body) == (200, content)
    import hashlib
    assert headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    for begin, end in [(0, 0), (1_000_000, 1_100_000), (len(content) - 1, len(content) - 1)]:
        status, headers, body = server.request("GET", path, token=token, headers={"Range": f"bytes={begin}-{end}"})
        assert (status, body) == (206, content[begin:end + 1])
        assert headers["Content-Range"] == f"bytes {begin}-{end}/{len(content)}"
    status, headers, body = server.request("GET", path, token=token, headers={"Range": "bytes=-100"})
    assert (status, body) == (206, content[-100:])
    status, headers, _ = server.request("GET", path, token=token, headers={"Range": f"bytes={len(content)}-"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    status, headers, body = server.request("GET", path, token=token, headers={"Range": "bytes=0-9,100-109"})
    assert status == 206 and headers["Content-Type"].startswith("multipart/byteranges")
    assert content[:10] in body and content[100:110] in body


def test_resume_of_a_broken_download(api, model, tmp_path):
    """A part of the file lies there already; the client asks for the rest."""
    content = b"".join(b"line %d\n" % number for number in range(60_000))
    api.upload_file(path_or_fileobj=content, path_in_repo="t.txt", repo_id=model)
    local = tmp_path / "local"
    path = hf_hub_download(model, "t.txt", local_dir=local)
    with open(path, "rb") as file:
        assert file.read() == content
    import httpx2 as http
    half = len(content) // 2
    answer = http.get(f"{os.environ['HF_ENDPOINT']}/{model}/resolve/main/t.txt", headers={"range": f"bytes={half}-"})
    assert answer.status_code == 206 and answer.content == content[half:]


def test_folder_with_patterns_and_deletion(api, model, tmp_path):
    for name in ("a.txt", "b.json", "sub/c.txt", "sub/d.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    api.upload_folder(folder_path=tmp_path, repo_id=model, allow_patterns=["*.txt", "*.json"])
    assert sorted(api.list_repo_files(model)) == [".gitattributes", "a.txt", "b.json", "sub/c.txt"]
    (tmp_path / "a.txt").unlink()
    (tmp_path / "sub" / "c.txt").unlink()
    (tmp_path / "new.txt").write_text("new")
    api.upload_folder(folder_path=tmp_path, repo_id=model, allow_patterns="*.txt", delete_patterns="*.txt")
    assert sorted(api.list_repo_files(model)) == [".gitattributes", "b.json", "new.txt"]
    api.delete_folder("sub", model) if any(f.startswith("sub/") for f in api.list_repo_files(model)) else None
    api.delete_file("b.json", model)
    assert "b.json" not in api.list_repo_files(model)
    with pytest.raises(HfHubHTTPError):
        api.delete_file("b.json", model)


def test_gitignore_of_the_commit_is_respected(api, model, tmp_path):
    (tmp_path / ".gitignore").write_text("*.secret\n")
    (tmp_path / "keep.txt").write_text("1")
    (tmp_path / "a.secret").write_text("2")
    api.upload_folder(folder_path=tmp_path, repo_id=model)
    assert "a.secret" not in api.list_repo_files(model)


def test_a_folder_of_many_binaries_is_sent_in_steps(api, model, tmp_path):
    for index in range(300):
        (tmp_path / f"part-{index:03}.bin").write_bytes(some_bytes(2000 + index, index))
    api.upload_folder(repo_id=model, folder_path=tmp_path)
    infos = api.get_paths_info(model, [f"part-{index:03}.bin" for index in range(300)])
    assert [info.size for info in infos] == [2000 + index for index in range(300)]


def test_snapshots_are_cached(api, model, tmp_path):
    api.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id=model)
    api.upload_file(path_or_fileobj=some_bytes(300_000), path_in_repo="b.bin", repo_id=model)
    first = snapshot_download(model, cache_dir=tmp_path)
    assert snapshot_download(model, cache_dir=tmp_path) == first
    assert snapshot_download(model, cache_dir=tmp_path, local_files_only=True) == first
    assert snapshot_download(model, revision=api.model_info(model).sha[:7], cache_dir=tmp_path / "short")


# --- Commits ---

def test_operations_of_one_commit(api, model):
    weights = some_bytes(200_000, 9)
    api.create_commit(model, [
        CommitOperationAdd("w.bin", weights), CommitOperationAdd("c.json", b"{}"),
        CommitOperationAdd("sub/x.txt", b"x"), CommitOperationAdd("sub/y.txt", b"y")], commit_message="start",
        commit_description="with words")
    commit = api.create_commit(model, [
        CommitOperationCopy("w.bin", "copy/w2.bin"), CommitOperationCopy("c.json", "c2.json"),
        CommitOperationDelete("sub/", is_folder=True), CommitOperationAdd("n.txt", b"new")], commit_message="ops")
    files = api.list_repo_files(model)
    assert {"w.bin", "copy/w2.bin", "c2.json", "n.txt"} <= set(files) and "sub/x.txt" not in files
    with open(hf_hub_download(model, "copy/w2.bin", revision=commit.oid), "rb") as file:
        assert file.read() == weights
    titles = [(entry.title, entry.message) for entry in api.list_repo_commits(model)]
    assert titles[1] == ("start", "with words")


def test_many_files_in_one_commit(api, model):
    api.create_commit(model, [CommitOperationAdd(f"d{i % 7}/f{i}.txt", f"{i}".encode()) for i in range(1000)],
                      commit_message="a thousand")
    assert len(api.list_repo_files(model)) == 1001
    entries = list(api.list_repo_tree(model, "d3", expand=True))
    assert all(entry.last_commit.title == "a thousand" for entry in entries)


def test_tree_and_paths_info(api, model):
    api.create_commit(model, [CommitOperationAdd("a/b/c.txt", b"c"), CommitOperationAdd("w.bin", some_bytes(150_000))],
                      commit_message="files")
    tree = {entry.path: entry for entry in api.list_repo_tree(model, recursive=True, expand=True)}
    assert set(tree) == {".gitattributes", "a", "a/b", "a/b/c.txt", "w.bin"}
    assert tree["a/b/c.txt"].size == 1 and tree["a/b/c.txt"].last_commit.title == "files"
    assert tree["w.bin"].lfs.size == 150_000 and tree[".gitattributes"].last_commit.title == "initial commit"
    assert [entry.path for entry in api.list_repo_tree(model, "a")] == ["a/b"]
    infos = api.get_paths_info(model, ["a", "w.bin", "absent"], expand=True)
    assert [info.path for info in infos] == ["a", "w.bin"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(model, "absent"))
    with pytest.raises(RevisionNotFoundError):
        list(api.list_repo_tree(model, revision="absent"))
    assert api.file_exists(model, "w.bin") and not api.file_exists(model, "absent")
    assert api.revision_exists(model, "main") and not api.revision_exists(model, "absent")


def test_refs(api, model):
    api.create_branch(model, branch="dev")
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_branch(model, branch="dev")
    assert caught.value.response.status_code == 409
    api.create_branch(model, branch="dev", exist_ok=True)
    api.create_tag(model, tag="v1", tag_message="first")
    api.create_tag(model, tag="dev-tag", revision=api.model_info(model).sha[:7])
    with pytest.raises(HfHubHTTPError):
        api.create_tag(model, tag="v 2")
    with pytest.raises(HfHubHTTPError):
        api.create_branch(model, branch="refs/heads/x")
    with pytest.raises(HfHubHTTPError):
        api.delete_branch(model, branch="main")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(model, tag="absent")
    assert {tag.name for tag in api.list_repo_refs(model).tags} == {"v1", "dev-tag"}


def test_pull_requests(api, model, bob_token):
    bob = HfApi(token=bob_token)
    commit = bob.create_commit(model, [CommitOperationAdd("p.txt", b"1")], commit_message="propose", create_pr=True)
    assert commit.pr_num == 1 and commit.pr_revision == "refs/pr/1"
    bob.upload_file(path_or_fileobj=b"2", path_in_repo="q.txt", repo_id=model, revision="refs/pr/1")
    details = api.get_discussion_details(model, 1)
    assert details.is_pull_request and details.status == "open" and details.author == "bob"
    assert details.target_branch == "refs/heads/main"
    with pytest.raises(HfHubHTTPError):
        bob.merge_pull_request(model, 1)
    api.merge_pull_request(model, 1, comment="thanks")
    details = api.get_discussion_details(model, 1)
    assert "p.txt" in details.diff and "q.txt" in details.diff
    assert details.status == "merged" and details.merge_commit_oid == api.model_info(model).sha
    assert {"p.txt", "q.txt"} <= set(api.list_repo_files(model))
    draft = bob.create_pull_request(model, title="A draft")
    assert draft.num == 2 and draft.status == "draft"
    assert [pr.ref for pr in api.list_repo_refs(model, include_pull_requests=True).pull_requests] == ["refs/pr/1", "refs/pr/2"]
    api.change_discussion_status(model, 2, "closed")
    assert api.get_discussion_details(model, 2).status == "closed"


def test_weights_by_a_pull_request_of_someone_else(api, model, bob_token, tmp_path):
    content = some_bytes(400_000, 11)
    (tmp_path / "w.bin").write_bytes(content)
    HfApi(token=bob_token).upload_file(path_or_fileobj=tmp_path / "w.bin", path_in_repo="w.bin", repo_id=model, create_pr=True)
    api.merge_pull_request(model, 1)
    with open(hf_hub_download(model, "w.bin", cache_dir=tmp_path / "cache"), "rb") as file:
        assert file.read() == content


# --- Cards and lists ---

def test_cards_and_what_follows_from_them(api, new_name):
    repo_id = new_name()
    api.create_repo(repo_id)
    ModelCard("---\nlanguage:\n- en\n- no\nlicense: apache-2.0\nlibrary_name: transformers\ntags: [one, two]\n"
              "datasets:\n- alice/set\nbase_model: alice/base\n---\n# Title\n\nText.\n").push_to_hub(repo_id)
    info = api.model_info(repo_id)
    assert info.library_name == "transformers" and info.card_data.license == "apache-2.0"
    assert {"transformers", "one", "two", "en", "dataset:alice/set", "base_model:alice/base",
            "license:apache-2.0"} <= set(info.tags)
    metadata_update(repo_id, {"pipeline_tag": "text-generation"})
    assert api.model_info(repo_id).pipeline_tag == "text-generation"
    # The client asks the server, and tells its user what is wrong before anything is committed.
    with pytest.raises(ValueError, match="expected ',' or '\\]'"):
        api.upload_file(path_or_fileobj=b"---\nlicense: [unclosed\n---\n", path_in_repo="README.md", repo_id=repo_id)


def test_likes_are_counted_listed_and_taken_back(api, model, new_name, server, token, bob_token):
    hidden = new_name()
    api.create_repo(hidden, private=True)
    for who, repo_id in ((token, model), (bob_token, model), (token, model), (token, hidden)):
        assert server.request("POST", f"/api/models/{repo_id}/like", {}, who)[0] == 200
    assert api.model_info(model).likes == 2
    assert {user.username for user in api.list_repo_likers(model)} == {"alice", "bob"}
    assert set(api.list_liked_repos("alice").models) >= {model, hidden}
    assert hidden not in HfApi(token=False).list_liked_repos("alice").models
    assert [found.id for found in api.list_models(search=model.split("/")[1], sort="likes")] == [model]
    api.unlike(model)
    api.unlike(model)
    assert api.model_info(model).likes == 1
    assert [user.username for user in api.list_repo_likers(model)] == ["bob"]
    api.delete_repo(hidden)
    assert hidden not in api.list_liked_repos("alice").models


def test_expand_answers_only_what_was_asked(api, model):
    info = api.model_info(model, expand=["sha", "likes"])
    assert info.sha and info.likes == 0 and info.downloads is None and info.created_at is None
    with pytest.raises(HfHubHTTPError, match="expected one of"):
        api.model_info(model, expand=["nonsense"])


def test_lists_filter_sort_and_page(api, new_name):
    tag = "t" + new_name().rsplit("-", 1)[1]
    names = []
    for index in range(5):
        repo_id = new_name()
        api.create_repo(repo_id, private=index == 4)
        ModelCard(f"---\ntags: [{tag}]\n---\n").push_to_hub(repo_id)
        names.append(repo_id)
    assert {item.id for item in api.list_models(filter=tag)} == set(names)
    assert {item.id for item in HfApi(token=False).list_models(filter=tag)} == set(names[:4])
    newest = [item.id for item in api.list_models(filter=tag, sort="created_at")]
    assert newest == names[::-1]
    assert len(list(api.list_models(filter=tag, limit=2))) == 2
    assert len({item.id for item in api.list_models(author="alice")}) >= 5
    import httpx2 as http  # the client's own
    answer = http.get(f"{os.environ['HF_ENDPOINT']}/api/models?filter={tag}&limit=2",
                      headers={"authorization": f"Bearer {os.environ['HF_TOKEN']}"})
    seen = [item["id"] for item in answer.json()]
    while "next" in answer.links:
        answer = http.get(answer.links["next"]["url"], headers={"authorization": f"Bearer {os.environ['HF_TOKEN']}"})
        seen += [item["id"] for item in answer.json()]
    assert sorted(seen) == sorted(names)


# --- The file system ---

def test_file_system_walks_and_globs(api, model):
    api.create_commit(model, [CommitOperationAdd(f"d/{name}", name.encode()) for name in ("1.txt", "2.txt", "e/3.json")],
                      commit_message="files")
    fs = HfFileSystem()
    assert fs.glob(f"{model}/**/*.txt") == [f"{model}/d/1.txt", f"{model}/d/2.txt"]
    assert fs.find(f"{model}/d") == [f"{model}/d/1.txt", f"{model}/d/2.txt", f"{model}/d/e/3.json"]
    assert fs.info(f"{model}/d/e/3.json")["size"] == 8
    assert fs.isdir(f"{model}/d/e") and fs.isfile(f"{model}/d/1.txt")
    fs.cp_file(f"{model}/d/1.txt", f"{model}/d/copy.txt")
    fs.mv(f"{model}/d/2.txt", f"{model}/moved.txt")
    fs.invalidate_cache()
    assert fs.cat(f"{model}/d/copy.txt") == b"1.txt" and fs.cat(f"{model}/moved.txt") == b"2.txt"
    fs.rm(f"{model}/d", recursive=True)
    fs.invalidate_cache()
    assert not fs.exists(f"{model}/d")


# --- Xet ---

@pytest.mark.skipif(not XET, reason="without Xet there are no chunks")
def test_files_of_xet_clients_are_chunked_and_deduplicated(api, model, new_name, server, tmp_path):
    shared = some_bytes(3_000_000, 21)
    (tmp_path / "a.bin").write_bytes(shared + some_bytes(500_000, 22))
    api.upload_file(path_or_fileobj=tmp_path / "a.bin", path_in_repo="a.bin", repo_id=model)
    [info] = api.get_paths_info(model, ["a.bin"])
    assert len(info.xet_hash) == 64
    before = _stored_bytes(server)
    (tmp_path / "b.bin").write_bytes(some_bytes(500_000, 23) + shared)
    other = new_name()
    api.create_repo(other)
    api.upload_file(path_or_fileobj=tmp_path / "b.bin", path_in_repo="b.bin", repo_id=other)
    assert _stored_bytes(server) - before < 1_500_000
    with open(hf_hub_download(other, "b.bin", cache_dir=tmp_path / "cache"), "rb") as file:
        assert file.read() == some_bytes(500_000, 23) + shared


def _stored_bytes(server) -> int:
    server.settle()  # Files of LFS clients are chunked in the background.
    return sum(path.stat().st_size for path in (server.data / "xorbs").rglob("*") if path.is_file())


@pytest.mark.skipif(XET, reason="only plain LFS uploads are chunked later")
def test_files_of_lfs_clients_are_chunked_by_a_task(api, model, tmp_path):
    content = some_bytes(700_000, 31)
    (tmp_path / "a.bin").write_bytes(content)
    api.upload_file(path_or_fileobj=tmp_path / "a.bin", path_in_repo="a.bin", repo_id=model)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        [info] = api.get_paths_info(model, ["a.bin"])
        if info.xet_hash:
            break
        time.sleep(0.2)
    assert len(info.xet_hash) == 64


@pytest.mark.skipif(XET, reason="Xet has no LFS parts")
def test_large_lfs_uploads_go_in_parts(api, model, tmp_path):
    content = some_bytes(12_345_678, 41)
    (tmp_path / "m.bin").write_bytes(content)
    api.upload_file(path_or_fileobj=tmp_path / "m.bin", path_in_repo="m.bin", repo_id=model)
    with open(hf_hub_download(model, "m.bin", cache_dir=tmp_path / "cache"), "rb") as file:
        assert file.read() == content


def test_where_the_picture_of_an_organisation_is(server):
    status, _, body = server.request("GET", "/api/organizations/acme/avatar")
    assert status == 200 and json.loads(body)["avatarUrl"].endswith("/avatars/acme.svg")
