"""Where the bytes of an asset can be fetched."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from math import ceil

from catalog.access import Asker
from catalog.clock import Clock
from catalog.errors import (
    FileMissingError,
    InvalidQueryError,
    NotFoundError,
)
from catalog.models.asset import AssetView, FileView
from catalog.models.ids import AssetId, ObjectKey
from catalog.services.assets import AssetService
from catalog.storage.base import ObjectStore
from catalog.storage.links import LinkSigner

MIN_EXPIRES_SECONDS = 60
MAX_EXPIRES_SECONDS = 604_800
"""Seven days, the limit of SigV4 (AWS General Reference, "Presigned URLs")."""


@dataclass(frozen=True, slots=True)
class DownloadFile:
    """One file of a download.

    Attributes:
        name: As its asset lists it.
        role: What it is to its asset.
        address: Absolute, or a path of this API; ``None`` where the bytes are
            missing.
        size_bytes: ``None`` when unknown.
        content_type: ``None`` when unknown.
    """

    name: str
    role: str
    address: str | None
    size_bytes: int | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class Download:
    """Where the bytes of an asset can be fetched.

    ``expires_at`` is ``None`` for a foreign address (it is not ours to limit).
    ``files`` are all files of the asset's version, ``chosen`` among them;
    ``asset_id`` is that of the asset that ``chosen`` belongs to.
    """

    chosen: DownloadFile
    expires_at: datetime | None
    files: tuple[DownloadFile, ...]
    asset_id: AssetId


class DownloadService:
    """Where an asset's bytes can be fetched, for those who may see it."""

    def __init__(
        self, assets: AssetService, store: ObjectStore, links: LinkSigner, clock: Clock
    ) -> None:
        """Stand on the assets, the store and the signer of links."""
        self._assets = assets
        self._store = store
        self._links = links
        self._clock = clock

    def download(
        self,
        asker: Asker,
        target: str,
        *,
        expires_seconds: int = 3600,
        version: int | None = None,
        file_name: str | None = None,
    ) -> Download:
        """Make addresses that work for a while without further rights.

        Args:
            asker: Who asks.
            target: An assetId or a jobId.
            expires_seconds: How long they work, 60 to 604,800.
            version: Which version; the newest by default.
            file_name: Which file; the most important one that is there by default.

        Raises:
            InvalidQueryError: ``expires`` is out of range.
            NotFoundError: There is no such asset (for the asker), version or file.
            FileMissingError: The record names the file, the store does not have it.
            DependencyUnavailableError: MongoDB or storage is away; retryable.
        """
        if not MIN_EXPIRES_SECONDS <= expires_seconds <= MAX_EXPIRES_SECONDS:
            raise InvalidQueryError(
                "expires",
                f"It must be from {MIN_EXPIRES_SECONDS} to {MAX_EXPIRES_SECONDS} "
                "seconds.",
            )
        views = self._assets.find(asker, target)
        files = _files(views, version, target)
        chosen = _chosen(files, file_name, target)
        expires_in = timedelta(seconds=expires_seconds)
        # Whole seconds, rounded up: a link never dies before its answer says so.
        expires_at = ceil((self._clock.now() + expires_in).timestamp())
        return Download(
            chosen=self._address(chosen, expires_in, expires_at),
            expires_at=None
            if "url" in chosen
            else datetime.fromtimestamp(expires_at, UTC),
            files=tuple(self._listed(file, expires_at) for file in files),
            asset_id=_owning(views, chosen),
        )

    def _address(
        self, file: FileView, expires_in: timedelta, expires_at: int
    ) -> DownloadFile:
        """Look at the object itself: what the record says of it may be old."""
        name, role = file["name"], file["role"]
        key = file.get("key")
        if key is None:
            return DownloadFile(
                name,
                role,
                file.get("url"),
                file.get("sizeBytes"),
                file.get("contentType"),
            )
        try:
            info = self._store.head(ObjectKey(key))
        except NotFoundError as exc:
            raise FileMissingError(name) from exc
        address = self._store.presign(
            info.key, expires_in=expires_in, file_name=name, is_attachment=True
        ) or self._links.path(
            info.key, expires_at=expires_at, file_name=name, is_attachment=True
        )
        content_type = info.content_type or file.get("contentType")
        return DownloadFile(name, role, address, info.size_bytes, content_type)

    def _listed(self, file: FileView, expires_at: int) -> DownloadFile:
        """Describe one of several files as the record knows it, at no cost."""
        key = file.get("key")
        address = file.get("url")
        if file.get("missing"):
            address = None
        elif key is not None:
            address = self._links.path(
                ObjectKey(key),
                expires_at=expires_at,
                file_name=file["name"],
                is_attachment=True,
            )
        return DownloadFile(
            name=file["name"],
            role=file["role"],
            address=address,
            size_bytes=file.get("sizeBytes"),
            content_type=file.get("contentType"),
        )


def _files(
    views: tuple[AssetView, ...], version: int | None, target: str
) -> list[FileView]:
    """List the files of one version of each asset, the most important first."""
    chosen = [
        [one for one in view["versions"] if one["version"] == version]
        if version is not None
        else view["versions"][-1:]
        for view in views
    ]
    states = list(chain.from_iterable(chosen))
    if version is not None and not states:
        raise NotFoundError("version", f"{version} of {target}")
    return [file for state in states for file in state["files"]]


def _owning(views: tuple[AssetView, ...], chosen: FileView) -> AssetId:
    """Tell which of several assets a file was listed by."""
    return next(
        AssetId(view["assetId"])
        for view in views
        if any(chosen in state["files"] for state in view["versions"])
    )


def _chosen(files: list[FileView], file_name: str | None, target: str) -> FileView:
    if file_name is not None:
        named = [file for file in files if file["name"] == file_name]
        if not named:
            raise NotFoundError("file", f"{file_name} of {target}")
        files = named
    if not files:
        raise NotFoundError("file of asset", target)
    there = (file for file in files if not file.get("missing"))
    return next(there, files[0])
