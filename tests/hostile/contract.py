"""Requests made from the hub's own OpenAPI document: no answer is an error of the hub, and each has the promised shape.

    python tests/hostile/contract.py [--cases N] [--publish]       needs the environment "hostile"

Schemathesis makes the cases: good ones, and ones that break the document in one place. Two rounds each: names as it
likes, and names that exist here, so that handlers are reached.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from contract_hub import Hub  # noqa: E402
from lib import figures  # noqa: E402
from lib.document import Document  # noqa: E402
from lib.proven import REQUEST  # noqa: E402
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

# Operations that no made-up request gets an answer of success from, and why. tests/wire and the real clients do.
NO_SUCCESS = {
    r"/oauth/authorize$|/info/lfs/locks": "always refuse",
    r"^POST /(login|logout|device|settings/tokens)$|/setup/": "need the form of a page, or a secret of the start",
    r"^POST /oauth/token$": "needs what a program is told elsewhere",
    r"/api/lfs/|/cas/v1/data/": "need a signed link",
    r"^POST /cas/.*(xorbs?/|shard)": "the content has to have its hash",
    r"/git-(upload|receive)-pack$": "the content has to be a pack, or to ask for objects",
}


@dataclass
class Outcome:
    cases: int
    operations: int
    failures: list[str]
    seconds: float
    seed: int
    statuses: dict[str, set[int]]  # By operation of the document: what it answered.

    def never_succeeded(self) -> list[str]:
        return sorted(name for name, statuses in self.statuses.items() if not any(200 <= status < 400 for status in statuses)
                      and not any(re.search(pattern, name) for pattern in NO_SUCCESS))


def configuration(names: dict | None) -> str:
    """schemathesis.toml. A status that is no error of the hub may still be one that the document does not have."""
    lines = ['[checks.not_a_server_error]', 'expected-statuses = ["2xx", "3xx", "4xx", 501]']
    if names:
        lines += ["[parameters]", *(f'"path.{name}" = {json.dumps(value)}' for name, value in names["parameters"].items())]
        for pattern, parameters, headers in names["operations"]:
            lines += ["[[operations]]", f"include-name-regex = {json.dumps(pattern)}"]
            for table, values in (("parameters", {f"path.{name}": value for name, value in parameters.items()}), ("headers", headers)):
                if values:
                    lines += [f"[operations.{table}]", *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def run(hub: Hub, examples: int, seed: int, rounds: tuple[bool, ...] = (False, True)) -> Outcome:
    """With any names (False) and with names that exist (True); `examples` random cases an operation at most."""
    server = hub.server
    document = Document(json.loads(server.request("GET", "/.well-known/openapi.json")[2]))
    outcome = Outcome(0, 0, [], 0, seed, {name: set() for name in document.operations})
    for known in rounds:
        names = hub.fill()
        log = server.folder / "server.log"
        log_begin, begin = log.stat().st_size, time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "schemathesis.toml"
            config.write_text(configuration(names if known else None))
            result = subprocess.run(
                [Path(sys.executable).with_name("st"), "--config-file", config, "run", server.url + "/.well-known/openapi.json",
                 "-H", f"Authorization: Bearer {hub.token}", "--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", str(seed),
                 "--phases", "examples,coverage,fuzzing", "--workers", "1", "--continue-on-failure", "--warnings", "off", "--no-shrink",
                 "--suppress-health-check", "all", "--request-timeout", "60", "--max-redirects", "0"],
                cwd=folder, capture_output=True, text=True,
                env={**os.environ, "SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": str(Path(__file__).parent),
                     "HEARTH_CONTRACT_BODIES": json.dumps(names["bodies"] if known else [])})
        outcome.seconds += time.monotonic() - begin
        text = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
        cases = re.findall(r"(\d[\d,]*) generated", text) or re.findall(r"Test cases:\s*\n?\s*(\d[\d,]*)", text)
        outcome.cases += int(cases[-1].replace(",", "")) if cases else 0
        outcome.operations = max([outcome.operations, *(int(count) for count in re.findall(r"Tested: (\d+)", text))])
        if result.returncode != 0:
            outcome.failures.append(text[-6000:])
        with open(log, "rb") as lines:
            lines.seek(log_begin)
            for method, path, status in REQUEST.findall(lines.read().decode(errors="replace")):
                if operation := document.find(method, path):
                    outcome.statuses[operation.name].add(int(status))
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
    total = Outcome(0, 0, [], 0, seed, {})
    try:
        hub = Hub(server)
        server.start()
        count = len(json.loads(server.request("GET", "/.well-known/openapi.json")[2])["paths"])
        while total.cases < options.cases and not total.failures:
            one = run(hub, max(10, min(200, options.cases // count // 2)), seed + total.cases)
            total.cases, total.seconds, total.operations = total.cases + one.cases, total.seconds + one.seconds, one.operations
            total.failures += one.failures
            for name, statuses in one.statuses.items():
                total.statuses.setdefault(name, set()).update(statuses)
            print(f"{total.cases:,} cases, {total.seconds:.0f} s", flush=True)
            if one.cases == 0:
                break
    finally:
        server.remove()
    for failure in total.failures:
        print(f"FAILED\n{failure}")
    succeeded = sum(any(200 <= status < 400 for status in statuses) for statuses in total.statuses.values())
    print(f"{succeeded} of {len(total.statuses)} operations answered with success, too")
    for name in total.never_succeeded():
        print(f"FAILED {name} answered only {sorted(total.statuses[name])}")
    if options.publish:
        figures.write("reliability", "71-contract", title="Requests from the OpenAPI document", seed=seed,
                      command=f"scripts/nightly contract --contract-cases {options.cases}, or: python tests/hostile/contract.py --cases {options.cases} --seed {seed}",
                      columns=["cases", "operations", "of them with a success", "runs with a finding", "seconds"],
                      rows=[[f"{total.cases:,}", total.operations, succeeded, len(total.failures), f"{total.seconds:.0f}"]],
                      note="Schemathesis 4.32.5, good cases and ones that break the document in one place; with names that exist and with any. "
                           f"Held: {', '.join(CHECKS)}.")
    return 1 if total.failures or total.never_succeeded() or total.cases == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
