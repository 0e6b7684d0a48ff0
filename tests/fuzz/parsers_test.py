"""No parser without a fuzzer, no fuzzer without seeds; and every seed passes through its target."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import corpora  # noqa: E402
import parsers  # noqa: E402

REPLAY = Path(os.environ.get("HEARTH_BIN", parsers.ROOT / "build" / "bin" / "hearth")).with_name("fuzz_replay")
TARGETS = sorted(path.stem for path in parsers.SRC.glob("*/*_fuzz.cc"))


def test_every_parser_is_named():
    named = {name.split("::")[-1] for parser in parsers.PARSERS for name in parser.functions.split()}
    assert parsers.declared() - named == set(), "name them in tests/fuzz/parsers.py, with a target"


def test_every_function_named_is_there():
    code = "".join(path.read_text() for path in parsers.SRC.rglob("*.h"))
    gone = [name for parser in parsers.PARSERS for name in parser.functions.split() if name.split("::")[-1] not in code]
    assert gone == []


def test_every_target_has_a_row_and_seeds():
    assert TARGETS == sorted({parser.target for parser in parsers.PARSERS}) == sorted(corpora.MAKERS)
    assert sorted(subprocess.run([REPLAY], capture_output=True, text=True).stdout.split()) == TARGETS


def test_the_page_is_as_the_table():
    assert parsers.PAGE.read_text() == parsers.text(), "run: python tests/fuzz/parsers.py"


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("corpora")
    assert all(corpora.write(place).values())
    return place


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_passes(folder, target):
    result = subprocess.run([REPLAY, target, folder / target], capture_output=True, text=True, timeout=300)
    seeds = len(list((folder / target).iterdir()))
    assert result.returncode == 0 and result.stdout.endswith(f"{seeds} inputs\n"), result.stdout[-300:] + result.stderr[-3000:]
