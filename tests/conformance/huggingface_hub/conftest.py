"""The conftest.py of the client's own tests: a hub of ours, with the users that the tests name.

Copied beside them at run time. The fixtures are written after what the tests ask of them; the distribution carries none.
"""

import os
import sys
import tempfile
import uuid
from typing import Any, Protocol

import pytest

sys.path.insert(0, os.environ["HEARTH_TESTS"])
from lib.proven import Watcher  # noqa: E402
from lib.server import Server  # noqa: E402

from . import testing_constants as constants  # noqa: E402

XET = os.environ.get("HF_HUB_DISABLE_XET") != "1"
_server: Server | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _server
    for line in ("api", "transfer", "inference", "xet", "no_xet", "production", "deprecated", "git_lfs"):
        config.addinivalue_line("markers", f"{line}: of the client's own suite")
    _server = Server()
    config.pluginmanager.register(Watcher(_server))
    _server.add_user("root", "--admin")
    for name, token, full_name in ((constants.USER, constants.TOKEN, constants.FULL_NAME),
                                   (constants.OTHER_USER, constants.OTHER_TOKEN, constants.OTHER_USER),
                                   (constants.ENTERPRISE_USER, constants.ENTERPRISE_TOKEN, constants.ENTERPRISE_USER)):
        _server.hearth("user", "add", name, "--fullname", full_name)
        _server.hearth("token", "add", name, "--name", "suite", "--role", "write", "--value", token)
    _server.hearth("org", "add", "valid_org_hub", "--owner", constants.USER, "--fullname", "Dummy Hub Org")
    _server.hearth("org", "add", constants.ENTERPRISE_ORG, "--owner", constants.ENTERPRISE_USER, "--private-by-default")
    _server.start()
    constants.ENDPOINT_STAGING = constants.ENDPOINT_PRODUCTION = _server.url
    constants.ENDPOINT_PRODUCTION_URL_SCHEME = _server.url + "/{repo_id}/resolve/{revision}/{filename}"
    os.environ.update(HF_ENDPOINT=_server.url, HF_HOME=tempfile.mkdtemp(prefix="hearth-conformance-"))
    os.environ.pop("HF_TOKEN", None)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None:
        _server.remove()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("production"):
            item.add_marker(pytest.mark.skip(reason="needs public content of the Hub"))
        if item.get_closest_marker("no_xet") and XET:
            item.add_marker(pytest.mark.skip(reason="belongs to the pass without Xet"))
        if item.get_closest_marker("xet") and not XET:
            item.add_marker(pytest.mark.skip(reason="belongs to the pass with Xet"))
        if item.get_closest_marker("git_lfs"):
            item.add_marker(pytest.mark.skip(reason="switched off in the client's own runs too"))


class RepoFactory(Protocol):
    def __call__(self, repo_type: str = "model", *, repo_id: str | None = None, token: str | None = None, **options: Any): ...


@pytest.fixture(scope="session")
def api():
    from huggingface_hub import HfApi
    return HfApi(endpoint=constants.ENDPOINT_STAGING, token=constants.TOKEN)


@pytest.fixture(scope="session")
def repo_factory(api):
    """Makes repositories, and deletes them at the end with the token that made them."""
    made = []

    def make(repo_type: str = "model", *, repo_id: str | None = None, token: str | None = None, **options: Any):
        if repo_type == "space":
            options.setdefault("space_sdk", "static")
        url = api.create_repo(repo_id or "repo-" + uuid.uuid4().hex[:10], repo_type=repo_type, token=token, **options)
        made.append((url.repo_id, repo_type, token))
        return url

    yield make
    for repo_id, repo_type, token in made:
        api.delete_repo(repo_id, repo_type=repo_type, token=token, missing_ok=True)


@pytest.fixture
def new_repo_id(api):
    """A name that is free; what the test makes of it is deleted."""
    repo_id = f"{constants.USER}/repo-{uuid.uuid4().hex[:10]}"
    yield repo_id
    api.delete_repo(repo_id, missing_ok=True)
