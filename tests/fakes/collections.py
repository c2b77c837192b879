"""Collections in memory."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from catalog.errors import ConflictError, NotFoundError
from catalog.models.collection import Collection, Member
from catalog.models.ids import AssetId, CollectionId, GroupId, UserId
from catalog.models.page import Page
from catalog.models.sharing import strongest
from tests.fakes.failing import Failing

Item = TypeVar("Item")


class FakeCollectionRepository(Failing):
    """See ``CollectionRepository``; pages are counted through."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[CollectionId, Collection] = {}
        self.inside: dict[CollectionId, list[Member]] = {}

    def create(self, collection: Collection, members: Sequence[Member]) -> Collection:
        self.check()
        self.kept[collection.collection_id] = collection
        self.inside[collection.collection_id] = list(members)
        return self._of(collection)

    def find(self, collection_id: CollectionId) -> Collection | None:
        self.check()
        found = self.kept.get(collection_id)
        return self._of(found) if found else None

    def page(
        self,
        user_id: UserId | None,
        limit: int,
        page_token: str | None = None,
        *,
        shared_with: tuple[UserId, tuple[GroupId, ...]] | None = None,
    ) -> Page[Collection]:
        self.check()
        found = [
            self._of(one)
            for one in self.kept.values()
            if user_id in (None, one.user_id)
            and (shared_with is None or strongest(one.sharing, *shared_with))
        ]
        return _page(found, limit, page_token)

    def save(self, collection: Collection) -> Collection:
        self.check()
        known = self.kept.get(collection.collection_id)
        if known is None or known.revision != collection.revision:
            message = "somebody else was faster"
            raise ConflictError(message)
        saved = collection.evolve(revision=collection.revision + 1)
        self.kept[saved.collection_id] = saved
        return saved

    def delete(self, collection_id: CollectionId) -> None:
        self.check()
        self.kept.pop(collection_id, None)
        self.inside.pop(collection_id, None)

    def add(self, collection_id: CollectionId, members: Sequence[Member]) -> int:
        inside = self._inside(collection_id)
        known = {one.asset_id for one in inside}
        new = [one for one in members if one.asset_id not in known]
        inside += new
        return len(new)

    def remove(self, collection_id: CollectionId, assets: Sequence[AssetId]) -> int:
        inside = self._inside(collection_id)
        kept = [one for one in inside if one.asset_id not in assets]
        removed = len(inside) - len(kept)
        inside[:] = kept
        return removed

    def place(
        self,
        collection_id: CollectionId,
        assets: Sequence[AssetId],
        before: AssetId | None,
    ) -> int:
        inside = self._inside(collection_id)
        by_id = {one.asset_id: one for one in inside}
        moved = [by_id[one] for one in dict.fromkeys(assets) if one in by_id]
        rest = [one for one in inside if one not in moved]
        ids = [one.asset_id for one in rest]
        if before is not None and before not in ids:
            raise NotFoundError("member", before)
        at = len(rest) if before is None else ids.index(before)
        inside[:] = [*rest[:at], *moved, *rest[at:]]
        return len(moved)

    def members(
        self, collection_id: CollectionId, limit: int, page_token: str | None = None
    ) -> Page[Member]:
        self.check()
        inside = self.inside.get(collection_id, [])
        return _page([one for one in inside if one.is_live], limit, page_token)

    def show(self, states: Mapping[AssetId, bool]) -> int:
        changed = 0
        for inside in self.inside.values():
            for number, one in enumerate(inside):
                is_live = states.get(one.asset_id, one.is_live)
                changed += is_live is not one.is_live
                inside[number] = one.evolve(is_live=is_live)
        return changed

    def shared_with(
        self, user_id: UserId, groups: Iterable[GroupId]
    ) -> tuple[CollectionId, ...]:
        self.check()
        whom = tuple(groups)
        return tuple(
            one.collection_id
            for one in self.kept.values()
            if strongest(one.sharing, user_id, whom)
        )

    def _inside(self, collection_id: CollectionId) -> list[Member]:
        self.check()
        if collection_id not in self.kept:
            raise NotFoundError("collection", collection_id)
        return self.inside[collection_id]

    def _of(self, collection: Collection) -> Collection:
        inside = self.inside[collection.collection_id]
        counts = Counter(one.type for one in inside if one.is_live)
        return collection.evolve(counts=dict(counts))


def _page(found: Sequence[Item], limit: int, page_token: str | None) -> Page[Item]:
    start = int(page_token or 0)
    end = start + limit
    token = str(end) if end < len(found) else None
    return Page(tuple(found[start:end]), len(found), token)
