"""Takes the pictures out of what a training names: frames of a video, or images."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from catalog.models.generation import LoraTraining
from catalog.services.locations import Located
from catalog.storage.base import ObjectStore
from processors.datasets.choice import Picture
from processors.datasets.pictures import (
    OF_THE_MOMENT,
    Gathered,
    Reader,
    gather_pictures,
)
from processors.datasets.shortage import check_enough
from processors.datasets.sources import Fetch, bring
from processors.engine import EngineError
from processors.media.errors import Cause, MediaError
from processors.media.pool import Done, MediaPool

_TOO_MUCH = frozenset(
    {Cause.TOO_LARGE, Cause.TOO_MANY_PIXELS, Cause.TIMEOUT, Cause.OUT_OF_MEMORY}
)


class Gatherer:
    """Used by several threads, each with a job of its own."""

    def __init__(
        self,
        store: ObjectStore,
        fetch: Fetch,
        *,
        fetch_picture: Fetch,
        reader: Callable[[], AbstractContextManager[Reader]] = MediaPool,
    ) -> None:
        """Start nothing yet.

        Args:
            store: Ours.
            fetch: Brings videos here, within limits.
            fetch_picture: Brings pictures here, whose limits are narrower.
            reader: Reads untrusted media; entered while it is needed.
        """
        self._store = store
        self._fetch = fetch
        self._fetch_picture = fetch_picture
        self._reader = reader

    def gather(
        self,
        request: LoraTraining,
        sources: Sequence[tuple[str, Located]],
        folder: Path,
        check: Callable[[], None],
    ) -> Gathered:
        """Bring sources here, and take out what is good.

        Args:
            request: What is asked for.
            sources: Field of the request and location of each.
            folder: For all files; empty.
            check: Raises once the job is not wanted any more.

        Raises:
            EngineError: A source can't be had, or too little to train on is in them.
        """
        with self._reader() as reader:
            if request.video_url is None:
                return gather_pictures(
                    sources,
                    reader,
                    self._fetch_picture,
                    self._store.url,
                    folder,
                    check,
                )
            [source] = sources
            path = bring(self._fetch, self._store.url, source, folder / "video", check)
            sampling = request.sampling or "interval"
            return _frames(reader, source[0], path, folder, sampling)


def _frames(
    reader: Reader, field: str, video: Path, folder: Path, sampling: str
) -> Gathered:
    frames = folder / "frames"
    frames.mkdir()
    facts = _read(reader, field, video, frames, sampling).facts
    pictures = [
        Picture(frames / one["name"], one["sharpness"], one["perceptual_hash"], place)
        for place, one in enumerate(facts["frames"])
    ]
    check_enough(
        f"{field}: of the {facts['sampled']} frames looked at",
        len(pictures),
        facts["dropped"],
        "Name a longer or sharper video, or one in which more changes.",
    )
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


def _read(reader: Reader, field: str, video: Path, folder: Path, sampling: str) -> Done:
    try:
        return reader.run("frames", video, folder, {"sampling": sampling})
    except MediaError as exc:
        code = "out_of_limits" if exc.cause in _TOO_MUCH else "source_unreadable"
        raise EngineError(
            code,
            f"{field}: nothing to train on can be taken from it ({exc.message}); name "
            "another file.",
            is_retryable=exc.cause in OF_THE_MOMENT,
        ) from exc
