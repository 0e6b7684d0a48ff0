"""The short form of cuts.py; scripts/nightly runs three hundred. And what only happens to repositories of some size."""

import os
import random
from pathlib import Path

import pytest

import cuts
import steps
import survival
from lib.server import Server

CUTS = 4


def test_what_was_acknowledged_outlives_the_power():
    seed = int(os.environ.get("HEARTH_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    outcome = cuts.run(CUTS, seed)
    assert not outcome.problems, f"seed {seed} (HEARTH_TEST_SEED repeats it), cut {outcome.kills}:\n" + "\n".join(outcome.problems)
    assert sum(outcome.done.values()) > CUTS, "the workers did nothing"


@pytest.mark.parametrize("what", cuts.UNFLUSHED)
def test_a_hub_that_does_not_flush_is_found_out(what):
    assert cuts.run_without_fsync(what, 12, seed=3).problems, "nothing was lost: then cuts prove nothing"


@pytest.fixture
def hub(tmp_path):
    server = Server()
    disk = cuts.on_disk(server)
    try:
        server.add_user("alice", "--admin")
        made = steps.Hub(server, server.add_token("alice"), tmp_path)
        server.options = ("--undelete-days", "0")
        server.start(*server.options)
        made.ask("POST", "/api/repos/create", {"name": "there"})
        made.commit(steps.text_file("a.txt"), steps.text_file("deep/b.txt", b"b\n"))
        server.settle()
        made.disk = disk
        yield made
    finally:
        server.stop(kill=True)
        disk.close()
        server.remove()


def cut_and_restart(hub: steps.Hub) -> None:
    hub.server.stop(kill=True)
    print(hub.disk.cut(1, "nothing"))
    survival.restart(hub.server)


def repository(hub: steps.Hub) -> Path:
    [folder] = survival.repository_folders(hub.server)
    return folder


def flush(folders) -> None:
    """As later writes into these folders do."""
    for folder in folders:
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


def test_refs_that_were_packed_outlive_the_power(hub):
    clone = hub.scratch / "clone"
    hub.git("clone", "-q", hub.server.url.replace("://", f"://alice:{hub.token}@") + f"/{steps.REPO}", str(clone))
    for number in range(501):  # GitRepo::maintain packs from there on.
        (clone / f".git/refs/tags/v{number}").write_text((clone / ".git/refs/heads/main").read_text())
    hub.git("-C", str(clone), "push", "-q", "--tags", "origin")
    hub.server.settle()
    assert "refs/tags/v7" in (repository(hub) / "packed-refs").read_text()
    assert not (repository(hub) / "refs/tags/v7").exists()
    hub.ask("POST", f"/api/models/{steps.REPO}/tag/main", {"tag": "last"})  # Flushes the folders of refs.
    cut_and_restart(hub)
    assert steps.refs_of(hub, "tags") == {f"v{number}" for number in range(501)} | {"last"}
    assert not survival.problems_at_rest(hub.server)


def test_objects_that_were_packed_outlive_the_power(hub):
    objects = repository(hub) / "objects"
    (objects / "17").mkdir(exist_ok=True)
    for number in range(30):  # GitRepo::maintain takes this folder for the 256th part of what there is.
        (objects / "17" / f"rubbish{number}").touch()
    hub.commit(steps.text_file("c.txt", b"c\n"))
    hub.server.settle()
    assert list((objects / "pack").glob("*.pack"))
    assert [path for path in objects.glob("??") if path.name != "17" and any(path.iterdir())] == []
    for path in (objects / "17").glob("rubbish*"):
        path.unlink()
    flush([*objects.glob("??"), objects])
    before = steps.files_of(hub, steps.REPO, "main")
    cut_and_restart(hub)
    assert steps.files_of(hub, steps.REPO, "main") == before
    assert not survival.problems_at_rest(hub.server)


def test_a_deleted_repository_stays_away(hub):
    flush([repository(hub).parent])
    hub.ask("DELETE", "/api/repos/delete", {"name": "there", "type": "model"})
    hub.server.settle()
    cut_and_restart(hub)
    assert not survival.problems_at_rest(hub.server)
