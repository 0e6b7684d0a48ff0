"""Memory of the hub's process: idle, and at most while 1, 64 and 640 files come in at once, through Xet and through LFS."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import content
import measure
from lib import environments  # measure has put it on the path.

chosen = measure.options(__doc__, rounds=None)
# Uploads at once, MiB of each, and over how many clients Xet's are spread: one process of hf-xet sends only some of its
# threads' files at a time.
SHAPES = ((8, 1, 2),) if chosen.quick else ((1, 16, 1), (64, 16, 8), (640, 2, 8))

# One process of the real client: it uploads its files, each by a thread of its own, all at once, when it is told to. It
# commits nothing: of 640 commits at once the hub sheds some, and what is measured is what uploads hold.
CLIENT = """
import json, os, sys, threading
from huggingface_hub import CommitOperationAdd, HfApi
import hf_xet
job = json.loads(sys.stdin.readline())
failures = []
def one(file):
    try:
        addition = CommitOperationAdd(path_in_repo=os.path.basename(file) + ".bin", path_or_fileobj=file)
        HfApi().preupload_lfs_files(job["repo"], additions=[addition])
    except BaseException as error:
        failures.append(f"{file}: {error!r}")
threads = [threading.Thread(target=one, args=(file,)) for file in job["files"]]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(failures[:3]) if failures else 0)
"""


class Peak:
    """The most that the hub held while the work ran, and the most connections it had then."""

    def __init__(self, hub: measure.Hub, work: Callable[[], object]) -> None:
        self.connections = 0
        self.port = int(hub.url.rpartition(":")[2])
        over = threading.Event()
        watcher = threading.Thread(target=self.watch, args=(over,))
        measure.forget_peak(hub.pid)
        watcher.start()
        try:
            work()
        finally:
            over.set()
            watcher.join()
        self.mib = measure.memory_mib(hub.pid, "VmHWM")

    def watch(self, over: threading.Event) -> None:
        """Established ones (01) with the hub's port at this end: proc(5), /proc/net/tcp."""
        pattern = re.compile(rf"^\s*\d+: [0-9A-F]+:{self.port:04X} [0-9A-F:]+ 01 ", re.M)
        while not over.wait(0.05):
            self.connections = max(self.connections, len(pattern.findall(Path("/proc/net/tcp").read_text())))


class Files:
    """Of random bytes, and the repository that they go to."""

    def __init__(self, hub: measure.Hub, name: str, count: int, size_mib: int) -> None:
        self.folder = measure.folder("many")
        self.files = [self.folder / str(number) for number in range(count)]
        self.sums = [content.random_file(file, size_mib * measure.MIB) for file in self.files]
        self.repo = content.create_repo(hub, f"{name}-{count}")
        hub.settle()

    def check(self, hub: measure.Hub, is_xet: bool) -> None:
        """Every file is there with the sum of its bytes, in chunks if it came so: one commit takes all of them in."""
        content.send_commit(hub, self.repo, [{"key": "header", "value": {"summary": "Add files"}}] + [
            {"key": "lfsFile", "value": {"path": f"{file.name}.bin", "algo": "sha256", "oid": sha256, "size": file.stat().st_size}}
            for file, sha256 in zip(self.files, self.sums)])
        listed = {entry["path"]: entry for entry in json.loads(hub.get(f"/api/models/{self.repo}/tree/main"))}
        for file, sha256 in zip(self.files, self.sums):
            entry = listed[f"{file.name}.bin"]
            if entry["lfs"]["oid"] != sha256 or (is_xet and "xetHash" not in entry):
                raise RuntimeError(f"{self.repo} does not hold the file that was sent: {entry}")

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def through_lfs(hub: measure.Hub, files: Files, _: int) -> Peak:
    failures: list[BaseException] = []

    def one(file: Path, sha256: str) -> None:
        try:
            content.put_lfs(hub, files.repo, file, sha256)
        except BaseException as error:  # noqa: BLE001: told below, by the thread that waits
            failures.append(error)

    def all_of_them() -> None:
        threads = [threading.Thread(target=one, args=each) for each in zip(files.files, files.sums)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    return Peak(hub, all_of_them)


def through_xet(hub: measure.Hub, files: Files, client_count: int) -> Peak:
    """By huggingface_hub and hf-xet in several processes, all of them ready before the first begins."""
    homes = measure.folder("hf-homes")
    clients = []
    for number in range(client_count):
        job = {"repo": files.repo, "files": [str(file) for file in files.files[number::client_count]]}
        client = subprocess.Popen(
            [str(environments.python_of("current")), "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=measure.on_client_cores,
            env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(homes / str(number)),
                 "HF_HUB_DISABLE_PROGRESS_BARS": "1"})
        client.stdin.write(json.dumps(job) + "\n")
        client.stdin.flush()
        clients.append(client)
    for client in clients:
        if client.stdout.readline() != "ready\n":
            raise RuntimeError(f"a client did not start: {client.communicate()[1][-2000:]}")

    def all_of_them() -> None:
        for client in clients:
            client.stdin.write("\n")
            client.stdin.flush()
        for client in clients:
            errors = client.communicate()[1]
            if client.returncode != 0:
                raise RuntimeError(f"a client ended with status {client.returncode}: {errors[-2000:]}")

    return Peak(hub, all_of_them)


def main() -> None:
    table = measure.Table(
        "80-memory", "Memory", command=chosen.command,
        note="Resident memory of the hub's process: idle after its start, and the most while files of random bytes come in at once; one commit at the "
             "end takes all of them in, and is not counted. Through Xet by huggingface_hub and hf-xet of the tests' lock file "
             f"({', '.join(f'{count} uploads by {clients}' for count, _, clients in SHAPES)} processes, a thread for each file; hf-xet itself "
             "decides how many of them it sends at a time); through LFS by one curl for each file. The hub is started anew for each row. It holds blocks, never files.",
        columns=["when", "MiB each", "connections at most", "memory, MiB", "goal", "met"])
    with measure.Hub().begin() as hub:
        hub.sign_in()

        def start_anew() -> None:
            hub.stop()
            hub.begin()

        start_anew()
        idle = measure.memory_mib(hub.pid, "VmRSS")
        table.add("idle", "", "", f"{idle:.1f}", *measure.verdict(idle, most=30, unit=" MiB"))
        for way, upload in {"Xet": through_xet, "LFS": through_lfs}.items():
            for count, size_mib, client_count in SHAPES:
                start_anew()
                files = Files(hub, way.lower(), count, size_mib)
                peak = upload(hub, files, client_count)
                files.check(hub, is_xet=way == "Xet")
                files.remove()
                table.add(f"{count} upload{'s at once' if count > 1 else ''} through {way}", size_mib, peak.connections, f"{peak.mib:.1f}",
                          *(measure.verdict(peak.mib, most=400, unit=" MiB") if count == 64 else measure.NO_GOAL))
    table.publish(chosen.quick)


main()
