"""What owners' assets amount to, added up by a real server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.access import access_keys, owner_key
from catalog.clock import ManualClock
from catalog.errors import InvalidQueryError
from catalog.models.ids import ObjectKey
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rollups import MongoRollupRepository
from catalog.repositories.mongo.usage import MongoUsageRepository
from catalog.repositories.rollups import Amount, Duplicates, UnusedPage
from catalog.repositories.usage import Fetch
from catalog.services.stats import stored_bytes
from indexer.rollup import roll_up
from indexer.sweep_run import Run
from tests.fakes.assets import view
from tests.fakes.terms import ScriptedTerm

Mongo = Database[dict[str, Any]]
NOW = datetime(2025, 12, 1, 12, tzinfo=UTC)
Put = Callable[..., None]


@pytest.fixture
def rollups(database: Mongo) -> MongoRollupRepository:
    ensure_indexes(database)
    return MongoRollupRepository(database)


@pytest.fixture
def put(database: Mongo) -> Put:
    def put(
        asset_id: str,
        type_: str = "image",
        user: str = "ann",
        *,
        sizes: tuple[int, ...] = (10,),
        age: int = 100,
        is_trashed: bool = False,
        **fields: Any,  # noqa: ANN401
    ) -> None:
        files = [
            {
                "role": "image",
                "name": "f",
                "key": f"k/{asset_id}/{n}",
                "sizeBytes": size,
            }
            for n, size in enumerate(sizes)
        ]
        versions = [{"version": 1, "createdAt": None, "files": files}]
        shown = view(asset_id, type_, userId=user, versions=versions, **fields)
        count = database["assets"].estimated_document_count()
        acl = access_keys(user, is_public=False, shared_with=())
        database["assets"].insert_one(
            {
                "_id": f"i{asset_id}",
                "assetId": asset_id,
                "type": type_,
                "bucket": count * 37 % 256,
                "acl": [] if is_trashed else list(acl),
                "ownerKey": owner_key(user),
                "createdAt": NOW - timedelta(days=age),
                "sizeBytes": shown.get("sizeBytes"),
                "keys": [file["key"] for file in files],
                "view": shown,
            }
        )

    return put


def run(rollups: MongoRollupRepository, now: datetime = NOW) -> str:
    clock = ManualClock(now)
    return roll_up(rollups, clock, Run(ScriptedTerm(), clock, is_asked=True))


def test_everything_is_added_up_by_owner_and_type(
    rollups: MongoRollupRepository, put: Put, database: Mongo
) -> None:
    put("i1", sizes=(10, 5))
    put("i2", sizes=(7,), age=3)
    put("l1", "lora", sizes=(100,))
    put("d1", "dataset", sizes=(3,), sizeBytes=50)
    put("gone", sizes=(1000,), is_trashed=True)
    put("b1", user="bob", sizes=(2,), age=40)

    assert run(rollups) == "2 owners were added up."
    ann, everybody = rollups.find("ann"), rollups.find(None)
    assert ann is not None
    assert everybody is not None
    assert ann.as_of == NOW
    assert ann.by_type == {
        "image": Amount(2, 22),
        "lora": Amount(1, 100),
        "dataset": Amount(1, 50),
    }
    assert ann.trash == Amount(1, 1000)
    assert ann.unused == {30: 3, 90: 3, 180: 0, 365: 0}
    assert everybody.by_type["image"] == Amount(3, 24)
    assert everybody.unused == {30: 4, 90: 3, 180: 0, 365: 0}
    assert rollups.find("nobody") is rollups.find("\ud800") is None
    for raw in database["assets"].find({"assetId": {"$ne": "gone"}}):
        assert stored_bytes(raw["view"]) <= 100


def test_growth_has_one_snapshot_a_day_the_last_one(
    rollups: MongoRollupRepository, put: Put, database: Mongo
) -> None:
    put("i1")
    run(rollups, NOW - timedelta(days=1))
    run(rollups)
    put("i2")
    run(rollups, NOW + timedelta(hours=1))
    day = NOW.date()

    found = rollups.snapshots("ann", day - timedelta(days=5), day)

    assert [one.by_type["image"].count for one in found] == [1, 2]
    assert rollups.snapshots("ann", day, day) == found[1:]
    database["assets"].delete_many({})
    run(rollups, NOW + timedelta(hours=2))
    assert rollups.find("ann") is None


def test_duplicates_are_copies_of_one_content_at_one_owner(
    rollups: MongoRollupRepository, database: Mongo
) -> None:
    md5, other = "a" * 32, "b" * 32
    objects = [
        ("ann", md5, 10, "present"),
        ("ann", md5, 10, "present"),
        ("ann", md5, 10, "present"),
        ("ann", md5, 10, "tombstone"),
        ("ann", other, 10, "present"),
        ("bob", other, 10, "present"),
        ("ann", "5d-1-2", 10, "present"),  # of a directory: says nothing of content
        ("ann", "5d-1-2", 10, "present"),
    ]
    database["objects"].insert_many(
        {"_id": n, "userId": user, "etag": etag, "sizeBytes": size, "state": state}
        for n, (user, etag, size, state) in enumerate(objects)
    )
    run(rollups)

    found = {name: rollups.find(name) for name in ("ann", None)}
    for one in found.values():
        assert one is not None
        assert one.duplicates == Duplicates(groups=1, copies=2, size_bytes=20)


def test_use_is_a_download_a_view_or_something_made_with_it(
    rollups: MongoRollupRepository, put: Put, database: Mongo
) -> None:
    put("fetched")
    put("long-ago")
    put("shown")
    put("lora", "lora")
    put("made", uses=["lora", "gone"], age=2)
    put("idle")
    usage = MongoUsageRepository(database)
    for number, (name, days) in enumerate(
        {"fetched": 5, "long-ago": 95, "shown": 5}.items()
    ):
        key, at = ObjectKey(f"k/{name}/0"), NOW - timedelta(days=days)
        saved = name != "shown"
        usage.count([Fetch(bytes([number]) * 16, (key,), at, is_download=saved)])
    run(rollups)

    ann = rollups.find("ann")
    assert ann is not None
    assert ann.unused == {30: 2, 90: 2, 180: 0, 365: 0}
    page = rollups.unused("ann", NOW - timedelta(days=30), limit=10, page_token=None)
    assert {one.asset_id for one in page.items} == {"idle", "long-ago"}
    assert page.next_token is None
    assert [one.asset_id for one in rollups.most_used("ann", 9)] == [
        "fetched",
        "long-ago",
    ]
    assert [one.asset_id for one in rollups.most_used(None, 1)] == ["fetched"]
    assert rollups.most_used("bob", 9) == ()


@pytest.mark.parametrize("owner", ["ann", None])
def test_pages_of_unused_assets_neither_overlap_nor_leave_out(
    rollups: MongoRollupRepository, put: Put, owner: str | None
) -> None:
    for number in range(23):
        put(f"i{number:02d}", age=50 + number % 3)
    put("theirs", user="bob", age=10)
    since = NOW - timedelta(days=30)
    seen: list[str] = []
    token: str | None = None
    while True:
        page: UnusedPage = rollups.unused(owner, since, limit=5, page_token=token)
        seen += [one.asset_id for one in page.items]
        token = page.next_token
        if token is None:
            break

    assert sorted(seen) == [f"i{number:02d}" for number in range(23)]
    with pytest.raises(InvalidQueryError):
        rollups.unused("bob", since, limit=5, page_token="nonsense")
