from datetime import UTC, datetime, time, timedelta

from catalog.repositories.index_control import SweepOutcome, SweepRecord
from indexer.sweep_plan import APART, Sweep, first_run, next_run, taken_up
from indexer.sweep_run import Run

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def nothing(run: Run) -> str:
    del run
    return "nothing"


HOURLY = Sweep("hourly", "does it every hour", HOUR, nothing)
NIGHTLY = Sweep("nightly", "does it at night", timedelta(days=1), nothing, at=time(3))
ASKED = Sweep("asked", "does it when asked", timedelta(), nothing)


def record(
    *,
    started: datetime | None = None,
    due: datetime | None = None,
    is_running: bool = False,
    outcome: SweepOutcome | None = SweepOutcome.DONE,
    every: timedelta = HOUR,
) -> SweepRecord:
    return SweepRecord(
        "hourly",
        every.total_seconds(),
        "as it was",
        next_run_at=due,
        last_started_at=started,
        outcome=outcome,
        is_running=is_running,
        runs=7,
        epoch=1,
    )


def test_a_sweep_that_never_ran_waits_for_its_interval_or_for_what_is_said() -> None:
    early = Sweep("early", "", HOUR, nothing, first_after=timedelta(minutes=5))

    assert first_run(HOURLY, None, NOW, 0) == NOW + HOUR
    assert first_run(early, None, NOW, 0) == NOW + timedelta(minutes=5)


def test_what_is_due_at_every_start_is_due_now() -> None:
    sweep = Sweep("listing", "", HOUR, nothing, is_at_start=True)
    before = record(started=NOW, due=NOW + HOUR)

    assert first_run(sweep, before, NOW, 0) == NOW


def test_a_restart_does_not_put_off_what_was_planned() -> None:
    started = NOW - timedelta(minutes=50)
    before = record(started=started, due=started + HOUR)

    assert first_run(HOURLY, before, NOW, 0) == NOW + timedelta(minutes=10)


def test_what_was_missed_runs_once_and_not_all_at_the_same_moment() -> None:
    before = record(started=NOW - 30 * HOUR, due=NOW - 29 * HOUR)

    assert [first_run(HOURLY, before, NOW, n) for n in range(3)] == [
        NOW,
        NOW + APART,
        NOW + 2 * APART,
    ]


def test_a_run_that_its_leader_did_not_end_is_interrupted_and_due_again() -> None:
    before = record(started=NOW, due=NOW + HOUR, is_running=True, outcome=None)

    taken = taken_up(HOURLY, before, epoch=5)

    assert (taken.outcome, taken.is_running) == (SweepOutcome.INTERRUPTED, False)
    assert (taken.runs, taken.epoch) == (7, 5)
    assert taken.description == "does it every hour"
    assert first_run(HOURLY, before, NOW, 0) == NOW
    # Also when it was only taken up, and its next leader went before it began.
    assert first_run(HOURLY, taken, NOW, 0) == NOW


def test_a_changed_interval_counts_from_the_last_start() -> None:
    started = NOW - timedelta(minutes=10)
    before = record(started=started, due=started + 24 * HOUR, every=timedelta(hours=24))

    assert first_run(HOURLY, before, NOW, 0) == started + HOUR


def test_what_only_runs_when_asked_is_never_due() -> None:
    assert first_run(ASKED, None, NOW, 0) is None
    assert first_run(ASKED, record(started=NOW - HOUR), NOW, 0) is None
    assert next_run(ASKED, NOW, NOW) is None


def test_a_nightly_sweep_starts_at_its_hour_whenever_the_last_one_was() -> None:
    three = datetime(2026, 1, 2, 3, tzinfo=UTC)

    assert first_run(NIGHTLY, None, NOW, 0) == three
    assert next_run(NIGHTLY, NOW, NOW + HOUR) == three
    assert next_run(NIGHTLY, three, three + HOUR) == three + timedelta(days=1)


def test_a_run_longer_than_its_interval_is_followed_by_one_not_by_many() -> None:
    ended = NOW + 5 * HOUR

    assert next_run(HOURLY, NOW, ended) == ended


def test_after_a_failure_the_next_try_comes_earlier_but_ever_later() -> None:
    minutes = [
        (due - NOW).total_seconds() / 60
        for failures in range(9)
        if (due := next_run(HOURLY, NOW, NOW, failures))
    ]

    assert minutes == [60, 1, 2, 4, 8, 16, 32, 60, 60]
