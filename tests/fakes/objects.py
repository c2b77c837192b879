"""``ObjectRepository`` in memory, with the rule that the real one has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.repositories.sightings import Recorded, Settled, Sighting, decide


class FakeObjects:
    """States by key, of one store; ``between`` is called before each write."""

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        self.known: dict[ObjectKey, Recorded] = {}
        self.between = between
        self.writes = 0

    def record_id(self, known: StoredObject) -> Any:  # noqa: ANN401
        return known.key

    def recorded(
        self, store: str, keys: Iterable[ObjectKey]
    ) -> Mapping[ObjectKey, Recorded]:
        assert store
        return {key: self.known[key] for key in keys if key in self.known}

    def recorded_under(
        self, store: str, prefix: str, *, after: ObjectKey | None, limit: int
    ) -> Sequence[Recorded]:
        assert store
        keys = sorted(key for key in self.known if key.startswith(prefix))
        later = [key for key in keys if after is None or key > after]
        return [self.known[key] for key in later[:limit]]

    def settle(self, sightings: Iterable[Sighting]) -> Settled:
        wanted = list(sightings)
        self.between()
        changed = 0
        outdone: list[ObjectKey] = []
        for sighting in wanted:
            state = decide(sighting)
            if state is None:
                continue
            if self.known.get(state.key) != sighting.known:
                outdone.append(state.key)
                continue
            self._put(state)
            changed += 1
        return Settled(changed, tuple(outdone))

    def forget_tombstones(self, before: datetime) -> int:
        old = [
            key
            for key, known in self.known.items()
            if known.state.state is ObjectState.TOMBSTONE
            and known.state.checked_at is not None
            and known.state.checked_at < before
        ]
        for key in old:
            del self.known[key]
        return len(old)

    def present(self) -> dict[ObjectKey, str | None]:
        return {
            key: known.state.etag
            for key, known in self.known.items()
            if known.state.is_present
        }

    def _put(self, state: StoredObject) -> None:
        self.writes += 1
        there = self.known.get(state.key)
        self.known[state.key] = Recorded(state, there.revision + 1 if there else 1)
