"""An authority of one's own: which variable makes which client trust it. docs/tls.md has the table."""

import json
import shutil
from pathlib import Path

import pytest

from lib import environments

JS = Path(__file__).resolve().parent.parent / "clients_js"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    from conftest import start_hub
    hub = start_hub(tmp_path_factory.mktemp("trust"), "tls")
    assert hub.client("small", "alice/first", SSL_CERT_FILE=hub.ca).returncode == 0
    yield hub
    hub.front.stop()
    hub.server.remove()


@pytest.mark.parametrize("lock", ["current", "hub-1.6"])
def test_ssl_cert_file_is_enough_for_huggingface_hub_and_xet(hub, lock):
    done = hub.client("large", f"alice/{lock.replace('.', '-')}", lock, SSL_CERT_FILE=hub.ca)
    assert done.returncode == 0, done.stderr
    for nothing in ({}, {"REQUESTS_CA_BUNDLE": hub.ca}):
        done = hub.client("small", "alice/first", lock, **nothing)
        assert done.returncode != 0 and "CERTIFICATE_VERIFY_FAILED" in done.stderr


def test_before_1_0_requests_has_its_own_variable_and_xet_keeps_the_other(hub):
    done = hub.client("small", "alice/old", "hub-0.36", SSL_CERT_FILE=hub.ca)
    assert done.returncode != 0 and "SSLError" in done.stderr
    done = hub.client("small", "alice/old", "hub-0.36", REQUESTS_CA_BUNDLE=hub.ca)
    assert done.returncode == 0, done.stderr
    done = hub.client("large", "alice/old", "hub-0.36", REQUESTS_CA_BUNDLE=hub.ca, SSL_CERT_FILE=hub.ca)
    assert done.returncode == 0, done.stderr
    # LFS goes through requests alone.
    done = hub.client("large", "alice/old-lfs", "hub-0.36", REQUESTS_CA_BUNDLE=hub.ca, HF_HUB_DISABLE_XET="1")
    assert done.returncode == 0, done.stderr


def test_datasets_and_transformers_do_as_huggingface_hub_does(hub):
    code = """
import sys
from datasets import Dataset, load_dataset
from transformers import AutoTokenizer, BertConfig, BertModel, AutoModel
Dataset.from_dict({"text": ["one", "two"]}).push_to_hub("alice/numbers")
assert load_dataset("alice/numbers", split="train")[1] == {"text": "two"}
assert next(iter(load_dataset("alice/numbers", split="train", streaming=True))) == {"text": "one"}
model = BertModel(BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=100))
model.push_to_hub("alice/bert")
assert AutoModel.from_pretrained("alice/bert").num_parameters() == model.num_parameters()
"""
    done = hub.run(str(environments.python_of("current")), "-c", code, SSL_CERT_FILE=hub.ca)
    assert done.returncode == 0, done.stderr


def test_git_and_git_lfs_go_by_gits_own_setting(hub, tmp_path):
    url = hub.clone_url("alice/first")
    for wrong in ({}, {"SSL_CERT_FILE": hub.ca}, {"CURL_CA_BUNDLE": hub.ca}):
        done = hub.run("git", "ls-remote", url, **wrong)
        assert done.returncode != 0 and "certificate verification failed" in done.stderr
    assert hub.run("git", "-c", f"http.sslCAInfo={hub.ca}", "ls-remote", url).returncode == 0
    work = tmp_path / "work"
    trusting = {"GIT_SSL_CAINFO": hub.ca, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a@b"}
    (tmp_path / "weights.bin").write_bytes(bytes(range(256)) * 20_000)
    for command in (("git", "clone", "-q", url, str(work)), ("git", "-C", str(work), "lfs", "install", "--local"),
                    ("cp", str(tmp_path / "weights.bin"), str(work)), ("git", "-C", str(work), "add", "."),
                    ("git", "-C", str(work), "commit", "-qm", "weights"), ("git", "-C", str(work), "push", "-q")):
        done = hub.run(*command, **trusting)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(work)
    done = hub.run("git", "-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.process=git-lfs filter-process",
                   "clone", "-q", url, str(work), **trusting)
    assert done.returncode == 0, done.stderr
    assert (work / "weights.bin").read_bytes() == (tmp_path / "weights.bin").read_bytes()


def test_curl_and_ranges(hub):
    address = f"{hub.server.url}/alice/first/resolve/main/a.txt"
    assert hub.run("curl", "-sS", address).returncode == 60
    for option, variables in (((), {"SSL_CERT_FILE": hub.ca}), ((), {"CURL_CA_BUNDLE": hub.ca}), (("--cacert", hub.ca), {})):
        done = hub.run("curl", "-sS", *option, "-r", "1-2", address, **variables)
        assert (done.returncode, done.stdout) == (0, "ex"), done.stderr


@pytest.mark.parametrize("function", ["a_small_file_and_one_of_nothing", "a_large_file_by_lfs", "a_large_file_by_xet"])
def test_the_npm_package_goes_by_nodes_variable(hub, tmp_path, function):
    given = {"hubUrl": hub.server.url, "tokens": {"alice": hub.token}, "name": function.replace("_", "-"), "folder": str(tmp_path)}
    command = (str(environments.node()), str(JS / "run_one.mjs"), str(environments.node_modules(JS)), str(JS / "files.mjs"), function,
               json.dumps(given))
    done = hub.run(*command)
    assert done.returncode != 0 and "UNABLE_TO" in done.stderr, done.stdout + done.stderr
    done = hub.run(*command, NODE_EXTRA_CA_CERTS=hub.ca)
    assert done.returncode == 0, done.stdout + done.stderr
