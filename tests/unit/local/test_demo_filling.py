from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from catalog.clock import ManualClock, SystemClock
from catalog.local.child import Child
from catalog.local.demo_filling import fill, is_caught_up
from catalog.local.waiting import StoppedError, Waiter
from catalog.repositories.index_state import IndexStatus
from tests.unit.local.fakes import NOW, Notes, heartbeat, python


def waiter(clock: ManualClock) -> Waiter:
    return Waiter(clock, Event(), lambda: None)


def test_the_index_has_caught_up_after_two_later_quiet_heartbeats() -> None:
    clock = ManualClock(NOW)
    beats = iter(
        [
            heartbeat(seconds=-5),
            heartbeat(seconds=0.5),  # may have been taken before the last write
            heartbeat(seconds=1.5, lag_ms=3),
            heartbeat(seconds=2.5),
            heartbeat(seconds=3.5, dirty=1),
            heartbeat(seconds=4.5),
            heartbeat(seconds=4.5),
            heartbeat(seconds=5.5),
        ]
    )

    assert is_caught_up(lambda: next(beats), waiter(clock), Notes(), clock)

    assert next(beats, None) is None


def test_what_stays_dirty_does_not_hold_up_the_start_for_ever() -> None:
    clock = ManualClock(NOW)

    def beat() -> IndexStatus:
        return heartbeat(seconds=clock.monotonic(), dirty=2)

    assert is_caught_up(beat, waiter(clock), Notes(), clock)
    assert 30 < clock.monotonic() < 32


def test_an_index_that_never_catches_up_is_told_so() -> None:
    clock = ManualClock(NOW)

    assert not is_caught_up(lambda: None, waiter(clock), Notes(), clock)


def test_a_demo_that_fails_is_only_told(tmp_path: Path) -> None:
    clock, notes = SystemClock(), Notes()
    demo = Child(python("raise SystemExit('no room')", tmp_path / "demo.log"), clock)

    fill(demo, lambda: None, Waiter(clock, Event(), lambda: None), notes, clock)

    assert "The demo could not be made (exit code 1)" in notes.warnings[0]
    assert "no room" in notes.warnings[0]


def test_the_last_that_a_demo_says_is_told(tmp_path: Path) -> None:
    clock, notes = ManualClock(NOW), Notes()
    script = "print('demo: made 5 jobs'); print('demo: try curl …')"
    demo = Child(python(script, tmp_path / "demo.log"), SystemClock())

    def beat() -> IndexStatus:
        return heartbeat(seconds=clock.monotonic() + 2)

    fill(demo, beat, waiter(clock), notes, clock)

    assert notes.done_texts == ["The demo's assets are searchable.", "demo: try curl …"]


def test_a_stop_ends_the_waiting() -> None:
    clock, stop = ManualClock(NOW), Event()
    stop.set()
    beats: Iterator[IndexStatus] = iter(())

    with pytest.raises(StoppedError):
        is_caught_up(
            lambda: next(beats, None), Waiter(clock, stop, lambda: None), Notes(), clock
        )
