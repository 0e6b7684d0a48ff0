"""`hearth backup` and `hearth restore`; rounds.py has the long form of the first test."""

import hashlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import time
from pathlib import Path

import pytest
import rounds
import survival
from huggingface_hub import HfApi
from lib.server import Server

DATABASE = os.environ.get("HEARTH_TEST_DATABASE")
FACTS = 3
OTHER = None if DATABASE else os.environ.get("HEARTH_TEST_POSTGRES")


class Hub(Server):
    """A hub with a few files of each kind, and its folder of backups."""

    def __init__(self) -> None:
        super().__init__(DATABASE)
        self.add_user("alice")
        self.start()
        self.token = self.add_token("alice")
        self.api = HfApi(endpoint=self.url, token=self.token)
        self.repo_id = self.api.create_repo("alice/kept").repo_id
        # Of each hub its own: the client remembers what the hub that had this port before has stored.
        self.large = os.urandom(900_000)
        self.api.upload_file(path_or_fileobj=self.large, path_in_repo="w.bin", repo_id=self.repo_id)
        self.api.upload_file(path_or_fileobj=b"text", path_in_repo="t.txt", repo_id=self.repo_id)
        self.api.create_tag(self.repo_id, tag="v1", tag_message="annotated")
        self.api.create_branch(self.repo_id, branch="side")
        self.settle()
        self.backups = self.folder / "backups"

    def put_whole(self, content: bytes) -> str:
        """Stores a large file as Git LFS clients do, and leaves it whole: the work that makes chunks of it waits."""
        sha256 = hashlib.sha256(content).hexdigest()
        status, _, body = self.request("POST", f"/{self.repo_id}.git/info/lfs/objects/batch", {
            "operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": len(content)}]}, self.token)
        assert status == 200, body
        action = json.loads(body)["objects"][0]["actions"]["upload"]
        path = action["href"].replace(self.url, "")
        status, _, body = self.request("PUT", path, content, headers=action.get("header", {}))
        assert status == 200, body
        return sha256

    def backup(self, *options: str, check: bool = True) -> dict:
        return json.loads(self.hearth("backup", str(self.backups), "--json", *options, check=check))

    def tasks(self) -> list[dict]:
        return json.loads(self.hearth("tasks", "--json"))

    def wait_for_task(self, kind: str) -> None:
        deadline = time.monotonic() + 60
        while not any(task["kind"] == kind and task["state"] == "done" for task in self.tasks()):
            assert time.monotonic() < deadline, self.tasks()
            time.sleep(0.05)

    def snapshots(self) -> list[str]:
        return rounds._snapshots(self, self.backups)


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.remove()


@pytest.fixture
def copy():
    copy = Server(DATABASE)
    yield copy
    copy.remove()


def command(server: Server, *arguments: str, failpoints: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([server.binary, *arguments, "--data", str(server.data), *server._database_option()],
                          capture_output=True, text=True, timeout=120, env={**os.environ, "HEARTH_FAILPOINTS": failpoints})


def check_copy(hub: Hub, copy: Server, tmp_path: Path) -> None:
    copy.start()
    api = HfApi(endpoint=copy.url, token=hub.token)
    with open(api.hf_hub_download(hub.repo_id, "w.bin", cache_dir=tmp_path, force_download=True), "rb") as file:
        assert file.read() == hub.large
    refs, wanted = api.list_repo_refs(hub.repo_id), hub.api.list_repo_refs(hub.repo_id)
    assert (refs.branches, refs.tags) == (wanted.branches, wanted.tags)
    assert survival.problems_at_rest(copy) == []


def test_a_hub_at_work_is_restored_as_it_was():
    seed = int(os.environ.get("HEARTH_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    outcome = rounds.run(1, seed, DATABASE, OTHER, facts_before=FACTS)
    assert not outcome.problems, f"seed {seed} (HEARTH_TEST_SEED repeats it):\n" + "\n".join(outcome.problems)
    assert outcome.files >= FACTS and len(outcome.restores) == 2


def test_a_second_backup_copies_only_what_is_new(hub):
    first = hub.backup()
    assert first["copiedBytes"] == first["bytes"] and first["bytes"] > len(hub.large)
    assert hub.backup()["copiedBytes"] == 0
    hub.api.upload_file(path_or_fileobj=b"x" * 1000, path_in_repo="n.txt", repo_id=hub.repo_id)
    hub.settle()
    assert 0 < hub.backup()["copiedBytes"] < 100_000
    assert len(hub.snapshots()) == 3
    assert hub.backup("--keep", "2")["freedBytes"] > 0
    assert len(hub.snapshots()) == 2
    assert command(hub, "backup", str(hub.backups), "--check").returncode == 0


def test_a_backup_that_is_killed_at_any_step_goes_on(hub, copy, tmp_path):
    step, killed, whole = 1, 0, 0
    while (done := command(hub, "backup", str(hub.backups), failpoints=f"crash@{step}")).returncode == -9:
        killed += 1
        if (hub.backups / "hearth-backup").exists() and len(hub.snapshots()) > whole:
            # Killed when it had its name, at the last flush: then it is a whole one.
            assert command(hub, "backup", str(hub.backups), "--check").returncode == 0, "half a snapshot is taken for a whole one"
            whole += 1
        step += 1 if step < 8 else step // 6
    assert done.returncode == 0 and killed > 10 and whole <= 2, done.stderr
    # Each time it started with what was there: nothing of the large file was copied twice.
    assert len(hub.snapshots()) == 1 + whole and not (hub.backups / "tmp").exists()
    assert command(hub, "backup", str(hub.backups), "--check").returncode == 0
    assert command(copy, "restore", str(hub.backups)).returncode == 0
    check_copy(hub, copy, tmp_path)


def test_a_restore_that_is_killed_at_any_step_goes_on(hub, copy, tmp_path):
    hub.backup()
    step, killed = 1, 0
    while (done := command(copy, "restore", str(hub.backups), "--no-verify", failpoints=f"crash@{step}")).returncode == -9:
        killed += 1
        if (copy.data / "half-restored").exists():
            refused = command(copy, "user", "list")
            assert refused.returncode != 0
            served = command(copy, "serve", "--listen", "127.0.0.1:0")
            assert served.returncode == 4 and "cut short" in served.stderr
        step += 1 if step < 8 else step // 6
    assert done.returncode == 0 and killed > 5, done.stderr
    assert copy.verify().returncode == 0
    check_copy(hub, copy, tmp_path)


@pytest.mark.parametrize("left_kib", [0, 64, 600])
def test_a_full_disk_stops_a_backup_with_a_sentence_and_a_larger_one_goes_on(hub, copy, tmp_path, left_kib):
    hub.backups.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={left_kib + 4}k,mode=700", "none", str(hub.backups)], check=True)
    try:
        full = command(hub, "backup", str(hub.backups))
        assert full.returncode != 0 and "No space left" in full.stderr, full.stderr
        if (hub.backups / "hearth-backup").exists():
            assert hub.snapshots() == [], "half a snapshot is taken for a whole one"
        # The hub works on, and with room the same folder takes the backup.
        hub.api.upload_file(path_or_fileobj=b"more", path_in_repo="more.txt", repo_id=hub.repo_id)
        hub.settle()
        subprocess.run(["mount", "-o", "remount,size=64m", str(hub.backups)], check=True)
        hub.backup()
        assert command(hub, "backup", str(hub.backups), "--check").returncode == 0
        assert command(copy, "restore", str(hub.backups)).returncode == 0
        check_copy(hub, copy, tmp_path)
    finally:
        subprocess.run(["umount", "-l", str(hub.backups)], check=True)


def test_a_full_disk_stops_a_restore_with_a_sentence_and_a_larger_one_goes_on(hub, copy, tmp_path):
    hub.backup()
    copy.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k,mode=700", "none", str(copy.data)], check=True)
    try:
        full = command(copy, "restore", str(hub.backups))
        assert full.returncode != 0 and ("No space left" in full.stderr or "disk is full" in full.stderr), full.stderr
        assert command(copy, "serve", "--listen", "127.0.0.1:0").returncode == 4, "half a hub is served"
        subprocess.run(["mount", "-o", "remount,size=64m", str(copy.data)], check=True)
        again = command(copy, "restore", str(hub.backups))
        assert again.returncode == 0, again.stderr
        check_copy(hub, copy, tmp_path)
    finally:
        copy.stop()
        subprocess.run(["umount", "-l", str(copy.data)], check=True)


def test_only_empty_places_are_restored_into(hub, copy):
    hub.backup()
    copy.data.mkdir()
    (copy.data / "mine.txt").write_text("precious")
    refused = command(copy, "restore", str(hub.backups))
    assert refused.returncode == 4 and "not empty" in refused.stderr and "mine.txt" in refused.stderr
    (copy.data / "mine.txt").unlink()
    refused = subprocess.run([hub.binary, "restore", str(hub.backups), "--data", str(copy.data), "--database",
                              hub.database or f"sqlite:{hub.data}/hearth.db"], capture_output=True, text=True)
    assert refused.returncode == 4 and "database is not empty" in refused.stderr
    assert not any(path.is_file() and path.name != "half-restored" for path in copy.data.rglob("*"))
    assert command(copy, "restore", str(copy.folder)).returncode == 3, "no folder of backups"


def test_a_folder_of_backups_is_one_hubs_own(hub, copy):
    hub.backup()
    copy.add_user("bob")
    refused = command(copy, "backup", str(hub.backups))
    assert refused.returncode == 4 and "another hub" in refused.stderr
    (copy.folder / "other").mkdir()
    (copy.folder / "other" / "letter.txt").write_text("mine")
    refused = command(copy, "backup", str(copy.folder / "other"))
    assert refused.returncode == 2 and "other things" in refused.stderr


def test_a_restored_hub_goes_on_with_the_same_folder(hub, copy):
    hub.backup()
    assert command(copy, "restore", str(hub.backups)).returncode == 0
    copied = json.loads(copy.hearth("backup", str(hub.backups), "--json"))["copiedBytes"]
    assert copied < 100_000, "its large files were copied again"


def test_secrets_are_the_owners_only(hub, copy):
    hub.backup()
    assert stat.S_IMODE(hub.backups.stat().st_mode) == 0o700
    for path in hub.backups.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert command(copy, "restore", str(hub.backups)).returncode == 0
    assert (copy.data / "secret.key").read_bytes() == (hub.data / "secret.key").read_bytes()
    assert stat.S_IMODE((copy.data / "secret.key").stat().st_mode) == 0o600


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    os.chmod(path, 0o600)
    path.write_bytes(content)


def test_damage_of_the_hub_is_told_and_the_earlier_copy_kept(hub, copy, tmp_path):
    hub.backup()
    xorb = next(path for path in (hub.data / "xorbs").rglob("*") if path.is_file())
    flip(xorb)
    said = hub.backup(check=False)
    assert len(said["problems"]) == 1 and xorb.name in said["problems"][0]
    assert command(copy, "restore", str(hub.backups)).returncode == 0
    check_copy(hub, copy, tmp_path)
    fresh = command(hub, "backup", str(hub.folder / "fresh"))
    assert fresh.returncode == 1 and f"xorb {xorb.name} is damaged" in fresh.stdout


def test_damage_of_the_backup_is_found_and_never_restored(hub, copy):
    hub.backup()
    piece = max((hub.backups / "objects").rglob("*"), key=lambda path: path.stat().st_size)
    flip(piece)
    checked = command(hub, "backup", str(hub.backups), "--check")
    assert checked.returncode == 1 and piece.name in checked.stdout
    refused = command(copy, "restore", str(hub.backups))
    assert refused.returncode == 1 and "damaged" in refused.stderr
    assert command(copy, "serve", "--listen", "127.0.0.1:0").returncode == 4, "half a hub is served"
    snapshot = hub.backups / "snapshots" / f"{hub.snapshots()[0]}.json"
    flip(snapshot)
    assert command(copy, "restore", str(hub.backups)).returncode == 1


def test_a_backup_keeps_files_from_being_removed(hub):
    """While a backup runs (here: its lock), neither folders nor whole files go; afterwards they do."""
    import fcntl
    held = [open(hub.data / "run" / name, "a+") for name in ("backup.lock", "removals.lock")]
    for file in held:
        fcntl.flock(file, fcntl.LOCK_EX)
    folder = next((hub.data / "git").rglob("*.git"))
    sha256 = hub.put_whole(b"whole " * 50_000)
    hub.wait_for_task("xet.ingest")
    assert (hub.data / "blobs" / sha256[:2] / sha256[2:4] / sha256).exists()
    assert command(hub, "repo", "delete", hub.repo_id, "--yes", "--for-good").returncode == 0
    hub.wait_for_task("repo.remove_folder")
    assert folder.exists()
    waiting = {task["kind"] for task in hub.tasks() if task["state"] == "queued"}
    assert waiting >= {"xet.ingest", "repo.remove_folder"}, "nobody will come back for them"
    refused = command(hub, "backup", str(hub.backups))
    assert refused.returncode == 4 and "Another backup" in refused.stderr
    for file in held:
        file.close()


def test_a_folder_is_only_served_with_its_own_database(hub, copy):
    copy.add_user("bob")
    hub.stop()
    swapped = [hub.binary, "serve", "--listen", "127.0.0.1:0", "--data", str(hub.data), "--database",
               copy.database or f"sqlite:{copy.data}/hearth.db"]
    refused = subprocess.run(swapped, capture_output=True, text=True, timeout=30)
    assert refused.returncode == 4 and "do not belong together" in refused.stderr
    # Neither does an empty folder, nor an empty database, pass for the lost half.
    fresh = subprocess.run([*swapped[:-1], f"sqlite:{hub.folder}/fresh.db"], capture_output=True, text=True, timeout=30)
    assert fresh.returncode == 4 and "database of no folder" in fresh.stderr
    refused = subprocess.run([hub.binary, "user", "add", "eve", "--data", str(hub.folder / "fresh"), "--database",
                              hub.database or f"sqlite:{hub.data}/hearth.db"], capture_output=True, text=True, timeout=30)
    assert refused.returncode == 4 and "folder of no database" in refused.stderr
    hub.start()


def test_a_pair_that_is_older_than_its_id_is_taken(hub):
    hub.stop()
    os.remove(hub.data / "installation")
    if hub.database:
        subprocess.run(["psql", "-q", hub.database, "-c", "DELETE FROM installation"], check=True)
        subprocess.run(["psql", "-q", hub.database, "-c", "DELETE FROM ref_tag"], check=True)
    else:
        with sqlite3.connect(hub.data / "hearth.db") as database:
            database.execute("DELETE FROM installation")
            database.execute("DELETE FROM ref_tag")
    for step in (1, 2, 3, 4, 5, 6, 7):  # Killed while the two learn of each other, it is done at the next start.
        command(hub, "user", "list", failpoints=f"crash@{step}")
    assert command(hub, "user", "list").returncode == 0
    hub.start()
    # Its tags, which no row told of, are in its first backup.
    copy = Server(DATABASE)
    try:
        hub.backup()
        assert command(copy, "restore", str(hub.backups)).returncode == 0
        copy.start()
        tags = HfApi(endpoint=copy.url, token=hub.token).list_repo_refs(hub.repo_id).tags
        assert [tag.name for tag in tags] == ["v1"]
    finally:
        copy.remove()
    # A folder without its repositories is not taken for such a pair.
    hub.stop()
    os.remove(hub.data / "installation")
    shutil.rmtree(hub.data / "git")
    refused = command(hub, "user", "list")
    assert refused.returncode == 4 and "do not belong together" in refused.stderr
