"""Takes the pictures out of what a training names: frames of a video, or images."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from catalog.models.generation import LoraTraining
from catalog.services.locations import Located
from catalog.storage.base import ObjectStore
from catalog.storage.urls import stored_url
from processors.datasets.choice import Picture, choose
from processors.engine import EngineError
from processors.media.errors import Cause, MediaError
from processors.media.pool import Done, MediaPool
from processors.media.tasks import TRAINING_IMAGE_NAME

_OF_THE_MOMENT = frozenset({Cause.TIMEOUT, Cause.OUT_OF_MEMORY, Cause.CRASHED})
_TOO_MUCH = frozenset(
    {Cause.TOO_LARGE, Cause.TOO_MANY_PIXELS, Cause.TIMEOUT, Cause.OUT_OF_MEMORY}
)


class Fetch(Protocol):
    """See ``processors.inputs.Fetch``."""

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        """Read a source into a new file, whole or not at all."""
        ...


class Reader(Protocol):
    """Does one task on one file; see ``MediaPool.run``."""

    def run(
        self,
        task: str,
        source: Path,
        folder: Path,
        options: Mapping[str, Any] | None = None,
    ) -> Done:
        """Do it, or raise ``MediaError``."""
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """Pictures to train on, and the facts that the record shows of them."""

    pictures: Sequence[Picture]
    facts: Mapping[str, Any]


class Gatherer:
    """Used by several threads, each with a job of its own."""

    def __init__(
        self,
        store: ObjectStore,
        fetch: Fetch,
        *,
        reader: Callable[[], AbstractContextManager[Reader]] = MediaPool,
    ) -> None:
        """Start nothing yet.

        Args:
            store: Ours.
            fetch: Brings sources here, within limits.
            reader: Reads untrusted media; entered while it is needed.
        """
        self._store = store
        self._fetch = fetch
        self._reader = reader

    def gather(
        self,
        request: LoraTraining,
        sources: Sequence[tuple[str, Located]],
        folder: Path,
        check: Callable[[], None],
    ) -> Gathered:
        """Bring sources here, one after the other, and take out what is good.

        Args:
            request: What is asked for.
            sources: Field of the request and location of each.
            folder: For all files; empty.
            check: Raises once the job is not wanted any more.

        Raises:
            EngineError: Nothing to train on can be had from them.
        """
        with self._reader() as reader:
            if request.video_url is None:
                return self._pictures(sources, reader, folder, check)
            [(field, video)] = sources
            path = self._brought(video, folder / "video", check)
            sampling = request.sampling or "interval"
            return _frames(reader, field, path, folder, sampling)

    def _pictures(
        self,
        sources: Sequence[tuple[str, Located]],
        reader: Reader,
        folder: Path,
        check: Callable[[], None],
    ) -> Gathered:
        pictures = list[Picture]()
        for number, (field, located) in enumerate(sources):
            check()
            own = folder / f"{number}"
            own.mkdir()
            source = self._brought(located, own / "source", check)
            facts = _read(reader, field, "training_image", source, own, {}).facts
            source.unlink()  # a thousand of them would fill a disk
            pictures.append(
                Picture(
                    own / TRAINING_IMAGE_NAME,
                    facts["sharpness"],
                    facts["perceptual_hash"],
                    located.key,
                )
            )
        chosen = choose(pictures)
        if not chosen.pictures:
            raise EngineError(
                "source_unreadable",
                f"images: none of the {len(pictures)} has anything sharp in it; name "
                "others.",
                is_retryable=False,
            )
        facts = {"from": "images", "sampled": len(pictures), "dropped": chosen.dropped}
        return Gathered(chosen.pictures, facts)

    def _brought(self, located: Located, path: Path, check: Callable[[], None]) -> Path:
        key = located.key
        location = stored_url(self._store.url, key) if key else located.url or ""
        return self._fetch.fetch(location, path, check)


def _frames(
    reader: Reader, field: str, video: Path, folder: Path, sampling: str
) -> Gathered:
    frames = folder / "frames"
    frames.mkdir()
    facts = _read(reader, field, "frames", video, frames, {"sampling": sampling}).facts
    pictures = [
        Picture(frames / one["name"], one["sharpness"], one["perceptual_hash"])
        for one in facts["frames"]
    ]
    return Gathered(
        pictures,
        {
            "from": "video",
            "sampling": sampling,
            "sampled": facts["sampled"],
            "dropped": dict(facts["dropped"]),
            "isComplete": facts["is_complete"],
        },
    )


def _read(
    reader: Reader,
    field: str,
    task: str,
    source: Path,
    folder: Path,
    options: Mapping[str, Any],
) -> Done:
    try:
        return reader.run(task, source, folder, options)
    except MediaError as exc:
        code = "out_of_limits" if exc.cause in _TOO_MUCH else "source_unreadable"
        raise EngineError(
            code,
            f"{field}: nothing to train on can be taken from it ({exc.message}); name "
            "another file.",
            is_retryable=exc.cause in _OF_THE_MOMENT,
        ) from exc
