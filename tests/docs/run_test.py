"""What scripts/test counts, and as what."""

import importlib.util
from pathlib import Path

import pytest

# By its path: "run" is also a name of others.
_spec = importlib.util.spec_from_file_location("all_suites", Path(__file__).resolve().parent.parent / "run.py")
suites = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(suites)


def tally_of(tmp_path: Path, suite: str, *cases: str, status: int = 0) -> "suites.Tally":
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    tally = suites.Tally()
    tally.add_report(suite, report, status)
    return tally


def skipped(reason: str, kind: str = "pytest.skip", text: str = "") -> str:
    return f'<testcase classname="a_test" name="test_a"><skipped type="{kind}" message="{reason}">{text}</skipped></testcase>'


GOOD = '<testcase classname="a_test" name="test_good"/>'


def test_a_skip_for_a_reason_that_is_allowed_is_counted_apart(tmp_path):
    tally = tally_of(tmp_path, "clients", GOOD, skipped("Xet has no LFS parts"), skipped("Xet has no LFS parts"))
    assert (tally.passed, tally.failed, dict(tally.skipped)) == (1, [], {"Xet has no LFS parts": 2})


@pytest.mark.parametrize("suite, case", [
    ("clients", skipped("psql is not installed")),
    ("clients without xet", skipped("Xet has no LFS parts")),  # There it must run.
    ("clients", skipped("collection skipped", text="(&apos;a_test.py&apos;, 8, &quot;Skipped: could not import &apos;torch&apos;&quot;)")),
    ("clients", skipped("", kind="pytest.xfail")),
    ("unit base_test", '<testcase classname="A" name="B" status="run" result="skipped"><skipped message="a_test.cc:3&#10;no disk"/></testcase>'),
    ("unit base_test", '<testcase classname="A" name="DISABLED_B" status="notrun" result="suppressed"/>'),
])
def test_any_other_skip_is_a_failure(tmp_path, suite, case):
    tally = tally_of(tmp_path, suite, GOOD, case)
    assert tally.passed == 1 and len(tally.failed) == 1 and not tally.skipped
    assert any(reason in tally.failed[0] for reason in ("psql", "Xet", "torch", "no disk", "DISABLED_B", "here: "))


def test_what_conformance_lists_is_no_failure(tmp_path):
    tally = tally_of(tmp_path, "conformance of datasets", skipped("not built: Create bucket", kind="listed"))
    assert (tally.failed, dict(tally.skipped)) == ([], {"not built: Create bucket": 1})


def test_a_suite_without_a_report_or_with_a_bad_end_is_a_failure(tmp_path):
    assert tally_of(tmp_path, "wire", GOOD, status=3).failed == ["wire: ended with status 3"]
    tally = suites.Tally()
    tally.add_report("wire", tmp_path / "none.xml", 0)
    assert tally.failed == ["wire: ended with status 0 and no report"]
