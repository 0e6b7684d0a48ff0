"""The short form of kills.py; scripts/nightly runs a thousand."""

import os
import random

import kills

KILLS = 12


def test_nothing_acknowledged_is_lost_and_nothing_half_is_seen():
    seed = int(os.environ.get("HEARTH_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    outcome = kills.run(KILLS, seed, os.environ.get("HEARTH_TEST_DATABASE"))
    assert not outcome.problems, f"seed {seed} (HEARTH_TEST_SEED repeats it), kill {outcome.kills}:\n" + "\n".join(outcome.problems)
    assert sum(outcome.done.values()) > KILLS, "the workers did nothing"
