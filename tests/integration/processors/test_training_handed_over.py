"""A provider trains, its worker dies, and ``temp/`` is swept before another comes.

All that the job stood on has gone then, its source and its dataset: what is paid for
is fetched by the provider's request id all the same, and nothing is asked for again.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database
from pytest_socket import enable_socket
from typing_extensions import override

from catalog.clock import SystemClock
from catalog.config import Settings
from catalog.models.ids import JobId
from catalog.models.job import JobType
from catalog.repositories.mongo.indexes import ensure_indexes
from processors.engine import Engine
from processors.engines.providers import fal_engine
from tests.fakes import provider_fal
from tests.fakes.provider import FakeProvider
from tests.integration.processors.test_training_chaos import DATASET
from tests.integration.processors.test_training_chaos import LORA as LORA_MADE_HERE
from tests.integration.processors.training_workshop import TrainingWorkshop
from tests.integration.processors.workshop import KilledError, Killer

LORA = {key for key in LORA_MADE_HERE if not key.endswith("preview.png")}
SUBMITTING, SENT, SUBMITTED = 2, 3, 4
"""Points: the zip is written, then these; one is the POST itself."""

POINTS = 40
"""More than a provider's training has."""


class Steps(httpx.BaseTransport):
    """The network; a submit is a step of a killer."""

    def __init__(self, killer: Killer) -> None:
        self._killer = killer
        self._inner = httpx.HTTPTransport(
            limits=httpx.Limits(max_keepalive_connections=0)
        )

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return self._inner.handle_request(request)
        sent = list[httpx.Response]()
        try:
            self._killer.step(
                "post", lambda: sent.append(self._inner.handle_request(request))
            )
        except KilledError:
            for response in sent:
                response.close()
            raise
        return sent[0]


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    enable_socket()
    with FakeProvider(SystemClock()) as server:
        yield server


@pytest.fixture
def training(
    client: MongoClient[dict[str, Any]],
    mongo_database: Database[dict[str, Any]],
    tmp_path: Path,
    provider: FakeProvider,
) -> TrainingWorkshop:
    database = client[mongo_database.name]
    ensure_indexes(database)
    provider.fal.submits.clear()
    made = TrainingWorkshop(database, tmp_path)
    made.engine = fal(provider)
    made.submit_training(steps=500)
    return made


def fal(provider: FakeProvider) -> Callable[[Killer], Engine]:
    settings = Settings(
        fal_key=SecretStr(provider_fal.KEY),
        fal_url=provider.url,
        submission_unknown_seconds=1,
    )

    def make(killer: Killer) -> Engine:
        return fal_engine(
            settings, JobType.LORA_TRAINING, SystemClock(), transport=Steps(killer)
        )

    return make


def killed(training: TrainingWorkshop, at: int) -> Killer:
    """Let workers follow one another until one is killed, right after a point."""
    killer = Killer(at, is_after=True)
    try:
        while training.run_one(killer) is not None:
            training.skip_times()
    except KilledError:
        pass
    return killer


def sweep(training: TrainingWorkshop) -> None:
    for key in [one for one in training.store.objects if one.startswith("temp/")]:
        del training.store.objects[key]


def tell(training: TrainingWorkshop, provider: FakeProvider) -> None:
    """Let fal's webhook come."""
    queued = training.database["queue"].find_one({"_id": "job1"})
    assert queued is not None
    [request] = provider.fal.submits
    assert training.queue.wake(
        JobId("job1"),
        nonce=queued["step"]["nonce"],
        told={"requestId": request.request_id},
    )


def test_a_training_has_the_points_that_are_tried(training: TrainingWorkshop) -> None:
    killer = killed(training, POINTS)

    assert training.job()["status"] == "completed"
    assert killer.seen[:5] == ["write", "save", "post", "save", "park"]
    assert killer.seen[-1] == "delete"
    assert len(killer.seen) < POINTS
    dataset = training.job()["versions"][0]["provenance"]["dataset"]
    assert (dataset["images"], "isLost" in dataset) == (4, False)
    assert training.published() == LORA | DATASET


@pytest.mark.parametrize("at", range(SENT, POINTS))
def test_killed_after_the_submit_with_temp_swept_the_lora_is_fetched_by_its_request(
    training: TrainingWorkshop, provider: FakeProvider, at: int
) -> None:
    killed(training, at)
    sweep(training)
    if at == SENT:
        tell(training, provider)

    training.run_to_the_end()

    job = training.job()
    assert job["status"] == "completed", job.get("error")
    assert len(provider.fal.submits) == 1
    assert training.reader.reads == 1
    [version] = job["versions"]
    assert version["version"] == 1
    dataset = version["provenance"]["dataset"]
    assert (dataset["images"], dataset["sampled"]) == (4, 7)
    is_lost = dataset.get("isLost", False)
    assert training.published() == (LORA if is_lost else LORA | DATASET)
    if at <= SUBMITTED:
        assert is_lost


@pytest.mark.parametrize("at", [SUBMITTING, SENT])
def test_a_submit_of_unknown_fate_stays_one_for_a_person_whatever_has_gone(
    training: TrainingWorkshop, provider: FakeProvider, at: int
) -> None:
    killed(training, at)
    sweep(training)
    training.database["queue"].update_one(
        {"_id": "job1"}, [{"$set": {"step.at": {"$subtract": ["$step.at", 60_000]}}}]
    )

    training.run_to_the_end()

    assert training.job()["error"]["code"] == "submission_unknown"
    assert len(provider.fal.submits) == at - SUBMITTING


def test_before_the_submit_a_source_that_has_gone_is_told(
    training: TrainingWorkshop, provider: FakeProvider
) -> None:
    killed(training, 1)
    sweep(training)

    training.run_to_the_end()

    error = training.job()["error"]
    assert (error["code"], provider.fal.submits) == ("invalid_input", [])
    assert error["message"].startswith("videoUrl: ")
