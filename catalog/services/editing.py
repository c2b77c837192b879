"""Changing what is known of assets, and throwing them away: always an annotation.

The job record stays as its writer wrote it: a platform that replaces it loses nothing
that a person changed, and what a person changed can always be taken back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson

from catalog.access import Asker, may_see
from catalog.annotate import annotated
from catalog.clock import Clock
from catalog.describe import describe
from catalog.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from catalog.models.asset import AssetView
from catalog.models.editing import MAX_TAGS, AssetEdit
from catalog.models.ids import JobId, UserId
from catalog.models.job import JobMetadata
from catalog.models.page import Page
from catalog.models.sharing import Grant
from catalog.models.stored import Annotation
from catalog.places import ParseUrl
from catalog.repositories.annotations import AnnotationRepository, TrashReader
from catalog.repositories.base import (
    AssetRepository,
    FoundAsset,
    RootBundle,
    RootReader,
)
from catalog.search.values import fold_tag
from catalog.search.view import view_of
from catalog.services.assets import AssetService

_ATTEMPTS = 5
"""Times that somebody else may have been faster."""

_EDITABLE = ("name", "description", "tags", "isPublic", "sharedWith", "sharing")


def edit_tag(views: Sequence[AssetView]) -> str:
    """Name the state of what people change of some assets: an ``ETag``."""
    told = [
        [view["assetId"], *(view.get(name) for name in _EDITABLE)] for view in views
    ]
    digest = blake2b(orjson.dumps(told), digest_size=12).hexdigest()
    return f'"{digest}"'


def sharing_tag(grants: Sequence[Grant]) -> str:
    """Name the state of a list of grants: an ``ETag``."""
    told = [[*one.whom, one.right] for one in grants]
    return f'"{blake2b(orjson.dumps(told), digest_size=12).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class _State:
    """What lies under one job, and which part of it is to be changed.

    Attributes:
        bundle: As read.
        target: AssetId or jobId that the change is kept under.
        asset_ids: What the caller named.
    """

    bundle: RootBundle
    target: str
    asset_ids: frozenset[str]

    @property
    def annotation(self) -> Annotation:
        """What was changed before."""
        known = self.bundle.annotations.get(self.target)
        return known or Annotation(target=self.target)

    def tags_before(self) -> tuple[str, ...]:
        """Tags as they are without what was changed here."""
        job = self.bundle.job
        metadata = job.metadata if job is not None else JobMetadata()
        job_id = job.job_id if job is not None else ""
        weaker = self.bundle.annotations.get(job_id) if self.target != job_id else None
        return annotated(metadata, (weaker,)).tags


class EditService:
    """Edits and the trash, for those who may."""

    def __init__(
        self,
        *,
        service: AssetService,
        assets: AssetRepository,
        records: RootReader,
        annotations: AnnotationRepository,
        trash: TrashReader,
        parse_url: ParseUrl,
        clock: Clock,
    ) -> None:
        """Stand on the read model, the record and what people changed."""
        self._service = service
        self._assets = assets
        self._records = records
        self._annotations = annotations
        self._trash = trash
        self._parse_url = parse_url
        self._clock = clock

    # --- editing -------------------------------------------------------------------

    def edit(
        self, asker: Asker, target: str, edit: AssetEdit, *, if_match: str | None = None
    ) -> tuple[AssetView, ...]:
        """Change name, description, tags or publicity.

        Args:
            asker: Who changes.
            target: An assetId; a jobId changes all images of an image job (but for
                what was changed of one of them by itself).
            edit: The changes.
            if_match: ETags, one of which must be that of the state now.

        Returns:
            The assets as they are now; the index follows.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but not change this of it.
            InvalidRequestError: There would be too many tags.
            PreconditionFailedError: It is not in the state that ``if_match`` names.
            ConflictError: Others change it all the time; retry.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        seen = self._service.find_editable(asker, target)
        is_of_rights = not edit.named.isdisjoint(("is_public", "sharing"))
        if is_of_rights and not all(_is_owner(asker, view) for view in seen):
            message = "Only its owner decides who may see an asset."
            raise ForbiddenError(message)
        return self._change(
            seen, target, lambda state: _edited(state, edit), if_match=if_match
        )

    # --- sharing -------------------------------------------------------------------

    def sharing(self, asker: Asker, target: str) -> tuple[Grant, ...]:
        """Tell whom an asset is shared with, by the record as it is now.

        Of a job with several images: what holds for all of them.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but does not own it.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        return self._grants(self._read(self._shared(asker, target), target))

    def share(
        self,
        asker: Asker,
        target: str,
        change: Callable[[tuple[Grant, ...]], tuple[Grant, ...]],
        *,
        if_match: str | None = None,
    ) -> tuple[Grant, ...]:
        """Change whom an asset is shared with.

        Args:
            asker: Who shares: the owner, or who sees everything.
            target: An assetId; a jobId shares all images of an image job (but for
                those that were shared by themselves).
            change: Makes the new list of the one that is there; may be called again.
            if_match: ETags (``sharing_tag``), one of which must be that of the list.

        Returns:
            The list as it is now; the index follows.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but does not own it.
            PreconditionFailedError: It is not in the state that ``if_match`` names.
            ConflictError: Others change it all the time; retry.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        seen = self._shared(asker, target)
        after: tuple[Grant, ...] = ()

        def regrant(state: _State) -> Annotation:
            nonlocal after
            before = self._grants(state)
            if if_match is not None:
                given = {one.strip() for one in if_match.split(",")}
                if not given & {sharing_tag(before), "*"}:
                    raise PreconditionFailedError
            after = change(before)
            if after == before:
                return state.annotation
            return state.annotation.evolve(shared_with=after)

        self._change(seen, target, regrant)
        return after

    def _shared(self, asker: Asker, target: str) -> tuple[AssetView, ...]:
        views = self._service.find(asker, target)
        if not all(_is_owner(asker, view) for view in views):
            message = "Only its owner shares an asset, and knows with whom."
            raise ForbiddenError(message)
        return views

    def _grants(self, state: _State) -> tuple[Grant, ...]:
        """Tell the grants that hold for what is to be changed."""
        for asset in describe(state.bundle, self._parse_url).assets:
            if asset.asset_id == state.target:
                return asset.shared_with
        return state.annotation.shared_with or ()

    # --- shared steps --------------------------------------------------------------

    def _change(
        self,
        seen: Sequence[AssetView],
        target: str,
        change: Callable[[_State], Annotation],
        *,
        if_match: str | None = None,
    ) -> tuple[AssetView, ...]:
        """Make the next state of an annotation of the one that is there."""
        for _ in range(_ATTEMPTS):
            state = self._read(seen, target)
            if if_match is not None:
                now = edit_tag(self._views(state))
                given = {one.strip() for one in if_match.split(",")}
                if not given & {now, "*"}:
                    raise PreconditionFailedError
            before = state.annotation
            after = change(state)
            if after != before:
                try:
                    after = self._annotations.save(after)
                except ConflictError:
                    continue
            noted = {**state.bundle.annotations, after.target: after}
            return self._views(
                replace(state, bundle=replace(state.bundle, annotations=noted))
            )
        message = "Others change this asset all the time; try again."
        raise ConflictError(message)

    def _read(self, seen: Sequence[AssetView], target: str) -> _State:
        job_id = seen[0]["jobId"]
        roots = self._records.roots_of_jobs([JobId(job_id)])
        bundles = self._records.read(roots).bundles if roots else ()
        bundle = next((one for one in bundles if one.job is not None), None)
        if bundle is None:
            raise NotFoundError("asset", target)
        kept_under = job_id if target == job_id else seen[0]["assetId"]
        ids = frozenset(view["assetId"] for view in seen)
        return _State(bundle, kept_under, ids)

    def _views(self, state: _State) -> tuple[AssetView, ...]:
        described = describe(state.bundle, self._parse_url)
        return tuple(
            view_of(asset)
            for asset in described.assets
            if asset.asset_id in state.asset_ids
        )

    # --- the trash -----------------------------------------------------------------

    def trash(
        self, asker: Asker, target: str, *, only_if_unused: bool = False
    ) -> tuple[AssetView, ...]:
        """Throw assets away; they can be taken out of the trash again.

        Args:
            asker: Who throws away: the owner, or who sees everything.
            target: An assetId, or a jobId for all images of an image job.
            only_if_unused: Refuse while anything was made with it, as far as the
                asker may know.

        Returns:
            The assets in the trash; those that were there already as well.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but does not own it.
            ConflictError: It is in use; or others change it all the time.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        seen = self._owned(asker, target)
        if only_if_unused:
            used = sum(self._service.used_in(asker, one, 1).total for one in seen)
            if used:
                message = f"{used} assets were made with it; see `usedIn`."
                raise ConflictError(message)
        now = self._clock.now()

        def throw_away(state: _State) -> Annotation:
            before = state.annotation
            return before if before.trashed_at else before.evolve(trashed_at=now)

        return self._change(seen, target, throw_away)

    def restore(self, asker: Asker, target: str) -> tuple[AssetView, ...]:
        """Take assets out of the trash.

        A jobId takes out the images that were thrown away with it, or else all that
        were thrown away one by one.

        Raises:
            NotFoundError: There is none, or none that the asker may know of.
            ForbiddenError: The asker may see it, but does not own it.
            ConflictError: The whole job was thrown away, so one image of it can't be
                taken out by itself; or others change it all the time.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        seen = self._owned(asker, target)
        state = self._read(seen, target)
        job_id = seen[0]["jobId"]
        of_job = state.bundle.annotations.get(job_id)
        is_job_trashed = of_job is not None and of_job.trashed_at is not None
        if target != job_id and is_job_trashed and state.target != job_id:
            message = f"All of its job is in the trash; restore {job_id!r}."
            raise ConflictError(message)
        alone = [
            one.target
            for one in state.bundle.annotations.values()
            if one.trashed_at and one.target in state.asset_ids and one.target != job_id
        ]
        targets = [target] if target != job_id or is_job_trashed else alone
        for one in targets:
            self._change(seen, one, lambda s: s.annotation.evolve(trashed_at=None))
        return self._views(self._read(seen, target))

    def trashed(
        self, asker: Asker, limit: int, page_token: str | None
    ) -> Page[AssetView]:
        """Read the asker's trash; everybody's for who sees everything.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if asker.user_id is None and not asker.sees_everything:
            return Page(items=(), total=0)
        return self._trash.trashed(asker.user_id, limit, page_token)

    def _owned(self, asker: Asker, target: str) -> tuple[AssetView, ...]:
        """Find what the asker owns, in the trash or not."""
        found = [one for one in self._assets.find(target) if _may_know(asker, one)]
        if not found:
            raise NotFoundError("asset", target)
        views = tuple(one.view for one in found)
        if not all(_is_owner(asker, view) for view in views):
            message = "Only its owner throws an asset away or takes it back."
            raise ForbiddenError(message)
        return views


def _may_know(asker: Asker, found: FoundAsset) -> bool:
    return (
        _is_owner(asker, found.view) if found.is_trashed else may_see(asker, found.acl)
    )


def _is_owner(asker: Asker, view: AssetView) -> bool:
    return asker.sees_everything or asker.user_id == UserId(view["userId"])


def _edited(state: _State, edit: AssetEdit) -> Annotation:
    changes: dict[str, object] = {
        name: getattr(edit, name)
        for name in ("name", "description", "is_public")
        if name in edit.named
    }
    if "sharing" in edit.named:
        changes["shared_with"] = edit.sharing
    before = state.annotation
    if edit.tags is not None:
        changes |= _tags(state.tags_before(), edit.tags)
    elif "tags" in edit.named:
        changes |= {"tags_added": (), "tags_removed": ()}
    elif edit.tags_add or edit.tags_remove:
        base = state.tags_before()
        now = annotated(JobMetadata(tags=base), (before,)).tags
        gone = set(map(fold_tag, edit.tags_remove))
        kept = [label for label in now if fold_tag(label) not in gone]
        changes |= _tags(base, (*kept, *edit.tags_add))
    return before.evolve(**changes)


def _tags(base: Sequence[str], wanted: Sequence[str]) -> dict[str, object]:
    """Tell tags by how they differ from what is there without them."""
    had = {fold_tag(label) for label in base}
    asked = {fold_tag(label): label for label in reversed(wanted)}
    if len(asked) > MAX_TAGS:
        problem = f"An asset can have {MAX_TAGS} tags, not {len(asked)}."
        raise InvalidRequestError("tags", problem)
    added = tuple(label for key, label in reversed(asked.items()) if key not in had)
    removed = tuple(label for label in base if fold_tag(label) not in asked)
    return {"tags_added": added, "tags_removed": removed}
