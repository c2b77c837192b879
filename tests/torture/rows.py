"""The rows of the torture table: what there is, and how much of it is wanted.

A row that another suite owns is imported when it is run; a row whose module is not
there is an error of whoever asks for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.torture.outcome import Outcome, Violation

Run = Callable[[int, Path], Outcome]


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        name: As ``--rows`` and the ledger have it.
        says: What it does, for the table.
        unit: What is counted.
        wanted: How many of these the full table demands.
        run: One run with one seed, in a folder that it makes; raises ``Violation``,
            or whatever broke it.
        has_servers: Whether a run starts servers (and so takes long).
    """

    name: str
    says: str
    unit: str
    wanted: int
    run: Run
    has_servers: bool = True


def _lazily(module: str, name: str, **arguments: int) -> Run:
    """Run a function ``(seed, folder) -> Outcome``, importing it when it is needed."""

    def run(seed: int, folder: Path) -> Outcome:
        found: Run = getattr(import_module(f"tests.torture.{module}"), name)
        return partial(found, **arguments)(seed, folder)

    return run


def many(simulate: Callable[[int], Any], each: int) -> Run:
    """Run a pure simulation ``(seed) -> …`` for ``each`` seeds that follow."""

    def run(seed: int, folder: Path) -> Outcome:
        del folder
        for inner in range(seed * each, (seed + 1) * each):
            try:
                simulate(inner)
            except Exception as error:
                message = f"inner seed {inner}: {type(error).__name__}: {error}"
                raise Violation(message) from error
        return Outcome(each)

    return run


def _simulation(module: str) -> Callable[[int], Any]:
    def simulate(seed: int) -> object:
        found: Callable[[int], Any] = import_module(f"tests.torture.{module}").run
        return found(seed)

    return simulate


ROWS: tuple[Row, ...] = (
    Row(
        "simulation",
        "seeded simulation of the core with faulty fakes",
        "seeds",
        200_000,
        many(_simulation("simulation"), 200),
        has_servers=False,
    ),
    Row(
        "crash-points",
        "crash at every step of every operation, "
        "and again at every step of the recovery",
        "crashes",
        100_000,
        _lazily("crash_points", "crash_points"),
        has_servers=False,
    ),
    Row(
        "sabotage",
        "known bugs put back one by one, each of which must be caught",
        "bugs",
        15,
        _lazily("sabotage", "sabotage"),
        has_servers=False,
    ),
    Row(
        "kill-indexer",
        "`kill -9` of the indexer under ≥ 200 writes/s",
        "kills",
        300,
        _lazily("kills", "kill_indexer", kills=25),
    ),
    Row(
        "kill-typesense",
        "`kill -9` of typesense-server under ≥ 200 writes/s",
        "kills",
        60,
        _lazily("kills", "kill_typesense", kills=10),
    ),
    Row(
        "kill-mongod",
        "`kill -9` of mongod under ≥ 200 writes/s",
        "kills",
        20,
        _lazily("kills", "kill_mongod", kills=5),
    ),
    Row(
        "rebuild",
        "live rebuild under writes, its builder killed in every state, "
        "every other one through a slow connection; 0 failed searches",
        "rebuilds",
        60,
        _lazily(
            "rebuild", "rebuild", rebuilds=6, slow_ms=20, per_second=200, patience=400
        ),
    ),
    Row(
        "history-lost",
        "real roll-over, 286 and 280 and 136, future token, other replica set, "
        "other pipeline",
        "of each",
        20,
        _lazily("history", "history_lost"),
    ),
    Row(
        "structural",
        "drop, rename, rename-onto, `$out`, dropDatabase, 16 MB records, TTL, "
        "1,000-operation transaction",
        "of each",
        10,
        _lazily("structural", "structural"),
    ),
    Row(
        "fault-proxy",
        "reset, half-close, stall, delay, answer lost, to both servers",
        "faults",
        5_000,
        _lazily("faults", "fault_proxy", faults=500),
    ),
    Row(
        "poison",
        "every poison alone between neighbours, and 1 % in live traffic",
        "whole corpora",
        3,
        _lazily("poisoned", "whole_corpus"),
    ),
    Row(
        "zombie-leader",
        "leader stopped beyond its lease and woken again",
        "handovers",
        150,
        _lazily("zombies", "zombie_leader"),
    ),
    Row(
        "s3-mangler",
        "random histories of S3 events: duplicates, delay, reorder, loss",
        "histories",
        100_000,
        many(_simulation("s3_mangler"), 500),
        has_servers=False,
    ),
    Row(
        "directory-storm",
        "new trees, renames, 20,000 files",
        "storms",
        3,
        _lazily("directory_storm", "directory_storm"),
    ),
)

BY_NAME = {row.name: row for row in ROWS}
