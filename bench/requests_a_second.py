"""Small answers: info, tree and list in requests per CPU second, beside nginx serving the same bytes as a file.

Info is that of a model with 100 files. One connection and 32; nginx has its open files cached.
"""

import content
import measure

chosen = measure.options(__doc__)


def main() -> None:
    table = measure.Table(
        "30-requests", "Small answers: info, tree, list", command=chosen.command,
        note="Requests per CPU second of the server, wrk against it; nginx serves the same bytes from a file. Both "
             "write their log of requests; the hub looks up repository, caller and ref for each answer, and gives one again while nothing has "
             "changed. Medians of rounds in turn, least and most beside them.",
        columns=["answer", "connections", "bytes", "Hearth, requests/CPU s", "nginx", "ratio", "goal", "met", "p50 ms", "p99 ms", "goal", "met"])
    with measure.Hub().begin() as hub:
        hub.sign_in()
        repo = content.hundred_files(hub)
        for number in range(30):
            content.create_repo(hub, f"other-{number}")
        paths = {"info of 100 files": f"/api/models/{repo}", "tree of 100 files": f"/api/models/{repo}/tree/main",
                 "tree of 100 files with commits": f"/api/models/{repo}/tree/main?expand=true",
                 "list of 20 models": "/api/models?limit=20", "search of models": "/api/models?search=hundred&limit=20",
                 "file of 300 bytes": f"/{repo}/resolve/main/shard-00001.txt"}
        if chosen.quick:
            paths = dict(list(paths.items())[:2])
        static = measure.folder("static")
        for number, path in enumerate(paths.values()):
            (static / str(number)).write_bytes(hub.get(path))
        peer = measure.Nginx(static)
        seconds = 1 if chosen.quick else 3
        for number, (what, path) in enumerate(paths.items()):
            size = (static / str(number)).stat().st_size
            for connections in (1,) if chosen.quick else (1, 32, 320):
                seen = measure.in_turn(chosen.rounds, {
                    "hub": lambda: measure.wrk(hub.pid, hub.url + path, connections, seconds),
                    "peer": lambda: measure.wrk(peer.pid, f"{peer.url}/{number}", connections, seconds)})
                own = [load.per_cpu_s for load in seen["hub"]]
                others = [load.per_cpu_s for load in seen["peer"]]
                ratios = [a / b for a, b in zip(own, others)]
                p50 = measure.median([load.p50_ms for load in seen["hub"]])
                p99 = measure.median([load.p99_ms for load in seen["hub"]])
                is_info = what.startswith("info")
                table.add(what, connections, size, measure.spread(own, 0), measure.spread(others, 0), measure.spread(ratios),
                          *(measure.verdict(measure.median(ratios), least=0.25) if is_info else measure.NO_GOAL),
                          f"{p50:.2f}", f"{p99:.2f}",
                          *(measure.verdict(p50, most=1, unit=" ms") if is_info and connections == 1 else measure.NO_GOAL))
    table.publish(chosen.quick)


main()
