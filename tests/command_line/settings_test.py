"""A flag is stronger than the environment, and that than the file: for each command."""

import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))


# What whoever runs the tests has set is not to decide them.
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}


def listens_on(data: Path, *flags: str, **environment: str) -> str:
    process = subprocess.Popen([BINARY, "serve", "--data", str(data), *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, env={**PLAIN, **environment})
    try:
        said = next(line for line in process.stdout if line.startswith("listening on "))
        return said.removeprefix("listening on http://127.0.0.")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def data(tmp_path) -> Path:
    (tmp_path / "hearth.toml").write_text('listen = "127.0.0.2:0"\n')
    return tmp_path


def test_the_address_to_listen_on(data):
    assert listens_on(data).startswith("2:")
    assert listens_on(data, HEARTH_LISTEN="127.0.0.3:0").startswith("3:")
    assert listens_on(data, "--listen", "127.0.0.4:0").startswith("4:")
    assert listens_on(data, "--listen", "127.0.0.4:0", HEARTH_LISTEN="127.0.0.3:0").startswith("4:")


def test_the_data_folder_of_every_command(data, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    listens_on(data)
    listens_on(other)
    environment = {**PLAIN, "HEARTH_DATA": str(other)}
    subprocess.run([BINARY, "user", "add", "ann", "--data", str(data)], check=True, env=environment, stdout=subprocess.DEVNULL)
    assert "ann" in subprocess.run([BINARY, "user", "list", "--data", str(data)], env=environment, capture_output=True, text=True).stdout
    assert "ann" not in subprocess.run([BINARY, "user", "list"], env=environment, capture_output=True, text=True).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_root_works_as_the_owner_of_the_data_folder():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        data = Path(folder, "data")
        data.mkdir()
        os.chown(data, 65534, 65534)
        listens_on(data, "--listen", "127.0.0.2:0")
        subprocess.run([BINARY, "user", "add", "ann", "--data", str(data)], check=True, env=PLAIN, stdout=subprocess.DEVNULL)
        assert {path.lstat().st_uid for path in data.rglob("*")} == {65534}


def test_a_setting_that_is_none_is_named(data):
    (data / "hearth.toml").write_text("lisen = 1\n")
    result = subprocess.run([BINARY, "serve", "--data", str(data)], capture_output=True, text=True, env=PLAIN)
    assert result.returncode == 2 and "lisen" in result.stderr


def quota_of(data: Path, *flags: str, **environment: str) -> str:
    """What a stranger may ask of the API, as an answer says it."""
    process = subprocess.Popen([BINARY, "serve", "--data", str(data), *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, env={**PLAIN, **environment})
    try:
        said = next(line for line in process.stdout if line.startswith("listening on "))
        try:
            urllib.request.urlopen(said.split()[-1] + "/api/whoami-v2")
        except urllib.error.HTTPError as error:
            return error.headers["RateLimit-Policy"]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_the_quota_of_a_class(data):
    subprocess.run([BINARY, "user", "add", "root", "--admin", "--data", str(data)], check=True, env=PLAIN, stdout=subprocess.DEVNULL)
    assert quota_of(data) is None
    with open(data / "hearth.toml", "a") as settings:
        settings.write('rate-limit-api = "20/10"\nrate-limit-window-s = 60\n')
    assert quota_of(data) == '"fixed window";"api";q=10;w=60'
    assert quota_of(data, HEARTH_RATE_LIMIT_API="7") == '"fixed window";"api";q=7;w=60'
    assert quota_of(data, "--rate-limit-api", "20/8", HEARTH_RATE_LIMIT_API="7") == '"fixed window";"api";q=8;w=60'
    for wrong in ("x", "-1", "1/2/3"):
        refused = subprocess.run([BINARY, "serve", "--data", str(data), f"--rate-limit-api={wrong}"], capture_output=True, text=True, env=PLAIN)
        assert refused.returncode != 0 and "neither a number of requests nor PEOPLE/STRANGERS" in refused.stderr
