"""Requests made from the hub's own OpenAPI document: no answer is an error of the hub, and each has the promised shape.

    python tests/hostile/contract.py [--cases N] [--publish]       needs the environment "hostile"

Schemathesis makes the cases: good ones, and ones that break the document in one place. Two rounds each: names as it
likes, and names that exist here, so that handlers are reached.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib import figures  # noqa: E402
from lib.server import Server  # noqa: E402

# What is left out, and why.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance"]
# negative_data_rejection: the clients send fields that nobody documents, so that unknown ones are ignored;
# positive_data_acceptance: a well-formed name of something that is not there is 404; ignored_auth,
# object_level_authorization: tests/wire and the route matrix hold these in every role; use_after_free,
# ensure_resource_availability, missing_required_header: the document names no links and no headers; unsupported_method,
# allow_header_conformance: documented operations that are not built answer 501, not 405, and OPTIONS answers browsers.
# A 501 is no error of the hub, but status_code_conformance lets it pass only where the document names it.

KNOWN = {"namespace": "alice", "repo": "tiny", "repo_type": "models", "rev": "main", "user": "alice", "org": "acme", "path": ".gitattributes", "num": "1"}


@dataclass
class Outcome:
    cases: int
    operations: int
    failures: list[str]
    seconds: float
    seed: int


def prepare(server: Server) -> str:
    """alice with a repository of each type; her token."""
    server.add_user("root", "--admin")
    server.add_user("alice", password="alice-password")
    token = server.add_token("alice")
    return token


def fill(server: Server, token: str) -> None:
    for kind in ("model", "dataset", "space"):
        body = {"name": "tiny", "type": kind} | ({"sdk": "static"} if kind == "space" else {})
        status, _, answer = server.request("POST", "/api/repos/create", body, token)
        assert status in (200, 409), answer


def run(server: Server, token: str, examples: int, seed: int, rounds: tuple[bool, ...] = (False, True)) -> Outcome:
    """With any names (False) and with names that exist (True); `examples` random cases an operation at most."""
    begin = time.monotonic()
    outcome = Outcome(0, 0, [], 0, seed)
    for known in rounds:
        fill(server, token)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "schemathesis.toml"
            names = "\n".join(f'"path.{name}" = "{value}"' for name, value in KNOWN.items()) if known else ""
            config.write_text("[checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", 501]\n"
                              f"[parameters]\n{names}\n")
            report = Path(folder) / "report.ndjson"
            result = subprocess.run(
                [Path(sys.executable).with_name("st"), "--config-file", config, "run", server.url + "/.well-known/openapi.json",
                 "-H", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", str(seed),
                 "--phases", "examples,coverage,fuzzing", "--workers", "1", "--continue-on-failure", "--warnings", "off", "--no-shrink",
                 "--suppress-health-check", "all", "--request-timeout", "60", "--max-redirects", "0",
                 "--report", "ndjson", "--report-ndjson-path", str(report)],
                cwd=folder, capture_output=True, text=True)
            text = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
            cases = re.findall(r"(\d[\d,]*) generated", text) or re.findall(r"Test cases:\s*\n?\s*(\d[\d,]*)", text)
            outcome.cases += int(cases[-1].replace(",", "")) if cases else 0
            outcome.operations = max([outcome.operations, *(int(count) for count in re.findall(r"Tested: (\d+)", text))])
            if result.returncode != 0:
                outcome.failures.append(text[-6000:])
    outcome.seconds = time.monotonic() - begin
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="in all, about")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    server = Server()
    total = Outcome(0, 0, [], 0, seed)
    try:
        token = prepare(server)
        server.start()
        count = len(json.loads(server.request("GET", "/.well-known/openapi.json")[2])["paths"])
        while total.cases < options.cases and not total.failures:
            one = run(server, token, max(10, min(200, options.cases // count // 2)), seed + total.cases)
            total.cases, total.seconds, total.operations = total.cases + one.cases, total.seconds + one.seconds, one.operations
            total.failures += one.failures
            print(f"{total.cases:,} cases, {total.seconds:.0f} s", flush=True)
            if one.cases == 0:
                break
    finally:
        server.remove()
    for failure in total.failures:
        print(f"FAILED\n{failure}")
    if options.publish:
        figures.write("reliability", "71-contract", title="Requests from the OpenAPI document", seed=seed, command="scripts/nightly contract",
                      columns=["cases", "operations", "runs with a finding", "seconds"],
                      rows=[[f"{total.cases:,}", total.operations, len(total.failures), f"{total.seconds:.0f}"]],
                      note="Schemathesis 4.32.5, good cases and ones that break the document in one place; with names that exist and with any. "
                           f"Held: {', '.join(CHECKS)}.")
    return 1 if total.failures or total.cases == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
