"""Puts states of objects into their records, as somebody who looks alone would."""

from collections.abc import Iterable

from catalog.models.stored import StoredObject
from catalog.repositories.base import ObjectRepository
from catalog.repositories.sightings import Sighting


def put(objects: ObjectRepository, states: Iterable[StoredObject]) -> int:
    """Read what is recorded, then record these over it; returns how many changed."""
    found = list(states)
    known = {
        key: one
        for store in {state.store for state in found}
        for key, one in objects.recorded(store, [s.key for s in found]).items()
    }
    return objects.settle(
        Sighting(state, known.get(state.key), is_told=bool(state.sequencer))
        for state in found
    ).changed
