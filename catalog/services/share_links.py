"""Share links, for those who make them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from catalog.access import Asker
from catalog.clock import Clock
from catalog.errors import (
    ForbiddenError,
    InvalidQueryError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from catalog.models.asset import AssetView
from catalog.models.collection import Collection
from catalog.models.ids import AssetId, CollectionId, ShareId, UserId
from catalog.models.page import Page
from catalog.models.share_link import (
    MAX_LIFE_SECONDS,
    MAX_SHARED_ASSETS,
    NewShareLink,
    ShareLink,
    ShareLinkEdit,
)
from catalog.passwords import Passwords
from catalog.repositories.share_links import SharedReader, ShareLinkRepository
from catalog.services.assets import AssetService
from catalog.services.collections import CollectionService

_SECTIONS = 2
"""Links, then assets."""


class Sources(NamedTuple):
    """What random values of a link come from.

    Attributes:
        share_id: Ids.
        token: Tokens of 256 bits, safe in an address.
    """

    share_id: Callable[[], str]
    token: Callable[[], str]


def token_hash(token: str) -> str:
    """Hash a token, as it is kept: it has too many bits to be guessed from that."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def share_tag(link: ShareLink) -> str:
    """Name the state of what people change of a link: an ``ETag``."""
    return f'"{link.share_id}.{link.revision}"'


class ShareLinkService:
    """Links of the asker, and the list of all that he shares."""

    def __init__(
        self,
        *,
        links: ShareLinkRepository,
        shared: SharedReader,
        assets: AssetService,
        collections: CollectionService,
        passwords: Passwords,
        clock: Clock,
        sources: Sources,
    ) -> None:
        """Stand on the records, and on what can be shared."""
        self._links = links
        self._shared = shared
        self._assets = assets
        self._collections = collections
        self._passwords = passwords
        self._clock = clock
        self._sources = sources

    def create(self, asker: Asker, new: NewShareLink) -> tuple[ShareLink, str]:
        """Make a link to what the asker owns.

        Returns:
            The link, and its token, which nobody can tell later.

        Raises:
            InvalidRequestError: There is no such asset or collection for the asker;
                or the link would expire in the past, or in more than ten years.
            ForbiddenError: The asker may see it, but does not own it.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if new.collection_id is not None:
            found = self._collection(asker, new.collection_id)
            owners, assets = {found.user_id}, dict[AssetId, AssetView]()
            collection_id: CollectionId | None = found.collection_id
        else:
            collection_id = None
            assets = self._named(asker, new)
            owners = {UserId(view["userId"]) for view in assets.values()}
        user_id = asker.user_id if asker.user_id is not None else next(iter(owners))
        if owners != {user_id}:
            message = "Only its owner makes a link to an asset or a collection."
            raise ForbiddenError(message)
        now = self._clock.now()
        token = self._sources.token()
        link = ShareLink(
            share_id=ShareId(self._sources.share_id()),
            user_id=user_id,
            token_hash=token_hash(token),
            name=new.name,
            assets=tuple(assets),
            collection_id=collection_id,
            right=new.right,
            password_hash=new.password and self._passwords.hash(new.password),
            expires_at=_expiry(new.expires_in, new.expires_at, now),
            max_uses=new.max_uses,
            created_at=now,
            updated_at=now,
        )
        return self._links.create(link), token

    def _named(self, asker: Asker, new: NewShareLink) -> dict[AssetId, AssetView]:
        found: dict[AssetId, AssetView] = {}
        for number, target in enumerate(new.assets):
            try:
                views = self._assets.find(asker, target)
            except NotFoundError as exc:
                field = f"assets.{number}"
                problem = f"{field}: There is no asset {target!r}."
                raise InvalidRequestError(field, problem) from exc
            found |= {AssetId(view["assetId"]): view for view in views}
        if len(found) > MAX_SHARED_ASSETS:
            problem = (
                f"A link opens {MAX_SHARED_ASSETS} assets, not {len(found)}; share a "
                "collection of them."
            )
            raise InvalidRequestError("assets", problem)
        return found

    def _collection(self, asker: Asker, collection_id: str) -> Collection:
        try:
            return self._collections.find(asker, collection_id)
        except NotFoundError as exc:
            problem = f"There is no collection {collection_id!r}."
            raise InvalidRequestError("collectionId", problem) from exc

    def find(self, asker: Asker, share_id: str) -> ShareLink:
        """Read a link of the asker's.

        Raises:
            NotFoundError: There is none, or it is somebody else's.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = self._links.find(ShareId(share_id))
        if found is None or not (
            asker.sees_everything or asker.user_id == found.user_id
        ):
            raise NotFoundError("share link", share_id)
        return found

    def edit(
        self,
        asker: Asker,
        share_id: str,
        edit: ShareLinkEdit,
        *,
        if_match: str | None = None,
    ) -> ShareLink:
        """Change name, password, right, uses or expiry; never what it opens.

        Raises:
            NotFoundError: There is none, or it is somebody else's.
            InvalidRequestError: It would expire in the past, or in ten years.
            PreconditionFailedError: It is not in the state that ``if_match`` names.
            ConflictError: Somebody else changed it at the same time.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = self.find(asker, share_id)
        if if_match is not None:
            given = {one.strip() for one in if_match.split(",")}
            if not given & {share_tag(found), "*"}:
                raise PreconditionFailedError
        now = self._clock.now()
        changes: dict[str, object] = {
            name: getattr(edit, name)
            for name in edit.named & {"name", "right", "max_uses"}
        }
        if edit.named & {"expires_in", "expires_at"}:
            changes["expires_at"] = _expiry(edit.expires_in, edit.expires_at, now)
        if "password" in edit.named:
            password = edit.password
            changes["password_hash"] = password and self._passwords.hash(password)
        return self._links.save(found.evolve(**changes, updated_at=now))

    def revoke(self, asker: Asker, share_id: str) -> None:
        """Let a link open nothing any more, for good; twice is once.

        Raises:
            NotFoundError: There is none, or it is somebody else's.
            ConflictError: Somebody else changed it at the same time.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        found = self.find(asker, share_id)
        if found.revoked_at is None:
            now = self._clock.now()
            self._links.save(found.evolve(revoked_at=now, updated_at=now))

    def page(
        self, asker: Asker, limit: int, page_token: str | None
    ) -> Page[ShareLink | AssetView]:
        """Read all that the asker shares: links first, then assets, the newest first.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if asker.user_id is None and not asker.sees_everything:
            return Page(items=(), total=0)
        section, token = _place(page_token)
        readers: tuple[Callable[..., Page[ShareLink] | Page[AssetView]], ...] = (
            self._links.page,
            self._shared.shared_by,
        )
        items: list[ShareLink | AssetView] = []
        total, next_token = 0, None
        for number, read in enumerate(readers):
            room = limit - len(items)
            if number < section or next_token is not None or not room:
                total += (skipped := read(asker.user_id, 1)).total
                if number > section and next_token is None and skipped.total:
                    next_token = f"{number}."
                continue
            page = read(asker.user_id, room, token if number == section else None)
            items += page.items
            total += page.total
            if page.next_token is not None:
                next_token = f"{number}.{page.next_token}"
        return Page(tuple(items), total, next_token)


def _place(page_token: str | None) -> tuple[int, str | None]:
    if not page_token:
        return 0, None
    section, dot, token = page_token.partition(".")
    if not dot or section not in map(str, range(_SECTIONS)):
        problem = "It is not the page token of this list."
        raise InvalidQueryError("pageToken", problem)
    return int(section), token or None


def _expiry(
    seconds: int | None, moment: datetime | None, now: datetime
) -> datetime | None:
    if seconds is not None:
        return now + timedelta(seconds=seconds)
    if moment is None:
        return None
    if not timedelta(0) < moment - now <= timedelta(seconds=MAX_LIFE_SECONDS):
        problem = "It must be in the future, and within ten years."
        raise InvalidRequestError("expiresAt", problem)
    return moment.astimezone(UTC)
