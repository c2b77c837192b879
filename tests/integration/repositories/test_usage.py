"""Counting on a real server: each fetch once, whoever tells of it, however often."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import DependencyUnavailableError
from catalog.models.ids import AssetId, ObjectKey
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.usage import MongoUsageRepository
from catalog.repositories.usage import Counted, DayOfUse, Fetch, Issued, Usage
from catalog.services.usage_counter import mark

Mongo = Database[dict[str, Any]]
NOON = datetime(2025, 12, 1, 12, tzinfo=UTC)
MODEL = ObjectKey("loras/ann/l1/v1/model.safetensors")
THUMB = ObjectKey("generated-images/ann/pic/image_1_thumb.png")
IMAGE = ObjectKey("generated-images/ann/pic/image_1.png")


@pytest.fixture
def usage(database: Mongo) -> MongoUsageRepository:
    ensure_indexes(database)
    put(database, "l1", "lora", "ann", {"model": MODEL})
    put(database, "pic-1", "image", "bob", {"image": IMAGE, "thumbnail": THUMB})
    return MongoUsageRepository(database)


def put(
    database: Mongo, asset_id: str, type_: str, user: str, files: dict[str, str]
) -> None:
    listed = [{"role": role, "name": "f", "key": key} for role, key in files.items()]
    database["assets"].insert_one(
        {
            "_id": asset_id,
            "assetId": asset_id,
            "type": type_,
            "keys": list(files.values()),
            "view": {"userId": user, "versions": [{"version": 1, "files": listed}]},
        }
    )


def fetch(
    number: int,
    *keys: ObjectKey,
    at: datetime = NOON,
    is_download: bool = True,
) -> Fetch:
    return Fetch(mark("t", str(number)), keys or (MODEL,), at, is_download=is_download)


def downloads(usage: MongoUsageRepository, asset_id: str = "l1") -> int:
    found = usage.of_assets([AssetId(asset_id)])
    return found[AssetId(asset_id)].downloads if found else 0


def test_each_fetch_counts_once_in_all_sums(
    usage: MongoUsageRepository, database: Mongo
) -> None:
    late = fetch(3, at=NOON + timedelta(days=1))
    shown = fetch(9, IMAGE, is_download=False)
    first = usage.count([fetch(1), fetch(2), fetch(2), shown])
    second = usage.count([late, fetch(1)])

    assert first == Counted(counted=3, repeated=1)
    assert second == Counted(counted=1, repeated=1)
    known = usage.of_assets([AssetId("l1"), AssetId("pic-1"), AssetId("none")])
    assert known == {"l1": Usage(3, 0, 0, late.at), "pic-1": Usage(0, 1, 0, NOON)}
    assert usage.days_of_assets([AssetId("l1")], date(2025, 12, 1)) == (
        DayOfUse(date(2025, 12, 1), 2, 0, 0),
        DayOfUse(date(2025, 12, 2), 1, 0, 0),
    )
    assert len(usage.days_of_assets([AssetId("l1")], date(2025, 12, 2))) == 1
    owners = {
        (raw["owner"], raw["day"]): raw.get("downloads", 0)
        for raw in database["usage_owners"].find()
    }
    assert owners == {
        ("all", "2025-12-01"): 2,
        ("all", "2025-12-02"): 1,
        ("user/ann", "2025-12-01"): 2,
        ("user/ann", "2025-12-02"): 1,
        ("user/bob", "2025-12-01"): 0,
    }


def test_thumbnails_are_passed_over_and_unknown_objects_count_later(
    usage: MongoUsageRepository, database: Mongo
) -> None:
    new = ObjectKey("loras/ann/l2/v1/model.safetensors")
    fetches = [fetch(1, THUMB), fetch(2, new), fetch(3, ObjectKey("\ud800"))]
    assert usage.count(fetches) == Counted(passed_over=1, unknown=2)
    put(database, "l2", "lora", "ann", {"model": new})

    assert usage.count(fetches) == Counted(counted=1, passed_over=1, unknown=1)
    assert downloads(usage, "l2") == 1


def test_of_several_spellings_of_a_key_the_known_one_counts(
    usage: MongoUsageRepository,
) -> None:
    spellings = (ObjectKey("loras%2Fann"), MODEL, IMAGE)

    assert usage.count([fetch(1, *spellings)]).counted == 1
    assert downloads(usage) == 1
    assert downloads(usage, "pic-1") == 0


def test_links_count_once_a_batch(usage: MongoUsageRepository) -> None:
    day = NOON.date()
    issued = [
        Issued(AssetId("l1"), day, 3),
        Issued(AssetId("gone"), day, 5),
        Issued(AssetId("\ud800"), day, 5),
    ]
    for _ in range(3):
        usage.issue(b"a" * 16, issued)
    usage.issue(b"b" * 16, issued[:1])

    assert usage.of_assets([AssetId("l1")]) == {"l1": Usage(links=6)}


def test_an_error_in_the_middle_leaves_nothing_half_counted(
    usage: MongoUsageRepository,
    fail_point: Any,  # noqa: ANN401
) -> None:
    usage.count([fetch(0)])
    fail_point("update", 11600)
    try:
        usage.count([fetch(1), fetch(2)])
    except DependencyUnavailableError:
        usage.count([fetch(1), fetch(2)])

    assert downloads(usage) == 3


def test_many_writers_that_tell_the_same_things_count_each_once(
    usage: MongoUsageRepository,
) -> None:
    seeded = random.Random(7)
    told = [[fetch(n) for n in range(40)] for _ in range(6)]
    for fetches in told:
        seeded.shuffle(fetches)

    def tell(fetches: list[Fetch]) -> int:
        slices = (fetches[start : start + 10] for start in (0, 10, 20, 30))
        return sum(usage.count(one).counted for one in slices)

    with ThreadPoolExecutor(6) as pool:
        counted = sum(pool.map(tell, told))

    assert counted == downloads(usage) == 40
