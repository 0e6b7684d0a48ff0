"""Quotas of requests: what the clients make of a 429. A hub of its own, with windows of a few seconds."""

import logging
import os
import random
import subprocess
import time

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import parse_ratelimit_headers

from lib.server import Server

WINDOW_S = 6
QUOTA = 12
WAITED = "Rate limited. Waiting"  # huggingface_hub utils/_http.py, before it sleeps.


@pytest.fixture(scope="module")
def hub():
    server = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    try:
        server.add_user("root", "--admin")
        server.add_user("carol")
        server.start("--rate-limit-window-s", str(WINDOW_S), "--rate-limit-api", f"{QUOTA}/5", "--rate-limit-resolvers", f"{QUOTA}",
                     "--rate-limit-git", "3", "--rate-limit-transfers", "200/200")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def carol(hub) -> HfApi:
    return HfApi(endpoint=hub.url, token=hub.add_token("carol"))


def refused(call) -> HfHubHTTPError:
    """Calls until the quota is used up: more than once, when the window ends in between."""
    for _ in range(10 * QUOTA):
        try:
            call()
        except HfHubHTTPError as error:
            assert error.response.status_code == 429, error
            return error
    raise AssertionError("nothing was refused")


def waits(caplog) -> int:
    return sum(WAITED in record.getMessage() for record in caplog.records)


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.WARNING, logger="huggingface_hub")
    logging.getLogger("huggingface_hub").propagate = True


def patiently(call):
    """What has no retries of its own in the client."""
    while True:
        try:
            return call()
        except HfHubHTTPError as error:
            if error.response.status_code != 429:
                raise
            time.sleep(int(error.response.headers["Retry-After"]))


def test_the_message_names_the_limit(carol):
    error = refused(lambda: carol.get_user_overview("carol"))
    assert "you have reached your 'api' rate limit" in str(error)
    assert f"(0/{QUOTA} requests remaining in current {WINDOW_S}s window)" in str(error)
    left = parse_ratelimit_headers(error.response.headers)
    assert left.remaining == 0 and 1 <= left.reset_in_seconds <= WINDOW_S
    assert int(error.response.headers["Retry-After"]) == left.reset_in_seconds


def test_every_answer_says_what_is_left(hub, carol):
    for path in ("/api/whoami-v2", "/api/models/carol/absent"):
        status, headers, _ = hub.request("GET", path, token=carol.token)
        assert status in (200, 404, 429)
        left = parse_ratelimit_headers(headers)
        assert (left.resource_type, left.limit, left.window_seconds) == ("api", QUOTA, WINDOW_S)
    assert hub.request("GET", "/api/whoami-v2", token="hf_" + "x" * 30)[1]["RateLimit"].startswith('"api";')  # As a stranger.
    for path in ("/health", "/login"):
        _, headers, _ = hub.request("GET", path)
        assert parse_ratelimit_headers(headers) is None


def test_an_upload_and_a_download_wait_and_end_well(hub, carol, caplog, tmp_path):
    repo_id = f"carol/waits-{random.randrange(1 << 30)}"
    patiently(lambda: carol.create_repo(repo_id))
    content = random.Random(5).randbytes(300_000)
    (tmp_path / "weights.bin").write_bytes(content)  # Large enough for Xet or Git LFS.
    for number in range(10):  # A machine that is slow enough finds a new window.
        refused(lambda: carol.get_user_overview("carol"))
        patiently(lambda: carol.upload_file(path_or_fileobj=tmp_path / "weights.bin", path_in_repo=f"{number}.bin", repo_id=repo_id))
        if waits(caplog):
            break
    assert waits(caplog)
    for _ in range(10):
        caplog.clear()
        while hub.request("HEAD", f"/{repo_id}/resolve/main/README.md", token=carol.token)[0] != 429:
            pass
        path = hf_hub_download(repo_id, f"{number}.bin", endpoint=carol.endpoint, token=carol.token, local_dir=tmp_path / "got")
        if waits(caplog):
            break
    assert waits(caplog)
    assert open(path, "rb").read() == content


def test_git_shows_the_sentence(hub, carol, tmp_path):
    repo_id = f"carol/git-{random.randrange(1 << 30)}"
    patiently(lambda: carol.create_repo(repo_id))
    url = f"{hub.url.replace('http://', f'http://carol:{carol.token}@')}/{repo_id}"
    for number in range(10):
        done = subprocess.run(["git", "clone", "-q", url, str(tmp_path / str(number))], capture_output=True, text=True)
        if done.returncode != 0:
            break
    assert "Too many requests: 3 in 6 s are allowed here. Wait " in done.stderr, done.stderr


def test_people_are_not_held_up_by_strangers(hub, carol):
    for _ in range(40):
        status, headers, _ = hub.request("GET", "/api/models")
        if status == 429:
            break
    assert status == 429 and parse_ratelimit_headers(headers).limit == 5
    assert patiently(carol.whoami)["name"] == "carol"
