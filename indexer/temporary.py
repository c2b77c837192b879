"""The life of what lies under ``temp/``: a day, as the seed's bucket rule has it."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from catalog.clock import Clock
from catalog.errors import NotFoundError
from catalog.storage.base import ExpiresByRule, ObjectInfo, ObjectStore
from catalog.storage.keys import Area
from indexer.sweep_run import Run

PREFIX = f"{Area.TEMP}/"
LIFE = timedelta(hours=24)

_MOST_AT_ONCE = 1_000


class TemporaryFiles:
    """Removes old ones where the store has no rule of its own that does."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        """Remove nothing yet."""
        self._store = store
        self._clock = clock

    def sweep(self, run: Run) -> str:
        """Remove what is older than a day, each looked at again just before.

        Of a bucket nothing is removed: it has lifecycle rules for that, and what came
        of looking at these is said.

        Raises:
            DependencyUnavailableError: The store did not answer; what was removed
                was old; retryable.
            StoppedError, FencedError: As ``Run.check``.
        """
        run.check()
        if isinstance(self._store, ExpiresByRule):
            return _advice(self._store.expires_after(PREFIX))
        removed = 0
        while planned := list(islice(self._old(), _MOST_AT_ONCE)):
            gone = [self._remove(info, run) for info in planned]
            removed += sum(gone)
            if not any(gone):
                break
            run.rest()
        return f"{removed} objects were removed."

    def _old(self) -> Iterator[ObjectInfo]:
        until = self._clock.now() - LIFE
        return (info for info in self._store.list(PREFIX) if info.modified_at < until)

    def _remove(self, planned: ObjectInfo, run: Run) -> bool:
        """Remove what is still what was planned."""
        if not planned.key.startswith(PREFIX):
            return False
        try:
            now = self._store.head(planned.key)
        except NotFoundError:
            return False
        if (now.etag, now.modified_at) != (planned.etag, planned.modified_at):
            return False  # somebody writes it anew
        run.check()
        self._store.delete(planned.key)
        return True


def _advice(after: timedelta | None) -> str:
    if after is None:
        return (
            f"The bucket has no lifecycle rule that expires {PREFIX}: "
            "`catalog temp-rule` adds one."
        )
    return f"The bucket expires {PREFIX} after {after.days} days."
