"""Users' groups of assets: making, filling, ordering, nesting, sharing them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from catalog.access import Asker
from catalog.clock import Clock
from catalog.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from catalog.models.asset import AssetType, AssetView
from catalog.models.collection import (
    MAX_DEPTH,
    Collection,
    CollectionEdit,
    Member,
    MemberName,
    NewCollection,
)
from catalog.models.ids import AssetId, CollectionId, JobId, UserId
from catalog.models.page import Page
from catalog.models.sharing import strongest
from catalog.repositories.collections import CollectionRepository
from catalog.services.assets import AssetService

_LOOKED_AT = 8
"""Members among which a picture is looked for."""


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding assets.

    Attributes:
        collection: As it is now.
        added: How many are new in it.
        known: How many it had already.
        not_found: Those that are none, or that the asker may not know of, as named.
    """

    collection: Collection
    added: int
    known: int
    not_found: tuple[str, ...]


def collection_tag(collection: Collection) -> str:
    """Name the state of what people change of a collection: an ``ETag``."""
    return f'"{collection.collection_id}.{collection.revision}"'


class CollectionService:
    """Collections, for those who may see or change them."""

    def __init__(
        self,
        collections: CollectionRepository,
        assets: AssetService,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """Stand on the records, the assets and a source of ids."""
        self._collections = collections
        self._assets = assets
        self._clock = clock
        self._new_id = new_id

    def create(self, asker: Asker, user_id: UserId, new: NewCollection) -> Collection:
        """Make a collection of somebody's with its first assets, or nothing.

        Raises:
            InvalidRequestError: An asset is none, or the asker may not know of it; or
                the parent is none of the user's, or too deep.
        """
        members: dict[AssetId, AssetView] = {}
        for number, name in enumerate(new.assets):
            views = self._named(asker, name)
            if not views:
                field = f"assets.{number}"
                problem = f"{field}: There is no asset {name.target!r}."
                raise InvalidRequestError(field, problem)
            members |= {AssetId(view["assetId"]): view for view in views}
        identifier = CollectionId(self._new_id())
        parent = self._parent(asker, user_id, identifier, new.parent_id)
        now = self._clock.now()
        made = Collection(
            collection_id=identifier,
            user_id=user_id,
            name=new.name,
            description=new.description,
            parent_id=parent,
            created_at=now,
            updated_at=now,
        )
        return self._collections.create(
            made, [_member(made, view) for view in members.values()]
        )

    def page(
        self, asker: Asker, limit: int, page_token: str | None, *, is_shared: bool
    ) -> Page[Collection]:
        """Read the asker's collections, or those that others share with him.

        Raises:
            InvalidQueryError: The page token is not of this list.
        """
        if asker.user_id is None and not asker.sees_everything:
            return Page(items=(), total=0)
        if is_shared:
            if asker.user_id is None:
                return Page(items=(), total=0)
            whom = (asker.user_id, asker.groups)
            return self._collections.page(None, limit, page_token, shared_with=whom)
        return self._collections.page(asker.user_id, limit, page_token)

    def known(
        self, asker: Asker, collection_ids: Sequence[str]
    ) -> tuple[CollectionId, ...]:
        """Keep those ids of which the asker may see the collection."""
        found = (self._collections.find(CollectionId(one)) for one in collection_ids)
        return tuple(
            one.collection_id for one in found if one and self._right(asker, one)
        )

    def find(self, asker: Asker, collection_id: str) -> Collection:
        """Read a collection that the asker may see.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
        """
        found = self._collections.find(CollectionId(collection_id))
        if found is None or self._right(asker, found) is None:
            raise NotFoundError("collection", collection_id)
        return found

    def edit(
        self,
        asker: Asker,
        collection_id: str,
        edit: CollectionEdit,
        if_match: str | None = None,
    ) -> Collection:
        """Rename, describe, move, cover or share.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but not change this of it.
            InvalidRequestError: The parent or the cover can't be.
            PreconditionFailedError: It is not in the state that ``if_match`` names.
            ConflictError: Somebody else changed it at the same time.
        """
        found = self._editable(asker, collection_id)
        named = edit.model_fields_set
        if {"sharing", "parent_id"} & named and not _is_owner(asker, found):
            message = "Only its owner shares or moves a collection."
            raise ForbiddenError(message)
        if if_match is not None:
            given = {one.strip() for one in if_match.split(",")}
            if not given & {collection_tag(found), "*"}:
                raise PreconditionFailedError
        changes: dict[str, object] = {name: getattr(edit, name) for name in named}
        if "parent_id" in named:
            changes["parent_id"] = self._parent(
                asker, found.user_id, found.collection_id, edit.parent_id
            )
        if "sharing" in named:
            changes["sharing"] = edit.sharing or ()
        if edit.cover_asset_id is not None:
            self._cover(asker, edit.cover_asset_id)
        changed = found.evolve(**changes, updated_at=self._clock.now())
        return self._collections.save(changed)

    def delete(self, asker: Asker, collection_id: str) -> None:
        """Delete a collection; its assets stay, what lies within it moves up.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but does not own it.
        """
        found = self.find(asker, collection_id)
        if not _is_owner(asker, found):
            message = "Only its owner deletes a collection."
            raise ForbiddenError(message)
        self._collections.delete(found.collection_id)

    # --- members -------------------------------------------------------------------

    def assets(
        self, asker: Asker, collection_id: str, limit: int, page_token: str | None
    ) -> Page[AssetView]:
        """Read a page of its assets in their order, as far as the asker may see them.

        A page may be shorter than asked for where he may not see some of it; the total
        counts those as well.

        Raises:
            NotFoundError: There is no such collection that the asker may know of.
            InvalidQueryError: The page token is not of this list.
        """
        found = self.find(asker, collection_id)
        page = self._collections.members(found.collection_id, limit, page_token)
        views = self._assets.visible(asker, [one.asset_id for one in page.items])
        return Page(views, page.total, page.next_token)

    def first(self, collection_id: CollectionId) -> tuple[AssetId, ...]:
        """Name its first few assets: one of them can stand for it."""
        page = self._collections.members(collection_id, _LOOKED_AT)
        return tuple(one.asset_id for one in page.items)

    def add(
        self, asker: Asker, collection_id: str, names: Iterable[MemberName]
    ) -> Added:
        """Append assets that the asker may see.

        Raises:
            NotFoundError: There is no such collection that the asker may know of.
            ForbiddenError: The asker may see it, but not change it.
        """
        found = self._editable(asker, collection_id)
        members: dict[AssetId, Member] = {}
        missing: list[str] = []
        for name in names:
            views = self._named(asker, name)
            if not views:
                missing.append(name.target)
            for view in views:
                one = _member(found, view)
                members[one.asset_id] = one
        added = self._collections.add(found.collection_id, list(members.values()))
        return Added(
            collection=self.find(asker, collection_id),
            added=added,
            known=len(members) - added,
            not_found=tuple(missing),
        )

    def remove(self, asker: Asker, collection_id: str, assets: Sequence[str]) -> int:
        """Take assets out; returns how many were in it.

        Raises:
            NotFoundError: There is no such collection that the asker may know of.
            ForbiddenError: The asker may see it, but not change it.
        """
        found = self._editable(asker, collection_id)
        return self._collections.remove(
            found.collection_id, [AssetId(one) for one in assets]
        )

    def place(
        self,
        asker: Asker,
        collection_id: str,
        assets: Sequence[str],
        before: str | None,
    ) -> int:
        """Put members before another one, or at the end.

        Raises:
            NotFoundError: There is no such collection that the asker may know of, or
                no such member.
            ForbiddenError: The asker may see it, but not change it.
            InvalidRequestError: They are to be put before one of themselves.
        """
        found = self._editable(asker, collection_id)
        if before in assets:
            problem = "Name one that is not moved itself."
            raise InvalidRequestError("before", problem)
        return self._collections.place(
            found.collection_id,
            [AssetId(one) for one in assets],
            None if before is None else AssetId(before),
        )

    # --- rights --------------------------------------------------------------------

    def _right(self, asker: Asker, collection: Collection) -> str | None:
        if _is_owner(asker, collection):
            return "own"
        return strongest(collection.sharing, asker.user_id, asker.groups)

    def _editable(self, asker: Asker, collection_id: str) -> Collection:
        found = self.find(asker, collection_id)
        if self._right(asker, found) == "view":
            message = "You may see this collection, but not change it; ask its owner."
            raise ForbiddenError(message)
        return found

    def _named(self, asker: Asker, name: MemberName) -> tuple[AssetView, ...]:
        try:
            return self._assets.find(asker, name.target)
        except NotFoundError:
            return ()

    def _cover(self, asker: Asker, asset_id: str) -> None:
        try:
            self._assets.find(asker, asset_id)
        except NotFoundError as exc:
            problem = f"There is no asset {asset_id!r}."
            raise InvalidRequestError("coverAssetId", problem) from exc

    def _parent(
        self,
        asker: Asker,
        user_id: UserId,
        collection_id: CollectionId,
        parent_id: str | None,
    ) -> CollectionId | None:
        """Check what a collection is to lie in.

        Two moves at the same time may still make a ring; whoever climbs stops then.
        """
        above = parent_id
        for _ in range(MAX_DEPTH):
            if above is None:
                return None if parent_id is None else CollectionId(parent_id)
            if above == collection_id:
                problem = "A collection can't lie within itself."
                raise InvalidRequestError("parentId", problem)
            found = self._collections.find(CollectionId(above))
            if found is None or found.user_id != user_id:
                if above != parent_id:
                    return CollectionId(parent_id) if parent_id else None
                problem = f"The user has no collection {parent_id!r}."
                raise InvalidRequestError("parentId", problem)
            if not _is_owner(asker, found):
                problem = f"The user has no collection {parent_id!r}."
                raise InvalidRequestError("parentId", problem)
            above = found.parent_id
        problem = f"Collections lie at most {MAX_DEPTH} deep in one another."
        raise InvalidRequestError("parentId", problem)


def _is_owner(asker: Asker, collection: Collection) -> bool:
    return asker.sees_everything or asker.user_id == collection.user_id


def _member(collection: Collection, view: AssetView) -> Member:
    return Member(
        collection_id=collection.collection_id,
        asset_id=AssetId(view["assetId"]),
        job_id=JobId(view["jobId"]),
        type=AssetType(view["type"]),
        owner=collection.user_id,
    )
