"""The short form of upgrades.py; scripts/nightly kills the upgrade from every version at each step."""

import os
import sqlite3

import pytest

import upgrades
from lib.server import Server

KILLED = ["3"]  # The longest way with all kinds of files to bring up.
ON_POSTGRESQL = ["1", "3", *upgrades.GAPS]  # Each takes several seconds to make there.


def test_data_of_each_former_version_is_brought_up():
    database = os.environ.get("HEARTH_TEST_DATABASE")
    outcome = upgrades.run(ON_POSTGRESQL if database else None, database, kills_from=KILLED, stride=24 if database else 12)
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.kills > 3


@pytest.mark.skipif("HEARTH_TEST_DATABASE" in os.environ, reason="db_test does it on both engines; here it is the program that says so")
def test_a_newer_database_is_refused_with_a_sentence():
    server = Server()
    try:
        server.add_user("alice", "--admin")
        with sqlite3.connect(server.data / "hearth.db") as database:
            database.execute("INSERT INTO schema_version (version, name, applied_ms) VALUES (9999, 'later', 0)")
        database.close()
        with pytest.raises(RuntimeError, match="Start it with the newer program"):
            server.start()
    finally:
        server.remove()
