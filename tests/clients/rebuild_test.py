"""What can be derived is derived again: `hearth verify --rebuild` after its tables were lost."""

import random
import sqlite3

import pytest
from huggingface_hub import HfApi

from lib.server import Server

DERIVED = ("xorb", "xorb_use", "xet_file", "dedup_chunk", "repo_lfs", "pointer", "path_entry", "path_index", "ref_head",
           "repo_facts", "repo_tag", "repo_link")


@pytest.fixture
def own_server():
    server = Server()
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

    database = sqlite3.connect(own_server.data / "hearth.db")
    for table in DERIVED:
        assert database.execute(f"DELETE FROM {table}").rowcount >= 0
    database.commit()
    database.close()
    assert own_server.verify().returncode == 1
    own_server.hearth("verify", "--rebuild")
    assert own_server.verify().returncode == 0

    # A row that says something else than git does is found, too.
    database = sqlite3.connect(own_server.data / "hearth.db")
    database.execute("UPDATE path_entry SET commit_oid = ? WHERE path = 'w.bin'", ("0" * 40,))
    database.commit()
    database.close()
    found = own_server.verify()
    assert found.returncode == 1 and "path index names commit" in found.stdout
    own_server.hearth("verify", "--rebuild")

    own_server.start(port=port)
    assert "license:mit" in before.tags and api.model_info(repo_id).tags == before.tags
    assert [model.id for model in api.list_models(filter="license:mit")] == [repo_id]
    for revision, content in (("main", new), (first.oid, old)):
        with open(api.hf_hub_download(repo_id, "w.bin", revision=revision, cache_dir=tmp_path / revision), "rb") as file:
            assert file.read() == content
