"""Workers that train, on a real queue: all is real but the child and the reader."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import override

from catalog.clock import Clock, SystemClock
from catalog.models.job import JobType
from catalog.repositories.queue import Claim
from catalog.services.locations import LocationService
from catalog.storage.links import LinkSigner
from processors.datasets.gathering import Gatherer
from processors.datasets.making import DatasetMaker
from processors.engine import Engine, Work
from processors.engines.child import ChildLimits
from processors.engines.local_training import LocalTraining
from processors.inputs import JobInputs
from processors.media.errors import Usage
from processors.media.pool import Done
from processors.publishing import Publisher
from processors.runner import JobRunner
from tests.fakes.assets import FakeAssetRepository
from tests.fakes.catalog import FakeParts
from tests.integration.processors.workshop import Killer, Mongo, Mortal, Workshop

VIDEO = "temp/upload-1/sea.mp4"
STEPS = 3


class FourFrames:
    """A reader that finds four frames in every video."""

    def __init__(self) -> None:
        self.reads = 0

    @contextmanager
    def __call__(self) -> Iterator["FourFrames"]:
        yield self

    def run(
        self,
        task: str,
        source: Path,
        folder: Path,
        options: Mapping[str, Any] | None = None,
    ) -> Done:
        assert (task, source.read_bytes(), options) == (
            ("frames", b"a video", {"sampling": "interval"})
        )
        self.reads += 1
        frames = []
        for number in (1, 2, 3, 4):
            name = f"{number:04d}.jpg"
            (folder / name).write_bytes(b"frame %d" % number)
            frames.append(
                {"name": name, "sharpness": 9.0, "perceptual_hash": f"{number:016x}"}
            )
        dropped = {"blurred": 1, "duplicate": 2, "surplus": 0}
        facts = {"frames": frames, "sampled": 7, "dropped": dropped}
        return Done({**facts, "is_complete": True}, (), Usage(0, 0.0, 0.0))


class Trainer:
    """A child that needs no torch: what it has learned is how many steps it made."""

    def __init__(self, killer: Killer, steps: list[int]) -> None:
        self._killer = killer
        self._steps = steps

    def __call__(
        self,
        module: str,
        task: Mapping[str, Any],
        limits: ChildLimits,
        work: Work,
        clock: Clock,
    ) -> dict[str, Any]:
        del module, limits, clock
        last = task["checkpoint"]
        first = 1 if last is None else int(Path(last).read_bytes()) + 1
        for step in range(first, STEPS + 1):
            self._killer.step("train", partial(self._steps.append, step))
            path = work.folder / f"checkpoint-{step:06d}.safetensors"
            path.write_bytes(b"%d" % step)
            work.check()
        for name in ("model.safetensors", "config.json", "preview.png"):
            (work.folder / name).write_bytes(name.encode())
        return {"steps": STEPS}


class TrainingWorkshop(Workshop):
    """See ``Workshop``."""

    def __init__(self, database: Mongo, folder: Path) -> None:
        super().__init__(database, folder)
        self.store.objects[VIDEO] = b"a video"
        self.reader = FourFrames()
        self.trained: list[int] = []
        self.model = _model(folder / "model")
        self.engine: Callable[[Killer], Engine] = self._here
        self.public_url = "https://catalog.example"

    def _here(self, killer: Killer) -> Engine:
        return LocalTraining(self.model, run=Trainer(killer, self.trained))

    def submit_training(self, **config: Any) -> None:  # noqa: ANN401
        self.submit(
            type="lora-training",
            config={
                "loraName": "jesse",
                "trigger": "jf",
                "videoUrl": f"memory://store/{VIDEO}",
                "steps": STEPS,
            }
            | config,
            metadata={"tags": ["beach"]},
        )

    @override
    def run_one(self, killer: Killer | None = None) -> Claim | None:
        killer = killer or Killer()
        self.queue.promote()
        claim = self.queue.claim(tuple(JobType), worker="w", lease=self.lease)
        if claim is None:
            return None
        queue: Any = Mortal(self.queue, killer, "save", "park", "postpone", "finish")
        store: Any = Mortal(self.store, killer, "write", "copy", "delete")
        clock = SystemClock()
        fetch = StoreFetch(self)
        JobRunner(
            queue=queue,
            engines={JobType.LORA_TRAINING: self.engine(killer)},
            inputs=JobInputs(
                store=store,
                locations=LocationService(
                    FakeAssetRepository(), FakeParts().jobs, self.store
                ),
                links=LinkSigner(b"secret", clock),
                fetch=fetch,
                datasets=DatasetMaker(
                    store,
                    Gatherer(store, fetch, fetch_picture=fetch, reader=self.reader),
                ),
                clock=clock,
                public_url=self.public_url,
            ),
            publisher=Publisher(store, clock),
            clock=clock,
            lease=self.lease,
            draining=self.draining,
            folder=self.folder,
            jitter=lambda: 0.5,
        ).run(claim)
        return claim


class StoreFetch:
    def __init__(self, workshop: Workshop) -> None:
        self._store = workshop.store

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        check()
        key = self._store.parse_url(location)
        assert key is not None
        path.write_bytes(self._store.objects[key])
        return path


def _model(path: Path) -> Path:
    """Lay out what is looked at of a model; there is nothing in it."""
    path.mkdir()
    said = {"_class_name": "StableDiffusionPipeline"}
    (path / "model_index.json").write_text(json.dumps(said))
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"a": tensor}).encode()
    for part in ("unet", "vae", "text_encoder"):
        (path / part).mkdir()
        (path / part / "model.safetensors").write_bytes(
            len(header).to_bytes(8, "little") + header + bytes(8)
        )
    return path
