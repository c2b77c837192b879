from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from catalog.clock import ManualClock
from processors.engine import CancelledError
from processors.patience import Patience, retry_after_seconds

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def nothing() -> None:
    """Nobody has cancelled."""


def pauses(check: Callable[[], None] = nothing, *, roll: float = 1.0) -> list[float]:
    clock = ManualClock(NOW)
    patience = Patience(clock, attempts=8, roll=lambda: roll)
    taken = []
    attempt = 1
    before = 0.0
    while patience.wait(attempt, check):
        taken.append(clock.monotonic() - before)
        before = clock.monotonic()
        attempt += 1
    return taken


def test_pauses_double_up_to_a_limit() -> None:
    assert pauses() == [0.5, 1, 2, 4, 8, 15, 15]


def test_pauses_are_jittered_between_half_and_whole() -> None:
    assert pauses(roll=0.0) == [0.25, 0.5, 1, 2, 4, 7.5, 7.5]


def test_a_cancel_ends_the_waiting() -> None:
    def cancelled() -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        pauses(cancelled)


def test_the_servers_word_is_a_lower_bound_and_too_long_a_one_is_not_waited_for() -> (
    None
):
    clock = ManualClock(NOW)
    patience = Patience(clock, roll=lambda: 0.0)

    assert patience.wait(1, nothing, retry_after="7")
    assert clock.monotonic() == 7.25
    assert not patience.wait(1, nothing, retry_after="3600")
    assert clock.monotonic() == 7.25


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("soon", None),
        ("-1", None),
        ("Mon, 23 Nov 2026 09:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", 0.0),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after_is_read_in_both_forms(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(header, NOW) == seconds
