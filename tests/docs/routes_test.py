"""docs/routes.md is what `hearth routes` prints."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_of_routes_is_current():
    binary = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
    printed = subprocess.run([binary, "routes"], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "routes.md").read_text() == printed, "run: hearth routes > docs/routes.md"


def test_help_of_every_command_has_examples():
    binary = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
    for command in ("serve", "user add", "user list", "user passwd", "user disable", "token add", "token list",
                    "token revoke", "org add", "org member add", "repo list", "repo info", "repo delete",
                    "verify", "doctor"):
        result = subprocess.run([binary, *command.split(), "--help"], capture_output=True, text=True)
        assert result.returncode == 0, command
        assert "Examples:" in result.stdout and "--data" in result.stdout, command


def test_a_wrong_command_line_exits_with_2():
    binary = os.environ.get("HEARTH_BIN", str(ROOT / "build" / "bin" / "hearth"))
    assert subprocess.run([binary, "nonsense"], capture_output=True).returncode == 2
    assert subprocess.run([binary, "token", "add", "alice"], capture_output=True).returncode == 2
