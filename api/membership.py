"""What else opens assets to a caller: groups, and what is shared by collection."""

from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from catalog.access import Asker
from catalog.clock import Clock
from catalog.models.ids import CollectionId, GroupId, UserId
from catalog.services.membership import MembershipService

REMEMBERED_SECONDS = 1.0
"""How long a search may still go by which collections were shared before; with
``waitFor``, never. Groups are asked for at every call."""

_MOST = 10_000
"""Users remembered."""


_Whom = tuple[UserId, tuple[GroupId, ...]]


class Memberships:
    """Knows what is shared with whom: one indexed read of MongoDB a call."""

    def __init__(self, service: MembershipService, clock: Clock) -> None:
        """Remember nothing yet."""
        self._service = service
        self._clock = clock
        self._known: dict[_Whom, tuple[float, tuple[CollectionId, ...]]] = {}

    async def of(self, asker: Asker, *, is_fresh: bool) -> Asker:
        """Complete an asker; see ``complete``. Who is no user costs nothing."""
        if asker.user_id is None:
            return asker
        return await run_in_threadpool(self.complete, asker, is_fresh=is_fresh)

    def complete(self, asker: Asker, *, is_fresh: bool) -> Asker:
        """Complete an asker.

        Args:
            asker: Who asks, with the groups that his token claims.
            is_fresh: What was shared up to this moment must count; who belongs to a
                group always does.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        user_id = asker.user_id
        if user_id is None:
            return asker
        groups = self._service.groups(user_id, asker.groups)
        member = replace(asker, groups=groups) if groups != asker.groups else asker
        now = self._clock.monotonic()
        whom = (user_id, groups)
        known = self._known.get(whom)
        if known is None or is_fresh or now - known[0] > REMEMBERED_SECONDS:
            found = self._service.with_collections(member).collections
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[whom] = (now, found)
        return replace(member, collections=known[1]) if known[1] else member
