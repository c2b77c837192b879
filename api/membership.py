"""What else opens assets to a caller: what others share with him by collection."""

from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from catalog.access import Asker
from catalog.clock import Clock
from catalog.models.ids import CollectionId, GroupId, UserId
from catalog.repositories.collections import CollectionRepository

REMEMBERED_SECONDS = 1.0
"""How long a search may still go by what was shared before; with ``waitFor``, never."""

_MOST = 10_000
"""Users remembered."""


_Whom = tuple[UserId, tuple[GroupId, ...]]


class Memberships:
    """Knows what is shared with whom; asks MongoDB at most once a second for a user."""

    def __init__(self, collections: CollectionRepository, clock: Clock) -> None:
        """Remember nothing yet."""
        self._collections = collections
        self._clock = clock
        self._known: dict[_Whom, tuple[float, tuple[CollectionId, ...]]] = {}

    async def of(self, asker: Asker, *, is_fresh: bool) -> Asker:
        """Complete an asker.

        Args:
            asker: Who asks.
            is_fresh: What was shared up to this moment must count.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        user_id = asker.user_id
        if user_id is None or asker.sees_everything:
            return asker
        now = self._clock.monotonic()
        whom = (user_id, asker.groups)
        known = self._known.get(whom)
        if known is None or is_fresh or now - known[0] > REMEMBERED_SECONDS:
            found = await run_in_threadpool(
                self._collections.shared_with, user_id, asker.groups
            )
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[whom] = (now, found)
        return replace(asker, collections=known[1]) if known[1] else asker
