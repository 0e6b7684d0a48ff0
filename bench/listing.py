"""Lists of a hub with many repositories: every filter and sort, alone and together, also deep in the pages.

Times each request from outside (wall) and by the kernel's account of the server's threads (CPU), one connection, each
case with many different words. The data is made by bench/fill_hub.cc and kept in build/bench for the next run.
"""

import http.client
import itertools
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import measure

chosen = measure.options(
    __doc__, rounds=None, repositories={"type": int, "default": None}, requests={"type": int, "default": None},
    on_postgresql={"action": "store_true", "help": "on the server that HEARTH_TEST_POSTGRES names"},
    seed={"type": int, "default": 1})
# The whole, and what a tenth and a hundredth of it cost. PostgreSQL is asked for each row's statements one after the other:
# to fill it with 600,000 would take hours.
FULL = 60_000 if chosen.on_postgresql else 600_000
COUNT = chosen.repositories or (3_000 if chosen.quick else FULL)
COUNTS = (COUNT // 10, COUNT) if chosen.quick else (COUNT // 100, COUNT // 10, COUNT)
REQUESTS = chosen.requests or (10 if chosen.quick else 200)

# A parameter that means nothing, another number in each request: the hub gives an answer again to the same address while
# nothing has changed, and what is measured is what it costs to make one.
anew = itertools.count()


def filled_hub(count: int) -> measure.Hub:
    """With so many repositories; made now, or found as an earlier run left it."""
    if chosen.on_postgresql:
        return filled_on_postgresql(count)
    kept = measure.kept_folder(f"listing-{count}")
    mark = kept.with_suffix(".complete")
    if not mark.exists():
        shutil.rmtree(kept, ignore_errors=True)
        subprocess.run([measure.tool("fill_hub"), str(kept), str(count)], check=True)
        mark.touch()
    return measure.Hub(data=kept)


def filled_on_postgresql(count: int) -> measure.Hub:
    hub = measure.Hub(database=os.environ["HEARTH_TEST_POSTGRES"])
    subprocess.run([measure.tool("fill_hub"), str(hub.data), str(count), hub.database], check=True)
    # As the server's autovacuum does within minutes of so much new data.
    subprocess.run(["psql", "-q", hub.database, "-c", "VACUUM ANALYZE"], check=True)
    return hub


class Prober:
    """One connection. Knows what each request cost the hub."""

    def __init__(self, hub: measure.Hub) -> None:
        self.hub = hub
        self.connection = http.client.HTTPConnection("127.0.0.1", int(hub.url.rpartition(":")[2]), timeout=120)

    def hub_cpu_ms(self) -> float:
        """Of all threads, to the nanosecond: /proc/PID/task/N/schedstat."""
        spent = 0
        for task in Path(f"/proc/{self.hub.pid}/task").iterdir():
            spent += int((task / "schedstat").read_text().split()[0])
        return spent / 1e6

    def ask(self, path: str, token: str = "") -> tuple[list[dict], str, float, float]:
        """The items, the next page's path ("" at the end), milliseconds by the clock and of CPU."""
        before, begin = self.hub_cpu_ms(), time.perf_counter()
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = self.connection.getresponse()
        body = answer.read()
        wall = (time.perf_counter() - begin) * 1000
        cpu = self.hub_cpu_ms() - before
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:300]!r}")
        link = answer.headers.get("Link", "")
        following = link[link.index("<") + 1:link.index(">")].partition("/api")[2] if link else ""
        return json.loads(body), "/api" + following if following else "", wall, cpu


class Words:
    """What to ask for, drawn from what the hub holds: common words by name, rare ones from its own rows."""

    def __init__(self, prober: Prober) -> None:
        self.random = random.Random(chosen.seed)
        self.rows, _, _, _ = prober.ask("/api/models?sort=createdAt&limit=1000")
        self.datasets, _, _, _ = prober.ask("/api/datasets?sort=createdAt&limit=500")

    def row(self) -> dict:
        return self.random.choice(self.rows)

    def author(self) -> str:
        return self.row()["id"].split("/")[0]

    def name_word(self) -> str:
        return self.random.choice(self.row()["id"].split("/")[1].split("-"))

    def part(self) -> str:
        """Some letters from the middle of a name."""
        name = self.row()["id"].split("/")[1]
        begin = self.random.randrange(max(1, len(name) - 6))
        return name[begin:begin + self.random.randint(3, 6)]

    def short_part(self) -> str:
        name = self.row()["id"].split("/")[1]
        begin = self.random.randrange(max(1, len(name) - 2))
        return name[begin:begin + 2]

    def whole_name(self) -> str:
        return self.row()["id"].split("/")[1]

    def tag(self) -> str:
        return self.random.choice(self.row()["tags"])

    def task(self) -> str:
        return self.row().get("pipeline_tag") or "text-generation"

    def two(self) -> list[str]:
        """Of one model, so that there is something to find."""
        tags = self.row()["tags"]
        return self.random.sample(tags, min(2, len(tags)))

    def any_sort(self) -> str:
        return self.random.choice(SORTS)


SORTS = ["trendingScore", "lastModified", "createdAt", "downloads", "likes", "likes30d", "num_parameters", "mainSize", "id"]


def cases(words: Words) -> dict[str, list]:
    """By what is asked: a maker of one request's parameters, and the kind of repository."""
    by_sort = {f"all, by {sort}": [lambda sort=sort: {"sort": sort}] for sort in SORTS}
    return by_sort | {
        "all, by likes, from the least": [lambda: {"sort": "likes", "direction": "1"}],
        "search: a word of a name": [lambda: {"search": words.name_word()}],
        "search: a common word (llama)": [lambda: {"search": "llama"}],
        "search: 3 to 6 letters of a name": [lambda: {"search": words.part()}],
        "search: 2 letters": [lambda: {"search": words.short_part()}],
        "search: a whole name": [lambda: {"search": words.whole_name()}],
        "search: what nothing has": [lambda: {"search": "zzqzx" + words.part()}],
        "search: two words": [lambda: {"search": words.name_word() + " " + words.name_word()}],
        "search: a word, any sort": [lambda: {"search": words.name_word(), "sort": words.any_sort()}],
        "author": [lambda: {"author": words.author()}],
        "author, any sort": [lambda: {"author": words.author(), "sort": words.any_sort()}],
        "author and search": [lambda: {"author": words.author(), "search": words.part()}],
        "a tag": [lambda: {"filter": words.tag()}],
        "a tag, any sort": [lambda: {"filter": words.tag(), "sort": words.any_sort()}],
        "two tags of one model": [lambda: {"filter": words.two()}],
        "two tags, any sort": [lambda: {"filter": [words.tag(), words.tag()], "sort": words.any_sort()}],
        "pipeline_tag": [lambda: {"pipeline_tag": words.task()}],
        "pipeline_tag and a tag, any sort": [lambda: {"pipeline_tag": words.task(), "filter": words.tag(), "sort": words.any_sort()}],
        "a tag and search": [lambda: {"filter": words.tag(), "search": words.part()}],
        "gated": [lambda: {"gated": "true", "sort": words.any_sort()}],
        "num_parameters": [lambda: {"num_parameters": "min:6B,max:20B", "sort": words.any_sort()}],
        "apps=ollama": [lambda: {"apps": "ollama", "sort": words.any_sort()}],
        "everything at once": [lambda: {"search": words.part(), "author": words.author(), "filter": words.tag(), "gated": "false", "sort": words.any_sort()}],
        "datasets: a tag": [lambda: {"filter": words.random.choice(words.random.choice(words.datasets)["tags"])}, "datasets"],
        "datasets: search": [lambda: {"search": words.part()}, "datasets"],
        "Spaces of a model": [lambda: {"models": "llama/llama"}, "spaces"],
        "Spaces: search": [lambda: {"search": words.part()}, "spaces"],
        "full=true": [lambda: {"full": "true", "filter": words.tag()}],
    }


def deep(prober: Prober, query: dict, page_count: int) -> Iterator[tuple[float, float]]:
    path, seen = "/api/models?" + urlencode(query | {"anew": next(anew)}, doseq=True), set()
    for _ in range(page_count):
        items, path, wall, cpu = prober.ask(path)
        ids = {item["id"] for item in items}
        if ids & seen:
            raise RuntimeError(f"a repository came twice: {sorted(ids & seen)[:3]}")
        seen |= ids
        yield wall, cpu
        if not path:
            return


def check(what: str, query: dict, items: list[dict]) -> None:
    """Is what came what was asked for? (Private ones are not there: a stranger asks.)"""
    for item in items:
        wrong = (item.get("private") or
                 any(word.lower() not in item["id"].lower() for word in query.get("search", "").split()) or
                 ("author" in query and item["id"].split("/")[0].lower() != query["author"].lower()) or
                 not set([query["filter"]] if isinstance(query.get("filter"), str) else query.get("filter", [])) <= set(item["tags"]) or
                 ("pipeline_tag" in query and item["pipeline_tag"] != query["pipeline_tag"]))
        if wrong:
            raise RuntimeError(f"{what}: {query} gave {item['id']}")


@dataclass
class Seen:
    """Milliseconds of requests of one kind, by the clock and of CPU."""
    walls: list[float]
    cpus: list[float]

    @property
    def p99(self) -> float:
        return measure.percentile(self.walls, 0.99)


def ask_all(count: int) -> dict[str, Seen]:
    """Every kind of list of a hub with so many repositories."""
    seen: dict[str, Seen] = {}

    def add(what: str, times: list[tuple[float, float]]) -> None:
        seen[what] = Seen([wall for wall, _ in times], [cpu for _, cpu in times])
        print(f"{count:,}: {what}: p99 {seen[what].p99:.1f} ms", flush=True)

    with filled_hub(count) as hub:
        # What was just made is collected at the first start, for minutes; a hub does that once a day.
        hub.begin("--gc-interval-hours", "0")
        measure.wait_until_idle(hub.pid)
        prober = Prober(hub)
        words = Words(prober)
        for what, (make, *kind) in cases(words).items():
            times = []
            for _ in range(REQUESTS):
                query = make()
                path = f"/api/{kind[0] if kind else 'models'}?" + urlencode({"limit": 20} | query | {"anew": next(anew)}, doseq=True)
                items, _, wall, cpu = prober.ask(path)
                if "full" not in query:
                    check(what, query, items)
                times.append((wall, cpu))
            add(what, times)
        for what, query in {"pages of 100, one after the other": {"limit": 100},
                            "pages of 100 of a search": {"limit": 100, "search": "llama"},
                            "pages of 100 of a tag, by likes": {"limit": 100, "filter": "transformers", "sort": "likes"}}.items():
            add(what, list(deep(prober, query, REQUESTS)))
        add("pages of 1,000, one after the other", list(deep(prober, {"limit": 1000}, max(3, REQUESTS // 10))))
    if chosen.on_postgresql:
        subprocess.run(["psql", "-q", os.environ["HEARTH_TEST_POSTGRES"], "-c", f"DROP DATABASE {hub.database.rpartition('/')[2]}"])
    return seen


def main() -> None:
    engine = "PostgreSQL" if chosen.on_postgresql else "SQLite"
    table = measure.Table(
        f"40-listing-{engine.lower()}" + ("" if COUNT == FULL else f"-{COUNT:08}"),
        f"Lists of {COUNT:,} repositories, {engine}", command=chosen.command,
        note=f"{REQUESTS} requests each, one connection, 20 repositories a page where nothing else is said; words, tags and "
             "authors drawn from the hub's own, whose frequencies follow Zipf's law. No address is asked for twice, so that no answer is a remembered one. CPU is that of the hub's threads alone"
             + (", without the database server's" if chosen.on_postgresql else "") + f". Of {COUNT:,} repositories where no other number stands; the last "
             "columns are of hubs with a part of them, made and asked in the same way. Pages one after the other end where the list does.",
        columns=["what is asked for", "p50 ms", "p99 ms", "p99 ms of CPU", "goal p99", "met", *(f"p99 ms of {count:,}" for count in COUNTS[-2::-1])])
    by_count = {count: ask_all(count) for count in COUNTS}
    for what, seen in by_count[COUNT].items():
        table.add(what, f"{measure.median(seen.walls):.1f}", f"{seen.p99:.1f}", f"{measure.percentile(seen.cpus, 0.99):.1f}",
                  *measure.verdict(seen.p99, most=30, unit=" ms"), *(f"{by_count[count][what].p99:.1f}" for count in COUNTS[-2::-1]))
    table.publish(chosen.quick)


main()
