"""The short form of flips.py; scripts/nightly flips a thousand bits."""

import os
import random

import flips


def test_a_flipped_bit_is_found_and_never_served():
    seed = int(os.environ.get("HEARTH_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    outcome = flips.run(2 * len(flips.KINDS), seed)
    assert not outcome.problems, f"seed {seed} (HEARTH_TEST_SEED repeats it):\n" + "\n".join(outcome.problems)
    assert all(kind.flips == 2 for kind in outcome.kinds.values()), outcome.kinds
    for name in ("whole file", "xorb"):
        assert outcome.kinds[name].refused == 2, f"nobody was refused a damaged {name}: {outcome.kinds[name]}"
    # Of a pointer to a large file the hub may remember what it read while it was whole (git/blob_facts): then a reader
    # gets the right bytes, and only verify sees the damage.
    assert outcome.kinds["git object"].found == 2, outcome.kinds["git object"]
