"""Groups and share links on MongoDB: uses that hold however many come at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import AlreadyExistsError, ConflictError, InvalidQueryError
from catalog.models.group import MAX_GROUPS_OF_USER, Group
from catalog.models.ids import AssetId, GroupId, ShareId, UserId
from catalog.models.share_link import ShareLink
from catalog.repositories.groups import GroupRepository
from catalog.repositories.mongo.assets import MongoAssetRepository
from catalog.repositories.mongo.groups import MongoGroupRepository
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rows import MongoRowRepository
from catalog.repositories.mongo.share_links import MongoShareLinkRepository
from catalog.repositories.share_links import ShareLinkRepository
from tests.integration.repositories.rows import row

Mongo = Database[dict[str, Any]]
NOW = datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
ANN, BOB = UserId("ann"), UserId("bob")


@pytest.fixture
def groups(database: Mongo) -> GroupRepository:
    ensure_indexes(database)
    return MongoGroupRepository(database)


@pytest.fixture
def links(database: Mongo) -> ShareLinkRepository:
    ensure_indexes(database)
    return MongoShareLinkRepository(database)


def a_group(name: str, *members: UserId, minutes: int = 0) -> Group:
    moment = NOW + timedelta(minutes=minutes)
    return Group(
        group_id=GroupId(name),
        name=name,
        owner=ANN,
        members=(ANN, *members),
        created_at=moment,
        updated_at=moment,
    )


def a_link(name: str = "s1", **fields: Any) -> ShareLink:  # noqa: ANN401
    facts: dict[str, Any] = {
        "share_id": ShareId(name),
        "user_id": ANN,
        "token_hash": f"hash of {name}",
        "assets": (AssetId("lora"),),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return ShareLink(**(facts | fields))


def test_a_group_is_kept_and_found_by_its_members(groups: GroupRepository) -> None:
    made = groups.create(a_group("g1", BOB))
    groups.create(a_group("g2", minutes=1))

    assert groups.find(GroupId("g1")) == made
    assert groups.of(BOB) == ("g1",)
    assert groups.of(ANN) == ("g1", "g2")
    assert groups.of(UserId("BOB")) == groups.of(UserId("\ud800")) == ()
    first = groups.page(ANN, 1)
    assert (first.items[0].name, first.total) == ("g2", 2)
    assert [g.name for g in groups.page(ANN, 1, first.next_token).items] == ["g1"]
    with pytest.raises(InvalidQueryError):
        groups.page(BOB, 1, first.next_token)
    saved = groups.save(made.evolve(members=(ANN,)))
    assert groups.of(BOB) == ()
    with pytest.raises(ConflictError):
        groups.save(made)
    with pytest.raises(AlreadyExistsError):
        groups.create(saved)
    groups.delete(saved.group_id)
    assert groups.find(saved.group_id) is None
    assert groups.find(GroupId("\ud800")) is None


def test_new_groups_never_crowd_out_the_old_ones(
    groups: GroupRepository, database: Mongo
) -> None:
    groups.create(a_group("old", BOB))
    record = database["groups"].find_one({"_id": "old"})
    assert record is not None
    database["groups"].insert_many(
        [
            record | {"_id": f"new{n}", "createdAt": NOW + timedelta(days=1)}
            for n in range(MAX_GROUPS_OF_USER)
        ]
    )

    found = groups.of(BOB)

    assert len(found) == MAX_GROUPS_OF_USER
    assert found[0] == "old"


def test_a_link_is_kept_without_its_token(links: ShareLinkRepository) -> None:
    made = links.create(a_link(password_hash="h", expires_at=NOW, max_uses=2))
    links.create(a_link("s2", created_at=NOW + timedelta(minutes=1)))

    assert links.find(made.share_id) == links.by_token("hash of s1") == made
    assert links.by_token("s1") is links.by_token("\ud800") is None
    with pytest.raises(AlreadyExistsError):
        links.create(a_link("s3", token_hash="hash of s1"))
    first = links.page(ANN, 1)
    assert (first.items[0].share_id, first.total) == ("s2", 2)
    assert links.page(ANN, 1, first.next_token).items == (made,)
    assert links.page(BOB, 1).total == 0
    links.use(made.share_id, NOW)
    saved = links.save(made.evolve(name="n", expires_at=None))
    with pytest.raises(ConflictError):
        links.save(made)
    known = links.find(made.share_id)
    assert known == saved.evolve(uses=1, last_used_at=NOW)


def test_uses_and_attempts_hold_however_many_come_at_once(
    links: ShareLinkRepository,
) -> None:
    links.create(a_link(max_uses=3))
    share_id = ShareId("s1")

    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(lambda _: links.use(share_id, NOW), range(20)))
        tried = list(
            pool.map(
                lambda _: links.attempt(share_id, NOW, most=5, within_seconds=60),
                range(20),
            )
        )

    assert (sum(used), sum(tried)) == (3, 5)
    later = NOW + timedelta(seconds=61)
    assert links.attempt(share_id, later, most=5, within_seconds=60)
    links.forgive(share_id)
    again = [links.attempt(share_id, NOW, most=1, within_seconds=60) for _ in "ab"]
    assert again == [True, False]
    found = links.find(share_id)
    assert found is not None
    links.save(found.evolve(max_uses=None, revoked_at=NOW))
    assert not links.use(share_id, NOW)
    assert not links.use(ShareId("unknown"), NOW)


def test_what_is_asked_at_every_call_is_indexed(
    groups: GroupRepository, links: ShareLinkRepository, database: Mongo
) -> None:
    groups.create(a_group("g1", BOB))
    links.create(a_link())
    shared = {"view.sharing": {"$exists": True}, "ownerKey": "u1"}
    for name, wanted in (
        ("groups", {"members": "bob"}),
        ("shares", {"tokenHash": "x"}),
        ("assets", shared | {"trashedAt": {"$exists": False}}),
    ):
        found = database[name].find(wanted).sort("createdAt", -1)

        assert "COLLSCAN" not in str(found.explain()["queryPlanner"]["winningPlan"])


def test_an_owner_reads_what_he_shares_by_name(database: Mongo) -> None:
    ensure_indexes(database)
    sharing = [{"user": "bob", "right": "view"}]
    trashed: dict[str, Any] = {"is_trashed": True, "trashedAt": "2025-12-01T12:00:00Z"}
    MongoRowRepository(database).replace(
        [
            row("a", user="ann", sharing=sharing),
            row("b", user="ann", sharing=sharing, created_at=NOW),
            row("private", user="ann"),
            row("binned", user="ann", sharing=sharing, **trashed),
            row("c", user="bob", sharing=sharing),
        ]
    )
    assets = MongoAssetRepository(database)

    first = assets.shared_by(ANN, 1)
    rest = assets.shared_by(ANN, 1, first.next_token)

    assert [one["assetId"] for one in (*first.items, *rest.items)] == ["b", "a"]
    assert (first.total, rest.next_token) == (2, None)
    assert assets.shared_by(None, 50).total == 3
    assert assets.shared_by(UserId("\ud800"), 50).total == 0
