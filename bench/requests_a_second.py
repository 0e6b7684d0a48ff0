"""Small answers: info, tree and list in requests per CPU second, beside nginx serving the same bytes as a file.

Info and tree of 100 files, and of 10 and 100 times as many; one connection, 32 and 320; nginx has its open files cached.
The hub gives an answer again while nothing has changed: what it costs to make one anew is measured as well.
"""

import content
import measure

chosen = measure.options(__doc__)
COUNTS = (100, 1_000) if chosen.quick else (100, 1_000, 10_000)


def main() -> None:
    table = measure.Table(
        "30-requests", "Small answers: info, tree, list", command=chosen.command,
        note="Requests per CPU second of the server, wrk against it; nginx serves the same bytes from a file. Both "
             "write their log of requests; the hub looks up repository, caller and ref for each answer, and gives one of up to 256 KiB again while "
             "nothing has changed. `Made anew`: each request has an address that was never asked before (a parameter that means nothing, "
             "with another number each), so no answer is remembered; `repeated`: all are for one address. A page of a tree holds 1,000 entries at most. "
             f"wrk keeps as many requests under way as it has connections, on {len(measure.CORES)} cores for both sides: with 32 of them p50 is the time "
             "in a queue of 32, which is 32 divided by the requests a second, not the time that an answer takes. "
             "Medians of rounds in turn, least and most beside them.",
        columns=["answer", "asked", "connections", "bytes", "Hearth, requests/CPU s", "nginx", "ratio", "goal", "met", "p50 ms", "p99 ms", "goal", "met"])
    with measure.Hub().begin() as hub:
        hub.sign_in()
        repos = {count: content.hundred_files(hub, f"files-{count}", count) for count in COUNTS}
        for number in range(30):
            content.create_repo(hub, f"other-{number}")
        hub.settle()
        paths = {f"info of {count:,} files": f"/api/models/{repo}" for count, repo in repos.items()}
        paths |= {f"tree of {count:,} files": f"/api/models/{repo}/tree/main" for count, repo in repos.items()}
        if not chosen.quick:
            paths |= {"tree of 100 files with commits": f"/api/models/{repos[100]}/tree/main?expand=true",
                      "list of 20 models": "/api/models?limit=20", "search of models": "/api/models?search=files-100&limit=20",
                      "file of 300 bytes": f"/{repos[100]}/resolve/main/shard-00001.txt"}
        static = measure.folder("static")
        for number, path in enumerate(paths.values()):
            (static / str(number)).write_bytes(hub.get(path))
        peer = measure.Nginx(static)
        seconds = 1 if chosen.quick else 3

        def row(what: str, path: str, file: int, connections: int, *, anew: bool) -> None:
            seen = measure.in_turn(chosen.rounds, {
                "hub": lambda: measure.wrk(hub.pid, hub.url + path, connections, seconds, anew=anew),
                "peer": lambda: measure.wrk(peer.pid, f"{peer.url}/{file}", connections, seconds, anew=anew)})
            own = [load.per_cpu_s for load in seen["hub"]]
            others = [load.per_cpu_s for load in seen["peer"]]
            ratios = [a / b for a, b in zip(own, others)]
            p50 = measure.median([load.p50_ms for load in seen["hub"]])
            p99 = measure.median([load.p99_ms for load in seen["hub"]])
            has_goal = what == "info of 100 files"
            table.add(what, "made anew" if anew else "repeated", connections, f"{(static / str(file)).stat().st_size:,}",
                      measure.spread(own, 0), measure.spread(others, 0), measure.spread(ratios),
                      *(measure.verdict(measure.median(ratios), least=0.25) if has_goal and not anew else measure.NO_GOAL),
                      f"{p50:.2f}", f"{p99:.2f}",
                      *(measure.verdict(p50, most=1, unit=" ms") if has_goal and connections <= 32 else measure.NO_GOAL))

        for number, (what, path) in enumerate(paths.items()):
            if "/resolve/" not in path:  # A file comes from the disk each time.
                row(what, path, number, 1, anew=True)
            for connections in (1,) if chosen.quick else (1, 32) if "000 files" in what else (1, 32, 320):
                row(what, path, number, connections, anew=False)
    table.publish(chosen.quick)


main()
