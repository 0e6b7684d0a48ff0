"""Disks for a hub to stand on that fail when told to, and system calls that do."""

import subprocess
from pathlib import Path


class CutDisk:
    """A disk that loses power (cut_disk/main.cc), mounted at `mount` until close()."""

    def __init__(self, mount: Path, binary: Path) -> None:
        program = binary.parent / "cut_disk"
        if not program.exists():
            raise RuntimeError(f"{program} is not there: install libfuse3-dev and fuse3 (tests/packages.txt), then build again")
        self.mount = mount
        mount.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen([str(program), str(mount), str(mount.parent / "store")], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self._process.stdout.readline().strip() != "mounted":
            raise RuntimeError(f"FUSE cannot be mounted here, and without it no test shows what a power cut leaves: "
                               f"{self._process.stderr.read()}(it needs /dev/fuse, and root or fusermount3)")

    def cut(self, seed: int, how: str) -> str:
        """The power fails. `how`: "nothing" of what was not flushed is there afterwards, or "some" of it."""
        self._process.stdin.write(f"cut {seed} {how}\n")
        self._process.stdin.flush()
        lost = self._process.stdout.readline().strip()
        if not lost:
            raise RuntimeError(f"cut_disk ended: {self._process.stderr.read()}")
        return lost

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            subprocess.run(["umount", "-l", str(self.mount)])


def faulty_calls(server, *rules: str) -> dict[str, str]:
    """The environment of a hub whose system calls in its data folder meet these rules (faulty_calls.cc). Each call that
    was made to fail is a line of faulty-calls.log beside the data folder."""
    library = Path(server.binary).parent / "faulty_calls.so"
    if not library.exists():
        raise RuntimeError(f"{library} is not there: build the tests (ninja -C build)")
    return {"LD_PRELOAD": str(library), "FAULTY_CALLS": ";".join([str(server.data), *rules]),
            "FAULTY_CALLS_LOG": str(server.folder / "faulty-calls.log")}
