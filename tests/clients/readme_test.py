"""The README's own lines, as a newcomer pastes them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers")

README = (Path(__file__).resolve().parent.parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.fixture(scope="module")
def newcomer(server, tmp_path_factory) -> dict[str, str]:
    server.add_user("demo")
    folder = tmp_path_factory.mktemp("newcomer")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "HF_TOKEN": server.add_token("demo", "first-steps"), "HF_HOME": str(folder / "home"), "PATH": path,
            "HOME": str(folder)}


def run(newcomer: dict[str, str], *command: str) -> str:
    result = subprocess.run(command, env=newcomer, cwd=newcomer["HOME"], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_every_block_of_the_tour(newcomer):
    first, *others = blocks("python")
    assert "parameters are back" in run(newcomer, sys.executable, "-c", first)
    [shell] = blocks("bash")
    run(newcomer, "bash", "-e", "-c", shell)
    outputs = [run(newcomer, sys.executable, "-c", block) for block in others]
    assert outputs[0].count("{'text': 'one', 'label': 0}") == 2
    assert "demo/first/notes.txt" in outputs[1]
    clone = re.search(r"^git clone .*$", README, re.M)[0].replace("http://demo:$HF_TOKEN@localhost:8080", "$URL")
    url = newcomer["HF_ENDPOINT"].replace("://", f"://demo:{newcomer['HF_TOKEN']}@")
    run({**newcomer, "URL": url}, "bash", "-c", clone)
    assert (Path(newcomer["HOME"]) / "first" / "notes.txt").read_text() == "a line\n"
