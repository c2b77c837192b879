"""What is recorded of an object that was looked at: that it is there, or missing."""

from datetime import datetime

from catalog.errors import NotFoundError
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.storage.base import ObjectInfo, ObjectStore
from catalog.storage.keys import parse_key


def present(store: ObjectStore, info: ObjectInfo, now: datetime) -> StoredObject:
    """Make the record of an object that was seen."""
    place = parse_key(info.key)
    return StoredObject(
        store=store.store_id,
        key=info.key,
        state=ObjectState.PRESENT,
        size_bytes=info.size_bytes,
        etag=info.etag,
        content_type=info.content_type,
        modified_at=info.modified_at,
        checked_at=now,
        job_id=place.job_id if place else None,
        user_id=place.user_id if place else None,
    )


def missing(store: ObjectStore, key: ObjectKey, now: datetime) -> StoredObject:
    """Make the record of an object that was looked for in vain."""
    place = parse_key(key)
    return StoredObject(
        store=store.store_id,
        key=key,
        state=ObjectState.MISSING,
        checked_at=now,
        job_id=place.job_id if place else None,
        user_id=place.user_id if place else None,
    )


def look_at(store: ObjectStore, key: ObjectKey, now: datetime) -> StoredObject:
    """Ask the store for one object.

    Raises:
        DependencyUnavailableError: The store did not answer; retryable.
    """
    try:
        return present(store, store.head(key), now)
    except NotFoundError:
        return missing(store, key, now)
