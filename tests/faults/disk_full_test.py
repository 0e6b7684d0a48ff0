"""The short form of disk_full.py; scripts/nightly fills the disk under each way to write."""

import disk_full


def test_a_full_disk_refuses_and_recovers():
    outcome = disk_full.run(disk_full.QUICK)
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.refused >= 3, "the disk was not full"
