"""One hub for the whole run. The clients read their environment when they are imported, so the server
starts before any test file is."""

import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.fronts import Front  # noqa: E402
from lib.proven import Watcher  # noqa: E402
from lib.server import Server  # noqa: E402

_server: Server | None = None
_front: Front | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _server, _front
    _server = Server(os.environ.get("HEARTH_TEST_DATABASE"))
    config.pluginmanager.register(Watcher(_server))
    _server.add_user("root", "--admin")
    for name in ("alice", "bob"):
        _server.add_user(name, password=f"{name}-password")
    _server.hearth("org", "add", "acme", "--owner", "alice")
    _front = Front(_server)
    _front.start("--lfs-part-bytes", str(5 * 1024 * 1024))
    home = tempfile.mkdtemp(prefix="hearth-hf-home-")
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING_FACE"))]:
        if name != "HF_HUB_DISABLE_XET":
            del os.environ[name]
    os.environ.update(
        HF_ENDPOINT=_server.url,
        HF_HOME=home,
        HF_TOKEN=_server.add_token("alice", "tests"),
        HF_HUB_DISABLE_UPDATE_CHECK="1",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_UPDATE_DOWNLOAD_COUNTS="0",
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        HF_HUB_DISABLE_EXPERIMENTAL_WARNING="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=str(Path(home) / "gitconfig"),
        TOKENIZERS_PARALLELISM="false",
    )
    Path(home, "gitconfig").write_text(
        '[user]\n\tname = Alice\n\temail = alice@example.org\n[init]\n\tdefaultBranch = main\n'
        '[filter "lfs"]\n\tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n'
        '\tprocess = git-lfs filter-process\n\trequired = true\n')


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None:
        _front.stop()
        _server.remove()
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What checks the whole hub comes after everything that changes it."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def server() -> Server:
    return _server


@pytest.fixture(scope="session")
def front() -> Front:
    return _front


@pytest.fixture(scope="session")
def token() -> str:
    return os.environ["HF_TOKEN"]


@pytest.fixture(scope="session")
def bob_token(server: Server) -> str:
    return server.add_token("bob", "tests")


@pytest.fixture
def api():
    from huggingface_hub import HfApi
    return HfApi()


@pytest.fixture
def new_name():
    """A fresh repository name for this test: new_name() gives "alice/<something>"."""
    return lambda namespace="alice": f"{namespace}/t-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def model(api, new_name) -> str:
    """A fresh model repository of alice's."""
    repo_id = new_name()
    api.create_repo(repo_id)
    return repo_id
