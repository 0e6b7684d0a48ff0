"""docs/routes.md is what `hearth routes` prints."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_of_routes_is_current():
    binary = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
    printed = subprocess.run([binary, "routes"], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "routes.md").read_text() == printed, "run: hearth routes > docs/routes.md"
