"""How many jobs a worker takes, and how it lets go of them."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from catalog.clock import SystemClock
from catalog.errors import DependencyUnavailableError
from catalog.models.job import JobType
from catalog.repositories.queue import Claim, QueueRepository
from processors.worker import Worker
from tests.integration.processors.workshop import LEASE, Workshop

IMAGES, LORAS = JobType.IMAGE_GENERATION, JobType.LORA_TRAINING


class Crew:
    """Takes jobs and keeps them until it is told to finish them."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.taken: list[Claim] = []
        self.may_finish = threading.Event()
        self.at_once = self.most = 0
        self._lock = threading.Lock()

    def run(self, claim: Claim) -> None:
        with self._lock:
            self.taken.append(claim)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.may_finish.wait(20)
        with self._lock:
            self.at_once -= 1

    def await_taken(self, count: int) -> None:
        pause = threading.Event()
        for _ in range(200):
            if len(self.taken) >= count:
                return
            pause.wait(0.05)
        message = f"{len(self.taken)} taken, not {count}"
        raise AssertionError(message)


@pytest.fixture
def crew(workshop: Workshop) -> Crew:
    return Crew(workshop)


def working(
    crew: Crew, room: Mapping[JobType, int], queue: QueueRepository | None = None
) -> Callable[[], None]:
    """Start a worker; what is returned ends it and waits until it has ended."""
    draining = threading.Event()
    worker = Worker(
        queue=queue or crew.workshop.queue,
        run=crew.run,
        room=room,
        clock=SystemClock(),
        jitter=lambda: 0.0,
        name="w",
        lease=LEASE,
        draining=draining,
    )
    thread = threading.Thread(target=worker.run)
    thread.start()

    def end() -> None:
        draining.set()
        crew.may_finish.set()
        thread.join(10)
        assert not thread.is_alive()

    return end


def test_no_more_jobs_run_at_once_than_there_is_room_for(crew: Crew) -> None:
    for number in range(5):
        crew.workshop.submit(f"job{number}")
    end = working(crew, {IMAGES: 2})
    crew.await_taken(2)
    threading.Event().wait(1)
    at_first = len(crew.taken)
    crew.may_finish.set()
    crew.await_taken(5)
    end()

    assert at_first == 2
    assert crew.most == 2
    assert len({claim.job_id for claim in crew.taken}) == 5


def test_a_type_without_room_is_left_to_other_workers(crew: Crew) -> None:
    crew.workshop.submit("job1")
    crew.workshop.submit("job2", type="lora-training")
    end = working(crew, {LORAS: 1})
    crew.await_taken(1)
    threading.Event().wait(1)
    end()

    assert [claim.job_id for claim in crew.taken] == ["job2"]


def test_of_two_who_wait_each_is_served(crew: Crew) -> None:
    for number in range(4):
        crew.workshop.submit(f"ann{number}", "ann")
    crew.workshop.submit("bob0", "bob")
    crew.may_finish.set()
    end = working(crew, {IMAGES: 1})
    crew.await_taken(5)
    end()

    assert "bob0" in {claim.job_id for claim in crew.taken[:2]}


def test_a_worker_that_ends_takes_nothing_more(crew: Crew) -> None:
    end = working(crew, {IMAGES: 1})
    end()
    crew.workshop.submit()

    assert crew.taken == []


class AwayAtFirst:
    """A queue whose server is away for the first three questions."""

    def __init__(self, queue: QueueRepository) -> None:
        self._queue = queue
        self._left = 3

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if self._left > 0:
            self._left -= 1
            raise DependencyUnavailableError("mongodb", "away")
        return getattr(self._queue, name)


def test_a_server_that_is_away_is_waited_for(crew: Crew) -> None:
    crew.workshop.submit()
    away: Any = AwayAtFirst(crew.workshop.queue)
    end = working(crew, {IMAGES: 1}, away)
    crew.await_taken(1)
    end()

    assert len(crew.taken) == 1
