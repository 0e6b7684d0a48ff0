"""Every command explains itself, and says no to what it does not know."""

import os
import subprocess
from pathlib import Path

BINARY = os.environ.get("HEARTH_BIN", str(Path(__file__).resolve().parent.parent.parent / "build" / "bin" / "hearth"))


def test_help_of_every_command_has_examples():
    for command in ("serve", "user add", "user list", "user passwd", "user disable", "token add", "token list",
                    "token revoke", "org add", "org member add", "repo list", "repo info", "repo delete", "repo deleted", "repo undelete",
                    "quota", "verify", "doctor", "gc"):
        result = subprocess.run([BINARY, *command.split(), "--help"], capture_output=True, text=True)
        assert result.returncode == 0, command
        assert "Examples:" in result.stdout and "--data" in result.stdout, command


def test_a_wrong_command_line_exits_with_2():
    assert subprocess.run([BINARY, "nonsense"], capture_output=True).returncode == 2
    assert subprocess.run([BINARY, "token", "add", "alice"], capture_output=True).returncode == 2
