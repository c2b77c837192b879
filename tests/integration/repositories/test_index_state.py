"""The indexer's own notes, for roots of any type."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from bson.max_key import MaxKey
from bson.objectid import ObjectId
from pymongo.database import Database

from catalog.repositories.base import RootId
from catalog.repositories.index_state import DeadLetter, DirtyRoot
from catalog.repositories.mongo.index_state import (
    MongoDeadLetterRepository,
    MongoDirtyRepository,
)
from catalog.repositories.mongo.roots import root_key_of
from tests.unit.repositories.poison import NOW

Mongo = Database[dict[str, Any]]

ROOTS: list[RootId] = [1, "a", UUID(int=1), {"x": [1]}, ObjectId(), None, MaxKey(), NOW]


def test_dirty_roots_collapse_and_wait_for_their_time(database: Mongo) -> None:
    dirty = MongoDirtyRepository(database)
    dirty.mark([DirtyRoot(root, NOW) for root in ROOTS])
    dirty.mark([DirtyRoot("a", NOW + timedelta(hours=1), attempts=2)])

    due = dirty.due(NOW, 100)

    assert dirty.count() == len(ROOTS)
    assert len(due) == len(ROOTS) - 1
    assert {root_key_of(one.root) for one in due} == {
        root_key_of(root) for root in ROOTS if root != "a"
    }
    assert dirty.attempts(["a", "unknown"]) == {root_key_of("a"): 2}
    dirty.clear(ROOTS)
    assert dirty.count() == 0


def test_a_dead_letter_counts_its_attempts(database: Mongo) -> None:
    letters = MongoDeadLetterRepository(database)
    first = DeadLetter(
        UUID(int=1), "read", "no jobId", 1, NOW, NOW, details={"root": UUID(int=1)}
    )
    again = DeadLetter(
        UUID(int=1), "read", "no userId", 1, NOW + timedelta(1), NOW + timedelta(1)
    )

    letters.record([first])
    letters.record([again])

    (kept,) = letters.page(10)
    assert (kept.error, kept.attempts) == ("no userId", 2)
    assert (kept.first_seen_at, kept.last_seen_at) == (NOW, NOW + timedelta(1))
    letters.clear([UUID(int=1)])
    assert letters.count() == 0
