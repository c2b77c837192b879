"""A group of users whom things are shared with."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from catalog.models.base import Model
from catalog.models.generation import Asked, Name
from catalog.models.ids import GroupId, UserId

MAX_MEMBERS = 2000
"""Of one group."""

MAX_GROUPS_OF_USER = 500
"""Groups of one user that count, the oldest first: each is a key in his filter."""

_User = Annotated[str, Field(min_length=1, max_length=512)]
Users = Annotated[tuple[_User, ...], Field(max_length=MAX_MEMBERS)]


class NewGroup(Asked):
    """A group to make; who makes it owns it and belongs to it."""

    name: Name
    members: Users = ()


class GroupEdit(Asked):
    """Changes; what is not named stays.

    ``members`` puts these in place of all there are; ``members_add`` and
    ``members_remove`` change some. The owner always belongs to it.
    """

    name: Name | None = None
    owner: _User | None = None
    members: Users | None = None
    members_add: Users = ()
    members_remove: Users = ()

    @property
    def named(self) -> frozenset[str]:
        """Names of the fields that the caller sent."""
        return frozenset(self.model_fields_set)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.members is not None and (self.members_add or self.members_remove):
            message = "send `members`, or `membersAdd` and `membersRemove`, not both"
            raise ValueError(message)
        for name in ("name", "owner", "members"):
            if name in self.model_fields_set and getattr(self, name) is None:
                message = f"a group needs `{name}`; leave it out to keep it"
                raise ValueError(message)
        return self


class Group(Model):
    """Users whom something can be shared with at once.

    ``members`` has the owner first. ``revision`` counts its changes, from 1.
    """

    group_id: GroupId
    name: str
    owner: UserId
    members: tuple[UserId, ...]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    revision: int = 1
