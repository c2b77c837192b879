"""Port to groups of users."""

from typing import Protocol

from catalog.models.group import Group
from catalog.models.ids import GroupId, UserId
from catalog.models.page import Page


class GroupRepository(Protocol):
    """Records ``groups``.

    All methods raise ``DependencyUnavailableError`` when MongoDB does not answer;
    retryable.
    """

    def create(self, group: Group) -> Group:
        """Make one.

        Raises:
            AlreadyExistsError: There is one of this id.
        """
        ...

    def find(self, group_id: GroupId) -> Group | None:
        """Read one."""
        ...

    def page(
        self, member: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[Group]:
        """Read the groups of a user (``None``: all), the newest first.

        Raises:
            InvalidQueryError: The page token is not of this list.
        """
        ...

    def save(self, group: Group) -> Group:
        """Write one in place of the revision that it was made from.

        Raises:
            ConflictError: It has changed since, or is gone.
        """
        ...

    def delete(self, group_id: GroupId) -> None:
        """Delete one; what was shared with it is no longer shared with its members."""
        ...

    def of(self, member: UserId) -> tuple[GroupId, ...]:
        """List the groups that a user is a member of: the 500 oldest at most."""
        ...
