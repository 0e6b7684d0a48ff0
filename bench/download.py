"""A large file down: whole from disk, reconstructed from chunks, and by hf-xet, beside nginx with sendfile."""

import hashlib
import itertools
import os
import subprocess
import sys

import content
import measure

sys.path.insert(0, str(measure.ROOT / "tests"))
from lib import environments  # noqa: E402

chosen = measure.options(__doc__)
SIZES_MIB = (8,) if chosen.quick else (10, 100, 1024)
COPIES = 1 if chosen.quick else 5


def sha256_of(command: list[str]) -> str:
    """Of what the command prints; read in pieces, so that the client's cost is the same for all."""
    digest = hashlib.sha256()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    while block := process.stdout.read(measure.MIB):
        digest.update(block)
    if process.wait() != 0:
        raise RuntimeError(f"{' '.join(command)}: status {process.returncode}")
    return digest.hexdigest()


def curl(url: str, token: str = "") -> None:
    measure.run_client(["curl", "-sf", "-o", "/dev/null", *(["-H", f"Authorization: Bearer {token}"] if token else []), url])


def fetch_by_xet(hub: measure.Hub, repo: str, path: str) -> None:
    """Into an empty cache, by the real client."""
    cache = measure.folder("hf-home")
    script = f"from huggingface_hub import hf_hub_download; hf_hub_download({repo!r}, {path!r})"
    measure.run_client([str(environments.python_of("current")), "-c", script],
                       env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(cache)})


def upload_by_xet(hub: measure.Hub, repo: str, path: str, file: str) -> None:
    cache = measure.folder("hf-home")
    script = f"from huggingface_hub import HfApi; HfApi().upload_file(path_or_fileobj={file!r}, path_in_repo={path!r}, repo_id={repo!r})"
    measure.run_client([str(environments.python_of("current")), "-c", script],
                       env={**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(cache)})


def main() -> None:
    table = measure.Table(
        "10-download", "A large file down", command=chosen.command,
        note="Random bytes, five files of each size, warm in the page cache; curl fetches them, hf-xet into an empty cache. The hub has compared the bytes of a whole "
             "file with their sums within the last ten minutes, as it does before the first of many downloads (`first`, once). "
             "`Reconstructed` is a Xet file by plain HTTP. CPU seconds of the server a GiB; medians, least and most.",
        columns=["how", "MiB", "Hearth, CPU s/GiB", "nginx, CPU s/GiB", "ratio nginx/Hearth", "goal", "met", "Hearth, MiB/s", "nginx, MiB/s"])
    files = measure.folder("files")
    with measure.Hub().begin("--chunk-lfs-uploads", "false") as hub:
        hub.sign_in()
        repo = content.create_repo(hub, "large")
        peer = measure.Nginx(files)
        for size_mib in SIZES_MIB:
            # Several of the same size: how a file lies in memory makes a difference of a half.
            names = [f"{size_mib}-{number}.bin" for number in range(COPIES)]
            sums = [content.random_file(files / name, size_mib * measure.MIB) for name in names]
            for name, sha256 in zip(names, sums):
                content.upload_lfs(hub, repo, name, files / name, sha256)
            wholes = [f"{hub.url}/{repo}/resolve/main/{name}" for name in names]
            peers = [f"{peer.url}/{name}" for name in names]
            mixed = files / f"{size_mib}-xet.bin"
            xet_sha256 = content.random_file(mixed, size_mib * measure.MIB)
            upload_by_xet(hub, repo, f"xet-{size_mib}.bin", str(mixed))
            xet = f"{hub.url}/{repo}/resolve/main/xet-{size_mib}.bin"
            first = measure.spent(hub.pid, lambda: curl(wholes[0]))
            table.add("whole, first", size_mib, f"{first.cpu_s * 1024 / size_mib:.2f}", "", "", *measure.NO_GOAL, f"{size_mib / first.wall_s:,.0f}", "")
            for url, wanted in (*zip(wholes, sums), (xet, xet_sha256)):
                if sha256_of(["curl", "-sf", url]) != wanted:
                    raise RuntimeError(f"{url} gave other bytes")
            turns = {"whole": itertools.cycle(wholes), "peer": itertools.cycle(peers)}
            seen = measure.in_turn(chosen.rounds, {
                "whole": lambda: measure.spent(hub.pid, lambda: curl(next(turns["whole"]))),
                "peer": lambda: measure.spent(peer.pid, lambda: curl(next(turns["peer"]))),
                "reconstructed": lambda: measure.spent(hub.pid, lambda: curl(xet))})
            # Not in turn with the others: what the client writes would go to the disk while the next is measured.
            seen["hf-xet"] = [measure.spent(hub.pid, lambda: fetch_by_xet(hub, repo, f"xet-{size_mib}.bin")) for _ in range(chosen.rounds)]
            os.sync()
            per_gib = {way: [max(one.cpu_s, 0.005) * 1024 / size_mib for one in spent] for way, spent in seen.items()}
            speed = {way: measure.median([size_mib / one.wall_s for one in spent]) for way, spent in seen.items()}
            for way in ("whole", "reconstructed", "hf-xet"):
                ratios = [b / a for a, b in zip(per_gib[way], per_gib["peer"])]
                goal = measure.verdict(measure.median(ratios), least=0.9) if way == "whole" and size_mib == 1024 else measure.NO_GOAL
                table.add(way, size_mib, measure.spread(per_gib[way]), measure.spread(per_gib["peer"]), measure.spread(ratios), *goal,
                          f"{speed[way]:,.0f}", f"{speed['peer']:,.0f}")
    table.publish(chosen.quick)


main()
