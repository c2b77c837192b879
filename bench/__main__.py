"""``make bench``: measures the whole catalog on real servers, in one run."""

import argparse
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from pathlib import Path

import psutil

from bench.build import build, fill
from bench.freshness import freshness
from bench.media import media
from bench.mongo import mongo
from bench.owners import owners
from bench.queue import queue
from bench.repair import repair
from bench.report import Figure, publish, say
from bench.search import search
from bench.sections import (
    NEEDS,
    WITHOUT_SERVERS,
    UnknownSectionError,
    result_file,
    sections,
)
from bench.streams import streams
from bench.transcription import transcription
from bench.world import World, running_world, until
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
    parser.add_argument(
        "--owned", type=int, default=1_000_000, help="assets of the one large owner"
    )
    parser.add_argument("--strict", action="store_true", help="fail on a missed bound")
    parser.add_argument(
        "--only",
        metavar="SECTIONS",
        help="run these, with commas between, and what they stand on: "
        + ", ".join(NEEDS),
    )
    parser.add_argument(
        "--json",
        type=Path,
        help=f"where to; {result_file(None)}, with --only {result_file('')}",
    )
    options = parser.parse_args()
    try:
        chosen = sections(options.only)
    except UnknownSectionError as exc:
        parser.error(str(exc))
    figures = _measured(chosen, options)
    facts = {
        "at": SystemClock().now().astimezone(UTC).isoformat(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "assets": options.assets,
        "segments": options.segments,
        "sections": chosen,
    }
    publish(figures, facts, options.json or result_file(options.only))
    is_missed = any(figure.is_met is False for figure in figures)
    return 1 if is_missed and options.strict else 0


def _measured(chosen: Sequence[str], options: argparse.Namespace) -> list[Figure]:
    figures = list[Figure]()
    if "media" in chosen:
        say("making thumbnails …")
        figures += media(options.rounds)
    if "transcription" in chosen:
        say("writing recordings down …")
        figures += transcription(options.rounds)
    rest = [name for name in chosen if name not in WITHOUT_SERVERS]
    if not rest:
        return figures
    rounds, seconds, writing = options.rounds, options.seconds, options.writing

    def raw_import() -> float:
        return next(f.value for f in figures if f.name == "raw bulk import")

    with running_world() as world:
        steps: Mapping[str, tuple[str, Callable[[], list[Figure]]]] = {
            "build": ("an index to measure on …", lambda: _built(world, options)),
            "search": ("searching …", lambda: search(world, rounds, seconds)),
            "streams": (
                "opening streams …",
                lambda: streams(world, min(rounds, 3), seconds),
            ),
            "mongo": ("asking MongoDB …", lambda: mongo(world)),
            "queue": ("claiming jobs …", lambda: queue(world)),
            "freshness": ("writing …", lambda: freshness(world, writing)),
            "repair": (
                "rebuilding beside it, then reconciling …",
                lambda: repair(world, raw_import()),
            ),
            "rollback": (
                "writing while the generation before is kept in step …",
                lambda: freshness(world, writing / 3, is_doubled=True),
            ),
            "owners": (
                "listing and searching what one user has much of …",
                lambda: owners(world, options.owned, rounds, seconds),
            ),
        }
        for name in rest:
            told, measure = steps[name]
            say(told)
            figures += measure()
    return figures


def _built(world: World, options: argparse.Namespace) -> list[Figure]:
    say(f"making {options.assets} assets and {options.segments} segments …")
    jobs = fill(world, options.assets, options.segments)
    say(f"{jobs} jobs written; building …")
    figures = build(world)
    until(lambda: not world.status().get("lagMs"), "the indexer idles", 60)
    return [*figures, Figure("indexer RSS, idle", world.rss_mib("indexer"), "MiB")]


if __name__ == "__main__":
    sys.exit(main())
