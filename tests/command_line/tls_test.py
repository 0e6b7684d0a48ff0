"""https by two files: what is said at the start, what is taken up later, and what doctor finds."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from lib.certificates import Authority  # noqa: E402

BINARY = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path / "ca")


class Hub:
    def __init__(self, data: Path, *options: str, addresses: int = 1) -> None:
        self.process = subprocess.Popen([BINARY, "serve", "--data", str(data), "--listen", "127.0.0.1:0", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=PLAIN)
        self.said = []
        self.urls = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("listening on "):
                self.urls.append(line.split()[-1].replace("127.0.0.1", "localhost"))
            if len(self.urls) == addresses:
                break
        assert len(self.urls) == addresses, self.process.stderr.read()

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.communicate()


def certificate_of(url: str, authority: Authority) -> dict:
    import http.client
    host, port = url.removeprefix("https://").split(":")
    connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=authority.ca), timeout=30)
    connection.request("GET", "/health")
    found = connection.sock.getpeercert()
    assert connection.getresponse().status == 200
    connection.close()
    return dict(pair[0] for pair in found["subject"])


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 seconds"
        time.sleep(0.05)


def test_https_and_the_way_there(tmp_path, authority):
    cert, key = authority.issue("first")
    with Hub(tmp_path / "data", "--tls-cert", str(cert), "--tls-key", str(key), "--listen-http", "127.0.0.1:0", addresses=2) as hub:
        https, http = hub.urls
        assert https.startswith("https://") and http.startswith("http://")
        assert any(f"{https}/setup/" in line for line in hub.said)
        assert certificate_of(https, authority) == {"commonName": "first"}

        class Stays(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: object) -> None:
                return None

        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.build_opener(Stays).open(f"{http}/api/models?limit=1")
        assert answer.value.code == 308 and answer.value.headers["Location"] == f"{https}/api/models?limit=1"
        with pytest.raises(urllib.error.HTTPError) as answer:
            urllib.request.urlopen(https.replace("https", "http"))
        assert answer.value.code == 400 and b"https" in answer.value.read()


def test_plain_http_beside_https(tmp_path, authority):
    cert, key = authority.issue()
    with Hub(tmp_path / "data", "--tls-cert", str(cert), "--tls-key", str(key), "--listen-http", "127.0.0.1:0",
             "--redirect-http", "false", addresses=2) as hub:
        assert urllib.request.urlopen(f"{hub.urls[1]}/health").status == 200


def test_a_renewed_certificate_is_taken_up(tmp_path, authority):
    cert, key = authority.issue("first")
    new_cert, new_key = authority.issue("second")
    with Hub(tmp_path / "data", "--tls-cert", str(cert), "--tls-key", str(key)) as hub:
        [https] = hub.urls
        # At once when told; the key alone does not fit, and the old pair stays.
        shutil.copy(new_key, key)
        hub.process.send_signal(signal.SIGHUP)
        assert any("not replaced" in line for line in hub.process.stderr)  # other lines of the log may come between
        assert certificate_of(https, authority) == {"commonName": "first"}
        # By itself, when the other half has come too.
        shutil.copy(new_cert, cert)
        wait_for(lambda: certificate_of(https, authority) == {"commonName": "second"})


def test_what_does_not_fit_is_said_at_the_start(tmp_path, authority):
    cert, key = authority.issue("first")
    _, other_key = authority.issue("second")

    def why(*options: str) -> str:
        done = subprocess.run([BINARY, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", *options],
                              capture_output=True, text=True, env=PLAIN, timeout=60)
        assert done.returncode != 0
        return done.stderr

    assert "belong together" in why("--tls-cert", str(cert))
    assert "does not belong to the certificate" in why("--tls-cert", str(cert), "--tls-key", str(other_key))
    assert "No such file" in why("--tls-cert", "/absent.pem", "--tls-key", str(key))
    assert "--listen-http" in why("--listen-http", "127.0.0.1:0")


def test_doctor_warns_of_a_proxy_that_can_be_passed_by(tmp_path):
    with Hub(tmp_path / "data"):
        pass

    def says(listen: str) -> bool:
        done = subprocess.run([BINARY, "doctor", "--data", str(tmp_path / "data"), "--listen", listen, "--trust-forwarded", "true"],
                              capture_output=True, text=True, env=PLAIN)
        return "X-Forwarded-For" in done.stdout

    assert says("0.0.0.0:8080") and not says("127.0.0.1:8080")


def test_doctor_looks_at_the_certificate(tmp_path, authority):
    cert, key = authority.issue(days=1)
    key.chmod(0o644)
    _, other_key = authority.issue("second")

    def findings(cert: Path, key: Path, *options: str) -> list[tuple[str, str]]:
        done = subprocess.run([BINARY, "doctor", "--json", "--data", str(tmp_path / "data"), "--tls-cert", str(cert),
                               "--tls-key", str(key), *options], capture_output=True, text=True, env=PLAIN)
        return [(finding["level"], finding["what"]) for finding in json.loads(done.stdout)]

    found = findings(cert, key, "--public-url", "https://hub.example")
    assert any(level == "advice" and "expires in" in what for level, what in found)
    assert any(level == "advice" and "can be read by others" in what for level, what in found)
    assert any(level == "wrong" and "localhost, 127.0.0.1, not for hub.example" in what for level, what in found)
    fitting = findings(cert, key, "--public-url", "https://localhost:8443")
    assert not any("not for" in what for _, what in fitting)
    assert ("wrong", "the TLS key does not belong to the certificate") in findings(cert, other_key)
    assert any(level == "wrong" and "holds no certificate" in what for level, what in findings(key, key))
