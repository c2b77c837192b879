"""Port to collections: users' groups of assets."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from catalog.models.collection import Collection, Member
from catalog.models.ids import AssetId, CollectionId, GroupId, UserId
from catalog.models.page import Page


class CollectionRepository(Protocol):
    """Records ``collections`` and ``collection_members``.

    All methods raise ``DependencyUnavailableError`` when MongoDB does not answer;
    retryable.
    """

    def create(self, collection: Collection, members: Sequence[Member]) -> Collection:
        """Make a collection with its first members, in their order, or nothing.

        Raises:
            AlreadyExistsError: There is one of this id.
        """
        ...

    def find(self, collection_id: CollectionId) -> Collection | None:
        """Read one."""
        ...

    def page(
        self,
        user_id: UserId | None,
        limit: int,
        page_token: str | None = None,
        *,
        shared_with: tuple[UserId, tuple[GroupId, ...]] | None = None,
    ) -> Page[Collection]:
        """Read collections, the last changed first.

        Args:
            user_id: Whose; ``None`` for everybody's.
            limit: Most on the page.
            page_token: Of the previous page with the same arguments.
            shared_with: Only those that are shared with this user or these groups.

        Raises:
            InvalidQueryError: The page token is not of this list.
        """
        ...

    def save(self, collection: Collection) -> Collection:
        """Write one in place of the revision that it was made from; not its counts.

        Raises:
            ConflictError: It has changed since, or is gone.
        """
        ...

    def delete(self, collection_id: CollectionId) -> None:
        """Delete one with its members; those within it move up to where it was."""
        ...

    def add(self, collection_id: CollectionId, members: Sequence[Member]) -> int:
        """Append members; those that it has already keep their places.

        Returns:
            How many are new.

        Raises:
            NotFoundError: The collection is gone.
        """
        ...

    def remove(self, collection_id: CollectionId, assets: Sequence[AssetId]) -> int:
        """Take assets out; returns how many were in it.

        Raises:
            NotFoundError: The collection is gone.
        """
        ...

    def place(
        self,
        collection_id: CollectionId,
        assets: Sequence[AssetId],
        before: AssetId | None,
    ) -> int:
        """Put members, in this order, before another one; at the end for ``None``.

        Returns:
            How many of them it has.

        Raises:
            NotFoundError: The collection or the member ``before`` is gone.
        """
        ...

    def members(
        self, collection_id: CollectionId, limit: int, page_token: str | None = None
    ) -> Page[Member]:
        """Read live members in their order.

        Raises:
            InvalidQueryError: The page token is not of this list.
        """
        ...

    def show(self, states: Mapping[AssetId, bool]) -> int:
        """Note which assets are there to be seen; counts follow.

        Returns:
            How many memberships changed by it.
        """
        ...

    def shared_with(
        self, user_id: UserId, groups: Iterable[GroupId]
    ) -> tuple[CollectionId, ...]:
        """List collections that are shared with a user or his groups: 500 at most."""
        ...
