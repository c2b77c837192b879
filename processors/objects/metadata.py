"""Keeps what files say of themselves, so that it can be searched for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog.errors import FencedError
from catalog.models.asset import FileRole
from catalog.models.stored import Extraction, StoredObject
from catalog.renditions import is_rendition
from catalog.repositories.extractions import ExtractionRepository
from catalog.storage.base import ObjectStore
from catalog.storage.keys import IMAGE_ENDINGS, Area, parse_key
from processors.extract.result import MAX_RAW
from processors.extract.versions import (
    EXIF,
    GENERATION,
    PICTURE,
    RECORDING,
    SAFETENSORS,
    TRANSCRIPT_FACTS,
    VERSIONS,
)
from processors.media.errors import Cause, MediaError
from processors.media.pool import MediaPool
from processors.media.sniff import MAX_SAFETENSORS_HEADER_BYTES, kind_of
from processors.objects.facts import camel_case, failures_of, told
from processors.objects.sharing import SharedFetch
from processors.objects.sources import (
    RECORDING_ENDINGS,
    UNTOUCHED,
    ending_of,
)
from processors.objects.task import TaskResult

MAX_PICTURE_BYTES = 100_000_000
"""A picture beyond this is not read for what it says: it is held in memory whole."""

MAX_TRANSCRIPT_BYTES = 33_554_432
"""See ``processors.extract.transcript_facts``."""

_FIRST_READ_BYTES = 65_536
_LENGTH_BYTES = 8
_PICTURE_EXTRACTORS = (PICTURE, GENERATION, EXIF)


class MetadataTask:
    """Runs the extractors of a file's kind; see ``docs/extraction.md``."""

    name = "metadata"

    def __init__(
        self,
        store: ObjectStore,
        pool: MediaPool,
        extractions: ExtractionRepository,
        *,
        most_bytes: int,
        versions: Mapping[str, int] = VERSIONS,
        shared: SharedFetch | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            store: Where files are.
            pool: Reads them in processes of their own.
            extractions: Where what they say is kept.
            most_bytes: Largest recording that is fetched.
            versions: Of the extractors; raising any has all files read again.
            shared: Brings files here, also for other tasks; one of its own by default.
        """
        self._store = store
        self._pool = pool
        self._extractions = extractions
        self._most_bytes = most_bytes
        self._versions = versions
        self._shared = shared or SharedFetch(store)
        self.version = sum(versions.values())

    def wants(self, found: StoredObject) -> bool:
        """See ``ObjectTask.wants``: weights, pictures, recordings, transcripts."""
        return bool(_extractors_of(found))

    def run(self, found: StoredObject, folder: Path) -> TaskResult:
        """See ``ObjectTask.run``; a failure is kept with its cause before it is raised.

        Raises:
            FencedError: The object has changed while it was read.
        """
        extractors = _extractors_of(found)
        raw = folder / "raw"
        raw.mkdir()
        try:
            answers = self._read(found, extractors[0], folder / "source", raw)
        except MediaError as exc:
            self._keep(found, failures_of(extractors, exc), raw)
            raise
        self._keep(found, answers, raw)
        failed = [one for one in answers if "cause" in one]
        if failed and len(failed) == len(answers):
            raise MediaError(Cause(failed[0]["cause"]), failed[0]["message"])
        problems = [f"{one['extractor']}: {one['message']}" for one in failed]
        problems += [text for one in answers for text in one.get("problems", ())]
        read = [one["extractor"] for one in answers if "cause" not in one]
        return TaskResult({"extractors": read}, problems=tuple(problems))

    def _read(
        self, found: StoredObject, first: str, source: Path, raw: Path
    ) -> list[dict[str, Any]]:
        if first == SAFETENSORS:
            size = {"size_bytes": self._fetch_header(found, source)}
            done = self._pool.run("weights", source, raw, size)
            return told(done.facts, (SAFETENSORS,))
        if first == TRANSCRIPT_FACTS:
            self._shared.fetch(found, source, most_bytes=MAX_TRANSCRIPT_BYTES)
            form = {"is_json": found.key.lower().endswith(".json")}
            done = self._pool.run("transcript", source, raw, form)
            return told(done.facts, (TRANSCRIPT_FACTS,))
        return self._read_media(found, first, source, raw)

    def _read_media(
        self, found: StoredObject, first: str, source: Path, raw: Path
    ) -> list[dict[str, Any]]:
        """Read a picture or a recording: what it is its first bytes tell."""
        most = self._most_bytes
        if first == PICTURE:
            most = min(most, MAX_PICTURE_BYTES)
        self._shared.fetch(found, source, most_bytes=most)
        kind = kind_of(source)
        if kind is not None and kind.is_recording:
            probed = self._pool.run("probe", source, raw)
            done = {"extractor": RECORDING, "facts": camel_case(probed.facts)}
            return told({"extracted": [done]}, (RECORDING,))
        if source.stat().st_size > MAX_PICTURE_BYTES:
            message = f"it has more than {MAX_PICTURE_BYTES:,} bytes"
            raise MediaError(Cause.TOO_LARGE, message)
        answer = self._pool.run("metadata", source, raw)
        return told(answer.facts, _PICTURE_EXTRACTORS)

    def _fetch_header(self, found: StoredObject, path: Path) -> int:
        """Copy the beginning of weights, by one ranged read or two.

        Returns:
            Size of the whole object.
        """
        size_bytes = found.size_bytes or 0
        start = self._store.read(found.key, length=_FIRST_READ_BYTES)
        length = int.from_bytes(start[:_LENGTH_BYTES], "little")
        whole = _LENGTH_BYTES + length
        rest = b""
        if len(start) < whole <= size_bytes and length <= MAX_SAFETENSORS_HEADER_BYTES:
            rest = self._store.read(
                found.key, start=len(start), length=whole - len(start)
            )
        path.write_bytes(start + rest)
        return size_bytes

    def _keep(
        self, found: StoredObject, answers: list[dict[str, Any]], raw: Path
    ) -> None:
        """Store what was read under the state of the object that it was read from."""
        if self._store.head(found.key).etag != found.etag:
            message = f"{found.key} has changed while it was read."
            raise FencedError(message)
        self._extractions.record(
            [
                Extraction(
                    store=found.store,
                    key=found.key,
                    etag=found.etag or "",
                    extractor=one["extractor"],
                    version=self._versions[one["extractor"]],
                    job_id=found.job_id,
                    error=one.get("message"),
                    cause=one.get("cause"),
                    facts=one.get("facts", {}),
                    problems=tuple(one.get("problems", ())),
                    raw=_raw_of(raw / f"{one['extractor']}.raw"),
                )
                for one in answers
            ]
        )


def _raw_of(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MAX_RAW)


def _extractors_of(found: StoredObject) -> tuple[str, ...]:
    """Tell from its key which extractors an object is for; none for most."""
    key, content_type = found.key, found.content_type or ""
    if is_rendition(key) or key.partition("/")[0] in UNTOUCHED:
        return ()
    ending = ending_of(key)
    if ending == "safetensors":
        return (SAFETENSORS,)
    place = parse_key(key)
    if place is not None and place.area is Area.LORAS:
        return ()  # its preview says nothing that its image does not
    if place is not None and place.area is Area.TRANSCRIPTS:
        is_text = place.role in (FileRole.TRANSCRIPT, FileRole.TEXT)
        return (TRANSCRIPT_FACTS,) if is_text else ()
    if ending in IMAGE_ENDINGS or content_type.startswith("image/"):
        return _PICTURE_EXTRACTORS
    is_media = content_type.startswith(("audio/", "video/"))
    return (RECORDING,) if ending in RECORDING_ENDINGS or is_media else ()
