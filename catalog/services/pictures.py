"""What shows an asset: its rendition, else its thumbnail, else a drawn sign."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from catalog.access import Asker
from catalog.errors import DependencyError, InvalidObjectKeyError, NotFoundError
from catalog.models.asset import AssetType, AssetView, FileRole
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.placeholder import CONTENT_TYPE, placeholder
from catalog.renditions import RENDITIONS, Rendition, RenditionKind
from catalog.repositories.object_work import ObjectWorkReader, WorkResult
from catalog.services.assets import AssetService
from catalog.storage import keys
from catalog.storage.base import ObjectStore

SMALL_PX, LARGE_PX = 256, 512

_MOST_ASSETS = 20
"""Of a job that is asked for whole, so many assets are looked at for a picture."""

_MOST_BYTES = 5_000_000
"""A thumbnail that somebody else made is shown up to this size."""

_SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_WEBP = "image/webp"
_SHOWING = frozenset({FileRole.IMAGE.value, FileRole.TRANSCRIPT.value})
"""Files that something is made of; of a transcript's recording, beside it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes to show.

    Attributes:
        content: The whole file.
        content_type: Of it.
        digest: Of the content itself, since files are replaced before their record is;
            ``None`` for a drawn sign, which stands until there is something better.
        asset_id: What it shows.
    """

    content: bytes
    content_type: str
    digest: str | None
    asset_id: str


class PictureService:
    """Pictures of assets, for those who may see them."""

    def __init__(
        self,
        assets: AssetService,
        work: ObjectWorkReader,
        store: ObjectStore,
    ) -> None:
        """Stand on the assets, and on what was made of their files."""
        self._assets = assets
        self._work = work
        self._store = store

    def picture(
        self,
        asker: Asker,
        target: str,
        *,
        size: int,
        types: frozenset[str],
        is_thumbnail_shown: bool = True,
    ) -> Picture:
        """Read the picture that fits a size best.

        Args:
            asker: Who asks.
            target: An assetId or a jobId (then its first asset that has a picture).
            size: Edge in pixels that it is shown at.
            types: Media types that the caller names as welcome; it takes a PNG anyway.
            is_thumbnail_shown: Where there is no rendition, what the record or the
                layout has for a thumbnail will do.

        Raises:
            NotFoundError: There is no such asset for the asker.
            DependencyUnavailableError: MongoDB or storage is away; retryable.
        """
        views = self._assets.find(asker, target)[:_MOST_ASSETS]
        results = self._results(views)
        for view, found in zip(views, results, strict=True):
            picture = self._shown(view, found, size, types)
            if picture is None and is_thumbnail_shown:
                picture = self._thumbnail(view)
            if picture is not None:
                return picture
        view, found = views[0], results[0]
        colours = (found.facts.get("dominant_colours") if found else None) or [None]
        drawn = placeholder(AssetType(view["type"]), size, colours[0])
        return Picture(drawn, CONTENT_TYPE, None, view["assetId"])

    def results(self, views: Sequence[AssetView]) -> tuple[WorkResult | None, ...]:
        """Tell what was made of the files that show assets, one for each.

        What can't be learnt now (MongoDB does not answer) counts as nothing: an asset
        can be told of without.
        """
        try:
            return self._results(views)
        except DependencyError:
            return tuple(None for _ in views)

    def _results(self, views: Sequence[AssetView]) -> tuple[WorkResult | None, ...]:
        sources = [tuple(_sources(view)) for view in views]
        wanted = list(dict.fromkeys(key for some in sources for key in some))
        known: Mapping[ObjectKey, WorkResult] = (
            self._work.results(RENDITIONS, wanted) if wanted else {}
        )
        return tuple(
            next((known[key] for key in some if key in known), None) for some in sources
        )

    def _shown(
        self,
        view: AssetView,
        found: WorkResult | None,
        size: int,
        types: frozenset[str],
    ) -> Picture | None:
        asset_id = view["assetId"]
        for one in _fitting(found.renditions if found else (), size, types):
            try:
                content = self._store.read(one.key)
            except NotFoundError:  # the next one will do
                continue
            return Picture(content, one.content_type, _digest(content), asset_id)
        return None

    def _thumbnail(self, view: AssetView) -> Picture | None:
        """Read what the record or the layout has for a thumbnail, whoever made it."""
        key = view.get("thumbnail")
        if key is None:
            return None
        try:
            info = self._store.head(ObjectKey(key))
            if info.content_type not in _SHOWN_TYPES or info.size_bytes > _MOST_BYTES:
                return None
            content = self._store.read(info.key)
        except (NotFoundError, InvalidObjectKeyError):
            return None
        digest = _digest(content)
        return Picture(content, info.content_type, digest, view["assetId"])


def _sources(view: AssetView) -> Iterator[ObjectKey]:
    """List the files that show an asset, the best first."""
    match AssetType(view["type"]):
        case AssetType.IMAGE | AssetType.TRANSCRIPT:
            for file in view["versions"][-1]["files"] if view["versions"] else ():
                if file["role"] in _SHOWING and "key" in file:
                    yield ObjectKey(file["key"])
        case AssetType.LORA:
            yield from _previews(view)
        case AssetType.DATASET:
            pass


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _previews(view: AssetView) -> Iterator[ObjectKey]:
    user, job = UserId(view["userId"]), JobId(view["jobId"])
    newest = view["versions"][-1]["version"] if view["versions"] else None
    for version in dict.fromkeys((newest, None)):
        try:
            yield keys.lora_preview(user, job, version)
        except InvalidObjectKeyError:  # no file of the layout can be theirs
            return


def _fitting(
    renditions: Sequence[Rendition], size: int, types: frozenset[str]
) -> list[Rendition]:
    """Order renditions by how well they fit; those that are no picture are left out."""
    kinds = [RenditionKind.THUMBNAIL, RenditionKind.SMALL]
    if _WEBP in types:
        kinds.reverse()
    if size > SMALL_PX:
        kinds.insert(0, RenditionKind.LARGE)
    if size > LARGE_PX:
        kinds.insert(0, RenditionKind.POSTER)
    kinds.append(RenditionKind.WAVEFORM)
    by_kind = {one.kind: one for one in renditions}
    return [by_kind[kind] for kind in kinds if kind in by_kind]
