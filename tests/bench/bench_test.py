"""The scripts of bench/ work, and the answers that they measure are right. How long anything took is not looked at."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import all as bench  # noqa: E402


def run(name: str, *options: str) -> str:
    result = subprocess.run([sys.executable, str(ROOT / "bench" / f"{name}.py"), "--quick", *options], cwd=ROOT,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


@pytest.mark.parametrize("name", bench.NAMES)
def test_a_quick_run_succeeds_and_publishes_nothing(name):
    before = {path: path.read_bytes() for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert run(name).strip()
    assert before == {path: path.read_bytes() for path in (ROOT / "docs").rglob("*") if path.is_file()}


@pytest.mark.skipif("HEARTH_TEST_POSTGRES" not in os.environ, reason="HEARTH_TEST_POSTGRES names no server")
def test_lists_are_measured_on_postgresql_too():
    assert run("listing", "--on-postgresql").strip()


def test_every_script_has_a_place_in_the_list():
    helpers = {"all", "content", "measure"}
    assert {path.stem for path in (ROOT / "bench").glob("*.py")} - helpers == set(bench.NAMES)


def test_the_nightly_run_makes_what_is_published_and_all_of_it_is():
    sections = [json.loads(path.read_text()) for path in (ROOT / "docs" / "figures" / "benchmarks").glob("*.json")]
    commands = [[word for word in section["command"].split() if not word.startswith(("--rounds=", "--seed="))] for section in sections]
    assert sorted(commands) == sorted(["scripts/bench", name, *more] for name, more in bench.PUBLISHED)
