"""Exact counts from access logs: duplicates, late files, overlaps, crashes."""

import gzip
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from typing_extensions import override

from catalog.access_logs import LogSource
from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import AssetId, ObjectKey
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rollups import MongoRollupRepository
from catalog.repositories.mongo.usage import MongoUsageRepository
from catalog.repositories.mongo.usage_logs import MongoUsageLogRepository
from catalog.repositories.usage import Counted, Fetch
from catalog.storage.directory import DirectoryObjectStore
from indexer.sweep_run import Run
from indexer.usage_logs import UsageLogs
from indexer.usage_ports import UsagePorts
from tests.fakes.terms import ScriptedTerm
from tests.unit.usage.logs import HEADER, cdn_line, s3_line

Mongo = Database[dict[str, Any]]
NOW = datetime.now(UTC)  # noqa: TID251  (files bear the real time)
NOON = NOW.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)


def key(number: int) -> str:
    return f"loras/ann/l{number}/v1/model.safetensors"


class Stumbling(MongoUsageRepository):
    """Goes away now and then, after it has counted or before."""

    def __init__(self, database: Mongo, luck: Callable[[], float]) -> None:
        super().__init__(database)
        self._luck = luck

    @override
    def count(self, fetches: Any) -> Counted:
        if self._luck() < 0.15:
            raise DependencyUnavailableError("mongodb", "before")
        counted = super().count(fetches)
        if self._luck() < 0.15:
            raise DependencyUnavailableError("mongodb", "after")
        return counted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def sweep(mongo_database: Mongo, folder: Path) -> Callable[..., str]:
    ensure_indexes(mongo_database)
    store = DirectoryObjectStore(folder)

    def run(repository: MongoUsageRepository | None = None, *, days: int = 0) -> str:
        clock = ManualClock(NOW + timedelta(days=days))
        ports = UsagePorts(
            usage=repository or MongoUsageRepository(mongo_database),
            files=MongoUsageLogRepository(mongo_database),
            sources=(LogSource(store),),
            buckets=frozenset({"content-generation-assets"}),
            logs_every=timedelta(minutes=1),
            rollups=MongoRollupRepository(mongo_database),
            rollup_every=timedelta(hours=1),
        )
        term = ScriptedTerm()
        return UsageLogs(ports, clock).sweep(Run(term, clock, is_asked=True))

    return run


def put_asset(database: Mongo, number: int) -> None:
    file = {"role": "model", "name": "m", "key": key(number)}
    database["assets"].insert_one(
        {
            "_id": f"l{number}",
            "assetId": f"l{number}",
            "type": "lora",
            "keys": [key(number)],
            "view": {"userId": "ann", "versions": [{"version": 1, "files": [file]}]},
        }
    )


def downloads(database: Mongo) -> dict[str, int]:
    found = database["usage_assets"].find()
    return {raw["_id"]: raw["downloads"] for raw in found}


def test_counts_are_exact_whatever_arrives_in_whatever_order(
    mongo_database: Mongo, folder: Path, sweep: Callable[..., str]
) -> None:
    seeded = random.Random(11)
    for number in range(5):
        put_asset(mongo_database, number)
    expected = dict.fromkeys((f"l{number}" for number in range(5)), 0)
    s3: list[str] = []
    cdn: list[str] = []
    for number in range(300):
        asset = seeded.randrange(5)
        at = NOON + timedelta(minutes=seeded.randrange(700))
        if number % 3:
            s3.append(s3_line(number, key(asset), at))
        else:
            cdn.append(cdn_line(number, key(asset), at))
        expected[f"l{asset}"] += 1
    for asset in range(5):  # one download each, in many ranges
        s3 += [
            s3_line(1000 * asset + n, key(asset), NOON + timedelta(hours=n), status=206)
            for n in range(5)
        ]
        expected[f"l{asset}"] += 1
    s3.append(s3_line(9, key(1), NOON, bucket="another"))
    s3.append(s3_line(9, key(1), NOON - timedelta(days=95)))
    s3.append("nonsense")
    files: list[tuple[str, bytes]] = []
    for part in range(12):
        # Slices overlap, and every line is in three files at least.
        some = [line for n, line in enumerate(s3) if (n + part) % 4]
        seeded.shuffle(some)
        files.append((f"s3/{part}", "\n".join(some).encode()))
        others = [line for n, line in enumerate(cdn) if (n + part) % 4]
        text = HEADER + "\n".join(others)
        files.append((f"cdn/{part}.gz", gzip.compress(text.encode())))
    seeded.shuffle(files)
    for turn, (name, content) in enumerate(files + files[:5]):
        place = folder / (name if turn < len(files) else f"again/{turn}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if turn % 6 == 5:
            try:
                sweep(Stumbling(mongo_database, seeded.random))
            except DependencyUnavailableError:
                continue
    sweep()

    assert downloads(mongo_database) == expected
    assert sweep() == "0 access logs were read, 0 fetches counted."
    books = list(mongo_database["usage_log_files"].find())
    assert len(books) == len(files) + 5
    assert {book["problem"] for book in books} == {None}
    assert {book["againAt"] for book in books} == {None}
    assert sum(book["malformed"] for book in books) > 0
    assert sum(book["tooOld"] for book in books) > 0


def test_a_log_that_comes_before_its_asset_counts_later(
    mongo_database: Mongo, folder: Path, sweep: Callable[..., str]
) -> None:
    (folder / "early").write_text(s3_line(1, key(7), NOON))
    sweep()
    assert downloads(mongo_database) == {}
    put_asset(mongo_database, 7)
    assert sweep() == "0 access logs were read, 0 fetches counted."

    assert sweep(days=1) == "1 access logs were read, 1 fetches counted."
    assert downloads(mongo_database) == {"l7": 1}
    assert sweep(days=2) == "0 access logs were read, 0 fetches counted."


def test_a_damaged_file_is_booked_and_does_not_hold_up_others(
    mongo_database: Mongo, folder: Path, sweep: Callable[..., str]
) -> None:
    put_asset(mongo_database, 1)
    (folder / "a.gz").write_bytes(gzip.compress(b"x" * 1000)[:-10])
    (folder / "b").write_text(s3_line(1, key(1), NOON))
    (folder / "empty").write_text("")

    assert sweep() == "2 access logs were read, 1 fetches counted."
    assert sweep() == "0 access logs were read, 0 fetches counted."
    [broken] = mongo_database["usage_log_files"].find({"problem": {"$ne": None}})
    assert broken["problem"] == "It breaks off."


def test_our_own_link_and_the_stores_log_do_not_share_marks(
    mongo_database: Mongo, sweep: Callable[..., str]
) -> None:
    del sweep
    put_asset(mongo_database, 1)
    usage = MongoUsageRepository(mongo_database)
    fetch = Fetch(b"x" * 16, (ObjectKey(key(1)),), NOON)

    assert usage.count([fetch]).counted == 1
    assert usage.of_assets([AssetId("l1")])[AssetId("l1")].downloads == 1
