"""/metrics, read by Prometheus's own programs; docs/operating.md and docs/alerts.yml tell of what is there."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from lib.certificates import Authority
from lib.server import Server

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
TOKEN = "a-token-for-scraping"


def scrape(server: Server, token: str = TOKEN) -> str:
    status, headers, body = server.request("GET", "/metrics", token=token)
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return body.decode()


def families(text: str) -> dict[str, tuple[str, str]]:
    """Type and help of each."""
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert helps.keys() == types.keys()
    return {name: (types[name], helps[name]) for name in types}


def value(text: str, sample: str) -> float:
    """Of a line that begins so; labels in their order."""
    found = re.findall(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    assert len(found) == 1, (sample, found)
    return float(found[0])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_promtool_finds_nothing_to_say(server):
    server.start("--metrics-token", TOKEN)
    done = subprocess.run(["promtool", "check", "metrics"], input=scrape(server), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_who_may_read_them(server):
    server.add_user("alice")
    server.start("--metrics-token", TOKEN)
    reader = server.add_token("root", "r", role="read")
    statuses = {name: server.request("GET", "/metrics", token=token)[0] for name, token in {
        "stranger": None, "wrong": "wrong", "alice": server.add_token("alice"), "reading": reader,
        "administrator": server.add_token("root", "w"), "scraper": TOKEN}.items()}
    assert statuses == {"stranger": 401, "wrong": 401, "alice": 403, "reading": 403, "administrator": 200, "scraper": 200}
    # The token opens nothing else, and nobody has it without the setting.
    assert server.request("GET", "/api/whoami-v2", token=TOKEN)[0] == 401
    assert server.request("GET", "/api/models", token=TOKEN)[0] == 401
    server.stop()
    server.start()
    assert server.request("GET", "/metrics", token=TOKEN)[0] == 401
    assert server.request("GET", "/metrics", headers={"Authorization": "Bearer "})[0] == 401


def test_requests_are_counted_by_row_never_by_repository(server):
    server.start("--metrics-token", TOKEN)
    token = server.add_token("root")
    server.request("POST", "/api/repos/create", {"name": "some-name"}, token)
    for _ in range(3):
        assert server.request("GET", "/api/models/root/some-name", token=token)[0] == 200
    assert server.request("HEAD", "/root/some-name/resolve/main/.gitattributes", token=token)[0] == 200
    assert server.request("GET", "/root/some-name/resolve/main/.gitattributes", token=token)[0] == 200
    assert server.request("GET", "/api/models/root/nothing", token=token)[0] == 404
    assert server.request("GET", "/no/such/address/at/all/x", token=token)[0] == 404
    text = scrape(server)
    assert "some-name" not in text and "root" not in text.replace("/{repo}", "")
    row = '{route="/api/{types}/{repo}",method="GET",status="%s"}'
    assert value(text, "hearth_http_requests_total" + row % "2xx") == 3
    assert value(text, "hearth_http_requests_total" + row % "4xx") == 1
    row = '{route="/{prefix}/{repo}/resolve/{rev}/{path*}",method="%s"%s}'
    assert value(text, "hearth_http_requests_total" + row % ("HEAD", ',status="2xx"')) == 1
    assert value(text, "hearth_http_response_body_bytes_total" + row % ("HEAD", "")) == 0
    assert value(text, "hearth_http_response_body_bytes_total" + row % ("GET", "")) > 0
    assert value(text, 'hearth_http_requests_total{route="-",method="-",status="4xx"}') == 1
    assert value(text, 'hearth_http_request_duration_seconds_count{class="resolvers"}') == 2
    assert value(text, 'hearth_http_request_duration_seconds_bucket{class="resolvers",le="+Inf"}') == 2
    assert value(text, 'hearth_repositories{type="model",state="kept"}') == 1
    assert value(text, "hearth_users") == 1


def test_of_a_backup_a_collection_and_a_certificate(server, tmp_path):
    begin = time.time()
    ca = Authority(server.folder / "ca")
    cert, key = ca.issue("localhost")
    server.hearth("backup", str(tmp_path / "backup"))
    server.start("--metrics-token", TOKEN, "--tls-cert", str(cert), "--tls-key", str(key),
                 "--listen-http", "127.0.0.1:0", "--redirect-http", "false")
    until(lambda: any(task["kind"] == "hub.gc" and task["state"] == "done" for task in json.loads(server.hearth("tasks", "--json"))))
    plain = [line for line in [server.process.stdout.readline().decode()] if "http://" in line]
    server.url = plain[0].split()[-1]
    text = scrape(server)
    assert begin <= value(text, "hearth_backup_last_success_timestamp_seconds") <= time.time()
    assert value(text, "hearth_backup_bytes") > 0
    assert begin <= value(text, "hearth_gc_last_success_timestamp_seconds") <= time.time()
    assert value(text, "hearth_gc_freed_bytes") == 0
    assert value(text, "hearth_tls_certificate_expiry_timestamp_seconds") > time.time()


def test_the_page_has_a_row_for_each(server):
    server.start("--metrics-token", TOKEN)
    wanted = [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in families(scrape(server)).items()]
    page = (DOCS / "operating.md").read_text()
    rows = re.findall(r"^\| `(?:hearth|process)_.*$", page, re.MULTILINE)
    assert sorted(rows) == sorted(wanted), "The table should be:\n" + "\n".join(wanted)


def test_the_alerts_are_rules_about_what_is_there(server):
    done = subprocess.run(["promtool", "check", "rules", str(DOCS / "alerts.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    server.start("--metrics-token", TOKEN)
    known = families(scrape(server))
    named = set(re.findall(r"\b(?:hearth|process)_\w+", re.sub(r"hearth tasks.*", "", (DOCS / "alerts.yml").read_text())))
    assert {re.sub(r"_bucket$", "", name) for name in named} <= set(known)


@pytest.fixture
def prometheus(tmp_path):
    """prometheus(server) starts one that scrapes it each second; returns its URL."""
    started = []

    def start(server: Server) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [{
            "job_name": "hearth", "scrape_interval": "1s", "scrape_timeout": "1s",
            "authorization": {"credentials_file": str(tmp_path / "token")},
            "static_configs": [{"targets": [urllib.parse.urlsplit(server.url).netloc]}]}],
            "rule_files": [str(DOCS / "alerts.yml")]}))
        started.append(subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=(tmp_path / "log").open("w")))
        return f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def ask(prometheus_url: str, query: str) -> list[dict]:
    """An answer with at least one value; waits for it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{prometheus_url}/api/v1/query?query={urllib.parse.quote(query)}", timeout=10) as answer:
                found = json.load(answer)["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            found = []
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_prometheus_scrapes_with_its_token(server, prometheus):
    server.start("--metrics-token", TOKEN)
    url = prometheus(server)
    assert ask(url, 'up{job="hearth"} == 1'), "the scrape failed"
    found = ask(url, 'hearth_http_requests_total{route="/metrics",status="2xx"} >= 1')
    assert found[0]["metric"]["job"] == "hearth" and found[0]["metric"]["method"] == "GET"
    assert ask(url, "hearth_build_info")[0]["metric"]["version"]
    # Rules are evaluated over what was scraped; a hub in order raises none.
    with urllib.request.urlopen(f"{url}/api/v1/rules", timeout=10) as answer:
        rules = json.load(answer)["data"]["groups"][0]["rules"]
    assert rules and not any(rule["health"] == "err" or rule["state"] == "firing" for rule in rules)
