"""The whole road of a webhook: provider, API over HTTP, queue, engine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo.database import Database

from api.app import create_app
from catalog.clock import ManualClock
from catalog.jwks import HttpPublicKeys
from catalog.models.ids import JobId
from catalog.models.job import JobType
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.queue import MongoQueueRepository
from catalog.repositories.mongo.submissions import MongoSubmissionRepository
from catalog.repositories.queue import Claim, Submission
from catalog.webhooks import webhook_path
from processors.engine import Made, Waiting
from tests.fakes.catalog import FakeParts
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_fal import FalPlan, signed
from tests.fakes.provider_server import DROP_AFTER, deliver
from tests.integration.providers.conftest import NOW, Workshop
from tests.integration.providers.harness import Worker
from tests.servers import free_port

LONG = timedelta(minutes=5)
JOB = JobId("job-1")


@contextmanager
def serving(
    queue: MongoQueueRepository, provider: FakeProvider, clock: ManualClock
) -> Iterator[str]:
    """The API on a port, over this queue and the provider's keys."""
    catalog = replace(
        FakeParts(clock=clock).catalog(),
        queue=queue,
        fal_keys=HttpPublicKeys(f"{provider.url}/.well-known/jwks.json", clock),
    )
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(catalog), port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    waited = threading.Event()
    while not server.started and thread.is_alive():
        waited.wait(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class Road:
    """One submitted job of a type, its place in the queue, and who works on it."""

    def __init__(
        self, queue: MongoQueueRepository, base: str, worker: Worker, provider: str
    ) -> None:
        self.queue = queue
        self._base = base
        self._worker = worker
        self._provider = provider

    def claim(self) -> Claim | None:
        return self.queue.claim(tuple(JobType), worker="w", lease=LONG)

    def advance(self) -> Waiting | Made:
        """Claim it, do one piece of work, and park it again."""
        claim = self.claim()
        assert claim is not None
        work = replace(
            self._worker.work(),
            save=lambda step: self.queue.save(claim, step),
            webhook=lambda n: self._base + webhook_path(self._provider, JOB, n),
            told=claim.told,
        )
        outcome = self._worker.engine.advance(work, claim.step)
        if isinstance(outcome, Waiting):
            self.queue.park(claim, outcome.step, until=LONG)
        return outcome


@pytest.fixture
def queue(mongo_database: Database[dict[str, Any]]) -> MongoQueueRepository:
    ensure_indexes(mongo_database)
    record = {
        "jobId": JOB,
        "userId": "ann",
        "type": "image-generation",
        "config": {},
        "versions": [],
        "status": "queued",
        "createdAt": NOW,
    }
    MongoSubmissionRepository(mongo_database).submit(Submission(record))
    return MongoQueueRepository(mongo_database)


def test_fals_webhook_finds_a_lost_submit_and_forged_ones_do_nothing(
    queue: MongoQueueRepository,
    provider: FakeProvider,
    workshop: Workshop,
    clock: ManualClock,
) -> None:
    provider.fail("fal.submit", DROP_AFTER)
    with serving(queue, provider, clock) as base:
        road = Road(queue, base, workshop.images(), "fal")
        assert isinstance(road.advance(), Waiting)
        (request,) = provider.fal.submits
        assert request.webhook is not None
        headers, body = provider.fal.webhook(request, clock.now())
        late, _ = provider.fal.webhook(request, clock.now() - timedelta(minutes=6))
        forged = signed(
            Ed25519PrivateKey.generate(), request.request_id, clock.now(), body
        )
        stranger = request.webhook[:-1] + ("0" if request.webhook[-1] != "0" else "1")

        assert deliver(request.webhook, forged, body) == 403
        assert deliver(request.webhook, late, body) == 403
        assert deliver(request.webhook, headers, body + b" ") == 403
        assert deliver(stranger, headers, body) == 404
        assert road.claim() is None
        assert [deliver(request.webhook, headers, body) for _ in range(3)] == [204] * 3

        result = road.advance()

    assert isinstance(result, Made)
    assert result.provenance["requestId"] == request.request_id
    assert len(provider.fal.submits) == 1
    assert provider.count("fal.keys") == 1


def test_a_webhook_only_shortens_the_wait_and_its_word_is_asked_for_again(
    queue: MongoQueueRepository,
    provider: FakeProvider,
    workshop: Workshop,
    clock: ManualClock,
) -> None:
    provider.fal.plan = FalPlan(positions=(0,))
    with serving(queue, provider, clock) as base:
        road = Road(queue, base, workshop.images(), "fal")
        road.advance()
        (request,) = provider.fal.submits
        assert request.webhook is not None
        headers, body = provider.fal.webhook(request, clock.now(), error="it says no")
        assert deliver(request.webhook, headers, body) == 204

        assert isinstance(road.advance(), Waiting)  # still in the queue, says fal
        assert road.claim() is None
        assert deliver(request.webhook, headers, body) == 204
        assert isinstance(road.advance(), Made)  # there is a result, says fal


def test_assemblyais_webhook_finds_a_lost_submit(
    queue: MongoQueueRepository,
    provider: FakeProvider,
    workshop: Workshop,
    clock: ManualClock,
) -> None:
    provider.fail("aai.submit", DROP_AFTER)
    with serving(queue, provider, clock) as base:
        road = Road(queue, base, workshop.transcript(), "assemblyai")
        assert isinstance(road.advance(), Waiting)
        (submit,) = provider.assemblyai.submits
        address = submit.payload["webhook_url"]
        headers, body = provider.assemblyai.webhook(submit)

        assert deliver(address, {}, body) == 403
        assert deliver(address, dict.fromkeys(headers, "guess"), body) == 403
        assert deliver(address, headers, body) == 204
        assert deliver(address, headers, body) == 204

        assert isinstance(road.advance(), Made)
    assert provider.count("aai.list") == 0
    assert provider.count("aai.submit") == 1
