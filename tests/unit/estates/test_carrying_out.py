"""Copies, progress and exports with fakes: what goes wrong in the middle."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.errors import NotFoundError, StackError
from catalog.estates import exports
from catalog.estates.copying import ChangedError, copy_file
from catalog.estates.exporting import Exporter
from catalog.estates.files import SourceFile
from catalog.estates.progress import Event, HaltedError, Progress
from catalog.estates.scratch import Scratch
from catalog.estates.source import FolderSource
from catalog.models.ids import ObjectKey, UserId
from catalog.models.job import Job
from catalog.repositories.estates import ForeignJob
from tests.fakes.store import FakeStore
from tests.unit.estates.estate import png, put

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
KEY = ObjectKey("generated-images/ann/j/image_1.png")


class Restless(FolderSource):
    """A folder whose files are written to while they are read."""

    times = 10

    @override
    def stream(self, path: str) -> Iterator[bytes]:
        yield from super().stream(path)
        if self.times:
            self.times -= 1
            put(self.root, path, png("changed", self.times), self.times + 1)


def test_a_file_that_does_not_stand_still_is_not_taken_over(tmp_path: Path) -> None:
    put(tmp_path, "a.png", png("a"))
    source = Restless(tmp_path)

    with pytest.raises(ChangedError, match="changed while"):
        copy_file(source, source.look("a.png"), FakeStore(), KEY)


def test_what_is_copied_is_summed(tmp_path: Path) -> None:
    path = put(tmp_path, "a.bin", bytes(range(256)) * 10_000)
    source, store = FolderSource(tmp_path), FakeStore()

    copied = copy_file(source, source.look("a.bin"), store, KEY)

    assert store.objects[KEY] == path.read_bytes()
    assert (copied.info.size_bytes, copied.digest) == exports.summed(path)
    with pytest.raises(NotFoundError):
        copy_file(source, SourceFile("gone", 1, 0), store, KEY)


def test_progress_tells_rate_and_time_left_once_a_second() -> None:
    clock, told = ManualClock(NOON), list[Event]()
    progress = Progress(clock, told.append, files=100, size_bytes=1000)
    for _ in range(20):
        clock.advance(0.25)
        progress.add(2, 25)

    assert len(told) == 5
    assert told[-1]["bytesPerSecond"] == 100
    assert told[-1]["etaSeconds"] == 6


class Records:
    """A user's jobs, and nothing else."""

    def __init__(self, jobs: int) -> None:
        self._jobs = [
            Job(job_id=f"j-{n}", user_id="ann", type="image-generation", status="x")  # type: ignore[arg-type]  # ids are texts
            for n in range(jobs)
        ]

    def jobs(self, user_id: UserId | None = None) -> Iterator[ForeignJob]:
        assert user_id == "ann"
        for job in self._jobs:
            yield ForeignJob({"_id": job.job_id}, job.job_id, job)

    def annotations(self, job_ids: object) -> Iterator[Any]:
        del job_ids
        return iter(())

    def others(self, name: str, user_id: UserId) -> Iterator[Any]:
        del name, user_id
        return iter(())

    def to_line(self, raw: object) -> str:
        return str(raw)


class CountingStore(FakeStore):
    """Tells how often it was read from."""

    reads = 0

    @override
    def stream(
        self, key: ObjectKey, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        self.reads += 1
        return super().stream(key, start=start, length=length)


def _exporter(
    folder: Path, store: FakeStore, jobs: int, stop_after: int | None = None
) -> tuple[Exporter, Progress]:
    clock = ManualClock(NOON)

    def is_stopped() -> bool:
        written = len(list(folder.rglob("*.png")))
        return stop_after is not None and written >= stop_after

    exporter = Exporter(
        UserId("ann"),
        folder,
        Records(jobs),  # type: ignore[arg-type]  # what an export needs of it
        store,
        Scratch(),
        clock,
        tell=lambda _: None,
        is_stopped=is_stopped,
    )
    exporter.plan()
    return exporter, Progress(clock, lambda _: None, files=0, size_bytes=0)


def test_a_stopped_export_goes_on_and_fetches_nothing_twice(tmp_path: Path) -> None:
    store = CountingStore()
    for n in range(9):
        store.objects[f"generated-images/ann/j-{n}/image_1.png"] = png("x", n)
    store.objects["generated-images/bob/j-1/image_1.png"] = b"somebody else's"
    folder = tmp_path / "out"
    exporter, progress = _exporter(folder, store, 9, stop_after=4)
    with pytest.raises(HaltedError):
        exporter.run(progress)
    assert not exports.is_export(folder)
    assert store.reads == 4

    exporter, progress = _exporter(folder, store, 9)
    manifest = exporter.run(progress)

    assert store.reads == 9
    assert manifest.counts == {"files": 9, "jobs": 9, "annotations": 0}
    assert exports.read_manifest(folder) == manifest
    assert len(list((folder / "files").rglob("*.*"))) == 9
    assert manifest.created_at == (NOON + timedelta(0)).isoformat(timespec="seconds")


def test_an_export_does_not_mix_with_what_is_there(tmp_path: Path) -> None:
    put(tmp_path, "mine.txt", "x")

    with pytest.raises(StackError, match="not empty"):
        _exporter(tmp_path, FakeStore(), 0)
