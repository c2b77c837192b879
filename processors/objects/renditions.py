"""Small pictures of pictures; posters and waveforms of recordings."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from catalog.errors import NotFoundError
from catalog.models.asset import FileRole
from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.renditions import (
    LARGE_ENDING,
    PEAKS_ENDING,
    POSTER_ENDING,
    RENDITIONS,
    SMALL_ENDING,
    THUMB_ENDING,
    WAVEFORM_ENDING,
    RenditionKind,
    is_rendition,
    rendition_keys,
)
from catalog.repositories.base import JobRepository
from catalog.storage.base import ObjectStore
from catalog.storage.keys import IMAGE_ENDINGS, Area, parse_key
from processors.media.errors import MediaError
from processors.media.limits import MAX_PICTURE_BYTES
from processors.media.pool import Done, MediaPool
from processors.media.sniff import kind_of
from processors.objects.sharing import SharedFetch
from processors.objects.sources import (
    RECORDING_ENDINGS,
    UNTOUCHED,
    ending_of,
)
from processors.objects.task import MadeRendition, TaskResult

_PICTURE_ENDINGS = IMAGE_ENDINGS | frozenset(
    "apng avifs heif ico j2k jfif jp2 pbm pgm pnm ppm".split()  # noqa: SIM905
)
_AGAIN_AFTER = timedelta(minutes=1)
_MEDIA_TYPES = ("image/", "audio/", "video/")

_ENDING_OF = {
    "image_thumb.png": (RenditionKind.THUMBNAIL, THUMB_ENDING),
    "image_256.webp": (RenditionKind.SMALL, SMALL_ENDING),
    "image_512.webp": (RenditionKind.LARGE, LARGE_ENDING),
}


class RenditionsTask:
    """Makes what shows a file without fetching it; see ``docs/media.md``."""

    name = RENDITIONS
    version = 1

    def __init__(
        self,
        store: ObjectStore,
        jobs: JobRepository,
        pool: MediaPool,
        *,
        most_bytes: int,
        shared: SharedFetch | None = None,
    ) -> None:
        """Make nothing yet.

        Args:
            store: Where files are.
            jobs: Tell which recording a transcript is of.
            pool: Reads them in processes of their own.
            most_bytes: Largest recording that is fetched; of pictures
                ``MAX_PICTURE_BYTES`` at most.
            shared: Brings files here, also for other tasks; one of its own by default.
        """
        self._store = store
        self._jobs = jobs
        self._pool = pool
        self._most_bytes = most_bytes
        self._shared = shared or SharedFetch(store)

    def wants(self, found: StoredObject) -> bool:
        """See ``ObjectTask.wants``: pictures, recordings, and transcripts of these."""
        key = found.key
        if is_rendition(key) or key.partition("/")[0] in UNTOUCHED:
            return False
        place = parse_key(key)
        if place is not None and place.area is Area.LORAS:
            return place.role is FileRole.PREVIEW
        return (
            _is_picture(found)
            or _is_transcript(key)
            or ending_of(key) in RECORDING_ENDINGS
            or (found.content_type or "").startswith(_MEDIA_TYPES)
        )

    def run(self, found: StoredObject, folder: Path) -> TaskResult:
        """See ``ObjectTask.run``; a transcript is shown by its recording."""
        source, made = folder / "source", folder / "made"
        made.mkdir()
        if _is_transcript(found.key):
            return self._transcript(found, source, made)
        most = self._most_bytes
        if _is_picture(found):
            most = min(most, MAX_PICTURE_BYTES)
        self._shared.fetch(found, source, most_bytes=most)
        kind = kind_of(source)
        if kind is not None and kind.is_recording:
            return self._recording(found.key, source, made)
        done = self._pool.run("image", source, made)
        return TaskResult(_facts(done), _pictures(found.key, done, made))

    def _transcript(self, found: StoredObject, source: Path, made: Path) -> TaskResult:
        """Make of a recording what is stored beside its transcript.

        The recording itself may pass soon (``temp/``).
        """
        record = self._jobs.find(found.job_id) if found.job_id else None
        if record is None:  # files may be written before the record that names them
            return TaskResult(again_after=_AGAIN_AFTER)
        named = record.get("sourceVideo")
        url = named.get("url") if isinstance(named, Mapping) else None
        key = self._store.parse_url(url) if isinstance(url, str) else None
        if key is None:
            return TaskResult(problems=("its recording is not in this store",))
        try:
            there = self._store.head(key)
        except NotFoundError:
            return TaskResult(problems=("its recording has been removed",))
        recording = found.evolve(key=key, size_bytes=there.size_bytes, etag=there.etag)
        self._shared.fetch(recording, source, most_bytes=self._most_bytes)
        return self._recording(found.key, source, made)

    def _recording(self, key: ObjectKey, source: Path, made: Path) -> TaskResult:
        probed = self._pool.run("probe", source, made)
        types = {stream["type"] for stream in probed.facts["streams"]}
        facts = dict(probed.facts)
        renditions: tuple[MadeRendition, ...] = ()
        failures = list[MediaError]()
        makers: Mapping[str, _Maker] = {"video": _poster, "audio": _waveform}
        wanted = [make for type_, make in makers.items() if type_ in types]
        for make in wanted:
            try:
                found, more = make(self._pool, key, source, made)
            except MediaError as exc:
                failures.append(exc)
            else:
                facts |= found
                renditions += more
        if failures and len(failures) == len(wanted):
            raise failures[0]
        problems = tuple(f"{exc.cause}: {exc.message}" for exc in failures)
        return TaskResult(facts, renditions, problems)


_Made = tuple[Mapping[str, Any], tuple[MadeRendition, ...]]
_Maker = Callable[[MediaPool, ObjectKey, Path, Path], _Made]


def _poster(pool: MediaPool, key: ObjectKey, source: Path, made: Path) -> _Made:
    done = pool.run("poster", source, made)
    poster = MadeRendition(
        path=made / "poster.jpg",
        keys=rendition_keys(key, POSTER_ENDING),
        kind=RenditionKind.POSTER,
        content_type="image/jpeg",
    )
    facts = {k: v for k, v in _facts(done).items() if k != "seconds"}
    facts["poster_seconds"] = done.facts["seconds"]
    return facts, (poster, *_pictures(key, done, made))


def _waveform(pool: MediaPool, key: ObjectKey, source: Path, made: Path) -> _Made:
    done = pool.run("waveform", source, made)
    facts = {name: done.facts[name] for name in ("loudest", "is_sampled")}
    return facts, (
        MadeRendition(
            path=made / "waveform.png",
            keys=rendition_keys(key, WAVEFORM_ENDING),
            kind=RenditionKind.WAVEFORM,
            content_type="image/png",
        ),
        MadeRendition(
            path=made / "waveform.json",
            keys=rendition_keys(key, PEAKS_ENDING),
            kind=RenditionKind.PEAKS,
            content_type="application/json",
        ),
    )


def _facts(done: Done) -> Mapping[str, Any]:
    return {name: value for name, value in done.facts.items() if name != "renditions"}


def _pictures(key: ObjectKey, done: Done, made: Path) -> tuple[MadeRendition, ...]:
    renditions = list[MadeRendition]()
    for one in done.facts["renditions"]:
        kind, ending = _ENDING_OF[one["name"]]
        renditions.append(
            MadeRendition(
                path=made / one["name"],
                keys=rendition_keys(key, ending),
                kind=kind,
                content_type=one["content_type"],
                width=one["width"],
                height=one["height"],
            )
        )
    return tuple(renditions)


def _is_transcript(key: str) -> bool:
    place = parse_key(key)
    return place is not None and place.role is FileRole.TRANSCRIPT


def _is_picture(found: StoredObject) -> bool:
    content_type = found.content_type or ""
    return ending_of(found.key) in _PICTURE_ENDINGS or content_type.startswith("image/")
