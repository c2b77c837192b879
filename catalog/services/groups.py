"""Groups of users: making them, and who belongs to them."""

from collections.abc import Callable, Iterable

from catalog.access import Asker
from catalog.clock import Clock
from catalog.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from catalog.models.group import MAX_MEMBERS, Group, GroupEdit, NewGroup
from catalog.models.ids import GroupId, UserId
from catalog.models.page import Page
from catalog.repositories.groups import GroupRepository

_ATTEMPTS = 5
"""Times that somebody else may have been faster."""


def group_tag(group: Group) -> str:
    """Name the state of a group: an ``ETag``."""
    return f'"{group.group_id}.{group.revision}"'


class GroupService:
    """Groups, for those who belong to them."""

    def __init__(
        self, groups: GroupRepository, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        """Stand on the records and a source of ids (that nobody can guess)."""
        self._groups = groups
        self._clock = clock
        self._new_id = new_id

    def create(self, owner: UserId, new: NewGroup) -> Group:
        """Make a group.

        Raises:
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        now = self._clock.now()
        return self._groups.create(
            Group(
                group_id=GroupId(self._new_id()),
                name=new.name,
                owner=owner,
                members=_members(owner, new.members),
                created_at=now,
                updated_at=now,
            )
        )

    def page(self, asker: Asker, limit: int, page_token: str | None) -> Page[Group]:
        """Read the groups that the asker belongs to; all for who sees everything.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if asker.user_id is None and not asker.sees_everything:
            return Page(items=(), total=0)
        return self._groups.page(asker.user_id, limit, page_token)

    def find(self, asker: Asker, group_id: str) -> Group:
        """Read a group that the asker belongs to.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = self._groups.find(GroupId(group_id))
        if found is None or not (
            asker.sees_everything or asker.user_id in found.members
        ):
            raise NotFoundError("group", group_id)
        return found

    def edit(
        self,
        asker: Asker,
        group_id: str,
        edit: GroupEdit,
        *,
        if_match: str | None = None,
    ) -> Group:
        """Rename, hand over, or say who belongs to it; a member may leave.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker belongs to it, but does not own it.
            InvalidRequestError: It would have too many members.
            PreconditionFailedError: It is not in the state that ``if_match`` names.
            ConflictError: Others change it all the time; retry.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        for _ in range(_ATTEMPTS):
            found = self.find(asker, group_id)
            if not (_is_owner(asker, found) or _leaves(asker, edit)):
                message = "Only its owner changes a group."
                raise ForbiddenError(message)
            if if_match is not None:
                given = {one.strip() for one in if_match.split(",")}
                if not given & {group_tag(found), "*"}:
                    raise PreconditionFailedError
            changed = _edited(found, edit)
            if changed == found:
                return found
            try:
                return self._groups.save(changed.evolve(updated_at=self._clock.now()))
            except ConflictError:
                continue
        message = "Others change this group all the time; try again."
        raise ConflictError(message)

    def delete(self, asker: Asker, group_id: str) -> None:
        """Delete a group; nobody sees anything through it any more.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker belongs to it, but does not own it.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = self.find(asker, group_id)
        if not _is_owner(asker, found):
            message = "Only its owner deletes a group."
            raise ForbiddenError(message)
        self._groups.delete(found.group_id)


def _is_owner(asker: Asker, group: Group) -> bool:
    return asker.sees_everything or asker.user_id == group.owner


def _leaves(asker: Asker, edit: GroupEdit) -> bool:
    return edit.named == {"members_remove"} and edit.members_remove == (asker.user_id,)


def _edited(group: Group, edit: GroupEdit) -> Group:
    owner = UserId(edit.owner) if edit.owner is not None else group.owner
    gone = set(edit.members_remove)
    wanted: Iterable[str] = (
        edit.members
        if edit.members is not None
        else (*(one for one in group.members if one not in gone), *edit.members_add)
    )
    return group.evolve(
        name=group.name if edit.name is None else edit.name,
        owner=owner,
        members=_members(owner, wanted),
    )


def _members(owner: UserId, others: Iterable[str]) -> tuple[UserId, ...]:
    found = tuple(dict.fromkeys((owner, *map(UserId, others))))
    if len(found) > MAX_MEMBERS:
        problem = f"A group can have {MAX_MEMBERS} members, its owner among them."
        raise InvalidRequestError("members", problem)
    return found
