"""docs/routes.md is what `hearth routes` prints, and docs/limits.md what `hearth limits` does."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("page", ["routes", "limits"])
def test_the_page_is_current(page):
    binary = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
    printed = subprocess.run([binary, page], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / f"{page}.md").read_text() == printed, f"run: hearth {page} > docs/{page}.md"
