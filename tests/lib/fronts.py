"""What stands between the clients of a test and a hub: TLS of the hub's own, or a real nginx.

A front starts the hub, and leaves in `server.url` what clients are told. Tests choose one by
HEARTH_TEST_FRONT: tls, nginx or nginx-tls; or witness, which holds the answers to the OpenAPI document (witness.py).
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from lib import environments
from lib.certificates import Authority
from lib.server import Server

# Which variable makes which client trust an authority of one's own; docs/tls.md says the same, and
# tests/fronts/trust_test.py tries each alone.
TRUST = {
    "SSL_CERT_FILE": "huggingface_hub from 1.0 with httpx, hf-xet, curl, Go",
    "REQUESTS_CA_BUNDLE": "huggingface_hub before 1.0, with requests",
    "GIT_SSL_CAINFO": "git and git-lfs",
    "NODE_EXTRA_CA_CERTS": "@huggingface/hub on Node",
}

# The whole configuration that docs/tls.md gives, between what nginx needs to run inside a test.
NGINX_SITE = """\
    client_max_body_size 0;
    location / {
        proxy_pass http://127.0.0.1:8080;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
"""


def trust(ca: Path) -> dict[str, str]:
    """The environment in which every client trusts `ca`."""
    return {name: str(ca) for name in TRUST}


class Nginx:
    """One nginx before one hub. `site` stands inside its server block, with the hub's address as in the docs."""

    def __init__(self, folder: Path, site: str = NGINX_SITE, listen: str = "", port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.process: subprocess.Popen | None = None
        self._site = site
        self._listen = listen

    def start(self, hub_url: str) -> "Nginx":
        site = self._site.replace("127.0.0.1:8080", hub_url.split("//")[1].replace("localhost", "127.0.0.1"))
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = "".join(f"  {kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {self.folder}/nginx.pid;\nerror_log {self.folder}/error.log;\nevents {{}}\n"
            f"http {{\n  access_log {self.folder}/access.log;\n{temporary}"
            f"  server {{\n    listen 127.0.0.1:{self.port}{self._listen};\n{site}  }}\n}}\n")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"),
                                         "-e", str(self.folder / "error.log")], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("nginx did not start:\n" + (self.folder / "error.log").read_text())
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Front:
    """Starts `server` behind what HEARTH_TEST_FRONT names; nothing is between when it names nothing. `site` stands in
    nginx's server block, if another than the docs' is wanted."""

    def __init__(self, server: Server, name: str | None = None, site: str | None = None) -> None:
        self.name = os.environ.get("HEARTH_TEST_FRONT", "") if name is None else name
        assert self.name in ("", "tls", "nginx", "nginx-tls", "witness"), self.name
        self.server = server
        self.nginx: Nginx | None = None
        self.witness: subprocess.Popen | None = None
        self._report = server.folder / "witness.ndjson"
        self._site = site or NGINX_SITE

    def start(self, *options: str) -> None:
        if self.name == "":
            self.server.start(*options)
            return
        if self.name == "witness":
            self._start_witness(*options)
            return
        cert = key = None
        if self.name != "nginx":
            authority = Authority(self.server.folder / "ca")
            cert, key = authority.issue()
            os.environ.update(trust(authority.ca))
        if self.name == "tls":
            self.server.start("--tls-cert", str(cert), "--tls-key", str(key), *options)
            return
        lines = f"    ssl_certificate {cert};\n    ssl_certificate_key {key};\n" if cert else ""
        self.nginx = Nginx(self.server.folder / "nginx", lines + self._site, listen=" ssl" if cert else "")
        url = f"{'https' if cert else 'http'}://localhost:{self.nginx.port}"
        self.server.start("--public-url", url, "--trust-forwarded", "true", *options)
        self.nginx.start(self.server.url)
        self.server.url = url

    def _start_witness(self, *options: str) -> None:
        port = free_port()
        url = f"http://localhost:{port}"
        self.server.start("--public-url", url, *options)
        self.witness = subprocess.Popen([str(environments.python_of("tools")), str(Path(__file__).with_name("witness.py")),
                                         self.server.url, str(port), str(self._report)], stdout=subprocess.PIPE)
        assert self.witness.stdout.readline() == b"ready\n", "the witness did not start"
        self.server.url = url

    def witnessed(self) -> list[dict]:
        """What the witness noted of each answer."""
        return [json.loads(line) for line in self._report.read_text().splitlines()]

    def stop(self) -> None:
        if self.nginx is not None:
            self.nginx.stop()
        if self.witness is not None:
            self.witness.terminate()
            self.witness.wait()
