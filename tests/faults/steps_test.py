"""The short form of steps.py: every step of the two ways most bytes come by, and of a merge. scripts/nightly walks all."""

import steps


def test_a_kill_at_each_durable_step_leaves_the_state_before_or_after():
    outcome = steps.run(steps.QUICK)
    assert not outcome.problems, "\n".join(outcome.problems)
    assert set(outcome.kills) == set(steps.QUICK), outcome.kills
    assert min(outcome.kills.values()) > 5, f"hardly a step was met: {outcome.kills}"
