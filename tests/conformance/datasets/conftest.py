"""The conftest.py of the datasets library's own hub tests: a hub of ours, with the user and the data that they name.

Copied beside them at run time. The fixtures are written after what the tests ask of them; the distribution carries none.
"""

import contextlib
import csv
import os
import sys
import tempfile
import time
import uuid
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, os.environ["HEARTH_TESTS"])
from lib.proven import Watcher  # noqa: E402
from lib.server import Server  # noqa: E402

_server: Server | None = None


def pytest_configure(config: pytest.Config) -> None:
    global _server
    for line in ("integration", "unit", "torchaudio_latest"):
        config.addinivalue_line("markers", f"{line}: of the client's own suite")
    _server = Server()
    config.pluginmanager.register(Watcher(_server))
    _server.add_user("root", "--admin")
    _server.start()
    for name in [name for name in os.environ if name.startswith("HF_") and name != "HF_HUB_DISABLE_XET"]:
        del os.environ[name]
    os.environ.update(HF_ENDPOINT=_server.url, HF_HOME=tempfile.mkdtemp(prefix="hearth-conformance-"), HF_HUB_DISABLE_TELEMETRY="1",
                      HF_UPDATE_DOWNLOAD_COUNTS="0")
    from .fixtures import hub
    _server.hearth("user", "add", hub.CI_HUB_USER, "--fullname", hub.CI_HUB_USER_FULL_NAME)
    _server.hearth("token", "add", hub.CI_HUB_USER, "--name", "suite", "--role", "write", "--value", hub.CI_HUB_USER_TOKEN)
    _make_image(Path(__file__).parent / "features" / "data" / "test_image_rgb.jpg")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server is not None:
        _server.remove()


def _make_image(path: Path) -> None:
    from PIL import Image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(path)


@pytest.fixture(scope="session")
def ci_hub_config():
    """The library already asks this hub: it read HF_ENDPOINT when it was imported."""


@pytest.fixture
def set_ci_hub_access_token(monkeypatch, hf_token):
    """For calls that name no token."""
    monkeypatch.setenv("HF_TOKEN", hf_token)


@pytest.fixture(scope="session")
def hf_api():
    from huggingface_hub import HfApi
    return HfApi(endpoint=os.environ["HF_ENDPOINT"])


@pytest.fixture(scope="session")
def hf_token() -> str:
    from .fixtures.hub import CI_HUB_USER_TOKEN
    return CI_HUB_USER_TOKEN


@pytest.fixture
def cleanup_repo(hf_api, hf_token):
    return lambda repo_id: hf_api.delete_repo(repo_id, token=hf_token, repo_type="dataset")


def _fresh_name() -> str:
    from .fixtures.hub import CI_HUB_USER
    return f"{CI_HUB_USER}/test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def temporary_repo(hf_api, hf_token):
    """A name for a repository that the test makes, deleted at the end."""
    @contextlib.contextmanager
    def temporary(repo_id: str | None = None):
        repo_id = repo_id or _fresh_name()
        try:
            yield repo_id
        finally:
            hf_api.delete_repo(repo_id, token=hf_token, repo_type="dataset", missing_ok=True)
    return temporary


@pytest.fixture
def temporary_bucket(hf_api, hf_token):
    @contextlib.contextmanager
    def temporary():
        bucket_id = hf_api.create_bucket(_fresh_name(), token=hf_token).bucket_id
        try:
            yield bucket_id
        finally:
            hf_api.delete_bucket(bucket_id, token=hf_token)
    return temporary


@pytest.fixture(scope="session")
def text_file(tmp_path_factory) -> str:
    """Five lines, 39 bytes: test_xgetsize_private counts them."""
    path = tmp_path_factory.mktemp("data") / "dataset.txt"
    path.write_text("0 line\n1 line\n2 line\n333 line\n4444 line")
    return str(path)


@pytest.fixture(scope="session")
def csv_path(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("data") / "dataset.csv"
    with open(path, "w", newline="") as out:
        csv.writer(out).writerows([["col_1", "col_2"], *([str(index), index] for index in range(4))])
    return str(path)


@pytest.fixture(scope="session")
def zip_of_texts(tmp_path_factory, text_file) -> str:
    """The folder of a name and two files in it: the glob tests count three."""
    path = tmp_path_factory.mktemp("data") / "texts.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("dataset.txt", "dataset2.txt"):
            archive.write(text_file, f"main_dir/{name}")
    return str(path)


@pytest.fixture(scope="session")
def zip_of_images(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("data") / "images.zip"
    image = Path(__file__).parent / "features" / "data" / "test_image_rgb.jpg"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("image1.jpg", "image2.jpg"):
            archive.write(image, name)
    return str(path)


def _dataset_repo(hf_api, hf_token, files: dict[str, str], private: bool) -> str:
    repo_id = _fresh_name()
    hf_api.create_repo(repo_id, token=hf_token, repo_type="dataset", private=private)
    for path_in_repo, path in files.items():
        hf_api.upload_file(path_or_fileobj=path, path_in_repo=path_in_repo, repo_id=repo_id, repo_type="dataset", token=hf_token)
    return repo_id


@pytest.fixture(scope="session")
def hf_private_dataset_repo_txt_data(hf_api, hf_token, text_file) -> str:
    return _dataset_repo(hf_api, hf_token, {"data/text_data.txt": text_file}, private=True)


@pytest.fixture(scope="session")
def hf_private_dataset_repo_zipped_txt_data(hf_api, hf_token, zip_of_texts) -> str:
    return _dataset_repo(hf_api, hf_token, {"data.zip": zip_of_texts}, private=True)


@pytest.fixture(scope="session")
def hf_private_dataset_repo_zipped_img_data(hf_api, hf_token, zip_of_images) -> str:
    return _dataset_repo(hf_api, hf_token, {"data.zip": zip_of_images}, private=True)


@pytest.fixture(scope="session")
def hf_gated_dataset_repo_txt_data(hf_api, hf_token, text_file) -> str:
    repo_id = _dataset_repo(hf_api, hf_token, {"data/text_data.txt": text_file}, private=False)
    hf_api.update_repo_settings(repo_id, gated="auto", repo_type="dataset", token=hf_token)
    return repo_id
