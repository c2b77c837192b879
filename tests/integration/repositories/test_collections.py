"""Collections on MongoDB: counts that hold, places that never run out, no scans."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import AlreadyExistsError, ConflictError, NotFoundError
from catalog.models.asset import AssetType
from catalog.models.collection import Collection, Member
from catalog.models.ids import AssetId, CollectionId, GroupId, JobId, UserId
from catalog.models.sharing import Grant
from catalog.repositories.collections import CollectionRepository
from catalog.repositories.mongo.collections import MongoCollectionRepository
from catalog.repositories.mongo.indexes import ensure_indexes

Mongo = Database[dict[str, Any]]
NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
ANN = UserId("ann")


@pytest.fixture
def collections(database: Mongo) -> CollectionRepository:
    ensure_indexes(database)
    return MongoCollectionRepository(database)


def a_collection(name: str = "c", **fields: Any) -> Collection:  # noqa: ANN401
    facts: dict[str, Any] = {
        "collection_id": CollectionId(name),
        "user_id": ANN,
        "name": name,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Collection(**(facts | fields))


def a_member(number: int, collection: str = "c", **fields: Any) -> Member:  # noqa: ANN401
    facts: dict[str, Any] = {
        "collection_id": CollectionId(collection),
        "asset_id": AssetId(f"a{number}"),
        "job_id": JobId(f"a{number}"),
        "type": AssetType.IMAGE,
        "owner": ANN,
    }
    return Member(**(facts | fields))


def ids(collections: CollectionRepository, collection: str = "c") -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = collections.members(CollectionId(collection), 2, token)
        found += [one.asset_id for one in page.items]
        token = page.next_token
        if token is None:
            return found


def count(collections: CollectionRepository, collection: str = "c") -> int:
    found = collections.find(CollectionId(collection))
    assert found is not None
    return found.asset_count


def test_a_collection_is_read_as_made(collections: CollectionRepository) -> None:
    grants = (Grant(user="bob"), Grant(group="team", right="edit"))
    lora = a_member(2, type=AssetType.LORA)
    made = collections.create(a_collection(sharing=grants), [a_member(1), lora])

    assert collections.find(made.collection_id) == made
    assert made.counts == {AssetType.IMAGE: 1, AssetType.LORA: 1}
    with pytest.raises(AlreadyExistsError):
        collections.create(a_collection(), [a_member(3)])
    assert ids(collections) == ["a1", "a2"]
    assert collections.find(CollectionId("bad\ud800")) is None


def test_only_the_revision_that_was_read_is_replaced(
    collections: CollectionRepository,
) -> None:
    made = collections.create(a_collection(), [a_member(1)])

    saved = collections.save(made.evolve(name="new", counts={}))

    assert collections.find(made.collection_id) == saved.evolve(counts=made.counts)
    with pytest.raises(ConflictError):
        collections.save(made.evolve(name="late"))


def test_added_twice_at_the_same_time_is_added_and_counted_once(
    collections: CollectionRepository,
) -> None:
    collections.create(a_collection(), [])
    wanted = [a_member(n) for n in range(20)]

    with ThreadPoolExecutor(4) as pool:
        added = list(
            pool.map(lambda _: collections.add(CollectionId("c"), wanted), range(4))
        )

    assert sum(added) == count(collections) == len(ids(collections)) == 20
    removed = [AssetId("a3"), AssetId("none")]
    assert collections.remove(CollectionId("c"), removed) == 1
    assert collections.remove(CollectionId("c"), removed) == 0
    assert count(collections) == len(ids(collections)) == 19
    for call in (collections.add, collections.remove):
        with pytest.raises(NotFoundError):
            call(CollectionId("gone"), [])


def test_there_is_always_room_between_two(collections: CollectionRepository) -> None:
    collections.create(a_collection(), [a_member(n) for n in range(4)])
    here = CollectionId("c")

    for number in range(120):  # each halves the room between the last two
        moved = AssetId(f"a{number % 2}")
        assert collections.place(here, [moved], AssetId("a3")) == 1
        order = ids(collections)
        assert order.index(moved) + 1 == order.index("a3")
        assert sorted(order) == ["a0", "a1", "a2", "a3"]
    collections.place(here, [AssetId("a3"), AssetId("a2")], None)
    assert ids(collections)[-2:] == ["a3", "a2"]
    collections.add(here, [a_member(9)])
    assert ids(collections)[-1] == "a9"


def test_what_is_not_there_to_be_seen_does_not_count(
    collections: CollectionRepository,
) -> None:
    collections.create(a_collection(), [a_member(1), a_member(2)])
    collections.create(a_collection("d"), [a_member(1, "d")])
    hidden = {AssetId("a1"): False, AssetId("a2"): True}

    assert [collections.show(hidden) for _ in range(2)] == [2, 0]
    assert (count(collections), count(collections, "d")) == (1, 0)
    assert ids(collections) == ["a2"]
    assert collections.remove(CollectionId("d"), [AssetId("a1")]) == 1
    assert count(collections, "d") == 0
    assert collections.show({AssetId("a1"): True}) == 1
    assert (count(collections), ids(collections)) == (2, ["a1", "a2"])


def test_lists_by_owner_and_by_grant(collections: CollectionRepository) -> None:
    collections.create(a_collection("mine"), [])
    sharing = (Grant(group="team"),)
    collections.create(a_collection("b", user_id=UserId("bob"), sharing=sharing), [])
    team = (GroupId("team"),)

    assert [one.name for one in collections.page(ANN, 50).items] == ["mine"]
    shared = collections.page(None, 50, shared_with=(ANN, team))
    assert [one.name for one in shared.items] == ["b"]
    assert collections.shared_with(ANN, team) == (CollectionId("b"),)
    assert collections.shared_with(ANN, ()) == ()
    first = collections.page(None, 1)
    assert (first.total, first.next_token is not None) == (2, True)
    second = collections.page(None, 1, first.next_token)
    assert [*first.items, *second.items] == list(collections.page(None, 50).items)


def test_what_lies_within_moves_up(collections: CollectionRepository) -> None:
    for name, parent in (("a", None), ("b", "a"), ("c", "b")):
        collections.create(a_collection(name, parent_id=parent), [a_member(1, name)])

    collections.delete(CollectionId("b"))
    collections.delete(CollectionId("b"))

    moved = collections.find(CollectionId("c"))
    assert moved is not None
    assert moved.parent_id == "a"
    assert collections.members(CollectionId("b"), 50).items == ()


def test_a_page_of_a_large_collection_reads_no_more_than_that(
    collections: CollectionRepository, database: Mongo
) -> None:
    collections.create(a_collection(), [a_member(n) for n in range(1000)])

    plan = database.command(
        "explain",
        {
            "find": "collection_members",
            "filter": {"collectionId": "c", "isLive": True},
            "sort": {"position": 1, "_id": 1},
            "limit": 51,
        },
        verbosity="executionStats",
    )

    assert plan["executionStats"]["totalDocsExamined"] == 51
