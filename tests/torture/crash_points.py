"""A crash at every step of every operation, and again at every step of the recovery.

An operation is something that happens to a catalog that serves; its steps are the calls
of ports by which the indexer follows it. Crashes come before a step has its effect;
what was under way with the engine is carried out later every other time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobVersion
from catalog.models.stored import Annotation
from tests.torture.outcome import Outcome, Violation
from tests.unit.indexer.oracle import actual_index, difference, expected_index
from tests.unit.indexer.processes import (
    assemblyai,
    list_store,
    ports_to,
    run_process,
    until_quiet,
)
from tests.unit.indexer.world import POISON, START, TOXIC, CrashError, World

_EVERY = 3
"""Of the recovery's steps each third is crashed at by one run of the row."""

TALK = ObjectKey("transcripts/ann/talk/transcript.json")


def _job(job_id: str, *, n: int = 2, prompt: str = "x", **metadata: Any) -> Job:  # noqa: ANN401
    told: dict[str, Any] = {
        "name": job_id,
        "tags": ("C++", "beach"),
        "is_public": False,
    }
    keys = (f"generated-images/ann/{job_id}/image_{i}.png" for i in range(1, n + 1))
    return Job(
        job_id=JobId(job_id),
        user_id=UserId("ann"),
        type="image-generation",
        status="completed",
        config={"prompt": prompt},
        versions=(
            JobVersion(version=1, images=tuple(JobImage(s3_key=k) for k in keys)),
        ),
        metadata=JobMetadata(**(told | metadata)),
        created_at=START,
    )


def _talk() -> Job:
    return Job(
        job_id=JobId("talk"),
        user_id=UserId("ann"),
        type="transcription",
        status="completed",
        versions=(JobVersion(version=1, transcript_url=TALK),),
        metadata=JobMetadata(name="talk", tags=("beach",), is_public=True),
        created_at=START,
    )


def serving_world() -> World:
    """A small catalog that serves, with a dead letter; a copy of one's own."""
    return _serving().copy()


def make_worlds() -> None:
    """Make what is kept for all scenarios, while nothing is sabotaged."""
    _rebuilt()


def _settle(world: World) -> World:
    run_process(world, until_quiet(world))
    return world


@cache
def _serving() -> World:
    """A small catalog that serves; with a dead letter."""
    world = World()
    for root in range(4):
        world.put_job(root, _job(f"job{root}", is_public=root == 1))
    world.put_job(4, _talk())
    world.put_job(5, _job("job5", prompt=POISON))
    world.files[TALK] = assemblyai("one", "two", "three")
    return _settle(world)


@cache
def _rebuilt() -> World:
    """The same with a generation that can be gone back to."""
    world = _serving().copy()
    world.ask("reindex")
    return _settle(world)


# --- operations --------------------------------------------------------------------


def insert(world: World) -> None:
    world.put_job(10, _job("job10"))


def update(world: World) -> None:
    world.put_job(0, _job("job0", n=1, description="else"))


def delete(world: World) -> None:
    world.delete_job(2)


def replace_transcript(world: World) -> None:
    world.files[TALK] = assemblyai("one", "changed")
    list_store(ports_to(world))


def annotate(world: World) -> None:
    world.annotate(Annotation(target="job3", trashed_at=START))


def object_event(world: World) -> None:
    world.files[ObjectKey("generated-images/ann/job0/image_1.png")] = b"png"
    del world.files[TALK]
    list_store(ports_to(world))


def narrow_tag(world: World) -> None:
    world.put_job(1, _job("job1", tags=("beach",), is_public=False))


def widen_tag(world: World) -> None:
    world.put_job(0, _job("job0", tags=("C++", "new"), is_public=True))


def dead_letter(world: World) -> None:
    world.put_job(0, _job("job0", prompt=POISON, is_public=True))
    world.put_job(1, _job("job1", name=TOXIC))


def recover(world: World) -> None:
    world.put_job(5, _job("job5"))


def duplicate(world: World) -> None:
    world.put_job(11, _job("job0", n=1))


def delete_newer_of_two(world: World) -> None:
    world.put_job(11, _job("job0", n=1))
    _settle(world)
    world.delete_job(11)


def spill(world: World) -> None:
    for n in range(12):
        world.put_job(20 + n, _job(f"late{n}", n=1))
    position = world.generations[1].position
    assert position is not None
    world.oldest_event = position.cluster_time - 1


def fill_and_promote(world: World) -> None:
    world.ask("reindex")
    world.put_job(0, _job("job0", n=1))


def roll_back(world: World) -> None:
    world.ask("rollback")
    world.put_job(0, _job("job0", n=1))


def drop_retired(world: World) -> None:
    world.clock.advance(61)
    world.put_job(0, _job("job0", n=1))


def rescan(world: World) -> None:
    world.ask("rescan")
    del world.jobs[3]  # nothing tells of it


def redrive(world: World) -> None:
    world.ask("redrive")
    world.jobs[5] = _job("job5")  # nothing tells of it


def lose_history(world: World) -> None:
    world.put_job(0, _job("job0", n=1))
    world.delete_job(2)
    world.lose_history()


def drop_jobs(world: World) -> None:
    world.drop_jobs()
    world.put_job(10, _job("job10"))


def another_schema(world: World) -> None:
    world.deploy_another_schema(is_compatible=True)
    world.put_job(0, _job("job0", n=1))


def a_schema_apart(world: World) -> None:
    world.deploy_another_schema(is_compatible=False)
    world.put_job(0, _job("job0", n=1))


def empty_engine(world: World) -> None:
    world.empty_engine()
    world.put_job(0, _job("job0", n=1))


Operation = Callable[[World], None]

_ON_SERVING: tuple[Operation, ...] = (
    insert,
    update,
    delete,
    replace_transcript,
    annotate,
    object_event,
    narrow_tag,
    widen_tag,
    dead_letter,
    recover,
    duplicate,
    delete_newer_of_two,
    spill,
    fill_and_promote,
    rescan,
    redrive,
    lose_history,
    drop_jobs,
    another_schema,
    a_schema_apart,
    empty_engine,
)
_ON_REBUILT: tuple[Operation, ...] = (roll_back, drop_retired, update, delete)

OPERATIONS: dict[str, tuple[Callable[[], World], Operation]] = {
    **{one.__name__: (_serving, one) for one in _ON_SERVING},
    **{f"{one.__name__} (two generations)": (_rebuilt, one) for one in _ON_REBUILT},
}


# --- crashing ----------------------------------------------------------------------


@dataclass
class Coverage:
    """How much was crashed.

    Attributes:
        first: Crashes of the operation.
        second: Crashes of its recovery.
        steps: Names of the steps that were crashed at.
    """

    first: int = 0
    second: int = 0
    steps: set[str] = field(default_factory=set)


class CrashPoints:
    """One operation, crashed wherever it can be."""

    def __init__(self, name: str) -> None:
        self.name = name
        begin, operation = OPERATIONS[name]
        self._begun = begin().copy()
        operation(self._begun)
        self.coverage = Coverage()
        self.steps = self._steps(self._begun)

    def crash(self, first: int, second: int | None = None) -> int:
        """Crash there, recover (crash again), and recover; returns recovery's steps.

        Raises:
            Violation: Something is not as it must be afterwards.
        """
        world = self._begun.copy()
        self._crash(world, first)
        self.coverage.first += second is None
        if second is not None:
            self.coverage.second += 1
            self._crash(world, second)
        world.faults.crash_in, world.faults.steps = -1, 0
        _settle(world)
        wrong = difference(expected_index(world), actual_index(world))
        wrong = wrong or "; ".join(world.violations)
        spilled = [one for one in world.dirty.values() if one.reason == "spilled"]
        if wrong or spilled or world.open_requests():
            where = f"{self.name}, crash at {first}, then {second}"
            again = f"CrashPoints({self.name!r}).crash({first}, {second})"
            raise Violation(f"{where}: {wrong or 'left undone'}\n  once more: {again}")
        return world.faults.steps

    def _crash(self, world: World, at: int) -> None:
        faults = world.faults
        faults.crash_in, faults.is_late = at, lambda: at % 2 == 0
        try:
            _settle(world)
        except CrashError as crash:
            self.coverage.steps.add(str(crash))

    def _steps(self, begun: World) -> int:
        world = begun.copy()
        _settle(world)
        return world.faults.steps

    def all_first(self) -> list[int]:
        """Crash once everywhere; returns how many steps each recovery had."""
        return [self.crash(first) for first in range(self.steps)]

    def seconds(
        self, recoveries: list[int], *, every: int = 1, offset: int = 0
    ) -> Iterator[tuple[int, int]]:
        """All pairs of crashes, of the second ones each so manieth."""
        for first, steps in enumerate(recoveries):
            for second in range((first + offset) % every, steps, every):
                yield first, second


def crash_points(seed: int, folder: Path) -> Outcome:
    """Crash every operation everywhere, and again everywhere in its recovery.

    Three seeds in a row take all of the recovery's steps, a third each.
    """
    del folder
    first = second = 0
    for name in OPERATIONS:
        points = CrashPoints(name)
        recoveries = points.all_first()
        for pair in points.seconds(recoveries, every=_EVERY, offset=seed % _EVERY):
            points.crash(*pair)
        first += points.coverage.first
        second += points.coverage.second
    return Outcome(first + second, figures={"first": first, "second": second})
