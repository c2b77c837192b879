"""Pure helpers for batches: repetitions, sizes, and what was seen recently."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from threading import RLock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def unique_by(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[Item]:
    """Drop repetitions, keeping the first of each and the order."""
    seen: dict[Hashable, Item] = {}
    for item in items:
        seen.setdefault(key(item), item)
    return list(seen.values())


def slices(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Cut into slices of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def identity_of(value: object) -> Hashable:
    """A hashable stand-in for any BSON value, equal for equal values of one type.

    ``1``, ``1.0`` and ``True`` are different record ids for us (MongoDB takes the
    first two for one; looking twice is harmless, looking too little is not).
    """
    if isinstance(value, str | bytes | int | float | bool):
        return (type(value).__name__, value)
    return (type(value).__name__, repr(value))


class AdaptiveSize:
    """How many roots to take at once so that a batch stays near a weight.

    One root can have one document or a hundred thousand; the memory of a build must
    not depend on which.
    """

    def __init__(self, *, most: int, target_weight: int) -> None:
        """Start small: the first batch may hold the heaviest roots."""
        self._most = most
        self._target = target_weight
        self._weight_each = 0.0
        self.size = max(1, most // 16)

    def record(self, items: int, weight: int) -> None:
        """Learn from a batch: ``items`` roots weighed ``weight``."""
        if items == 0:
            return
        self._weight_each = max(weight / items, 1e-9)
        fitting = int(self._target / self._weight_each)
        self.size = max(1, min(self._most, fitting, self.size * 2))

    def fitting(self, weight: int) -> int:
        """How many items to take for less than the usual weight."""
        if not self._weight_each:
            return self.size
        return max(1, min(self.size, int(weight / self._weight_each)))


class RecentKeys(Generic[Key]):
    """A bounded set that forgets what was not asked for longest."""

    def __init__(self, most: int) -> None:
        """Hold at most ``most`` keys."""
        self._most = most
        self._keys: OrderedDict[Key, None] = OrderedDict()

    def add(self, key: Key) -> None:
        """Remember a key."""
        self._keys[key] = None
        self._keys.move_to_end(key)
        if len(self._keys) > self._most:
            self._keys.popitem(last=False)

    def discard(self, key: Key) -> None:
        """Forget a key."""
        self._keys.pop(key, None)

    def __contains__(self, key: Key) -> bool:
        if key not in self._keys:
            return False
        self._keys.move_to_end(key)
        return True

    def __len__(self) -> int:
        return len(self._keys)


class Echoes:
    """Counts the changes that our own writes will cause, to pass over each once.

    Sound because each entry stands for exactly one change event that is still to
    come: of two events of one record (ours and another writer's) only the first is
    passed over, and the later one makes us read the newest state. Forgetting an
    entry costs one superfluous look.

    ``lock`` is held from before our write until it is expected: otherwise the change
    could be met before, taken for another's, and the entry would hide a real one.
    """

    def __init__(self, most: int = 50_000) -> None:
        """Hold at most ``most`` different records."""
        self._most = most
        self._expected: OrderedDict[Hashable, int] = OrderedDict()
        self.lock = RLock()

    def expect(self, collection: str, record_id: object) -> None:
        """One change of this record is ours and already applied."""
        key = (collection, identity_of(record_id))
        with self.lock:
            self._expected[key] = self._expected.get(key, 0) + 1
            self._expected.move_to_end(key)
            if len(self._expected) > self._most:
                self._expected.popitem(last=False)

    def is_echo(self, collection: str, record_id: object) -> bool:
        """Whether this change is one of ours; uses the entry up."""
        key = (collection, identity_of(record_id))
        with self.lock:
            count = self._expected.pop(key, 0)
            if count > 1:
                self._expected[key] = count - 1
        return count > 0

    def forget(self) -> None:
        """Take every later change for somebody else's (a pass failed)."""
        with self.lock:
            self._expected.clear()
