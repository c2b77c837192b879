"""Workers on a real queue, with an engine whose provider counts, and can be killed."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pymongo.database import Database

from catalog.clock import SystemClock
from catalog.models.asset import FileRole
from catalog.models.generation import JobRequest
from catalog.models.job import JobType
from catalog.repositories.mongo.queue import MongoQueueRepository
from catalog.repositories.mongo.submissions import MongoSubmissionRepository
from catalog.repositories.queue import Claim, Submission
from processors.engine import (
    Engine,
    EngineError,
    Made,
    Output,
    Step,
    Waiting,
    Work,
)
from processors.held import HeldClaim
from processors.publishing import Publisher
from processors.runner import JobRunner
from tests.fakes.store import FakeStore
from tests.unit.repositories.poison import NOW

Mongo = Database[dict[str, Any]]
LEASE = timedelta(seconds=30)
PICTURE = b"\x89PNG\r\n\x1a\n" + b"picture" * 100


class KilledError(BaseException):
    """The process is gone: nothing of it goes on, no handler runs."""


class Killer:
    """Kills at the n-th step; a step is what somebody else can see the result of."""

    def __init__(self, at: int = -1, *, is_after: bool = False) -> None:
        self.at = at
        self.is_after = is_after
        self.steps = 0
        self.seen: list[str] = []

    def step(self, name: str, do: Callable[[], Any]) -> Any:  # noqa: ANN401
        self.steps += 1
        self.seen.append(name)
        is_due = self.steps == self.at
        if is_due and not self.is_after:
            raise KilledError(name)
        result = do()
        if is_due:
            raise KilledError(name)
        return result


class Mortal:
    """A port of which each named method is a step of a killer."""

    def __init__(self, port: object, killer: Killer, *names: str) -> None:
        self._port = port
        self._killer = killer
        self._names = names

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        method = getattr(self._port, name)
        if name not in self._names:
            return method

        def step(*values: Any, **named: Any) -> Any:  # noqa: ANN401
            return self._killer.step(name, lambda: method(*values, **named))

        return step


class Provider:
    """What a provider would bill."""

    def __init__(self) -> None:
        self.submits: list[str] = []
        self.cancelled: list[str] = []
        self.while_submitting: Callable[[], object] = lambda: None
        self.answers: list[Exception] = []
        self.is_done = True
        self.has_forgotten = False


class PaidEngine:
    """Submits once, waits, and fetches two images; as the real ones do."""

    name, type, reads_addresses = "paid", JobType.IMAGE_GENERATION, True

    def __init__(self, provider: Provider, killer: Killer) -> None:
        self._provider = provider
        self._killer = killer
        self.works: list[Work] = []

    def advance(self, work: Work, step: Step) -> Waiting | Made:
        self.works.append(work)
        if self._provider.answers:
            if self._provider.has_forgotten:
                work.save({})
            raise self._provider.answers.pop(0)
        match step.get("phase"):
            case None:
                work.save({"phase": "submitting", "nonce": "n"})
                self._killer.step("submit", lambda: self._submit(work))
                submitted = {"phase": "submitted", "requestId": work.job_id}
                work.save(submitted)
                return Waiting(submitted, timedelta(0), progress=10)
            case "submitting":
                message = "Look at the provider's dashboard, then retry."
                raise EngineError(
                    "submission_unknown", message, is_retryable=True, is_final=True
                )
            case _ if not self._provider.is_done:
                return Waiting(step, timedelta(minutes=5))
            case _:
                return Made(self._fetched(work), {"engine": self.name})

    def _submit(self, work: Work) -> None:
        self._provider.submits.append(work.job_id)
        self._provider.while_submitting()

    def _fetched(self, work: Work) -> tuple[Output, ...]:
        outputs = []
        for number in (1, 2):
            path = work.folder / f"{number}.png"
            path.write_bytes(PICTURE + bytes([number]))
            facts = {"width": 8, "height": 8, "seed": number}
            outputs.append(Output(FileRole.IMAGE, path, "image/png", number, facts))
        return tuple(outputs)

    def cancel(self, work: Work, step: Step) -> None:
        del work
        self._provider.cancelled.append(step["requestId"])


class NoInputs:
    """For jobs that are made from their prompt alone."""

    def gather(
        self, claim: Claim, request: JobRequest, engine: Engine, held: HeldClaim
    ) -> Mapping[str, Any]:
        del claim, request, engine, held
        return {"webhook": lambda _: None}


class Workshop:
    """One queue, one store, one provider, and as many workers as have died."""

    def __init__(self, database: Mongo, folder: Path) -> None:
        self.database = database
        self.desk = MongoSubmissionRepository(database)
        self.queue = MongoQueueRepository(database)
        self.store = FakeStore()
        self.provider = Provider()
        self.folder = folder
        self.draining = threading.Event()
        self.lease = LEASE

    def submit(self, job_id: str = "job1", user: str = "ann", **changes: Any) -> None:  # noqa: ANN401
        record = {
            "jobId": job_id,
            "userId": user,
            "type": "image-generation",
            "status": "queued",
            "config": {
                "model": "flux-pro",
                "inputs": {"prompt": "a lighthouse", "numImages": 2},
            },
            "versions": [],
            "createdAt": NOW,
        }
        self.desk.submit(Submission(record=record | changes))

    def run_one(self, killer: Killer | None = None) -> Claim | None:
        """Let a worker claim a job and do what it can; it may be killed meanwhile."""
        killer = killer or Killer()
        self.queue.promote()
        claim = self.queue.claim(tuple(JobType), worker="w", lease=self.lease)
        if claim is not None:
            queue: Any = Mortal(
                self.queue, killer, "save", "park", "postpone", "finish"
            )
            store: Any = Mortal(self.store, killer, "write", "copy", "delete")
            engine = PaidEngine(self.provider, killer)
            JobRunner(
                queue=queue,
                engines={engine.type: engine},
                inputs=NoInputs(),
                publisher=Publisher(store, SystemClock()),
                clock=SystemClock(),
                lease=self.lease,
                draining=self.draining,
                folder=self.folder,
                jitter=lambda: 0.5,
            ).run(claim)
        return claim

    def run_to_the_end(self, most: int = 20) -> None:
        """Let workers follow one another until nothing waits any more."""
        for _ in range(most):
            self.skip_times()
            if self.run_one() is None:
                return
        message = "the job never ends"
        raise AssertionError(message)

    def skip_times(self) -> None:
        """Let leases, pauses and back-offs be over."""
        for field in ("leaseUntil", "dueAt"):
            self.database["queue"].update_many(
                {field: {"$ne": None}}, {"$set": {field: NOW}}
            )

    def job(self, job_id: str = "job1") -> dict[str, Any]:
        found = self.database["jobs"].find_one({"jobId": job_id})
        assert found is not None
        return found

    def published(self) -> set[str]:
        return {key for key in self.store.objects if not key.startswith("temp/")}
