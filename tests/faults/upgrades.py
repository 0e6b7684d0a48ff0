"""Data of each former version, brought up by today's program: also killed at each durable step of that.

    python tests/faults/upgrades.py [--publish] [--on-postgresql] [VERSION…]

A hub is filled by today's program; then its database is made again with the tables that the former version had
(schema_at.cc), and filled with what they could hold. Starting today's program on it must show the same repositories,
keep a copy of the old database (SQLite), pass the hub's own check, and take new writes. A VERSION is a number, or one
with the migrations that it lacked: 19-14-15-16-18.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import steps  # noqa: E402
import survival  # noqa: E402
from lib import figures  # noqa: E402

# Migrations of branches that were merged later: such databases have been.
GAPS = ("19-14-15-16-18",)
REPOSITORIES_SINCE, DISCUSSIONS_SINCE, INSTALLATION_SINCE = 2, 5, 12  # The numbers of these migrations.


@dataclass
class Outcome:
    versions: list[str] = field(default_factory=list)
    kills: int = 0
    problems: list[str] = field(default_factory=list)


class Former:
    """One data folder and database of a former version, given out again and again."""

    def __init__(self, bench: steps.Bench, version: str) -> None:
        number, *self.left_out = version.split("-")
        self.bench, self.name, self.version = bench, version, int(number)
        self.folder = bench.server.folder / f"v{version}"
        shutil.copytree(bench.saved, self.folder)
        if self.version < INSTALLATION_SINCE:
            (self.folder / "installation").unlink()
        if self.version < REPOSITORIES_SINCE:
            shutil.rmtree(self.folder / "git")
        self._make()
        self.before = self._comparable(bench.before)

    def _make_tables(self, url: str) -> None:
        subprocess.run([str(Path(self.bench.server.binary).parent / "schema_at"), url, str(self.version), *self.left_out], check=True)

    def _comparable(self, state: dict) -> dict:
        if self.version < REPOSITORIES_SINCE:
            return {}
        left_out = ("prs", "discussions") if self.version < DISCUSSIONS_SINCE else ()
        return {repo: {key: value for key, value in facts.items() if key not in left_out} for repo, facts in state.items()}

    def put_back(self) -> None:
        self.bench.server.stop(kill=True)
        shutil.rmtree(self.bench.server.data)
        shutil.copytree(self.folder, self.bench.server.data)

    def state(self) -> dict:
        return self._comparable(steps.visible_state(self.bench.hub))


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
                columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
                old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}")
        old.close()

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
            columns = ", ".join(self._psql(
                self.template, f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped").split())
            rows = self._psql(now, f"COPY (SELECT {columns} FROM {table}) TO STDOUT", strip=False)
            self._psql(self.template, f"SET session_replication_role = replica;\nCOPY {table} ({columns}) FROM STDIN;\n{rows}\\.\n", by_input=True)
            for column in self._psql(self.template, "SELECT column_name FROM information_schema.columns WHERE table_name = "
                                     f"'{table}' AND (is_identity = 'YES' OR column_default LIKE 'nextval%')").split():
                self._psql(self.template, f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}")

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


def check(former: Former, where: str, outcome: Outcome) -> None:
    """Of a hub that was just started."""
    bench = former.bench
    bench.server.settle()
    if (found := former.state()) != former.before:
        outcome.problems.append(f"{where}: {steps._difference(found, former.before, former.before)}")
    copies = former.copies()
    # Killed on the way, the next start copies what it found half way up too.
    if copies is not None and min(copies, default=0) != former.version:
        outcome.problems.append(f"{where}: the copies of the old database are of the versions {copies}")
    for name in ("commit of small files", "git push") if former.version >= REPOSITORIES_SINCE else ("create a repository",):
        try:
            steps.WAYS[name](bench.hub)
        except Exception as error:
            outcome.problems.append(f"{where}: {name}: {error}")
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
        if former.bench.start(f"crash@{step}"):
            break  # It listens: the rest is no upgrade.
        outcome.kills += 1
        former.bench.server.stop(kill=True)
        former.bench.start()
        check(former, f"{where}, killed at step {step}", outcome)
    former.bench.server.stop(kill=True)


def run(versions: list[str] | None, database: str | None = None, kills_from: list[str] | None = None, stride: int = 1,
        say=lambda text: None) -> Outcome:
    """`kills_from`: the versions whose upgrade is killed at each step, or each `stride`-th; None: all."""
    outcome = Outcome()
    bench = steps.Bench(database)
    try:
        known = subprocess.run([str(Path(bench.server.binary).parent / "schema_at"), "--versions"], capture_output=True, text=True,
                               check=True).stdout.split()
        for version in versions or [*known[:-1], *GAPS]:
            former = (FormerPostgres if database else FormerSqlite)(bench, version)
            upgrade(former, outcome, kills_from is None or version in kills_from, stride)
            say(f"version {version}: {outcome.kills} kills so far, {len(outcome.problems)} problems")
            if outcome.problems:
                break
        return outcome
    finally:
        bench.remove()


def publish(engine: str, outcome: Outcome) -> None:
    figures.write(
        "reliability", f"15-upgrades-{engine.lower()}", title=f"Data of former versions, {engine}",
        command=f"scripts/nightly upgrades, or: python tests/faults/upgrades.py{' --on-postgresql' if engine == 'PostgreSQL' else ''}",
        columns=["former versions of the schema", "kills in the middle of the upgrade", "lost, half there or not clean"],
        rows=[[len(outcome.versions), outcome.kills, len(outcome.problems)]],
        note="Today's program on the data folder and database of each former version of the schema; then once more for each durable step "
             "of the upgrade, killed there and started again. One of the databases has a gap in its migrations, as those of branches that were "
             "merged later had. The same repositories, branches, tags and discussions are seen, new commits and "
             "pushes are taken, `hearth verify` and `git fsck` find nothing" +
             (", and a copy of the old database stands beside it." if engine == "SQLite" else "."))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    parser.add_argument("--publish", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--on-postgresql", action="store_true", help="at the server that HEARTH_TEST_POSTGRES names")
    options = parser.parse_args()
    outcome = run(options.versions, os.environ["HEARTH_TEST_POSTGRES"] if options.on_postgresql else None, say=lambda text: print(text, flush=True))
    for problem in outcome.problems:
        print(f"FAILED {problem}")
    if options.publish:
        publish("PostgreSQL" if options.on_postgresql else "SQLite", outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
