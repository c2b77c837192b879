"""Whom something is shared with, and what he may do with it."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from catalog.models.generation import Asked
from catalog.models.ids import GroupId, UserId

MAX_GRANTS = 500
"""Of one asset or collection; more people are a group."""

Right = Literal["view", "edit"]

_Id = Annotated[str, Field(min_length=1, max_length=512)]
"""Compared byte for byte, so nothing is cut off."""


class Grant(Asked):
    """Whom something is shared with, and what he may do: see it, or change it too."""

    user: _Id | None = None
    group: _Id | None = None
    right: Right = "view"

    @property
    def whom(self) -> tuple[str | None, str | None]:
        """User and group, one of which is ``None``."""
        return self.user, self.group

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.user is None) == (self.group is None):
            message = "name a `user` or a `group`"
            raise ValueError(message)
        return self


def users_of(grants: Iterable[Grant]) -> tuple[UserId, ...]:
    """List the users that are named, in order."""
    return tuple(UserId(one.user) for one in grants if one.user is not None)


def groups_of(grants: Iterable[Grant]) -> tuple[GroupId, ...]:
    """List the groups that are named, in order."""
    return tuple(GroupId(one.group) for one in grants if one.group is not None)


def merged(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Keep one grant for each user and group: the last that names it, in its place."""
    return tuple({one.whom: one for one in grants}.values())


def strongest(
    grants: Iterable[Grant], user_id: str | None, groups: Iterable[str]
) -> Right | None:
    """Tell what a user may do by himself or as a member of his groups."""
    members = set(groups)
    rights = {
        one.right
        for one in grants
        if (one.user is not None and one.user == user_id) or one.group in members
    }
    return "edit" if "edit" in rights else next(iter(rights), None)
