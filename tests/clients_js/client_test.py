"""The unmodified npm package @huggingface/hub against a real hub: each exported function of the .mjs files here is
a test."""

import re
from pathlib import Path

import pytest

FILES = [path for path in sorted(Path(__file__).parent.glob("*.mjs")) if path.name != "run_one.mjs"]
CASES = [(path, name) for path in FILES for name in re.findall(r"^export async function (\w+)\(", path.read_text(), re.M)]


@pytest.mark.parametrize("path,name", CASES, ids=[f"{path.stem}-{name}" for path, name in CASES])
def test_client(client, tmp_path, path, name):
    client(path, name, tmp_path)
