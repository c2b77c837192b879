"""Whom something is shared with."""

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from catalog.models.generation import Asked, Text
from catalog.models.ids import GroupId, UserId

MAX_GRANTS = 500
"""Users and groups that one thing is shared with."""

Right = Literal["view", "edit"]
_Id = Annotated[Text, Field(max_length=512)]


class Grant(Asked):
    """A user or a group, and what they may do: see it, or change it too."""

    user: _Id | None = None
    group: _Id | None = None
    right: Right = "view"

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.user is None) == (self.group is None):
            message = "name a `user` or a `group`"
            raise ValueError(message)
        return self


Grants = Annotated[tuple[Grant, ...], Field(max_length=MAX_GRANTS)]


def right_of(
    grants: Iterable[Grant], user_id: UserId | None, groups: Iterable[GroupId]
) -> Right | None:
    """Tell what a user may do with what is somebody else's: the most of his grants."""
    theirs = set(groups)
    rights = {
        grant.right
        for grant in grants
        if (grant.user is not None and grant.user == user_id) or grant.group in theirs
    }
    if "edit" in rights:
        return "edit"
    return "view" if rights else None
