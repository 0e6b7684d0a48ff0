"""git clone, whole, shallow and without blobs, beside `git http-backend` behind nginx on the same repository."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import time

import content
import measure

chosen = measure.options(__doc__)


def clone(url: str, *options: str) -> None:
    into = measure.folder("clone")
    measure.run_client(["git", "clone", "-q", "--bare", *options, url, str(into / "it")],
                       env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"})
    problems = subprocess.run(["git", "-C", str(into / "it"), "rev-list", "-1", "HEAD"], capture_output=True)
    if problems.returncode != 0:
        raise RuntimeError(f"the clone of {url} has no commit")
    shutil.rmtree(into)


class Backend:
    """nginx, fcgiwrap and git's own server program."""

    def __init__(self, root: str) -> None:
        folder = measure.folder("fcgi")
        socket = folder / "socket"
        self.times = folder / "times"
        # fcgiwrap does not wait for its children, so the kernel adds their time to nobody: bash tells it.
        script = folder / "backend"
        script.write_text(f"#!/bin/bash\n/usr/lib/git-core/git-http-backend\ntimes >>{self.times}\n")
        script.chmod(0o755)
        self.process = subprocess.Popen(["fcgiwrap", "-c", "2", "-s", f"unix:{socket}"], env={
            **os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.stop)
        measure.pin(self.process.pid, measure.SERVER_CORES)
        self.nginx = measure.Nginx(folder, extra=f"""
location ~ ^/git(/.*) {{
  fastcgi_pass unix:{socket}; fastcgi_buffering off; gzip off;
  fastcgi_param SCRIPT_FILENAME {script}; fastcgi_param GIT_HTTP_EXPORT_ALL 1;
  fastcgi_param GIT_PROJECT_ROOT {root}; fastcgi_param PATH_INFO $1; fastcgi_param QUERY_STRING $query_string;
  fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type;
  fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
  fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol; fastcgi_param REMOTE_ADDR $remote_addr;
}}""")
        self.url = self.nginx.url + "/git"

    def cpu_s(self) -> float:
        text = self.times.read_text() if self.times.exists() else ""
        scripts = sum(int(minutes) * 60 + float(seconds) for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", text))
        return scripts + measure.cpu_s(self.nginx.pid) + measure.cpu_s(self.process.pid)

    def stop(self) -> None:
        self.nginx.stop()
        if self.process.poll() is not None:
            return
        # It does not take its children along when it ends.
        for pid in measure.family(self.process.pid):
            os.kill(pid, signal.SIGTERM)
        self.process.wait(20)


def spent_by_both(backend: Backend, work) -> measure.Spent:
    before, begin = backend.cpu_s(), time.monotonic()
    work()
    wall_s = time.monotonic() - begin
    time.sleep(0.1)
    return measure.Spent(backend.cpu_s() - before, wall_s)


def main() -> None:
    table = measure.Table(
        "60-clone", "git clone", command=chosen.command,
        note="Of a repository of small files with a commit for each fifty of them, by git itself; `git http-backend` behind nginx and "
             "fcgiwrap serves the very same folder. CPU seconds of all processes of the server; medians, least and most.",
        columns=["files", "clone", "Hearth, CPU s", "git http-backend, CPU s", "ratio backend/Hearth", "Hearth, s", "backend, s"])
    with measure.Hub().begin() as hub:
        hub.sign_in()
        for count in (200,) if chosen.quick else (100, 1_000, 10_000):
            repo = content.create_repo(hub, f"files-{count}")
            for begin in range(0, count, 50):
                content.commit(hub, repo, {f"folder-{n % 20}/file-{n}.txt": os.urandom(1500) for n in range(begin, begin + 50)})
            hub.settle()
            folder = next(path for path in (hub.data / "git").glob("*/*.git") if f"bench/files-{count}" in (path / "config").read_text())
            backend = Backend(str(folder.parent))
            for name, options in {"whole": [], "shallow": ["--depth=1"], "without blobs": ["--filter=blob:none"]}.items():
                seen = measure.in_turn(chosen.rounds, {
                    "hub": lambda: measure.spent(hub.pid, lambda: clone(f"{hub.url}/{repo}", *options)),
                    "peer": lambda: spent_by_both(backend, lambda: clone(f"{backend.url}/{folder.name}", *options))})
                own, others = ([one.cpu_s for one in seen[side]] for side in ("hub", "peer"))
                table.add(count, name, measure.spread(own), measure.spread(others),
                          measure.spread([b / max(a, 0.01) for a, b in zip(own, others)]),
                          *(measure.spread([one.wall_s for one in seen[side]]) for side in ("hub", "peer")))
            backend.stop()
    table.publish(chosen.quick)


main()
