"""What a share link opens, to whoever has it: exactly what it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.access import Asker, Scope, collection_key
from catalog.clock import Clock
from catalog.errors import (
    InvalidQueryError,
    NotFoundError,
    PasswordRequiredError,
    TooManyAttemptsError,
    WrongPasswordError,
)
from catalog.models.asset import AssetView
from catalog.models.ids import AssetId, UserId
from catalog.models.page import Page
from catalog.models.share_link import LinkState, ShareLink
from catalog.passwords import Passwords
from catalog.repositories.base import AssetQuery, AssetRepository, FoundAsset
from catalog.repositories.collections import CollectionRepository
from catalog.repositories.share_links import ShareLinkRepository
from catalog.services.downloads import Download, DownloadService
from catalog.services.pictures import Picture, PictureService
from catalog.services.share_links import token_hash
from catalog.share_sessions import ShareSessions

MOST_ATTEMPTS = 10
ATTEMPT_SECONDS = 900
"""At the password of a link there are 10 attempts in a quarter of an hour."""

DOWNLOAD_SECONDS = 600
"""How long an address works that a link gave out: a revoked link must end soon."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that opens something, to somebody who may.

    Attributes:
        link: As it was read just now.
        session: Proves later on that it was opened, where it was not open before.
        session_until: When that ends.
    """

    link: ShareLink
    session: str | None = None
    session_until: datetime | None = None


class SharedService:
    """The public side of share links; needs no user."""

    def __init__(
        self,
        *,
        links: ShareLinkRepository,
        assets: AssetRepository,
        collections: CollectionRepository,
        pictures: PictureService,
        downloads: DownloadService,
        passwords: Passwords,
        sessions: ShareSessions,
        clock: Clock,
    ) -> None:
        """Stand on the records and the read model."""
        self._links = links
        self._assets = assets
        self._collections = collections
        self._pictures = pictures
        self._downloads = downloads
        self._passwords = passwords
        self._sessions = sessions
        self._clock = clock

    # --- opening -------------------------------------------------------------------

    def open(self, token: str, session: str | None) -> Opened:
        """Open a link, or go on with a session.

        Opening is what counts as a use; a session is good for any number of calls.

        Raises:
            NotFoundError: There is no such link, or it opens nothing any more.
            PasswordRequiredError: It has a password, and the session does not hold.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        link = self._living(token)
        if session is not None and self._sessions.holds(link, session):
            return Opened(link)
        self._check_left(link)
        if link.password_hash is not None:
            raise PasswordRequiredError
        return self._begin(link)

    def unlock(self, token: str, password: str) -> Opened:
        """Open a link with its password.

        Raises:
            NotFoundError: There is no such link, or it opens nothing any more.
            WrongPasswordError: It is another one.
            TooManyAttemptsError: Too many were tried; later.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        link = self._living(token)
        self._check_left(link)
        if link.password_hash is not None:
            if not self._links.attempt(
                link.share_id,
                self._clock.now(),
                most=MOST_ATTEMPTS,
                within_seconds=ATTEMPT_SECONDS,
            ):
                raise TooManyAttemptsError(ATTEMPT_SECONDS)
            if not self._passwords.matches(password, link.password_hash):
                raise WrongPasswordError
            self._links.forgive(link.share_id)
        return self._begin(link)

    def _living(self, token: str) -> ShareLink:
        """Find a link that is neither revoked nor expired, and still has its owner."""
        link = self._links.by_token(token_hash(token))
        ended = (LinkState.REVOKED, LinkState.EXPIRED)
        if link is None or link.state(self._clock.now()) in ended:
            raise _no_link()
        if link.collection_id is not None:
            found = self._collections.find(link.collection_id)
            if found is None or found.user_id != link.user_id:
                raise _no_link()
        return link

    def _check_left(self, link: ShareLink) -> None:
        if link.state(self._clock.now()) is not LinkState.ACTIVE:
            raise _no_link()

    def _begin(self, link: ShareLink) -> Opened:
        if not self._links.use(link.share_id, self._clock.now()):
            raise _no_link()
        return Opened(link, *self._sessions.issue(link))

    # --- what it opens -------------------------------------------------------------

    def assets(
        self, link: ShareLink, limit: int, page_token: str | None
    ) -> Page[AssetView]:
        """Read what a link opens: its assets as named, or a collection's in order.

        Raises:
            InvalidQueryError: The page token is not of this list.
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        if link.collection_id is not None:
            members = self._collections.members(link.collection_id, limit, page_token)
            views = self._open(link, [one.asset_id for one in members.items])
            return Page(views, self._count(link), members.next_token)
        start = _offset(page_token)
        views = self._open(link, link.assets)
        end = start + limit
        token = str(end) if end < len(views) else None
        return Page(views[start:end], len(views), token)

    def asset(self, link: ShareLink, asset_id: str) -> AssetView:
        """Read one asset that a link opens; a jobId is none.

        Raises:
            NotFoundError: The link does not open it (any more).
            DependencyUnavailableError: MongoDB did not answer; retryable.
        """
        views = self._open(link, [AssetId(asset_id)])
        if not views:
            raise NotFoundError("asset", asset_id)
        return views[0]

    def picture(
        self, link: ShareLink, asset_id: str, *, size: int, types: frozenset[str]
    ) -> Picture:
        """Read the picture of an asset that a link opens; raises as ``asset``.

        To view is not to have the original, even where a record names that itself as
        its thumbnail.
        """
        view = self.asset(link, asset_id)
        originals = {
            file.get("key") for one in view["versions"] for file in one["files"]
        }
        is_original = view.get("thumbnail") in originals
        return self._pictures.picture(
            Asker(link.user_id),
            asset_id,
            size=size,
            types=types,
            is_thumbnail_shown=link.right == "download" or not is_original,
        )

    def download(
        self, link: ShareLink, asset_id: str, *, file_name: str | None = None
    ) -> Download:
        """Make addresses of the newest version of an asset that a link opens.

        Raises:
            NotFoundError: The link does not open it, or is to view only; or there is
                no such file.
            FileMissingError: The record names the file, the store does not have it.
            DependencyUnavailableError: MongoDB or storage is away; retryable.
        """
        self.asset(link, asset_id)
        if link.right != "download":
            raise NotFoundError("download of asset", asset_id)
        return self._downloads.download(
            Asker(link.user_id),
            asset_id,
            expires_seconds=DOWNLOAD_SECONDS,
            file_name=file_name,
        )

    def _open(
        self, link: ShareLink, asset_ids: Sequence[AssetId]
    ) -> tuple[AssetView, ...]:
        """Keep what the link opens now: what its owner has, out of the trash."""
        named = {
            one.view["assetId"]: one
            for one in self._assets.named(asset_ids)
            if _opens(link, one)
        }
        return tuple(named[one].view for one in asset_ids if one in named)

    def _count(self, link: ShareLink) -> int:
        """Count what of a collection is its owner's: the rest is not his to share."""
        assert link.collection_id is not None  # noqa: S101  (asked for those alone)
        # Nobody is called so: only the collection's own key opens anything to him.
        nobody = Asker(UserId(""), collections=(link.collection_id,))
        return self._assets.page(AssetQuery(nobody, Scope.SHARED, limit=1)).total


def _opens(link: ShareLink, found: FoundAsset) -> bool:
    if found.is_trashed or found.view["userId"] != link.user_id:
        return False
    if link.collection_id is not None:
        return collection_key(link.collection_id) in found.acl
    return found.view["assetId"] in link.assets


def _no_link() -> NotFoundError:
    """Say the same of a link that never was, and of one that is no more."""
    return NotFoundError("share link", "…")


def _offset(page_token: str | None) -> int:
    if not page_token:
        return 0
    if not (page_token.isascii() and page_token.isdigit()) or len(page_token) > 6:  # noqa: PLR2004
        problem = "It is not the page token of this list."
        raise InvalidQueryError("pageToken", problem)
    return int(page_token)
