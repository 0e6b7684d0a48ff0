"""The short form of crowd.py. What came out decides; how long it took only where it is far from the promise, for other tests
may have the cores."""

import asyncio

import pytest

import crowd


@pytest.fixture(scope="module", autouse=True)
def large_file(server):
    crowd.raise_own_limit()
    crowd.seed(server)


def test_two_thousand_idle_connections_disturb_nobody(server):
    seen = asyncio.run(crowd.crowd(server, idle=2000, active=20, seconds=2))
    assert (seen.refused, seen.lost, seen.among.failures) == (0, 0, [])
    assert set(seen.among.statuses) == {200}
    assert seen.rss_mb < 400


def test_slow_clients_are_sent_away_and_disturb_nobody(server):
    seen = asyncio.run(crowd.slow(server, each=40))
    assert seen.sent_away == {"slow head": {"answered 408": 40}, "slow body": {"answered 408": 40},
                              "slow chunks": {"answered 408": 40}, "slow read": {"cut": 40}, "nothing at all": {"cut": 40}}
    assert seen.normal.failures == [] and set(seen.normal.statuses) == {200}
    assert seen.rss_mb < 300  # Readers of one large file of git share it, outside of the hub's memory.


def test_more_work_than_there_is_room_for_is_refused_and_forgotten(server):
    seen = asyncio.run(crowd.overload(server, seconds=4))  # Raises when the hub does not recover.
    assert seen.answers.failures == []
    assert set(seen.answers.statuses) <= {200, 429, 503} and seen.answers.statuses[200] > 0
    assert seen.answers.without_retry_after == 0
    assert seen.recovered_s < 4 * crowd.RECOVERS_S_MAX
    assert seen.rss_mb < 300
    assert server.request("GET", "/health")[0] == 200
