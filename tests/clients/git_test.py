"""git and git-lfs, as they come from Debian."""

import json
import os
import random
import subprocess

import pytest
from huggingface_hub import hf_hub_download


def git(*arguments: str, cwd=None, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    result = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env})
    if check and result.returncode != 0:
        raise AssertionError(f"git {' '.join(arguments)}:\n{result.stdout}{result.stderr}")
    return result


def clone_url(repo_id: str, token: str | None, prefix: str = "") -> str:
    url = os.environ["HF_ENDPOINT"]
    if token:
        url = url.replace("://", f"://user:{token}@")
    return f"{url}/{prefix}{repo_id}"


@pytest.mark.parametrize("protocol", ["0", "1", "2"])
def test_clone_change_and_push(model, token, tmp_path, protocol):
    work = tmp_path / "work"
    git("-c", f"protocol.version={protocol}", "clone", "-q", clone_url(model, token), str(work))
    (work / "a.txt").write_text("by git\n")
    git("add", "a.txt", cwd=work)
    git("commit", "-qm", "add a", cwd=work)
    git("-c", f"protocol.version={protocol}", "push", "-q", cwd=work)
    with open(hf_hub_download(model, "a.txt", cache_dir=tmp_path / "cache")) as file:
        assert file.read() == "by git\n"
    again = tmp_path / "again"
    git("-c", f"protocol.version={protocol}", "clone", "-q", "--depth", "1", clone_url(model, None) + ".git", str(again))
    assert (again / "a.txt").read_text() == "by git\n"
    assert git("fsck", cwd=again).returncode == 0


def test_a_script_stays_one_when_it_is_copied_out_of_the_past(api, model, server, token, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, token), str(work))
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "plain.txt").write_text("text\n")
    git("add", ".", cwd=work)
    git("commit", "-qm", "a script", cwd=work)
    git("push", "-q", cwd=work)
    past = git("rev-parse", "HEAD", cwd=work).stdout.strip()
    api.delete_file("run.sh", model)
    # huggingface_hub lets the hub copy large files alone, and sends the others again.
    lines = [{"key": "header", "value": {"summary": "back"}}]
    lines += [{"key": "copyFile", "value": {"path": to, "srcPath": source, "srcRevision": past}}
              for source, to in (("run.sh", "back.sh"), ("plain.txt", "back.txt"))]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    status, _, said = server.request("POST", f"/api/models/{model}/commit/main", body, token=token,
                                     headers={"Content-Type": "application/x-ndjson"})
    assert status == 200, said
    git("pull", "-q", cwd=work)
    assert (work / "back.sh").read_text() == "#!/bin/sh\n"
    modes = {line.split("\t")[1]: line.split()[0] for line in git("ls-tree", "HEAD", cwd=work).stdout.splitlines()}
    assert modes["back.sh"] == "100755" and modes["back.txt"] == "100644"


def test_large_files_go_through_lfs_both_ways(api, model, token, tmp_path):
    work = tmp_path / "work"
    content = random.Random(5).randbytes(12_000_000)
    git("clone", "-q", clone_url(model, token), str(work))
    (work / "weights.bin").write_bytes(content)
    git("add", ".", cwd=work)
    git("commit", "-qm", "weights", cwd=work)
    git("push", "-q", cwd=work)
    with open(hf_hub_download(model, "weights.bin", cache_dir=tmp_path / "cache"), "rb") as file:
        assert file.read() == content
    # What the API uploaded arrives by git.
    other = random.Random(6).randbytes(300_000)
    api.upload_file(path_or_fileobj=other, path_in_repo="other.bin", repo_id=model)
    git("pull", "-q", cwd=work)
    assert (work / "other.bin").read_bytes() == other


def test_a_large_plain_file_is_refused_with_words(model, token, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, token), str(work))
    (work / "big.txt").write_text("x" * (11 << 20))
    git("add", ".", cwd=work)
    git("commit", "-qm", "too large", cwd=work)
    result = git("push", cwd=work, check=False)
    assert result.returncode != 0
    assert "10 MiB" in result.stderr and "big.txt" in result.stderr


def test_force_push_and_branches(api, model, token, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, token), str(work))
    (work / "a.txt").write_text("1")
    git("add", ".", cwd=work)
    git("commit", "-qm", "one", cwd=work)
    git("push", "-q", cwd=work)
    git("commit", "-q", "--amend", "-m", "other", cwd=work)
    assert git("push", cwd=work, check=False).returncode != 0
    git("push", "-q", "--force", cwd=work)
    git("push", "-q", "origin", "HEAD:feature", cwd=work)
    git("push", "-q", "origin", "--delete", "feature", cwd=work)
    assert [commit.title for commit in api.list_repo_commits(model)] == ["other", "initial commit"]
    result = git("push", "origin", "--delete", "main", cwd=work, check=False)
    assert result.returncode != 0


def test_a_pointer_without_its_object_is_refused(model, token, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, token), str(work))
    oid = "ab" * 32
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n"
    (work / ".gitattributes").write_text("")
    (work / "lost.bin").write_text(pointer)
    git("add", ".", cwd=work)
    git("commit", "-qm", "a pointer to nothing", cwd=work)
    result = git("push", "--no-verify", cwd=work, check=False)
    assert result.returncode != 0
    assert oid[:12] in result.stderr


def test_private_repositories_ask_for_a_token(api, new_name, token, bob_token, tmp_path):
    repo_id = new_name()
    api.create_repo(repo_id, private=True)
    assert git("clone", clone_url(repo_id, None), str(tmp_path / "a"), check=False).returncode != 0
    assert git("clone", clone_url(repo_id, bob_token), str(tmp_path / "b"), check=False).returncode != 0
    git("clone", "-q", clone_url(repo_id, token), str(tmp_path / "c"))


def test_reading_is_not_writing(model, bob_token, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, bob_token), str(work))
    (work / "a.txt").write_text("1")
    git("add", ".", cwd=work)
    git("commit", "-qm", "one", cwd=work)
    assert git("push", cwd=work, check=False).returncode != 0


def test_a_moved_repository_is_cloned_by_its_old_name(api, model, new_name, token, tmp_path):
    to = new_name()
    api.move_repo(model, to)
    git("clone", "-q", clone_url(model, token), str(tmp_path / "work"))
    with open(hf_hub_download(model, ".gitattributes")) as file:
        assert "safetensors" in file.read()


def test_datasets_and_spaces_have_their_prefix(api, new_name, token, tmp_path):
    name = new_name()
    api.create_repo(name, repo_type="dataset")
    api.create_repo(name, repo_type="space", space_sdk="static")
    git("clone", "-q", clone_url(name, token, "datasets/"), str(tmp_path / "d"))
    git("clone", "-q", clone_url(name, token, "spaces/"), str(tmp_path / "s"))
    assert (tmp_path / "s" / "README.md").read_text().startswith("---\n")


def test_who_is_refused_reads_why(api, model, token, bob_token, server, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, token), str(work))
    (work / "a.txt").write_text("1")
    git("add", ".", cwd=work)
    git("commit", "-qm", "one", cwd=work)
    reading = server.add_token("alice", "git-reading", "read")
    refused = git("push", clone_url(model, reading), "HEAD:main", cwd=work, check=False)
    assert refused.returncode != 0 and "use one with the role 'write'" in refused.stderr
    refused = git("push", clone_url(model, bob_token), "HEAD:main", cwd=work, check=False)
    assert refused.returncode != 0 and "you may not write to this repository" in refused.stderr
    api.update_repo_settings(model, gated="manual")
    refused = git("clone", clone_url(model, bob_token), str(tmp_path / "gated"), check=False)
    assert refused.returncode != 0 and "is restricted and you are not in the authorized list" in refused.stderr
    # The password of an account is none for git, and the answer says what is.
    refused = git("clone", clone_url(model, "alice-password"), str(tmp_path / "password"), check=False)
    assert refused.returncode != 0 and "access token as the password" in refused.stderr


def test_a_date_that_no_calendar_has_hurts_nobody(api, model, token, tmp_path):
    work = tmp_path / "work"
    git("clone", "-q", clone_url(model, token), str(work))
    (work / "a.txt").write_text("1")
    git("add", ".", cwd=work)
    git("commit", "-qm", "from afar", cwd=work, GIT_COMMITTER_DATE="@9999999999999 +0000", GIT_AUTHOR_DATE="@9999999999999 +0000")
    git("push", "-q", cwd=work)
    assert api.model_info(model).last_modified.year == 9999
    assert api.list_repo_commits(model)[0].title == "from afar"
    assert all(entry.last_commit for entry in api.list_repo_tree(model, expand=True))


@pytest.mark.parametrize("name,content", [
    (".gitmodules", b'[submodule "../../evil"]\n\tpath = x\n\turl = y\n'),
    ("sub/.gitmodules", b'[submodule "a"]\n\tpath = -x\n\turl = y\n'),
    (".gitmodules", b'[submodule "a"]\n\tpath = x\n\turl = -u./p\n'),
    (".gitattributes", b"*.bin " + b"a" * 2100 + b"\n")])
def test_what_git_refuses_does_not_come_by_the_api(api, model, bob_token, name, content):
    from huggingface_hub.errors import HfHubHTTPError
    with pytest.raises(HfHubHTTPError) as caught:
        api.upload_file(path_or_fileobj=content, path_in_repo=name, repo_id=model, create_pr=True, token=bob_token)
    assert caught.value.response.status_code == 422 and name in str(caught.value)
    api.upload_file(path_or_fileobj=b'[submodule "lib"]\n\tpath = lib\n\turl = https://example.org/lib.git\n',
                    path_in_repo=".gitmodules", repo_id=model)


def test_files_below_a_folder_with_gits_suffix_follow_a_move(api, model, new_name, tmp_path):
    api.upload_file(path_or_fileobj=b"x", path_in_repo="foo.git/x.txt", repo_id=model)
    api.move_repo(model, new_name())
    with open(hf_hub_download(model, "foo.git/x.txt", cache_dir=tmp_path), "rb") as file:
        assert file.read() == b"x"
