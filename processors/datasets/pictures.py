"""Reads the pictures that a training names; one that can't be read is left out.

One that can't be had (there is none at its address, or it may not be read) is another
matter: who names it is mistaken, and is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from catalog.services.locations import Located
from processors.datasets.choice import Picture, choose
from processors.datasets.shortage import check_enough
from processors.datasets.sources import Fetch, bring
from processors.engine import EngineError
from processors.media.errors import Cause, MediaError
from processors.media.pool import Done
from processors.media.tasks import TRAINING_IMAGE_NAME

OF_THE_MOMENT = frozenset({Cause.TIMEOUT, Cause.OUT_OF_MEMORY, Cause.CRASHED})
"""What may be the machine's trouble, not the file's."""

_MOST_MESSAGE = 200


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


@dataclass(slots=True)
class Unread:
    """Pictures that were left out: their places by cause, and what a person is told."""

    places: dict[str, list[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    is_passing: bool = False

    def note(self, name: str, place: int, exc: MediaError) -> None:
        """Leave one out."""
        self.places.setdefault(exc.cause.value, []).append(place)
        self.problems.append(f"{name}: {exc.message[:_MOST_MESSAGE]}")
        self.is_passing |= exc.cause in OF_THE_MOMENT


def gather_pictures(
    sources: Sequence[tuple[str, Located]],
    reader: Reader,
    fetch: Fetch,
    store_url: str,
    folder: Path,
    check: Callable[[], None],
) -> Gathered:
    """Bring pictures here, one after the other, and choose from those that are read.

    Args:
        sources: Field of the request and location of each.
        reader: Reads untrusted media.
        fetch: Brings them, within limits.
        store_url: Of our store.
        folder: For all files; empty.
        check: Raises once the job is not wanted any more.

    Returns:
        Facts: ``from``, ``sampled`` (how many were looked at), ``dropped`` (how many by
        reason: ``blurred duplicate`` and causes of ``MediaError``) and ``droppedAt``
        (their places in the list by reason, from 0).

    Raises:
        EngineError: One can't be had, or too few can be used.
    """
    pictures = list[Picture]()
    unread = Unread()
    for place, source in enumerate(sources):
        check()
        own = folder / f"{place}"
        own.mkdir()
        try:
            path = _fetched(fetch, store_url, source, own / "source", check)
            facts = _looked_at(reader, path, own).facts
        except MediaError as exc:
            unread.note(source[0], place, exc)
            continue
        finally:
            # A thousand of them would fill a disk.
            (own / "source").unlink(missing_ok=True)
        pictures.append(
            Picture(
                own / TRAINING_IMAGE_NAME,
                facts["sharpness"],
                facts["perceptual_hash"],
                place,
                source[1].key,
            )
        )
    chosen = choose(pictures)
    dropped = {**chosen.dropped, **unread.places}
    counts = {reason: len(places) for reason, places in dropped.items()}
    check_enough(
        f"images: of the {len(sources)} pictures",
        len(chosen.pictures),
        counts,
        "Name more, or others.",
        problems=unread.problems,
        is_passing=unread.is_passing,
    )
    facts = {
        "from": "images",
        "sampled": len(sources),
        "dropped": counts,
        "droppedAt": {reason: list(at) for reason, at in dropped.items() if at},
    }
    return Gathered(chosen.pictures, facts)


def _fetched(
    fetch: Fetch,
    store_url: str,
    source: tuple[str, Located],
    path: Path,
    check: Callable[[], None],
) -> Path:
    """Bring one; one that is too large to be read is as good as one that can't be."""
    try:
        return bring(fetch, store_url, source, path, check)
    except EngineError as exc:
        if exc.code != "out_of_limits" or exc.is_retryable:
            raise
        raise MediaError(Cause.TOO_LARGE, "it has too many bytes") from exc


def _looked_at(reader: Reader, source: Path, folder: Path) -> Done:
    """Read one; a second time where the first may have been the machine's trouble."""
    try:
        return reader.run("training_image", source, folder, {})
    except MediaError as exc:
        if exc.cause not in OF_THE_MOMENT:
            raise
    return reader.run("training_image", source, folder, {})
