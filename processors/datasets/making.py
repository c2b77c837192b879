"""Makes the dataset of a training, once: from a video, from pictures, or as it lies.

It is kept in ``temp/{jobId}/`` as one zip, which is there whole or not at all: a worker
that comes after one that died goes on from it, and a provider reads it there. It is
published with what is trained on it (``processors.publishing``).
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from catalog.errors import NotFoundError
from catalog.models.generation import CaptionStyle, LoraTraining
from catalog.models.ids import ObjectKey
from catalog.repositories.queue import Claim
from catalog.services.locations import Located
from catalog.storage import keys
from catalog.storage.base import ObjectStore
from processors.datasets.archive import (
    CONTENT_TYPE,
    caption_name,
    image_name,
    pack,
)
from processors.datasets.captions import Caption, caption_of
from processors.datasets.gathering import Gatherer
from processors.datasets.prepared import FROM_VERSION, HandedOver, Prepared, download
from processors.datasets.shortage import check_enough
from processors.engine import Dataset, Step

MAX_CAPTION_BYTES = 16 * 1024


class DatasetMaker:
    """Used by several threads, each with a job of its own."""

    def __init__(self, store: ObjectStore, gatherer: Gatherer) -> None:
        """Make nothing yet.

        Args:
            store: Ours.
            gatherer: Takes pictures out of sources.
        """
        self._store = store
        self._gatherer = gatherer

    def prepare(
        self,
        claim: Claim,
        request: LoraTraining,
        locate: Callable[[], Sequence[tuple[str, Located]]],
        folder: Path,
        check: Callable[[], None],
    ) -> Prepared:
        """Make it, or find what an earlier run of the same attempt to train has made.

        A later version of a LoRA is trained on what the version before it left in
        ``datasets/``, whose captions a person may have mended.

        Args:
            claim: The job.
            request: What it asks for.
            locate: Finds the sources: field of the request and location of each. Not
                called where the dataset is there: nothing but it is needed any more.
            folder: Of this run.
            check: Raises once the job is not wanted any more.

        Raises:
            EngineError: It can't be made from these.
            DependencyError: The store does not answer.
        """
        key = _archive_key(claim)
        is_begun = claim.attempt > 1 or bool(claim.step)
        if is_begun and self._is_there(key):
            return Prepared(self._store, key, folder, check)
        place = folder / "dataset"
        for name in ("images", "captions"):
            (place / name).mkdir(parents=True)
        style = request.style or CaptionStyle.NATURAL
        dataset = self._stored(claim, style, place, check)
        if dataset is None:
            dataset = self._made(claim, request, style, locate, place, check)
        archive = folder / "dataset.zip"
        pack(dataset, archive)
        check()
        with archive.open("rb") as content:
            self._store.write(key, content, content_type=CONTENT_TYPE)
        archive.unlink()
        return Prepared(self._store, key, folder, check, dataset)

    def handed_over(
        self, claim: Claim, step: Step, folder: Path, check: Callable[[], None]
    ) -> HandedOver:
        """Find what a provider was given; nothing is made, whatever has gone since.

        Args:
            claim: The job.
            step: At which the provider has it, or may; ``dataset`` are its facts.
            folder: Of this run.
            check: Raises once the job is not wanted any more.
        """
        facts = step.get("dataset")
        return HandedOver(
            self._store,
            _archive_key(claim),
            folder,
            check,
            facts=facts if isinstance(facts, Mapping) else {},
        )

    def _is_there(self, key: ObjectKey) -> bool:
        try:
            self._store.head(key)
        except NotFoundError:
            return False
        return True

    # --- as it lies ----------------------------------------------------------------

    def _stored(
        self,
        claim: Claim,
        style: CaptionStyle,
        place: Path,
        check: Callable[[], None],
    ) -> Dataset | None:
        """Take what an earlier version was trained on; ``None`` where it is gone."""
        if claim.version == 1:
            return None
        user, job = claim.user_id, claim.job_id
        first = keys.dataset_image(user, job, 1)
        folder = first.removesuffix(first.rpartition("/")[2])
        found = [info.key for info in self._store.list(folder)]
        for number, key in enumerate(found, 1):
            check()
            parsed = keys.parse_key(key)
            if parsed is None or parsed.number is None or not key.endswith(".jpg"):
                return None  # somebody has put other files there
            download(self._store, key, place / image_name(number), check)
            caption = self._caption(keys.dataset_caption(user, job, parsed.number))
            written = caption_of(caption, _trigger(claim), _metadata(claim), style)
            _write_line(place / caption_name(number), written.text)
        if not found:
            return None
        check_enough(
            f"images: of those in {folder}",
            len(found),
            {},
            "Put more there, or remove them all: they are made anew then.",
        )
        facts = {"images": len(found), "from": FROM_VERSION, "dropped": {}}
        return Dataset(place, len(found), is_stored=True, facts=facts)

    def _caption(self, key: ObjectKey) -> str | None:
        try:
            read = self._store.read(key, length=MAX_CAPTION_BYTES)
        except NotFoundError:
            return None
        return read.decode(errors="replace")

    # --- made anew -----------------------------------------------------------------

    def _made(
        self,
        claim: Claim,
        request: LoraTraining,
        style: CaptionStyle,
        locate: Callable[[], Sequence[tuple[str, Located]]],
        place: Path,
        check: Callable[[], None],
    ) -> Dataset:
        captions = list[Caption]()
        with tempfile.TemporaryDirectory(prefix="raw-", dir=place.parent) as raw:
            gathered = self._gatherer.gather(request, locate(), Path(raw), check)
            for number, picture in enumerate(gathered.pictures, 1):
                picture.path.rename(place / image_name(number))
                given = None if picture.source is None else self._beside(picture.source)
                caption = caption_of(given, request.trigger, _metadata(claim), style)
                _write_line(place / caption_name(number), caption.text)
                captions.append(caption)
        facts = {
            "images": len(captions),
            **gathered.facts,
            "captionsFrom": dict(Counter(s for one in captions for s in one.sources)),
        }
        return Dataset(place, len(captions), is_stored=False, facts=facts)

    def _beside(self, source: ObjectKey) -> str | None:
        """Take the caption of an image that is one of a dataset in our store."""
        parsed = keys.parse_key(source)
        if (
            parsed is None
            or parsed.area is not keys.Area.DATASETS
            or parsed.user_id is None
            or parsed.number is None
        ):
            return None
        user, job, number = parsed.user_id, parsed.job_id, parsed.number
        return self._caption(keys.dataset_caption(user, job, number))


def _archive_key(claim: Claim) -> ObjectKey:
    return keys.temp(claim.job_id, f"dataset-v{claim.version}.zip")


def _write_line(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _metadata(claim: Claim) -> Mapping[str, Any]:
    found = claim.record.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _trigger(claim: Claim) -> str | None:
    config = claim.record.get("config")
    found = config.get("trigger") if isinstance(config, Mapping) else None
    return found if isinstance(found, str) else None
