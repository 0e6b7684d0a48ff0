"""One MiB of a large file changed: what goes over the wire, up and down, by the real Xet client.

A relay counts the bytes between client and hub; all of the client's connections go through it.
"""

import filecmp
import os
import sys
from pathlib import Path

import content
import measure

sys.path.insert(0, str(measure.ROOT / "tests"))
from lib import environments  # noqa: E402
from lib.relay import Relay  # noqa: E402

chosen = measure.options(__doc__, rounds=None)
SIZES_MIB = (16,) if chosen.quick else (10, 100, 1024)


def change(file: Path, size_mib: int) -> None:
    """The MiB in the middle."""
    with open(file, "r+b") as changed:
        changed.seek(size_mib * measure.MIB // 2)
        changed.write(os.urandom(measure.MIB))


def compare(home: Path, file: Path) -> None:
    """The file as it is now is among what was downloaded."""
    if not any(filecmp.cmp(path, file, shallow=False) for path in home.glob(f"hub/models--bench--changing/snapshots/*/{file.name}")):
        raise RuntimeError("the download is not the changed file")


def main() -> None:
    table = measure.Table(
        "70-change", "One MiB changed in a large file", command=chosen.command,
        note="MiB over the wire both ways, headers and all, counted by a relay; hf-xet of the tests' lock file. The changed MiB lies in the middle. "
             "What has not changed is found in two ways: the client that sent the file has a list of its chunks in its own cache still; one with an empty "
             "cache asks the hub for them. hf-xet keeps no chunks of what it has downloaded (HF_XET_CHUNK_CACHE_SIZE_BYTES has no effect: "
             "huggingface/xet-core, issue 715; huggingface/huggingface_hub, pull request 4883), so a changed file comes whole from any hub. "
             "Part: the larger of both ways, of the file.",
        columns=["file, MiB", "what", "up, MiB", "down, MiB", "part of the file", "hub, CPU s"])
    files = measure.folder("files")
    home = measure.folder("hf-home")
    with measure.Hub().begin() as hub:
        hub.sign_in()
        repo = content.create_repo(hub, "changing")
        relay = Relay(int(hub.url.rpartition(":")[2]))
        env = {**os.environ, "HF_ENDPOINT": relay.url, "HF_TOKEN": hub.token, "HF_HOME": str(home)}

        def client(script: str, **other: str) -> measure.Spent:
            return measure.spent(hub.pid, lambda: measure.run_client([str(environments.python_of("current")), "-c", script], env={**env, **other}))

        for size_mib in SIZES_MIB:
            file = files / f"{size_mib}.bin"
            content.random_file(file, size_mib * measure.MIB)
            upload = f"from huggingface_hub import HfApi; HfApi().upload_file(path_or_fileobj={str(file)!r}, path_in_repo={file.name!r}, repo_id={repo!r})"
            download = f"from huggingface_hub import hf_hub_download; print(hf_hub_download({repo!r}, {file.name!r}))"

            def add(what: str, spent: measure.Spent) -> None:
                up, down = (count / measure.MIB for count in relay.take())
                table.add(size_mib, what, f"{up:.2f}", f"{down:.2f}", f"{max(up, down) / size_mib:.1%}", f"{spent.cpu_s:.2f}")

            relay.take()
            add("upload, new", client(upload))
            add("download, new", client(download))
            change(file, size_mib)
            add("upload, changed", client(upload))
            add("download, changed", client(download))
            compare(home, file)
            change(file, size_mib)  # Of what the first one sent, the same MiB differs.
            relay.take()
            add("upload, changed, by a client with an empty cache", client(upload, HF_HOME=str(measure.folder("hf-home"))))
            client(download)
            compare(home, file)
    table.publish(chosen.quick)


main()
