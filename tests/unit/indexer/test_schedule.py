import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.clock import SystemClock
from catalog.errors import (
    DependencyUnavailableError,
    FencedError,
)
from catalog.repositories.index_control import SweepOutcome, SweepRecord
from indexer.schedule import Schedule
from indexer.sweep_plan import Sweep
from indexer.sweep_run import Run
from tests.fakes.terms import ScriptedTerm

HOUR = timedelta(hours=1)


class Records:
    """``ScheduleRepository`` in memory, which can be away."""

    def __init__(self) -> None:
        self.kept: dict[str, SweepRecord] = {}
        self.saved: list[SweepRecord] = []
        self.failures = 0

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise DependencyUnavailableError("mongodb", "away")

    def all(self) -> tuple[SweepRecord, ...]:
        self._fail()
        return tuple(self.kept.values())

    def save(self, sweep: SweepRecord) -> None:
        self._fail()
        old = self.kept.get(sweep.name)
        if old is not None and old.epoch > sweep.epoch:
            raise FencedError("a later leader")
        self.kept[sweep.name] = sweep
        self.saved.append(sweep)

    def outcome(self, name: str) -> SweepOutcome | None:
        return self.kept[name].outcome if name in self.kept else None

    def keep_only(self, names: Sequence[str]) -> None:
        self.kept = {name: r for name, r in self.kept.items() if name in names}


class Answers:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.given: list[tuple[str, bool]] = []

    def __call__(self, outcome: str, *, is_done: bool) -> None:
        self.given.append((outcome, is_done))


class Work:
    """A sweep's action: counts its runs, may be held up, may fail."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.most_at_once = 0
        self.now = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.begun = threading.Event()
        self.error: Exception | None = None

    def __call__(self, run: Run) -> str:
        self.runs.append(run)
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        self.begun.set()
        try:
            while not self.goes_on.wait(0.01):
                run.check()
            if self.error is not None:
                raise self.error
        finally:
            self.now -= 1
        return f"run {len(self.runs)}"


def eventually(claim: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.01)


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def term() -> ScriptedTerm:
    return ScriptedTerm()


Start = Callable[..., Schedule]


@pytest.fixture
def start(records: Records, term: ScriptedTerm) -> Iterator[Start]:
    started: list[Schedule] = []

    def start_(*table: Sweep, under: ScriptedTerm | None = None) -> Schedule:
        schedule = Schedule(table, records, SystemClock(), under or term)
        started.append(schedule)
        schedule.start()
        return schedule

    yield start_
    for schedule in started:
        schedule.stop()


def sweep(name: str, action: Callable[[Run], str], **changes: object) -> Sweep:
    made = Sweep(name, f"does {name}", HOUR, action)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_what_is_due_runs_and_its_outcome_is_kept(
    start: Start, records: Records
) -> None:
    work = Work()

    start(sweep("one", work, is_at_start=True))

    eventually(lambda: records.outcome("one"))
    kept = records.kept["one"]
    assert (kept.outcome, kept.detail, kept.runs) == (SweepOutcome.DONE, "run 1", 1)
    assert not kept.is_running
    assert kept.last_started_at is not None
    assert kept.next_run_at == kept.last_started_at + HOUR
    assert [r.is_running for r in records.saved] == [False, True, False]


def test_a_sweep_runs_again_and_again_but_never_twice_at_a_time(start: Start) -> None:
    work = Work()

    start(sweep("one", work, every=timedelta(milliseconds=20), is_at_start=True))

    eventually(lambda: len(work.runs) >= 5)
    assert work.most_at_once == 1


def test_one_that_is_slower_than_its_interval_is_not_piled_up(start: Start) -> None:
    work = Work()
    work.goes_on.clear()
    start(sweep("one", work, every=timedelta(milliseconds=10), is_at_start=True))
    eventually(work.begun.is_set)

    threading.Event().wait(0.2)  # twenty intervals

    assert len(work.runs) == 1
    work.goes_on.set()


def test_what_is_asked_for_runs_now_at_full_speed(start: Start) -> None:
    work, answers = Work(), Answers()
    schedule = start(sweep("one", work, every=timedelta()))

    is_known = schedule.run_now("one", {"much": True}, answers)

    assert is_known
    eventually(lambda: answers.given)
    assert answers.given == [("run 1", True)]
    assert work.runs[0].is_asked
    assert work.runs[0].arguments == {"much": True}


def test_an_unknown_sweep_cannot_be_asked_for(start: Start) -> None:
    assert not start(sweep("one", Work())).run_now("two")


def test_what_is_asked_for_while_it_runs_begins_after_that(start: Start) -> None:
    work, answers = Work(), Answers()
    work.goes_on.clear()
    schedule = start(sweep("one", work, is_at_start=True))
    eventually(work.begun.is_set)

    for _ in range(3):
        schedule.run_now("one", answered=answers)
    threading.Event().wait(0.05)
    assert len(work.runs) == 1
    work.goes_on.set()

    eventually(lambda: len(answers.given) == 3)
    # One run serves all who asked meanwhile.
    assert [text for text, _ in answers.given] == ["run 2"] * 3
    assert work.most_at_once == 1


def test_sweeps_of_one_lane_wait_for_one_another_and_other_lanes_do_not(
    start: Start,
) -> None:
    first, second, other = Work(), Work(), Work()
    first.goes_on.clear()
    schedule = start(
        sweep("first", first, lane="store"),
        sweep("second", second, lane="store"),
        sweep("other", other, lane="index"),
    )
    schedule.run_now("first")
    eventually(first.begun.is_set)

    schedule.run_now("second")
    schedule.run_now("other")

    eventually(lambda: other.runs)
    assert not second.runs
    first.goes_on.set()
    eventually(lambda: second.runs)


def test_a_failure_is_told_and_tried_again_before_its_time(
    start: Start, records: Records
) -> None:
    work, answers = Work(), Answers()
    work.error = DependencyUnavailableError("storage", "away")
    schedule = start(sweep("one", work))

    schedule.run_now("one", answered=answers)

    eventually(lambda: answers.given)
    kept = records.kept["one"]
    assert [is_done for _, is_done in answers.given] == [False]
    assert kept.outcome is SweepOutcome.FAILED
    assert "away" in kept.detail
    assert kept.next_run_at is not None
    assert kept.last_finished_at is not None
    assert kept.next_run_at - kept.last_finished_at == timedelta(minutes=1)


def test_a_bug_in_a_sweep_ends_neither_the_schedule_nor_the_others(
    start: Start, records: Records
) -> None:
    broken, sound = Work(), Work()
    broken.error = KeyError("surprise")
    schedule = start(sweep("broken", broken), sweep("sound", sound))

    schedule.run_now("broken")
    eventually(lambda: records.outcome("broken") is SweepOutcome.FAILED)
    schedule.run_now("sound")

    eventually(lambda: records.outcome("sound") is SweepOutcome.DONE)
    assert "surprise" in records.kept["broken"].detail


def test_nothing_runs_once_the_term_is_over(
    start: Start, records: Records, term: ScriptedTerm
) -> None:
    work, answers = Work(), Answers()
    schedule = start(sweep("one", work))
    eventually(lambda: "one" in records.kept)
    term.is_over = True

    schedule.run_now("one", answered=answers)

    threading.Event().wait(0.1)
    assert not work.runs
    assert not answers.given


def test_what_a_lost_leader_ran_is_shown_as_interrupted_and_run_by_the_next(
    start: Start, records: Records, term: ScriptedTerm
) -> None:
    stuck, work = Work(), Work()
    stuck.goes_on.clear()
    start(sweep("one", stuck, is_at_start=True))
    eventually(lambda: "one" in records.kept and records.kept["one"].is_running)
    # The first leader is paused: it neither ends its run nor writes a word.

    later = ScriptedTerm(epoch=2)
    schedule = start(sweep("one", work), under=later)

    eventually(lambda: work.runs)
    eventually(lambda: records.kept["one"].outcome is SweepOutcome.DONE)
    shown = [r.outcome for r in records.saved if r.epoch == 2]
    assert shown[0] is SweepOutcome.INTERRUPTED
    term.is_over = True
    stuck.goes_on.set()
    eventually(lambda: not stuck.now)
    threading.Event().wait(0.05)
    assert records.kept["one"].epoch == 2
    schedule.stop()


def test_stopping_ends_what_runs_and_says_so(
    start: Start, records: Records, term: ScriptedTerm
) -> None:
    work = Work()
    work.goes_on.clear()
    schedule = start(sweep("one", work, is_at_start=True))
    eventually(work.begun.is_set)

    term.stop.set()
    schedule.stop()

    eventually(lambda: not records.kept["one"].is_running)
    assert records.kept["one"].outcome is SweepOutcome.INTERRUPTED
    assert not work.now


def test_a_database_that_is_away_at_the_start_only_delays(
    start: Start, records: Records
) -> None:
    records.failures = 1
    work = Work()

    start(sweep("one", work, is_at_start=True))

    eventually(lambda: work.runs)


def test_what_is_asked_for_before_the_schedule_is_read_is_not_lost(
    start: Start, records: Records
) -> None:
    records.failures = 1
    work = Work()
    schedule = start(sweep("one", work))

    schedule.run_now("one")

    eventually(lambda: work.runs)
    assert work.runs[0].is_asked


def test_sweeps_that_no_version_runs_any_more_are_forgotten(
    start: Start, records: Records
) -> None:
    records.kept["old"] = SweepRecord("old", 60.0, "was there once")

    start(sweep("one", Work()))

    eventually(lambda: set(records.kept) == {"one"})


def test_a_run_rests_three_times_as_long_as_it_worked(term: ScriptedTerm) -> None:
    clock = SystemClock()
    run = Run(term, clock)
    clock.wait(threading.Event(), 0.05)
    started = clock.monotonic()

    run.rest()

    assert 0.1 < clock.monotonic() - started < 1.0
    run.hurry()
    clock.wait(threading.Event(), 0.05)
    started = clock.monotonic()
    run.rest()
    assert clock.monotonic() - started < 0.05
