"""What can be derived is derived again: `hearth verify --rebuild` after its tables were lost."""

import json
import os
import random
import sqlite3
import struct
import subprocess

import pytest
from huggingface_hub import HfApi

from lib.server import Server

DERIVED = ("xorb", "xorb_use", "xet_file", "dedup_chunk", "repo_lfs", "pointer", "path_entry", "path_index", "ref_head",
           "ref_tag", "repo_facts", "repo_tag", "repo_link", "list_change", "list_set", "list_number")


# What is wrong with a row, and what verify says of it. The rows of one list do not touch each other.
LOST = [
    ("DELETE FROM ref_head WHERE ref = 'refs/heads/side'", "index of refs lacks refs/heads/side"),
    ("DELETE FROM ref_tag WHERE ref = 'refs/tags/v1'", "index of refs has refs/tags/v1 wrong"),
    ("DELETE FROM pointer WHERE size_bytes = 1500000", "index of pointers is wrong about w.bin"),
    ("DELETE FROM repo_tag WHERE tag = 'license:mit'", "the tags that it is found by"),
    ("DELETE FROM dedup_chunk", "its first chunk is not noted"),
]
WRONG = [
    ("UPDATE ref_head SET commit_count = commit_count + 1 WHERE ref = 'refs/heads/main'", "index of refs has refs/heads/main at"),
    ("UPDATE ref_head SET commit_oid = '%s' WHERE ref = 'refs/heads/side'" % ("1" * 40), "index of refs has refs/heads/side at 1111"),
    ("UPDATE ref_tag SET target_oid = '%s'" % ("1" * 40), "index of refs has refs/tags/v1 wrong"),
    ("UPDATE pointer SET size_bytes = 7 WHERE size_bytes = 1500000", "index of pointers is wrong about w.bin"),
    ("UPDATE repo_facts SET description = 'another'", "its facts differ from its files in description"),
]
FALSE = [
    ("INSERT INTO ref_head SELECT repo_id, 'refs/heads/ghost', commit_oid, 1 FROM ref_head WHERE ref = 'refs/heads/side'",
     "refs/heads/ghost, which git does not have"),
    ("INSERT INTO ref_tag SELECT repo_id, 'refs/tags/ghost', target_oid FROM ref_tag WHERE ref = 'refs/tags/v1'",
     "refs/tags/ghost, which git does not have"),
    ("UPDATE repo_facts SET headers = '{}'", "headers of its weights"),
    ("INSERT INTO dedup_chunk SELECT a.hash, b.hash FROM xorb a CROSS JOIN xorb b WHERE a.hash <> b.hash", "is noted that it does not hold"),
    ("INSERT INTO xorb_use SELECT r.id, x.hash FROM repo r CROSS JOIN xorb x WHERE NOT EXISTS "
     "(SELECT 1 FROM xorb_use u WHERE u.repo_id = r.id AND u.xorb_hash = x.hash)", "which none of its files is made of"),
]
SORTED = [
    ("UPDATE repo_rank SET main_bytes = main_bytes + 1", "what lists sort it by"),
    ("DELETE FROM path_entry WHERE path = 'w.bin'", "its path index lacks 'w.bin'"),
]
LINKED = [("DELETE FROM repo_link", "its links to others")]
SETS = [("DELETE FROM list_set WHERE condition = 'model tag license:mit'", 'lists of "model tag license:mit" do not find it')]


def run_sql(server: Server, statement: str) -> None:
    if server.database:
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", server.database, "-c", statement], check=True)
        return
    database = sqlite3.connect(server.data / "hearth.db")
    database.execute(statement)
    database.commit()
    database.close()


@pytest.fixture
def own_server():
    server = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    server.add_user("alice")
    server.start()
    yield server
    server.remove()


def test_tables_that_were_lost_are_made_again(own_server, tmp_path):
    token = own_server.add_token("alice")
    api = HfApi(endpoint=own_server.url, token=token)
    repo_id = api.create_repo("alice/kept").repo_id
    old, new = (random.Random(seed).randbytes(1_500_000) for seed in (1, 2))
    first = api.upload_file(path_or_fileobj=old, path_in_repo="w.bin", repo_id=repo_id)
    api.upload_file(path_or_fileobj=new, path_in_repo="w.bin", repo_id=repo_id)
    own_server.request("POST", f"/api/models/{repo_id}/commit/main", (
        '{"key":"header","value":{"summary":"card"}}\n'
        '{"key":"file","value":{"path":"README.md","content":"---\\nlicense: mit\\n---\\n"}}\n').encode(), token,
        {"Content-Type": "application/x-ndjson"})
    before = api.model_info(repo_id)
    own_server.settle()
    port = int(own_server.url.rsplit(":", 1)[1])
    own_server.stop()

    for table in DERIVED:
        run_sql(own_server, f"DELETE FROM {table}")
    assert own_server.verify().returncode == 1
    own_server.hearth("verify", "--rebuild")
    assert own_server.verify().returncode == 0

    # A row that says something else than git does is found, too.
    run_sql(own_server, f"UPDATE path_entry SET commit_oid = '{'0' * 40}' WHERE path = 'w.bin'")
    found = own_server.verify()
    assert found.returncode == 1 and "path index names commit" in found.stdout
    own_server.hearth("verify", "--rebuild")

    own_server.start(port=port)
    assert "license:mit" in before.tags and api.model_info(repo_id).tags == before.tags
    assert [model.id for model in api.list_models(filter="license:mit")] == [repo_id]
    for revision, content in (("main", new), (first.oid, old)):
        with open(api.hf_hub_download(repo_id, "w.bin", revision=revision, cache_dir=tmp_path / revision), "rb") as file:
            assert file.read() == content


def test_each_row_that_differs_from_git_or_the_files_is_found_and_mended(own_server):
    token = own_server.add_token("alice")
    api = HfApi(endpoint=own_server.url, token=token)
    api.upload_file(path_or_fileobj=os.urandom(900_000), path_in_repo="other.bin", repo_id=api.create_repo("alice/other").repo_id)
    repo_id = api.create_repo("alice/kept").repo_id
    header = json.dumps({"t": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    card = b"---\nlicense: mit\nbase_model: alice/other\n---\n"
    for path, content in (("README.md", card), ("w.bin", os.urandom(1_500_000)),
                          ("model.safetensors", struct.pack("<Q", len(header)) + header + bytes(16))):
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo_id)
    api.create_branch(repo_id, branch="side")
    api.create_tag(repo_id, tag="v1", tag_message="annotated")
    api.upload_file(path_or_fileobj=b"proposed", path_in_repo="p.txt", repo_id=repo_id, create_pr=True)
    own_server.settle()
    assert api.model_info(repo_id).safetensors.total == 4
    clean = own_server.verify()
    assert clean.returncode == 0, clean.stdout
    for damages in (LOST, WRONG, FALSE, SORTED, LINKED, SETS):
        for statement, _ in damages:
            run_sql(own_server, statement)
        found = own_server.verify()
        assert found.returncode == 1
        for statement, said in damages:
            assert said in found.stdout, f"{statement}\n{found.stdout}"
        own_server.hearth("verify", "--rebuild")
        mended = own_server.verify()
        assert mended.returncode == 0, f"{damages}\n{mended.stdout}"
    assert api.model_info(repo_id).safetensors.total == 4
