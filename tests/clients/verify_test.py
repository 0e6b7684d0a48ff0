"""After all that the clients did, everything stored still fits together."""

import pytest


@pytest.mark.last
def test_verify_is_clean_while_the_server_runs(server):
    result = server.verify()
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.last
def test_a_second_server_on_the_same_folder_is_refused(server):
    import subprocess
    result = subprocess.run([server.binary, "serve", "--data", str(server.data), "--listen", "127.0.0.1:0"],
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 4
    assert "Another server" in result.stderr


@pytest.mark.last
def test_sigterm_drains_and_everything_is_there_after_a_restart(server, api, model):
    from huggingface_hub import hf_hub_download
    api.upload_file(path_or_fileobj=b"kept", path_in_repo="a.txt", repo_id=model)
    port = int(server.url.rsplit(":", 1)[1])
    assert server.stop() == 0
    server.start(port=port)
    with open(hf_hub_download(model, "a.txt", force_download=True), "rb") as file:
        assert file.read() == b"kept"
