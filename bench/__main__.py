"""``make bench``: measures the whole catalog on real servers, in one run."""

import argparse
import platform
import sys
from datetime import UTC
from pathlib import Path

import psutil

from bench.build import build, fill
from bench.freshness import freshness
from bench.media import media
from bench.mongo import mongo
from bench.queue import queue
from bench.repair import repair
from bench.report import Figure, publish, say
from bench.search import search
from bench.streams import streams
from bench.world import running_world, until
from catalog.clock import SystemClock


def main() -> int:
    """Run all measurements; returns 1 when a bound is missed and ``--strict`` set."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--assets", type=int, default=100_000, help="assets to make")
    parser.add_argument(
        "--segments", type=int, default=200_000, help="segments to make"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds of each comparison"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a round")
    parser.add_argument("--writing", type=float, default=60.0, help="seconds of writes")
    parser.add_argument("--strict", action="store_true", help="fail on a missed bound")
    parser.add_argument(
        "--json", type=Path, default=Path("bench/results/latest.json"), help="where to"
    )
    options = parser.parse_args()
    figures = list[Figure]()
    say("making thumbnails …")
    figures += media(options.rounds)
    with running_world() as world:
        say(f"making {options.assets} assets and {options.segments} segments …")
        jobs = fill(world, options.assets, options.segments)
        say(f"{jobs} jobs written; building …")
        figures += build(world)
        until(lambda: not world.status().get("lagMs"), "the indexer idles", 60)
        figures.append(Figure("indexer RSS, idle", world.rss_mib("indexer"), "MiB"))
        say("searching …")
        figures += search(world, options.rounds, options.seconds)
        say("opening streams …")
        figures += streams(world, min(options.rounds, 3), options.seconds)
        say("asking MongoDB …")
        figures += mongo(world)
        say("claiming jobs …")
        figures += queue(world)
        say("writing …")
        figures += freshness(world, options.writing)
        say("rebuilding beside it, then reconciling …")
        raw = next(f.value for f in figures if f.name == "raw bulk import")
        figures += repair(world, raw)
        say("writing while the generation before is kept in step …")
        figures += freshness(world, options.writing / 3, is_doubled=True)
    facts = {
        "at": SystemClock().now().astimezone(UTC).isoformat(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "assets": options.assets,
        "segments": options.segments,
    }
    publish(figures, facts, options.json)
    is_missed = any(figure.is_met is False for figure in figures)
    return 1 if is_missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
