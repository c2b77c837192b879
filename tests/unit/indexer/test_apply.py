"""Single promises of the apply step that the simulation would blur."""

import threading

import pytest

from catalog.clock import ManualClock
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobVersion
from catalog.repositories.index_state import IndexRequest
from catalog.search.base import IndexName
from indexer.documents import FuseBlownError
from tests.unit.indexer.processes import (
    actual_index,
    assemblyai,
    expected_index,
    run_process,
    until_quiet,
)
from tests.unit.indexer.world import (
    POISON,
    START,
    TOXIC,
    CrashError,
    World,
)


def image_job(job_id: str, *, prompt: str = "x", name: str = "n", n: int = 1) -> Job:
    images = tuple(
        JobImage(s3_key=f"generated-images/ann/{job_id}/image_{i}.png")
        for i in range(1, n + 1)
    )
    return Job(
        job_id=JobId(job_id),
        user_id=UserId("ann"),
        type="image-generation",
        status="completed",
        config={"prompt": prompt},
        versions=(JobVersion(version=1, images=images),),
        metadata=JobMetadata(name=name, tags=("C++", "c#")),
        created_at=START,
    )


def transcript_job(job_id: str) -> Job:
    key = f"transcripts/ann/{job_id}/transcript.json"
    return Job(
        job_id=JobId(job_id),
        user_id=UserId("ann"),
        type="transcription",
        status="completed",
        versions=(JobVersion(version=1, transcript_url=key),),
        created_at=START,
    )


def busy_world() -> World:
    """A world that serves, with every kind of change still to be followed."""
    world = World()
    for root in range(4):
        world.put_job(root, image_job(f"job{root}", n=2))
    world.put_job(4, transcript_job("talk"))
    world.files[ObjectKey("transcripts/ann/talk/transcript.json")] = assemblyai(
        "one", "two", "three"
    )
    run_process(world, until_quiet(world))
    world.put_job(0, image_job("job0", n=1, name="renamed"))
    world.put_job(5, image_job("job1", n=3))
    world.delete_job(2)
    world.put_job(6, image_job("job6", prompt=POISON))
    world.put_job(7, image_job("job7", name=TOXIC))
    return world


def steps_of(world: World) -> int:
    before = world.faults.steps
    run_process(world, until_quiet(world))
    return world.faults.steps - before


def test_a_crash_at_every_single_step_loses_nothing() -> None:
    steps = steps_of(busy_world())
    assert steps > 30

    for crash_at in range(steps):
        world = busy_world()
        world.faults.crash_in = crash_at
        with pytest.raises(CrashError):
            run_process(world, until_quiet(world))
        world.faults.crash_in = -1
        run_process(world, until_quiet(world))

        assert actual_index(world) == expected_index(world), f"crash at {crash_at}"


def test_poison_is_reported_and_harms_nobody_else() -> None:
    world = busy_world()

    run_process(world, until_quiet(world))

    assert {root: letter.stage for root, letter in world.letters.items()} == {
        1: "read",  # superseded by root 5
        6: "index",
        7: "index",
    }
    assert actual_index(world) == expected_index(world)


def test_what_recovers_is_reported_no_longer() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))

    world.put_job(6, image_job("job6"))
    world.put_job(7, image_job("job7"))
    world.delete_job(5)
    run_process(world, until_quiet(world))

    assert world.letters == {}


def test_an_unchanged_record_is_not_written_again() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))
    assets = world.indexes[world.aliases[IndexName.ASSETS]]
    before = {key: document["_seq"] for key, document in assets.items()}

    quiet, is_touched = until_quiet(world), False

    def touch_once(stop: threading.Event) -> int:
        nonlocal is_touched
        if not is_touched:
            world.put_job(3, world.jobs[3])
        is_touched = True
        return quiet(stop)

    run_process(world, touch_once)

    after = {key: document["_seq"] for key, document in assets.items()}
    same = [k for k, d in assets.items() if d["root"].endswith("3")]
    assert [after[k] for k in same] == [before[k] for k in same]


def test_a_store_that_is_away_does_not_hold_job_updates_up() -> None:
    world = World()
    run_process(world, until_quiet(world))
    world.store_fails = 10_000
    world.put_job(1, image_job("job1", name="still found"))

    run_process(world, until_quiet(world))

    names = [d["name"] for d in world.indexes[world.aliases[IndexName.ASSETS]].values()]
    assert names == ["still found"]
    assert world.dirty[1].reason == "storage does not answer"


def test_refusals_by_the_hundred_blow_the_fuse() -> None:
    world = World()
    world.put_job(1, image_job("job1", prompt=POISON, n=300))

    with pytest.raises(FuseBlownError):
        run_process(world, until_quiet(world))


def test_lost_history_is_repaired_and_never_skipped() -> None:
    world = busy_world()
    world.lose_history()
    world.clock = ManualClock(START)

    run_process(world, until_quiet(world))

    assert actual_index(world) == expected_index(world)
    assert not any(g.is_degraded for g in world.generations.values())


def test_a_reindex_builds_a_new_generation_and_drops_the_old_one() -> None:
    world = busy_world()
    world.requests.append(IndexRequest("r", "reindex", START))

    run_process(world, until_quiet(world))

    assert [g.state for _, g in sorted(world.generations.items())] == [
        "dropped",
        "serving",
    ]
    assert len(world.indexes) == len(IndexName)
    assert actual_index(world) == expected_index(world)
