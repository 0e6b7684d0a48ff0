"""What the long runs add up over several of them."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import nightly  # noqa: E402


def rows(**seconds: float) -> list[nightly.Row]:
    return [nightly.Row(name, "nothing found", "", spent) for name, spent in seconds.items()]


def section(*columns: str, cells: list[list[str]]) -> dict:
    return {"columns": list(columns), "rows": cells}


def test_hours_of_a_section_without_a_sum_are_its_seconds():
    former = section("what", "outcome", "how much", "seconds", cells=[["json_fuzz", "nothing found", "", "1800"], ["yaml_fuzz", "nothing found", "", "36"]])
    assert nightly.hours_in_all(rows(json_fuzz=3600, yaml_fuzz=36), former) == ["1.500", "0.020"]


def test_hours_are_added_to_the_sum_of_the_runs_before():
    former = section("what", "seconds", nightly.HOURS, cells=[["json_fuzz", "45", "12.250"], ["gone_fuzz", "45", "7.000"]])
    assert nightly.hours_in_all(rows(json_fuzz=900.4), former) == ["12.500"]


def test_hours_of_a_new_target_begin_with_this_run():
    former = section("what", "seconds", nightly.HOURS, cells=[["json_fuzz", "45", "12.250"]])
    assert nightly.hours_in_all(rows(json_fuzz=0, new_fuzz=1800), former) == ["12.250", "0.500"]
    assert nightly.hours_in_all(rows(json_fuzz=1800), None) == ["0.500"]


def test_the_published_section_can_be_added_to():
    former = nightly.figures.read("reliability", "81-fuzzing")
    names = [cells[0] for cells in former["rows"]]
    assert names == sorted(names)
    assert all(float(hours) > 1 for hours in nightly.hours_in_all(rows(**dict.fromkeys(names, 3600.0)), former))
