"""``python -m tests.torture``: run rows for hours or days, resume, and make the table.

Every finished run is a line of the ledger (``.torture/ledger.jsonl`` by default, which
is not committed; its edition ``docs/torture.jsonl`` is, and goes with the table); what
this state of the code has done already is not done again.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import grimp

from tests.torture.ledger import Entry, Ledger, done_seeds, table
from tests.torture.outcome import Outcome
from tests.torture.rows import BY_NAME, ROWS, Row

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "torture.md"
COMMITTED = PAGE.with_suffix(".jsonl")
_TORTURED = "indexer.__main__"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    # What the product warns of here is what it is put through: a line per trouble.
    logging.lastResort = None
    options = _parser().parse_args(arguments)
    ledger = Ledger(options.ledger, COMMITTED)
    if options.table:
        ledger.commit()
        PAGE.write_text(table(ROWS, ledger.entries(), _code()), encoding="utf-8")
        say(f"wrote {PAGE}")
        return 0
    deadline = time.monotonic() + options.minutes * 60
    commit, code = _commit(), _code()
    failures = 0
    for row, seed in _work(options, ledger, code):
        if time.monotonic() > deadline:
            say("time is up; the same command goes on from here")
            break
        entry = _run(row, seed, options.ledger / "worlds")
        entry = replace(entry, commit=commit, code=code)
        ledger.append(entry)
        failures += entry.failure is not None
        if failures and options.stop:
            break
    say(f"{failures} runs failed")
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument(
        "--rows",
        default=",".join(row.name for row in ROWS),
        help="names, separated by commas; all by default",
    )
    parser.add_argument(
        "--seeds", default="", help="A..B, both included; default: as many as wanted"
    )
    parser.add_argument(
        "--shard", default="0/1", help="I/N: each Nth run, from the Ith"
    )
    parser.add_argument("--minutes", type=float, default=60 * 24 * 7)
    parser.add_argument("--stop", action="store_true", help="end at a failure")
    parser.add_argument("--again", action="store_true", help="also what is done")
    parser.add_argument("--table", action="store_true", help="write docs/torture.md")
    parser.add_argument("--ledger", type=Path, default=REPOSITORY / ".torture")
    return parser


def _work(
    options: argparse.Namespace, ledger: Ledger, code: str
) -> Iterator[tuple[Row, int]]:
    """Runs that are left, the rows taking turns so that time-outs hit all alike."""
    shard, shards = (int(part) for part in options.shard.split("/"))
    entries = [] if options.again else ledger.entries()
    left: list[Iterator[tuple[Row, int]]] = []
    for name in options.rows.split(","):
        row = BY_NAME[name]
        done = done_seeds(entries, name, code)
        left.append(_seeds(row, options.seeds, done, shard, shards, ledger, code))
    while left:
        for runs in list(left):
            following = next(runs, None)
            if following is None:
                left.remove(runs)
            else:
                yield following


def _seeds(
    row: Row,
    asked: str,
    done: set[int],
    shard: int,
    shards: int,
    ledger: Ledger,
    code: str,
) -> Iterator[tuple[Row, int]]:
    """Give seeds of one row: those asked for, or new ones until there is enough."""
    if asked:
        first, _, last = asked.partition("..")
        for seed in range(int(first), int(last or first) + 1):
            if seed not in done and seed % shards == shard:
                yield row, seed
        return
    seed = shard
    while _count(ledger, row, code) < row.wanted:
        if seed not in done:
            yield row, seed
        seed += shards


def _count(ledger: Ledger, row: Row, code: str) -> int:
    return sum(
        one.count
        for one in ledger.entries()
        if one.row == row.name and one.code == code and one.failure is None
    )


def _run(row: Row, seed: int, worlds: Path) -> Entry:
    folder = worlds / f"{row.name}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.monotonic()
    outcome, failure = Outcome(0), None
    try:
        outcome = row.run(seed, folder)
    except Exception as error:  # noqa: BLE001  (told, kept, and the next one is run)
        failure = f"{type(error).__name__}: {error}"[:2000]
        say(traceback.format_exc()[-6000:])
        say(f"FAILED {row.name} seed {seed}; its world is kept in {folder}")
        say(f"  python -m tests.torture --again --rows {row.name} --seeds {seed}")
    seconds = time.monotonic() - begun
    if failure is None:
        say(
            f"{row.name} seed {seed}: {outcome.count} {row.unit} in {seconds:.0f} s, "
            f"settled within {outcome.settle_seconds:.1f} s"
        )
    return Entry(
        row=row.name,
        seed=seed,
        date=datetime.now(UTC).date().isoformat(),  # noqa: TID251  (of the ledger)
        seconds=round(seconds, 1),
        count=outcome.count,
        settle_seconds=round(outcome.settle_seconds, 2),
        figures=dict(outcome.figures),
        failure=failure,
    )


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()


def _commit() -> str:
    return _git("rev-parse", "--short=9", "HEAD") or "unknown"


def _code() -> str:
    """Name the content of what is tortured: all that the indexer's process imports.

    A change of the page or of a worker leaves days of runs valid; one of any module
    on the road into the index doesn't.
    """
    graph = grimp.build_graph("catalog", "indexer", cache_dir=None)
    modules = graph.find_upstream_modules(_TORTURED) | {_TORTURED}
    digest = blake2b(digest_size=5)
    for module in sorted(modules):
        path = REPOSITORY.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        digest.update(module.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
