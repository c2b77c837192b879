"""Groups in memory."""

from catalog.errors import ConflictError
from catalog.models.group import Group
from catalog.models.ids import GroupId, UserId
from catalog.models.page import Page
from tests.fakes.failing import Failing


class FakeGroupRepository(Failing):
    """See ``GroupRepository``; ``interfere`` is saved first by somebody else."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[GroupId, Group] = {}
        self.interfere: list[Group] = []
        self.lookups = 0

    def create(self, group: Group) -> Group:
        self.check()
        self.kept[group.group_id] = group
        return group

    def find(self, group_id: GroupId) -> Group | None:
        self.check()
        return self.kept.get(group_id)

    def page(
        self, member: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[Group]:
        self.check()
        found = [
            one for one in self.kept.values() if member is None or member in one.members
        ]
        start = int(page_token or 0)
        end = start + limit
        token = str(end) if end < len(found) else None
        return Page(tuple(found[start:end]), len(found), token)

    def save(self, group: Group) -> Group:
        self.check()
        if self.interfere:
            other = self.interfere.pop(0)
            self.kept[other.group_id] = other.evolve(revision=other.revision + 1)
        known = self.kept.get(group.group_id)
        if known is None or known.revision != group.revision:
            message = "somebody else was faster"
            raise ConflictError(message)
        saved = group.evolve(revision=group.revision + 1)
        self.kept[saved.group_id] = saved
        return saved

    def delete(self, group_id: GroupId) -> None:
        self.check()
        self.kept.pop(group_id, None)

    def of(self, member: UserId) -> tuple[GroupId, ...]:
        self.check()
        self.lookups += 1
        return tuple(
            one.group_id for one in self.kept.values() if member in one.members
        )
