"""Checkpoints reach the job's shelf, the step names them, and the newest counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from catalog.errors import DependencyUnavailableError
from catalog.models.generation import LoraTraining
from processors.engine import CancelledError, Step
from processors.engines.training_checkpoints import Checkpoints
from processors.shelf import StoreShelf
from tests.fakes.store import FakeStore
from tests.fakes.working import work_in


@dataclass
class Scene:
    folder: Path
    store: FakeStore = field(default_factory=FakeStore)
    steps: list[Step] = field(default_factory=list)

    def run(
        self, name: str, check: Callable[[], None] = lambda: None
    ) -> tuple[Checkpoints, Path]:
        """Give what a run has that goes on from the last step."""
        folder = self.folder / name
        request = LoraTraining(lora_name="b", images=("s3://b/a",))
        work = work_in(folder, request, save=self.steps.append, check=check)
        step = self.steps[-1] if self.steps else {}
        return Checkpoints(work, step, StoreShelf(self.store, work.job_id)), folder


def left(folder: Path, *numbers: int) -> None:
    for number in numbers:
        path = folder / f"checkpoint-{number:06d}.safetensors"
        path.write_bytes(b"after %d" % number)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_only_the_newest_is_kept_and_nothing_is_left_in_the_folder(
    scene: Scene,
) -> None:
    checkpoints, folder = scene.run("run-a")
    checkpoints.check()
    left(folder, 5, 60, 100)

    checkpoints.check()

    assert scene.store.objects == {
        "temp/job-1/run-a/checkpoint-000100.safetensors": b"after 100"
    }
    assert scene.steps == [
        {"phase": "training", "checkpoint": "run-a/checkpoint-000100.safetensors"}
    ]
    assert list(folder.iterdir()) == []


def test_the_next_run_goes_on_from_it_and_drops_it_after_one_of_its_own(
    scene: Scene,
) -> None:
    first, folder = scene.run("run-a")
    left(folder, 5)
    first.check()

    second, other = scene.run("run-b")
    last = second.last()
    assert last is not None
    assert last.read_bytes() == b"after 5"
    left(other, 7)
    second.check()

    assert list(scene.store.objects) == [
        "temp/job-1/run-b/checkpoint-000007.safetensors"
    ]
    assert len(scene.steps) == 2


@pytest.mark.parametrize("step", [{}, {"phase": "training"}, {"phase": "submitted"}])
def test_without_one_there_is_nothing_to_go_on_from(
    scene: Scene, step: dict[str, str]
) -> None:
    scene.steps.append(step)

    assert scene.run("run-a")[0].last() is None


def test_one_that_was_removed_is_none(scene: Scene) -> None:
    checkpoints, folder = scene.run("run-a")
    left(folder, 5)
    checkpoints.check()
    scene.store.objects.clear()
    again, other = scene.run("run-b")

    assert again.last() is None
    assert list(other.iterdir()) == []


def test_storage_that_is_away_costs_a_checkpoint_and_not_the_training(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DependencyUnavailableError("storage", "It is away.")

    checkpoints, folder = scene.run("run-a")
    left(folder, 5)
    with monkeypatch.context() as broken:
        broken.setattr(StoreShelf, "put", away)
        checkpoints.check()
    assert (scene.steps, list(folder.iterdir())) == ([], [])
    left(folder, 9)

    checkpoints.check()

    assert len(scene.steps) == len(scene.store.objects) == 1


def test_nothing_is_kept_for_a_job_that_nobody_wants(scene: Scene) -> None:
    def cancelled() -> None:
        raise CancelledError

    checkpoints, folder = scene.run("run-a", check=cancelled)
    left(folder, 5)

    with pytest.raises(CancelledError):
        checkpoints.check()

    assert (scene.steps, scene.store.objects) == ([], {})
