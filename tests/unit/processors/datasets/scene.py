"""A job whose dataset is made, with a store in memory and a reader that is told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalog.models.generation import LoraTraining
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import JobType
from catalog.repositories.queue import Claim
from catalog.services.locations import Located
from catalog.storage.urls import stored_url
from processors.datasets.gathering import Gatherer
from processors.datasets.making import DatasetMaker
from processors.datasets.prepared import Prepared
from processors.media.errors import MediaError, Usage
from processors.media.pool import Done, MediaPool
from tests.fakes.store import FakeStore

VIDEO = "temp/upload-1/sea.mp4"
ZIP = "temp/job1/dataset-v1.zip"


class StoreFetch:
    """Brings what is in the store; counts."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.fetched: list[str] = []

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        check()
        self.fetched.append(location)
        key = location.removeprefix(stored_url(self._store.url, ObjectKey("")))
        path.write_bytes(self._store.objects[key])
        return path


class Scripted:
    """A reader whose frames and pictures are told beforehand."""

    def __init__(self, *facts: dict[str, Any] | MediaError) -> None:
        self._facts = iter(facts)

    @contextmanager
    def __call__(self) -> Iterator["Scripted"]:
        yield self

    def run(
        self,
        task: str,
        source: Path,
        folder: Path,
        options: Mapping[str, Any] | None = None,
    ) -> Done:
        del task, options
        assert source.is_file()
        facts = next(self._facts)
        if isinstance(facts, MediaError):
            raise facts
        (folder / "picture.jpg").write_bytes(
            b"jpeg " + facts["perceptual_hash"].encode()
        )
        return Done(facts, (), Usage(0, 0.0, 0.0))


class Scene:
    def __init__(self, folder: Path, reader: Any = MediaPool) -> None:  # noqa: ANN401
        self.folder = folder
        self.store = FakeStore()
        self.fetch = StoreFetch(self.store)
        self.maker = DatasetMaker(
            self.store,
            Gatherer(self.store, self.fetch, fetch_picture=self.fetch, reader=reader),
        )
        self.runs = 0
        self.claim = Claim(
            job_id=JobId("job1"),
            user_id=UserId("ann"),
            type=JobType.LORA_TRAINING,
            version=1,
            attempt=1,
            token="t",
            step={},
            is_cancelled=False,
            record={
                "config": {"trigger": "jf"},
                "metadata": {"description": "At the sea", "tags": ["beach"]},
            },
        )

    def prepare(self, *sources: str, **asked: Any) -> Prepared:  # noqa: ANN401
        self.runs += 1
        run = self.folder / f"run-{self.runs}"
        run.mkdir()
        named = {"videoUrl": sources[0]} if not asked.pop("images", False) else {}
        request = LoraTraining.model_validate(
            {"loraName": "jesse", "trigger": "jf", "images": () if named else sources}
            | named
            | asked
        )
        located = [
            (f"images.{n}", Located(key=ObjectKey(one), size_bytes=1))
            for n, one in enumerate(sources)
        ]
        if named:
            located = [("videoUrl", located[0][1])]
        return self.maker.prepare(
            self.claim, request, lambda: located, run, lambda: None
        )


def pictures(*looks: tuple[str, float]) -> Scripted:
    return Scripted(*({"perceptual_hash": h, "sharpness": s} for h, s in looks))


FOUR = tuple((look * 8, 90.0) for look in ("ff", "00", "0f", "33"))
"""Looks of four sharp pictures, each unlike the others."""


def upload(scene: Scene, count: int = 4) -> list[str]:
    """Put pictures into the store; what they show the reader says."""
    names = [f"temp/upload-1/{n}.png" for n in range(count)]
    scene.store.objects |= dict.fromkeys(names, b"x")
    return names


def images_of(folder: Path) -> list[Path]:
    return sorted((folder / "images").iterdir())
