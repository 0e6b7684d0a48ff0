"""The pages of figures are what the recorded sections give: nobody edits a figure by hand."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from lib import figures  # noqa: E402

PAGES = sorted(folder.name for folder in figures.FIGURES.iterdir() if folder.is_dir())


def test_there_are_figures():
    assert PAGES


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_made_from_its_sections(page):
    assert figures.page_path(page).read_text() == figures.text_of(page), "write it with the commands that it names"
