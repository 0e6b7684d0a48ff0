"""The short form of network.py; scripts/nightly gives each network a minute."""

import os
import random

import network


def test_a_bad_network_loses_nothing_and_shows_nothing_half():
    seed = int(os.environ.get("HEARTH_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    [turn] = network.run(8, seed, ("all of it",), os.environ.get("HEARTH_TEST_DATABASE"))
    assert not turn.problems, f"seed {seed} (HEARTH_TEST_SEED repeats it):\n" + "\n".join(turn.problems)
    assert turn.hit > 0 and sum(turn.done.values()) > 0, turn
