"""What else opens assets to a user: his groups, and collections of others."""

from dataclasses import replace

from catalog.access import Asker
from catalog.models.ids import GroupId, UserId
from catalog.repositories.collections import CollectionRepository
from catalog.repositories.groups import GroupRepository


class MembershipService:
    """Completes askers by what the records say right now."""

    def __init__(
        self, groups: GroupRepository, collections: CollectionRepository
    ) -> None:
        """Stand on the records."""
        self._groups = groups
        self._collections = collections

    def asker(self, user_id: UserId) -> Asker:
        """Tell what a user may see; for what is done in his name.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        groups = self.groups(user_id)
        shared = self._collections.shared_with(user_id, groups)
        return Asker(user_id, groups=groups, collections=shared)

    def groups(
        self, user_id: UserId, claimed: tuple[GroupId, ...] = ()
    ) -> tuple[GroupId, ...]:
        """List a user's groups, those that his token claims among them.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        return tuple(dict.fromkeys((*claimed, *self._groups.of(user_id))))

    def with_collections(self, asker: Asker) -> Asker:
        """Add the collections that are shared with an asker whose groups are known.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if asker.user_id is None:
            return asker
        found = self._collections.shared_with(asker.user_id, asker.groups)
        return replace(asker, collections=found)
