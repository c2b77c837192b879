"""A training that is cut off goes on from its last checkpoint, to the same weights."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from catalog.models.generation import LoraTraining
from catalog.models.ids import JobId
from processors.engine import CancelledError, Made, Step, Work
from processors.engines.local_training import LocalTraining
from processors.extract.generation.detect import extract_generation
from processors.extract.safetensors import extract_safetensors
from processors.shelf import StoreShelf
from tests.fakes.store import FakeStore
from tests.fakes.warm_child import WarmChild
from tests.fakes.working import work_in
from tests.unit.processors.media.drawn import textured

pytestmark = pytest.mark.timeout(300)

STEPS = 40
TO_BE_CUT_OFF = 4000


@pytest.fixture(scope="module")
def warm(tiny_model: Path) -> Iterator[WarmChild]:
    del tiny_model  # where the extra is missing there is none
    child = WarmChild()
    yield child
    child.close()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for name in ("images", "captions"):
        (folder / name).mkdir()
    for number in (1, 2, 3):
        picture = Image.fromarray(textured(number))
        picture.save(folder / "images" / f"{number:04d}.jpg")
        (folder / "captions" / f"{number:04d}.txt").write_text(f"bll, {number}\n")
    return folder


@dataclass
class Job:
    """What is kept of a job while its workers come and go."""

    folder: Path
    dataset: Path
    store: FakeStore = field(default_factory=FakeStore)
    steps: list[Step] = field(default_factory=list)
    runs: int = 0
    asked: dict[str, Any] = field(default_factory=dict)

    def work(self) -> Work:
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        job_id = JobId("job-1")
        asked = {"loraName": "b", "images": ["s3://b/a"], "trigger": "bll", "rank": 2}
        request = LoraTraining.model_validate(
            asked | {"steps": STEPS, "seed": 3} | self.asked
        )
        shelf = StoreShelf(self.store, job_id)
        return work_in(
            folder, request, save=self.steps.append, source=self.dataset, shelf=shelf
        )

    @property
    def step(self) -> Step:
        return self.steps[-1] if self.steps else {}


def finished(job: Job, model: Path, warm: WarmChild) -> Made:
    return LocalTraining(model, run=warm.run).advance(job.work(), job.step)


def weights(made: Made) -> dict[str, Any]:
    return dict(load_file(made.outputs[0].path))


@pytest.fixture
def job(tmp_path: Path, dataset: Path) -> Job:
    return Job(tmp_path, dataset)


def interrupted(job: Job, model: Path, warm: WarmChild) -> Made:
    """Train to the end, and leave the job as if it had been cut off half-way."""
    engine = LocalTraining(model, run=warm.run, checkpoint_seconds=0)
    work = job.work()
    made = engine.advance(work, {})
    name = f"checkpoint-{STEPS // 2:06d}.safetensors"
    assert work.shelf is not None
    work.shelf.put(name, work.folder / name)
    job.steps.append({"phase": "training", "checkpoint": name})
    return made


def test_it_ends_with_the_very_weights_that_it_would_have_had(
    tiny_model: Path, warm: WarmChild, job: Job
) -> None:
    whole = interrupted(job, tiny_model, warm)

    made = finished(job, tiny_model, warm)

    assert made.provenance["resumedAt"] == STEPS // 2
    assert "resumedAt" not in whole.provenance
    wanted, found = weights(whole), weights(made)
    assert wanted.keys() == found.keys()
    assert all(np.array_equal(wanted[name], found[name]) for name in wanted)
    for name in ("firstLoss", "lastLoss"):
        assert whole.provenance[name] == made.provenance[name]


@pytest.mark.parametrize("damage", ["gone", "broken", "another training"])
def test_what_cannot_be_gone_on_from_is_begun_anew(
    tiny_model: Path, warm: WarmChild, job: Job, damage: str
) -> None:
    interrupted(job, tiny_model, warm)
    [key] = job.store.objects
    if damage == "gone":
        job.store.objects.clear()
    elif damage == "broken":
        job.store.objects[key] = job.store.objects[key][:1000]
    else:
        job.asked = {"rank": 3}

    made = finished(job, tiny_model, warm)

    assert "resumedAt" not in made.provenance
    config = json.loads(made.outputs[1].path.read_bytes())
    assert config["rank"] == job.asked.get("rank", 2)


def test_what_is_made_tells_our_own_extractors_how(
    tiny_model: Path, warm: WarmChild, job: Job
) -> None:
    job.asked = {"steps": 2}
    made = finished(job, tiny_model, warm)
    content = made.outputs[0].path.read_bytes()

    lora = extract_safetensors(lambda at, n: content[at : at + n], len(content))
    preview = extract_generation(made.outputs[2].path.read_bytes())

    assert (lora.problems, preview.problems) == ((), ())
    assert lora.facts["baseModelName"] == "tiny-random-stable-diffusion"
    assert (lora.facts["rank"], lora.facts["steps"]) == (2, 2)
    assert lora.facts["triggerWords"] == ("bll",)
    assert lora.facts["components"] == ("unet",)
    assert preview.facts["model"] == "tiny-random-stable-diffusion"
    assert preview.facts["prompt"] == "bll, 1"


def test_a_worker_that_dies_leaves_one_checkpoint_and_the_step_names_it(
    tiny_model: Path, job: Job
) -> None:
    job.asked = {"steps": TO_BE_CUT_OFF}
    work = job.work()

    def check() -> None:
        if len(job.steps) > 1:
            raise CancelledError

    with pytest.raises(CancelledError):
        LocalTraining(tiny_model, checkpoint_seconds=0).advance(
            replace(work, check=check), {}
        )

    [key] = job.store.objects
    name = key.removeprefix("temp/job-1/")
    assert name.startswith(f"{work.folder.name}/checkpoint-")
    assert job.step == {"phase": "training", "checkpoint": name}
