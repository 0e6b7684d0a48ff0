"""The short form of io_errors.py; scripts/nightly lets thousands of calls fail."""

import os
import random

import io_errors

ERRORS = 60


def test_calls_that_fail_are_clean_errors():
    seed = int(os.environ.get("HEARTH_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    outcome = io_errors.run(ERRORS, seed)
    assert not outcome.problems, f"seed {seed} (HEARTH_TEST_SEED repeats it):\n" + "\n".join(outcome.problems)
    assert outcome.refused > 0, "nothing was refused"
