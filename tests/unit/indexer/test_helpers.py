import threading
from datetime import timedelta

import pytest

from catalog.clock import ManualClock
from catalog.errors import HistoryLostError
from catalog.repositories.index_state import Change, ChangeKind, FeedPosition
from indexer.batching import AdaptiveSize, Echoes, RecentKeys, identity_of, unique_by
from indexer.capture import Capture
from indexer.retry import LONGEST_SECONDS, backoff_seconds, recheck_delay
from tests.unit.indexer.world import START


def test_back_off_grows_to_a_limit_and_is_spread_by_jitter() -> None:
    waits = [backoff_seconds(attempt, 1.0) for attempt in range(100)]

    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_SECONDS
    assert backoff_seconds(3, 0.0) == pytest.approx(backoff_seconds(3, 1.0) / 2)


def test_a_missing_object_is_looked_for_often_then_hourly() -> None:
    assert [recheck_delay(n).total_seconds() for n in range(4)] == [1, 2, 4, 8]
    assert recheck_delay(20) == timedelta(minutes=5)
    assert recheck_delay(400) == timedelta(hours=1)
    waited = sum((recheck_delay(n) for n in range(297)), timedelta())
    assert timedelta(hours=23) < waited < timedelta(hours=26)


def test_ids_of_different_types_are_different_roots() -> None:
    ids = [1, True, "1", 1.0, {"a": 1}, {"a": 1}]

    assert len(unique_by(ids, identity_of)) == 5


def test_an_echo_is_passed_over_once() -> None:
    echoes = Echoes()

    echoes.expect("objects", "k")

    assert echoes.is_echo("objects", "k")
    assert not echoes.is_echo("objects", "k")
    assert not echoes.is_echo("extractions", "k")


def test_echoes_are_forgotten_rather_than_hoarded() -> None:
    echoes = Echoes(most=2)

    for key in "abc":
        echoes.expect("objects", key)

    assert [echoes.is_echo("objects", key) for key in "abc"] == [False, True, True]


def test_recent_keys_forget_what_was_not_asked_for_longest() -> None:
    keys: RecentKeys[str] = RecentKeys(2)
    keys.add("a")
    keys.add("b")

    assert "a" in keys
    keys.add("c")

    assert "b" not in keys
    assert len(keys) == 2


def test_heavy_roots_make_batches_small_and_light_ones_large() -> None:
    size = AdaptiveSize(most=500, target_weight=1000)

    size.record(10, 100_000)
    heavy = size.size
    for _ in range(20):
        size.record(100, 100)

    assert heavy == 1
    assert size.size == 500


class ShortStream:
    """Two batches, then the history is lost."""

    def __init__(self) -> None:
        self.left = [3, 2, 1]
        self.at = 0

    def next_batch(self, *, max_changes: int, linger_seconds: float) -> list[Change]:
        del max_changes, linger_seconds
        if not self.left:
            raise HistoryLostError("mongodb", "136")
        self.at += 1
        kind = ChangeKind.RECORD
        return [Change(kind, "jobs", n, self.at) for n in range(self.left.pop())]

    @property
    def position(self) -> FeedPosition:
        return FeedPosition(None, self.at, "p", "r")

    def close(self) -> None:
        """Nothing is open."""


class ShortFeed:
    def current(self) -> FeedPosition:
        return FeedPosition(None, 0, "p", "r")

    def oldest(self) -> int:
        return 0

    def open(self, position: FeedPosition) -> ShortStream:
        del position
        return ShortStream()


def test_what_was_captured_before_history_was_lost_comes_first() -> None:
    clock = ManualClock(START)
    capture = Capture(
        feed=ShortFeed(), clock=clock, linger_seconds=0, jitter=lambda: 0.5
    )
    capture.start(ShortFeed().current())
    seen: list[int] = []

    while len(seen) < 3:
        taken = capture.take(timeout=5)
        seen += [captured.position.cluster_time for captured in taken]
    with pytest.raises(HistoryLostError):
        capture.take(timeout=5)
    capture.stop()

    assert seen == [1, 2, 3]
    assert not any(thread.name == "capture" for thread in threading.enumerate())
