"""Workers killed at every step of a training: it ends once, and little is repeated."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from catalog.models.asset import FileRole
from catalog.models.job import JobType
from catalog.repositories.mongo.indexes import ensure_indexes
from processors.engine import Made, Output, Step, Work
from tests.integration.processors.training_workshop import (
    STEPS,
    VIDEO,
    TrainingWorkshop,
)
from tests.integration.processors.workshop import KilledError, Killer

LORA = {
    f"loras/ann/job1/v1/{name}"
    for name in ("model.safetensors", "config.json", "preview.png")
}
DATASET = {
    f"datasets/ann/job1/{name}"
    for n in (1, 2, 3, 4)
    for name in (f"images/000{n}.jpg", f"captions/000{n}.txt")
}
POINTS = 50
"""More than a training has."""


@pytest.fixture
def training(
    client: MongoClient[dict[str, Any]],
    mongo_database: Database[dict[str, Any]],
    tmp_path: Path,
) -> TrainingWorkshop:
    database = client[mongo_database.name]
    ensure_indexes(database)
    return TrainingWorkshop(database, tmp_path)


def left_in_temp(training: TrainingWorkshop) -> set[str]:
    return {key for key in training.store.objects if key.startswith("temp/job1/")}


def test_a_training_publishes_lora_and_dataset_and_tells_of_both(
    training: TrainingWorkshop,
) -> None:
    killer = Killer()
    training.submit_training()
    training.run_one(killer)

    job = training.job()
    assert job["status"] == "completed", job.get("error")
    assert training.published() == LORA | DATASET
    assert training.store.objects["datasets/ann/job1/captions/0004.txt"] == (
        b"jf, beach\n"
    )
    [version] = job["versions"]
    assert version["modelUrl"].endswith("loras/ann/job1/v1/model.safetensors")
    assert "images" not in version
    assert version["provenance"]["engine"] == "local-diffusers"
    assert version["provenance"]["dataset"] == {
        "images": 4,
        "from": "video",
        "sampling": "interval",
        "sampled": 7,
        "dropped": {"blurred": 1, "duplicate": 2, "surplus": 0},
        "isComplete": True,
        "captionsFrom": {"trigger": 4, "tags": 4},
    }
    assert left_in_temp(training) == set()
    assert set(killer.seen) == {"write", "train", "save", "delete", "copy", "finish"}
    assert len(killer.seen) <= POINTS


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("at", range(1, POINTS + 1))
def test_killed_at_any_point_a_training_ends_once_and_goes_on_from_its_last_step(
    training: TrainingWorkshop, *, at: int, is_after: bool
) -> None:
    killer = Killer(at, is_after=is_after)
    training.submit_training()
    with suppress(KilledError):
        training.run_one(killer)

    training.run_to_the_end()

    job = training.job()
    assert job["status"] == "completed", job.get("error")
    assert [one["version"] for one in job["versions"]] == [1]
    assert training.published() == LORA | DATASET
    assert len(training.trained) <= STEPS + 1
    assert training.trained[-1] == STEPS
    is_dataset_lost = killer.seen[: at + 1] == ["write"] and not is_after
    assert training.reader.reads == (2 if is_dataset_lost else 1)


def test_a_further_version_is_trained_on_the_same_dataset(
    training: TrainingWorkshop,
) -> None:
    training.submit_training()
    training.run_to_the_end()
    del training.store.objects[VIDEO]
    training.store.objects["datasets/ann/job1/captions/0001.txt"] = b"A man.\n"
    before = dict(training.store.objects)

    training.desk.again("job1", quota=10)  # type: ignore[arg-type]
    training.run_to_the_end()

    job = training.job()
    assert [one["version"] for one in job["versions"]] == [1, 2]
    assert job["versions"][1]["provenance"]["dataset"]["from"] == "version"
    assert training.reader.reads == 1
    assert {k: training.store.objects[k] for k in before} == before
    assert training.published() == LORA | DATASET | {
        key.replace("/v1/", "/v2/") for key in LORA
    }


def test_a_cancelled_training_publishes_nothing(training: TrainingWorkshop) -> None:
    training.submit_training()
    killer = Killer(5)
    with pytest.raises(KilledError):
        training.run_one(killer)

    training.desk.cancel("job1")  # type: ignore[arg-type]
    training.run_to_the_end()

    assert training.job()["status"] == "cancelled"
    assert training.published() == set()


class Rented:
    """A provider's trainer: reads the zip where it is told to."""

    name, type, reads_addresses = "fal", JobType.LORA_TRAINING, True

    def __init__(self) -> None:
        self.addresses: list[str | None] = []

    def advance(self, work: Work, step: Step) -> Made:
        del step
        assert work.source is None
        self.addresses.append(work.source_url)
        outputs = []
        for name, role in (
            ("model.safetensors", FileRole.MODEL),
            ("config.json", FileRole.CONFIG),
        ):
            (work.folder / name).write_bytes(name.encode())
            outputs.append(Output(role, work.folder / name, "application/json"))
        return Made(tuple(outputs), {"engine": "fal"})

    def cancel(self, work: Work, step: Step) -> None:
        pass


def test_a_provider_reads_the_zip_and_the_dataset_is_published_all_the_same(
    training: TrainingWorkshop,
) -> None:
    rented = Rented()
    training.engine = lambda _: rented
    training.submit_training()

    training.run_to_the_end()

    [address] = rented.addresses
    assert address is not None
    assert address.startswith(
        "https://catalog.example/api/files/temp/job1/dataset-v1.zip?"
    )
    assert training.job()["versions"][0]["provenance"]["dataset"]["images"] == 4
    assert training.published() == {
        key for key in LORA | DATASET if not key.endswith("preview.png")
    }
