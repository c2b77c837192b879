"""Single promises of the apply step that the simulation would blur."""

import copy
import threading
from dataclasses import replace
from typing import Any

import pytest

from catalog.clock import ManualClock
from catalog.errors import FencedError
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.models.job import Job, JobImage, JobMetadata, JobVersion
from catalog.repositories.index_state import DirtyReason, RequestState
from catalog.search.base import IndexName
from catalog.search.schema import schema_hash
from tests.fakes.terms import ScriptedTerm
from tests.unit.indexer.oracle import actual_index, expected_index
from tests.unit.indexer.processes import (
    assemblyai,
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
from tests.unit.indexer.world_records import Records, Rows


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


def test_refusals_by_the_hundred_blow_the_fuse_and_nothing_is_acknowledged() -> None:
    world = World()
    world.put_job(1, image_job("job1", prompt=POISON, n=300))

    health = run_process(world, until_quiet(world), patience=5)

    told = health.status(dirty=0, dead_letters=0, documents={}, beat_at=START)
    assert told.problem == "300 of 300 documents were refused"
    assert world.letters == {}
    assert world.generations[1].done == 0

    world.put_job(1, image_job("job1", prompt="fine", n=300))
    run_process(world, until_quiet(world))
    assert actual_index(world) == expected_index(world)


def test_lost_history_is_repaired_and_never_skipped() -> None:
    world = busy_world()
    world.lose_history()
    world.clock = ManualClock(START)

    run_process(world, until_quiet(world))

    assert actual_index(world) == expected_index(world)
    assert not any(g.is_degraded for g in world.generations.values())


def states_of(world: World) -> list[str]:
    return [g.state.value for _, g in sorted(world.generations.items())]


def test_a_reindex_keeps_the_generation_before_to_go_back_to() -> None:
    world = busy_world()
    asked = world.ask("reindex")

    run_process(world, until_quiet(world))

    assert states_of(world) == ["retiring", "serving"]
    assert world.requests[asked].state is RequestState.DONE
    assert world.requests[asked].outcome == "Generation 2 serves."
    assert actual_index(world) == expected_index(world)


def test_a_fill_does_not_wait_for_the_end_of_deletions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    for root in range(60):
        world.put_job(root, image_job(f"job{root}"))
    run_process(world, until_quiet(world))
    orphans, asked = Records.orphans, 0

    def while_another_goes(self: Records, limit: int) -> tuple[int, ...]:
        nonlocal asked
        world.delete_job(asked)
        asked += 1
        return orphans(self, limit)

    monkeypatch.setattr(Records, "orphans", while_another_goes)
    world.ask("reindex")
    run_process(world, until_quiet(world))

    assert asked == 1
    assert states_of(world) == ["retiring", "serving"]
    assert actual_index(world) == expected_index(world)


def test_both_generations_are_kept_in_step_until_the_older_one_retires() -> None:
    world = busy_world()
    world.ask("reindex")
    run_process(world, until_quiet(world))
    world.put_job(3, image_job("job3", name="changed after the swap", n=4))
    run_process(world, until_quiet(world))
    world.ask("rollback")

    run_process(world, until_quiet(world))

    assert states_of(world) == ["serving", "retiring"]
    assert actual_index(world) == expected_index(world)

    world.clock.advance(61)
    run_process(world, until_quiet(world))
    assert states_of(world) == ["serving", "dropped"]
    assert len(world.indexes) == len(IndexName)


def test_there_is_nothing_to_roll_back_to_at_first() -> None:
    world = busy_world()
    asked = world.ask("rollback")

    run_process(world, until_quiet(world))

    assert world.requests[asked].state is RequestState.FAILED
    assert world.requests[asked].outcome == (
        "There is no earlier generation to go back to."
    )


def test_another_schema_is_built_by_itself_and_not_again_once_refused() -> None:
    world = busy_world()
    older = replace(world.generations[1], schema_hash="0" * 8)
    world.generations[1] = older
    rename(world, schema_hash(), older.schema_hash)

    run_process(world, until_quiet(world))
    assert states_of(world) == ["retiring", "serving"]
    assert world.generations[2].reason == "schema"

    world.ask("rollback")
    run_process(world, until_quiet(world))
    run_process(world, until_quiet(world))
    assert states_of(world) == ["serving", "retiring"]
    assert actual_index(world) == expected_index(world)


def rename(world: World, old: str, new: str) -> None:
    """Give indexes the schema hash that their generation bears."""
    for name in list(world.indexes):
        world.indexes[name.replace(old, new)] = world.indexes.pop(name)
    for kind, name in world.aliases.items():
        world.aliases[kind] = name.replace(old, new)


def test_a_lost_index_is_built_anew() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))
    world.indexes.clear()

    run_process(world, until_quiet(world))

    assert states_of(world) == ["dropped", "serving"]
    assert world.generations[2].reason == "lost"
    assert actual_index(world) == expected_index(world)


def test_a_leader_whose_term_is_over_writes_nothing_more() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))
    world.put_job(3, image_job("job3", name="changed"))
    term = ScriptedTerm(world.epoch + 1, world.clock)
    before = copy.deepcopy((world.indexes, world.rows, world.generations))

    def lose(stop: threading.Event) -> int:
        del stop
        term.is_over = True
        return 10

    with pytest.raises(FencedError):
        run_process(world, lose, term=term)

    assert (world.indexes, world.rows) == before[:2]


def test_a_lease_renewed_while_the_server_stood_still_is_no_lost_term(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = busy_world()
    replace_rows, late = Rows.replace, [FencedError("the lease was over")]

    def arrive_late(self: Rows, rows: Any, **rest: Any) -> int:  # noqa: ANN401
        if late:
            raise late.pop()
        return replace_rows(self, rows, **rest)

    monkeypatch.setattr(Rows, "replace", arrive_late)
    run_process(world, until_quiet(world))

    assert not late
    assert actual_index(world) == expected_index(world)


def test_what_an_old_write_may_spoil_is_written_once_more_later() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))
    world.put_job(3, image_job("job3", name="changed"))
    steps, fails = [""], [True]
    world.faults.pause = steps.append
    world.faults.fail = lambda: steps[-1] == "upsert" and bool(fails) and fails.pop()
    world.faults.is_late = lambda: True
    run_process(world, until_quiet(world))
    reasons = {root: one.reason for root, one in world.dirty.items()}
    held = world.indexes[world.aliases[IndexName.ASSETS]]
    spoilt = next(one for one in held.values() if one["name"] == "changed")
    spoilt["name"] = "as it was"

    world.clock.advance(60)
    run_process(world, until_quiet(world))

    assert not fails
    assert reasons[3] == DirtyReason.UNCERTAIN
    assert world.dirty[3].reason != DirtyReason.UNCERTAIN
    assert actual_index(world) == expected_index(world)


def test_a_later_leader_fences_the_checkpoint() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))
    world.put_job(3, image_job("job3", name="changed"))
    late = ScriptedTerm(world.epoch, world.clock)

    def overtaken(stop: threading.Event) -> int:
        del stop
        world.generations[1] = replace(world.generations[1], epoch=99)
        return 10

    with pytest.raises(FencedError):
        run_process(world, overtaken, term=late)


def test_a_short_oplog_has_changes_noted_first_and_applied_then() -> None:
    world = busy_world()
    run_process(world, until_quiet(world))
    settled = world.generations[1].settled_time
    for n in range(30):
        world.put_job(100 + n, image_job(f"late{n}"))
    # Nine tenths of what the server remembers lie before our position.
    position = world.generations[1].position
    assert position is not None
    world.oldest_event = position.cluster_time - 2
    quiet, seen = until_quiet(world), []

    def between(stop: threading.Event) -> int:
        seen.append((len(world.dirty), world.generations[1].settled_time))
        quiet(stop)
        return 5

    run_process(world, between)

    spilled = [at for dirty, at in seen if dirty > 5]
    assert spilled, "nothing was spilled"
    # Five changes were applied before the first look at the oplog.
    assert max(spilled) <= world.events[4 - 30].cluster_time, (
        "said to be settled while roots wait"
    )
    assert world.generations[1].settled_time > settled
    assert "spilled" not in {one.reason for one in world.dirty.values()}
    assert actual_index(world) == expected_index(world)


def test_a_change_before_the_first_chunk_does_not_slow_a_first_build() -> None:
    """Regression: a new index then passed for a used one, so the record was asked
    about every tag, which took twice as long."""
    world = World()
    for root in range(4):
        world.put_job(root, image_job(f"job{root}", n=2))
    world.faults.tail = []
    follow = until_quiet(world)

    def between(stop: threading.Event) -> int:
        if not any(step.startswith("next_batch") for step in world.faults.tail or ()):
            world.put_job(9, image_job("job9", name="early"))
        return follow(stop)

    run_process(world, between)

    asked = [s for s in world.faults.tail if s.startswith("rows_with_tag")]
    assert actual_index(world) == expected_index(world)
    assert asked == []
