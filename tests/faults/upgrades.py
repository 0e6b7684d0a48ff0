"""Data of each former version, brought up by today's program: also killed at each durable step of that.

    python tests/faults/upgrades.py [--publish] [--on-postgresql] [VERSION…]

A hub is filled by today's program; then its database is made again with the tables that the former version had
(schema_at.cc), and filled with what they could hold: without the repositories that need what came later (KEPT_SINCE).
Starting today's program on it must show the same repositories, files byte for byte, in the same lists, and count the
same storage; keep a copy of the old database (SQLite), pass the hub's own check, collect nothing that is needed, bring a
deleted repository back, and take new writes. Killed: at each durable step until the hub has started, and of the tasks that it does afterwards. A
VERSION is a number, or one with the migrations that it lacked: 19-14-15-16-18.
"""

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import steps  # noqa: E402
import survival  # noqa: E402
from lib import figures  # noqa: E402

# Migrations of branches that were merged later: such databases have been.
GAPS = ("19-14-15-16-18",)
# The numbers of these migrations.
REPOSITORIES_SINCE, LARGE_FILES_SINCE, DISCUSSIONS_SINCE, LIKES_SINCE = 2, 3, 5, 8
INSTALLATION_SINCE, DELETED_REPOS_SINCE, STORAGE_SINCE, LFS_DELETIONS_SINCE = 12, 13, 16, 17

# A repository of an organisation with a file by Xet and one by Git LFS, one that was deleted and has one, and one whose
# file was deleted for good; and since when there was what they show.
LARGE, DELETED, EMPTIED = "team/weights", "alice/gone", "alice/emptied"
KEPT_SINCE = {steps.REPO: REPOSITORIES_SINCE, LARGE: LARGE_FILES_SINCE, DELETED: DELETED_REPOS_SINCE, EMPTIED: LFS_DELETIONS_SINCE}
BY_XET, BY_LFS, OF_DELETED, OF_EMPTIED = (steps.DICE.randbytes(size) for size in (300_000, 280_000, 200_000, 150_000))
CARD = "---\nlicense: mit\ntags:\n- of-before\n---\n# A card\n"
# By a tag, two tags, a part of a name, both; the last find nothing.
LISTS = ("filter=of-before", "filter=of-before&filter=license:mit", "search=eigh", "search=alice", "filter=pytorch&search=her", "author=team",
         "filter=nobody-has-it", "search=nobody")


class Bench(steps.Bench):
    """A hub with some of all that migrations touch."""

    OPTIONS = (*steps.Bench.OPTIONS, "--chunk-lfs-uploads", "false")  # One large file is stored in chunks, one whole.

    def populate(self) -> None:
        super().populate()
        hub = self.hub
        self.server.hearth("org", "add", "team", "--owner", "alice")
        hub.commit(steps.text_file("README.md", CARD.encode()), steps.text_file("pytorch_model.bin"))
        hub.ask("POST", f"/api/models/{steps.REPO}/like", {})
        hub.ask("POST", f"/api/models/{steps.REPO}/discussions/1/comment", {"comment": "a comment of before"})
        for repo in (LARGE, DELETED, EMPTIED):
            namespace, name = repo.split("/")
            hub.ask("POST", "/api/repos/create", {"name": name, "organization": namespace})
            hub.commit(steps.text_file("README.md", CARD.encode()), repo=repo)
        steps.upload_by_xet(hub, BY_XET, LARGE)
        for repo, content in ((LARGE, BY_LFS), (DELETED, OF_DELETED), (EMPTIED, OF_EMPTIED)):
            hub.commit(hub.upload(content, repo), repo=repo)
        hub.ask("POST", f"/api/models/{EMPTIED}/lfs-files/batch",
                {"deletions": {"sha": [hashlib.sha256(OF_EMPTIED).hexdigest()], "rewriteHistory": False}})
        self.server.settle()
        # A hub without tasks, as those of before them, collects at its first start: git is packed and measured here as there.
        self.server.hearth("gc")
        self.server.settle()
        self.with_deleted = self.state()
        self.ids = {repo: hub.ask("GET", f"/api/models/{repo}")["_id"] for repo in KEPT_SINCE}
        hub.ask("DELETE", "/api/repos/delete", {"name": "gone", "organization": "alice", "type": "model"})

    def state(self) -> dict:
        hub = self.hub
        repositories = {}
        for repo, facts in {**steps.visible_state(hub), **steps.visible_state(hub, "team")}.items():
            info = hub.ask("GET", f"/api/models/{repo}?expand=usedStorage&expand=tags")
            discussions = hub.ask("GET", f"/api/models/{repo}/discussions")["discussions"]
            repositories[repo] = {
                **facts, "listed as": info["tags"], "storage": info["usedStorage"],
                "likers": [liker["user"] for liker in hub.ask("GET", f"/api/models/{repo}/likers")],
                "content": {path: self._content(repo, path) for path in steps.files_of(hub, repo, "main")},
                "comments": [event["data"]["latest"]["raw"] for one in discussions
                             for event in hub.ask("GET", f"/api/models/{repo}/discussions/{one['num']}")["events"] if event["type"] == "comment"],
            }
        return {
            "repositories": repositories,
            "lists": {query: sorted(found["id"] for found in hub.ask("GET", f"/api/models?{query}")) for query in LISTS},
            "usage": {used["name"]: used["usedStorage"] for used in json.loads(self.server.hearth("quota", "--json"))},
        }

    def _content(self, repo: str, path: str) -> str:
        status, _, content = self.server.request("GET", f"/{repo}/resolve/main/{path}", token=self.hub.token)
        return hashlib.sha256(content).hexdigest() if status == 200 else f"status {status}"


@dataclass
class Outcome:
    versions: list[str] = field(default_factory=list)
    kills: int = 0
    problems: list[str] = field(default_factory=list)


class Former:
    """One data folder and database of a former version, given out again and again."""

    def __init__(self, bench: Bench, version: str) -> None:
        number, *self.left_out = version.split("-")
        self.bench, self.name, self.version = bench, version, int(number)
        self.folder = bench.server.folder / f"v{version}"
        self.repos = [repo for repo, since in KEPT_SINCE.items() if self.knows(since)]
        self.gone_ids = [bench.ids[repo] for repo in KEPT_SINCE if repo not in self.repos]
        self._make_folder()
        self._make()
        self.before = self._comparable(bench.before)
        self.with_deleted = self._comparable(bench.with_deleted)

    def knows(self, migration: int) -> bool:
        return migration <= self.version and str(migration) not in self.left_out

    def _make_folder(self) -> None:
        shutil.copytree(self.bench.saved, self.folder)
        if not self.knows(INSTALLATION_SINCE):
            (self.folder / "installation").unlink()
        if not self.knows(REPOSITORIES_SINCE):
            shutil.rmtree(self.folder / "git")
        for identity in self.gone_ids if self.knows(REPOSITORIES_SINCE) else ():
            [git_folder] = self.folder.glob(f"git/*/{identity}.git")
            shutil.rmtree(git_folder)
        if not self.knows(LARGE_FILES_SINCE):
            for name in ("blobs", "xorbs", "shards", "uploads"):
                shutil.rmtree(self.folder / name)
        for repo, content in ((DELETED, OF_DELETED), (EMPTIED, OF_EMPTIED)):
            for path in self.folder.rglob(hashlib.sha256(content).hexdigest() + "*") if repo not in self.repos else ():
                path.unlink()

    def _kept_rows(self, table: str, columns: list[str]) -> str:
        """Those of the repositories that the version could hold."""
        of_repo = "id" if table == "repo" else "repo_id"
        ids = ", ".join(f"'{identity}'" for identity in self.gone_ids)
        return f" WHERE {of_repo} NOT IN ({ids})" if ids and of_repo in columns else ""

    def _mend(self, columns_of_repo: list[str]) -> str:
        """What rows say of the rows that are not there."""
        sql = ""
        if "likes" in columns_of_repo and not self.knows(LIKES_SINCE):
            sql += "UPDATE repo SET likes = 0;"
        if "large_bytes" in columns_of_repo:
            sql += ("UPDATE namespace SET used_bytes = (SELECT COALESCE(SUM(r.large_bytes + r.git_bytes), 0) FROM repo r"
                    " WHERE r.namespace_id = namespace.id AND r.deleted_ms IS NULL);")
        return sql

    def _make_tables(self, url: str) -> None:
        subprocess.run([str(Path(self.bench.server.binary).parent / "schema_at"), url, str(self.version), *self.left_out], check=True)

    def _comparable(self, state: dict) -> dict:
        """As far as the version could hold it."""
        left_out = () if self.knows(DISCUSSIONS_SINCE) else ("prs", "discussions", "comments")
        repositories = {repo: {key: value for key, value in facts.items() if key not in left_out}
                        for repo, facts in state["repositories"].items() if repo in self.repos}
        if not self.knows(LIKES_SINCE):
            repositories = {repo: {**facts, "likes": 0, "likers": []} for repo, facts in repositories.items()}
        return {
            "repositories": repositories,
            "lists": {query: [repo for repo in found if repo in self.repos] for query, found in state["lists"].items()},
            "usage": {name: sum(facts["storage"] for repo, facts in repositories.items() if repo.startswith(name + "/"))
                      for name in state["usage"]},
        }

    def put_back(self) -> None:
        self.bench.server.stop(kill=True)
        shutil.rmtree(self.bench.server.data)
        shutil.copytree(self.folder, self.bench.server.data)

    def state(self) -> dict:
        """Comparable, with the storage as the hub itself adds it up."""
        found = self.bench.state()
        return {**self._comparable(found), "usage": found["usage"]}


class FormerSqlite(Former):
    def _make(self) -> None:
        for path in self.folder.glob("hearth.db*"):
            path.unlink()
        self._make_tables(f"sqlite:{self.folder / 'hearth.db'}")
        with sqlite3.connect(self.folder / "hearth.db") as old:
            old.execute("ATTACH ? AS now", (str(self.bench.saved / "hearth.db"),))
            tables = [row[0] for row in old.execute(
                "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_version'")]
            for table in tables:
                names = self._columns(old, table)
                columns = ", ".join(names)
                old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}{self._kept_rows(table, names)}")
            old.executescript(self._mend(self._columns(old, "repo")))
        old.close()

    def _columns(self, old: sqlite3.Connection, table: str) -> list[str]:
        return [row[1] for row in old.execute(f"PRAGMA main.table_info({table})")]

    def number_of(self, table: str) -> int:
        with sqlite3.connect(self.bench.server.data / "hearth.db") as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def copies(self) -> list[int]:
        """The versions of the copies that stand beside the database."""
        found = []
        for path in self.bench.server.data.glob("backup-v*.db"):
            with sqlite3.connect(path) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                found.append(copy.execute("SELECT max(version) FROM schema_version").fetchone()[0])
        return found


def _name_of(url: str) -> str:
    return url.rsplit("/", 1)[1]


class FormerPostgres(Former):
    def _make(self) -> None:
        self.database = self.bench.server.database
        now = self.database + "_saved"  # put_back() drops the one that is worked on.
        admin = os.environ["HEARTH_TEST_POSTGRES"]
        if not self._psql(admin, f"SELECT 1 FROM pg_database WHERE datname = '{_name_of(now)}'"):
            self._psql(admin, f"CREATE DATABASE {_name_of(now)} TEMPLATE {_name_of(self.database)}")
        self.template = self.database + f"_v{self.name.replace('-', '_')}"
        self._psql(admin, f"CREATE DATABASE {_name_of(self.template)}")
        self._make_tables(self.template)
        tables = self._psql(self.template, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version'")
        for table in tables.split():
            names = self._columns(table)
            columns = ", ".join(names)
            rows = self._psql(now, f"COPY (SELECT {columns} FROM {table}{self._kept_rows(table, names)}) TO STDOUT", strip=False)
            self._psql(self.template, f"SET session_replication_role = replica;\nCOPY {table} ({columns}) FROM STDIN;\n{rows}\\.\n", by_input=True)
            for column in self._psql(self.template, "SELECT column_name FROM information_schema.columns WHERE table_name = "
                                     f"'{table}' AND (is_identity = 'YES' OR column_default LIKE 'nextval%')").split():
                self._psql(self.template, f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}")
        if self.knows(REPOSITORIES_SINCE):
            self._psql(self.template, self._mend(self._columns("repo")))

    def _columns(self, table: str) -> list[str]:
        return self._psql(
            self.template, f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped").split()

    def number_of(self, table: str) -> int:
        return int(self._psql(self.database, f"SELECT count(*) FROM {table}"))

    def put_back(self) -> None:
        super().put_back()
        name, template = _name_of(self.database), _name_of(self.template)
        admin = os.environ["HEARTH_TEST_POSTGRES"]
        self._psql(admin, f"DROP DATABASE {name} WITH (FORCE)")
        self._psql(admin, f"CREATE DATABASE {name} TEMPLATE {template}")

    def _psql(self, url: str, text: str, by_input: bool = False, strip: bool = True) -> str:
        done = subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", url, *([] if by_input else ["-c", text])],
                              input=text if by_input else None, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip() if strip else done.stdout

    def copies(self) -> None:
        return None  # The operator's own tools do that on PostgreSQL.


def differences(found: dict, expected: dict, where: str = "") -> list[str]:
    """The places that differ, with what stands there."""
    lines = []
    for key in {**found, **expected}:
        is_, must = found.get(key), expected.get(key)
        if isinstance(is_, dict) and isinstance(must, dict):
            lines += differences(is_, must, f"{where}{key}: ")
        elif is_ != must:
            lines.append(f"{where}{key}: {str(is_)[:300]} instead of {str(must)[:300]}")
    return lines


def check(former: Former, where: str, outcome: Outcome) -> None:
    """Of a hub that was just started."""
    bench = former.bench

    def compare(expected: dict, when: str = "") -> None:
        bench.server.settle()
        found = former.state()
        outcome.problems.extend(f"{where}{when}: {differs}" for differs in differences(found, expected))
    compare(former.before)
    # Made by a task for files that are older than the table.
    if former.knows(LARGE_FILES_SINCE) and (count := former.number_of("xet_file_xorb")) == 0:
        outcome.problems.append(f"{where}: no xorb knows its files")
    copies = former.copies()
    # Killed on the way, the next start copies what it found half way up too.
    if copies is not None and min(copies, default=0) != former.version:
        outcome.problems.append(f"{where}: the copies of the old database are of the versions {copies}")
    try:
        bench.server.hearth("gc", "--gc-delay-hours", "0", "--gc-xorb-delay-days", "0")
        compare(former.before, ", collected without delays")
        if DELETED in former.repos:
            bench.server.hearth("repo", "undelete", DELETED)
            compare(former.with_deleted, ", the deleted repository brought back")
    except RuntimeError as error:
        outcome.problems.append(f"{where}: {error}")
    for name in ("commit of small files", "git push") if former.knows(REPOSITORIES_SINCE) else ("create a repository",):
        try:
            steps.WAYS[name](bench.hub)
        except Exception as error:
            outcome.problems.append(f"{where}: {name}: {error}")
    if former.knows(REPOSITORIES_SINCE):
        bench.server.settle()
        after, before = (state["repositories"].get(steps.REPO, {}).get("listed as") for state in (bench.state(), former.before))
        if after != before:
            outcome.problems.append(f"{where}: a commit has changed the tags: {before} to {after}")
    outcome.problems += [f"{where}: {problem}" for problem in survival.problems_at_rest(bench.server)]


def upgrade(former: Former, outcome: Outcome, with_kills: bool, stride: int = 1) -> None:
    where = f"from version {former.name}"
    outcome.versions.append(former.name)
    former.put_back()
    former.bench.start()
    check(former, where, outcome)
    step = 0
    while with_kills and not outcome.problems:
        step += stride
        former.put_back()
        if former.bench.start(f"crash@{step}") and former.bench.outlives_its_tasks():
            break
        outcome.kills += 1
        former.bench.server.stop(kill=True)
        former.bench.start()
        check(former, f"{where}, killed at step {step}", outcome)
    former.bench.server.stop(kill=True)


def known_versions() -> list[str]:
    program = Path(os.environ.get("HEARTH_BIN", ROOT / "build" / "bin" / "hearth"))
    return subprocess.run([str(program.parent / "schema_at"), "--versions"], capture_output=True, text=True, check=True).stdout.split()


def run(versions: list[str] | None, database: str | None = None, kills_from: list[str] | None = None, stride: int = 1,
        say=lambda text: None, at_once: int = 1) -> Outcome:
    """`kills_from`: the versions whose upgrade is killed at each step, or each `stride`-th; None: all. `at_once`: with so many
    hubs, each of which takes the next version: a kill waits more than it computes."""
    left = deque(versions or [*known_versions()[:-1], *GAPS])
    whole = Outcome()

    def work(_: int) -> None:
        bench = Bench(database)
        try:
            while left and not whole.problems:
                version = left.popleft()
                outcome = Outcome()
                upgrade((FormerPostgres if database else FormerSqlite)(bench, version), outcome, kills_from is None or version in kills_from, stride)
                whole.versions += outcome.versions
                whole.kills += outcome.kills
                whole.problems += outcome.problems
                say(f"version {version}: {whole.kills} kills so far, {len(whole.problems)} problems")
        finally:
            bench.remove()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, range(at_once)))
    return whole


def publish(engine: str, outcome: Outcome) -> None:
    figures.write(
        "reliability", f"15-upgrades-{engine.lower()}", title=f"Data of former versions, {engine}",
        command=f"scripts/nightly upgrades, or: python tests/faults/upgrades.py{' --on-postgresql' if engine == 'PostgreSQL' else ''}",
        columns=["former versions of the schema", "kills in the middle of the upgrade", "lost, half there or not clean"],
        rows=[[len(outcome.versions), outcome.kills, len(outcome.problems)]],
        note="Today's program on the data folder and database of each former version of the schema; then once more for each durable step "
             "of the upgrade and of the tasks that follow it, killed there and started again. One of the databases has a gap in its migrations, as those of branches that were "
             "merged later had. As far as that version could hold them, the same repositories, branches, tags, discussions, comments and likes are "
             "seen, the same files read byte for byte (by Xet, Git LFS and git), the same repositories found by tags and words, and the same storage "
             "counted; a collection without delays takes nothing of that, a deleted repository is brought back, new commits and pushes are taken, `hearth verify` and `git fsck` find nothing" +
             (", and a copy of the old database stands beside it." if engine == "SQLite" else "."))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--on-postgresql", action="store_true", help="at the server that HEARTH_TEST_POSTGRES names")
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), help="hubs, each with versions of its own")
    options = parser.parse_args()
    outcome = run(options.versions, os.environ["HEARTH_TEST_POSTGRES"] if options.on_postgresql else None,
                  say=lambda text: print(text, flush=True), at_once=options.at_once)
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    if options.publish:
        publish("PostgreSQL" if options.on_postgresql else "SQLite", outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
