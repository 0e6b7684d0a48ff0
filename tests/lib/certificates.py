"""A certificate authority of a test's own, made with openssl."""

import subprocess
from pathlib import Path


class Authority:
    """`ca` is what clients have to trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self._ca_key = folder / "ca-key.pem"
        _openssl("req", "-x509", *_new_key(self._ca_key), "-days", "2", "-subj", "/CN=Test authority",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                 "-out", self.ca)

    def issue(self, name: str = "server", hosts: tuple[str, ...] = ("DNS:localhost", "IP:127.0.0.1"), days: int = 1) -> tuple[Path, Path]:
        """A certificate for `hosts` and its key, as NAME.pem and NAME-key.pem."""
        cert, key, request = (self.folder / f"{name}{end}" for end in (".pem", "-key.pem", ".csr"))
        _openssl("req", *_new_key(key), "-subj", f"/CN={name}", "-addext", f"subjectAltName={','.join(hosts)}", "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-days", str(days),
                 "-copy_extensions", "copy", "-out", cert)
        return cert, key


def _new_key(path: Path) -> tuple[object, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
