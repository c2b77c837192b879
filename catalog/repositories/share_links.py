"""Ports to what users share: links, and assets by name."""

from datetime import datetime
from typing import Protocol

from catalog.models.asset import AssetView
from catalog.models.ids import ShareId, UserId
from catalog.models.page import Page
from catalog.models.share_link import ShareLink


class ShareLinkRepository(Protocol):
    """Records ``shares``.

    All methods raise ``DependencyUnavailableError`` when MongoDB does not answer;
    retryable.
    """

    def create(self, link: ShareLink) -> ShareLink:
        """Make one.

        Raises:
            AlreadyExistsError: There is one of this id or token.
        """
        ...

    def find(self, share_id: ShareId) -> ShareLink | None:
        """Read one by its id."""
        ...

    def by_token(self, token_hash: str) -> ShareLink | None:
        """Read one by the hash of its token."""
        ...

    def page(
        self, user_id: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[ShareLink]:
        """Read a user's links (``None``: everybody's), the newest first.

        Raises:
            InvalidQueryError: The page token is not of this list.
        """
        ...

    def save(self, link: ShareLink) -> ShareLink:
        """Write one in place of the revision that it was made from; not its uses.

        Raises:
            ConflictError: It has changed since, or is gone.
        """
        ...

    def use(self, share_id: ShareId, now: datetime) -> bool:
        """Count a use, of at most ``max_uses`` however many come at once.

        Returns:
            Whether there was one left.
        """
        ...

    def attempt(
        self, share_id: ShareId, now: datetime, *, most: int, within_seconds: int
    ) -> bool:
        """Count an attempt at its password.

        Returns:
            Whether there were less than ``most`` since the first one, as long as that
            is not ``within_seconds`` ago.
        """
        ...

    def forgive(self, share_id: ShareId) -> None:
        """Forget attempts: the password was right."""
        ...


class SharedReader(Protocol):
    """Assets of the read model that are shared by name."""

    def shared_by(
        self, owner: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[AssetView]:
        """Read what an owner (``None``: anybody) shares, the newest first.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        ...
