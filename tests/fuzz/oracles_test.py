"""The short form of oracles.py; scripts/nightly runs a hundred times as many."""

import pytest

import oracles


@pytest.mark.parametrize("kind", oracles.CHECKS)
def test_the_parser_says_what_the_oracle_says(kind):
    outcome = oracles.run(kind, 3_000, seed=20261127)
    assert outcome.differences == []
    assert outcome.cases >= 500 and outcome.accepted >= 20
