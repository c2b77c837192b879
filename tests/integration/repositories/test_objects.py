"""Writing many objects at once, which mongomock can't do with this driver."""

from typing import Any

from pymongo.database import Database

from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.repositories.sightings import Settled, Sighting
from tests.fakes.recording import put

STORE = "s3://bucket"


def stored(key: str, etag: str = "e1") -> StoredObject:
    return StoredObject(
        store=STORE,
        key=ObjectKey(key),
        state=ObjectState.PRESENT,
        etag=etag,
        size_bytes=1,
    )


def test_of_many_sightings_only_the_overtaken_ones_are_told(
    mongo_database: Database[dict[str, Any]],
) -> None:
    objects = MongoObjectRepository(mongo_database)
    keys = [ObjectKey(f"m/{n}") for n in range(6)]
    put(objects, [stored(key) for key in keys])
    read = objects.recorded(STORE, keys)
    put(objects, [stored("m/1", "x"), stored("m/3", "x"), stored("m/7", "x")])

    settled = objects.settle(
        [Sighting(stored(key, "new"), read[key]) for key in keys]
        + [Sighting(stored(key, "new")) for key in ("m/6", "m/7")]
    )

    assert settled.changed == 5
    assert set(settled.outdone) == {"m/1", "m/3", "m/7"}
    now = objects.recorded_under(STORE, "m/", after=None, limit=9)
    assert [known.state.etag for known in now] == [
        *("new", "x", "new", "x", "new", "new", "new", "x")
    ]


def test_more_than_fits_into_one_write_is_settled_whole(
    mongo_database: Database[dict[str, Any]],
) -> None:
    objects = MongoObjectRepository(mongo_database)

    seen = [Sighting(stored(f"n/{n}")) for n in range(2_345)]

    assert objects.settle(seen) == Settled(2_345)


def test_a_key_that_is_no_text_is_passed_over(
    mongo_database: Database[dict[str, Any]],
) -> None:
    objects = MongoObjectRepository(mongo_database)

    seen = [Sighting(stored("a/\ud800")), Sighting(stored("a/b"))]

    assert objects.settle(seen) == Settled(1)
    assert set(objects.recorded(STORE, [ObjectKey("a/\ud800"), ObjectKey("a/b")])) == {
        "a/b"
    }
