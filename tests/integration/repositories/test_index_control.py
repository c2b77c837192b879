"""The lease, fenced saves, the schedule and reports, on the real server."""

import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import ConflictError, FencedError
from catalog.repositories.index_control import (
    Lease,
    ReconcileReport,
    SweepOutcome,
    SweepRecord,
)
from catalog.repositories.index_state import (
    FeedPosition,
    Generation,
    GenerationState,
)
from catalog.repositories.mongo.generations import MongoGenerationRepository
from catalog.repositories.mongo.index_control import (
    MongoLeaseRepository,
    MongoReconcileRepository,
    MongoScheduleRepository,
)
from tests.unit.repositories.poison import NOW

Mongo = Database[dict[str, Any]]

LONG, SHORT = timedelta(seconds=30), timedelta(milliseconds=60)

# --- the lease ---------------------------------------------------------------------


def test_one_owner_at_a_time_and_an_epoch_for_each(database: Mongo) -> None:
    leases = MongoLeaseRepository(database)
    assert leases.read() is None

    first = leases.acquire("ann", LONG)

    assert first is not None
    assert first.epoch == 1
    assert leases.acquire("bob", LONG) is None
    assert leases.acquire("ann", LONG) is not None
    leases.release(first)
    second = leases.acquire("bob", LONG)
    assert second is not None
    assert (second.epoch, second.owner) == (2, "bob")
    assert leases.renew(first, LONG) is None
    assert leases.read() == second


def test_only_who_has_the_lease_extends_or_gives_it_up(database: Mongo) -> None:
    leases = MongoLeaseRepository(database)
    ours = leases.acquire("ann", LONG)
    assert ours is not None
    stranger = replace(ours, owner="bob")
    earlier = replace(ours, epoch=0)

    for not_ours in (stranger, earlier):
        assert leases.renew(not_ours, LONG) is None
        leases.release(not_ours)
    longer = leases.renew(ours, 2 * LONG)

    assert longer is not None
    assert longer.epoch == ours.epoch
    assert longer.expires_at > ours.expires_at
    assert leases.read() == longer


def test_a_lease_that_ran_out_is_anyones(database: Mongo) -> None:
    leases = MongoLeaseRepository(database)
    first = leases.acquire("ann", SHORT)
    assert first is not None
    time.sleep(0.1)  # noqa: TID251  (the server's clock)

    taken = leases.acquire("bob", LONG)

    assert taken is not None
    assert taken.epoch == 2
    assert leases.renew(first, LONG) is None


def test_epochs_go_on_where_the_lease_was_lost(database: Mongo) -> None:
    MongoGenerationRepository(database).save(generation(epoch=7))

    lease = MongoLeaseRepository(database).acquire("ann", LONG)

    assert lease is not None
    assert lease.epoch == 8


def test_eight_contenders_never_share_an_epoch(database: Mongo) -> None:
    """Each leads for a moment, over and over; every epoch has one owner."""
    leases = MongoLeaseRepository(database)
    held: list[Lease] = []
    done = threading.Event()

    def contend(name: str) -> None:
        while not done.is_set():
            lease = leases.acquire(name, SHORT)
            if lease is not None:
                held.append(lease)
                if lease.epoch % 3 == 0:
                    leases.release(lease)
                done.wait(0.1)  # longer than it lasts: a leader that sleeps

    threads = [
        threading.Thread(target=contend, args=(f"process {n}",)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    done.wait(3)
    done.set()
    for thread in threads:
        thread.join()

    owners: dict[int, set[str]] = {}
    for lease in held:
        owners.setdefault(lease.epoch, set()).add(lease.owner)
    assert len(owners) > 20
    assert {epoch: names for epoch, names in owners.items() if len(names) > 1} == {}


# --- generations -------------------------------------------------------------------


def generation(number: int = 1, *, time: int = 10, **fields: Any) -> Generation:  # noqa: ANN401
    made = Generation(
        number,
        "abcd",
        GenerationState.SERVING,
        position=FeedPosition({"_data": "82"}, time, "hash", "rs-1"),
        updated_at=NOW,
    )
    return replace(made, **fields)


def test_an_older_epoch_saves_nothing_any_more(database: Mongo) -> None:
    generations = MongoGenerationRepository(database)
    generations.save(generation(epoch=2))

    with pytest.raises(FencedError):
        generations.save(generation(epoch=1, time=99))

    (kept,) = generations.all()
    assert (kept.epoch, kept.position) == (2, generation().position)
    generations.save(generation(epoch=3, time=11))


def test_history_lost_does_not_open_the_fence(database: Mongo) -> None:
    generations = MongoGenerationRepository(database)
    generations.save(generation(epoch=2))

    with pytest.raises(FencedError):
        generations.save(generation(epoch=1, is_degraded=True))


def test_several_are_saved_all_or_none(database: Mongo) -> None:
    generations = MongoGenerationRepository(database)
    generations.save(generation(1, time=10), generation(2, time=10))

    with pytest.raises(ConflictError):
        generations.save(
            generation(1, time=20, state=GenerationState.RETIRING),
            generation(2, time=5),
        )

    assert [one.state for one in generations.all()] == [GenerationState.SERVING] * 2


def test_a_generation_is_read_as_it_was_saved(database: Mongo) -> None:
    generations = MongoGenerationRepository(database)
    whole = generation(
        7,
        state=GenerationState.RETIRING,
        cursor={"x": [1]},
        done=5,
        total=9,
        sequence=2**62,
        epoch=4,
        reason="asked",
        request_id="r-1",
        started_at=NOW,
        served_at=NOW,
        retire_at=NOW,
        refused_schema="1234",
        settled_time=8,
    )
    generations.save(whole)

    assert generations.all() == (whole,)


def test_readers_learn_how_far_the_serving_one_is(database: Mongo) -> None:
    generations = MongoGenerationRepository(database)
    assert generations.settled() == (0, 0)
    generations.save(generation(1, state=GenerationState.RETIRING, settled_time=9))
    generations.save(generation(2, settled_time=7, served_at=NOW))
    generations.save(generation(3, state=GenerationState.BACKFILLING, settled_time=9))

    assert generations.settled() == (2, 7)


def test_of_two_that_serve_the_one_that_began_later_counts(database: Mongo) -> None:
    """At a swap, and after a call back to the older one."""
    generations = MongoGenerationRepository(database)
    later = NOW + timedelta(seconds=1)
    generations.save(generation(1, served_at=later, settled_time=5))
    generations.save(generation(2, served_at=NOW, settled_time=6))

    assert generations.settled() == (1, 5)
    generations.save(generation(2, served_at=later, settled_time=6))
    assert generations.settled() == (2, 6)


def test_a_generation_of_the_first_release_is_still_read(database: Mongo) -> None:
    database["index_generations"].insert_one(
        {
            "_id": 1,
            "schemaHash": "abcd",
            "state": "building",
            "cursor": {"root": 5},
            "done": 3,
            "position": None,
            "clusterTime": 0,
            "sequence": 12,
            "isDegraded": False,
            "updatedAt": NOW,
        }
    )

    (found,) = MongoGenerationRepository(database).all()

    assert found.state is GenerationState.BACKFILLING
    assert (found.cursor, found.done, found.epoch) == (5, 3, 0)


# --- the schedule and reports ------------------------------------------------------


def test_the_schedule_is_fenced_too(database: Mongo) -> None:
    sweeps = MongoScheduleRepository(database)
    row = SweepRecord(
        "rescan",
        300.0,
        "lists the store",
        next_run_at=NOW,
        last_started_at=NOW,
        outcome=SweepOutcome.DONE,
        detail="fine",
        runs=3,
        epoch=2,
    )
    sweeps.save(row)

    with pytest.raises(FencedError):
        sweeps.save(replace(row, epoch=1, detail="late"))

    assert sweeps.all() == (row,)
    sweeps.keep_only(["another"])
    assert sweeps.all() == ()


def test_a_report_may_name_files_that_are_not_unicode(database: Mongo) -> None:
    reports = MongoReconcileRepository(database)

    reports.save(ReconcileReport("a", "storage", NOW, samples=("missing: x\udcff",)))

    assert reports.page(1)[0].samples == ("missing: x?",)


def test_reports_add_up_and_the_oldest_go(database: Mongo) -> None:
    reports = MongoReconcileRepository(database)
    first = ReconcileReport("a", "index", NOW)
    reports.save(first)
    ended = replace(first, finished_at=NOW, checked=9, differences={"stale": 2})
    reports.save(ended)
    reports.save(ended)
    reports.save(ReconcileReport("b", "record", NOW, differences={"missing": 3}))
    reports.save(ReconcileReport("c", "storage", NOW, differences={"missing": 50}))

    assert reports.drift_total() == 5
    assert ended in reports.page(10)
    for n in range(520):
        reports.save(ReconcileReport(f"n{n}", "index", NOW + timedelta(minutes=n + 1)))
    kept = reports.page(1000)
    assert len(kept) == 500
    assert kept[0].report_id == "n519"
    assert reports.drift_total() == 5
