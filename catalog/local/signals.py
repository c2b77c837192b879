"""Turns Ctrl-C, SIGTERM and a closed terminal into an event."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


class Stop(Event):
    """Set when everything is to end; remembers what asked for it."""

    reason = "no signal"


_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping(stop: Stop, *, on_repeat: Callable[[], None]) -> Iterator[None]:
    """Set ``stop`` at the first signal, inside this block; main thread only.

    Args:
        stop: Set at the first signal.
        on_repeat: Called at a second ``SIGINT``: somebody is in a hurry.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            on_repeat()
        elif not stop.is_set():
            stop.reason = signal.Signals(number).name
        stop.set()

    before = {
        number: signal.signal(number, handle)
        for number in _ENDING
        if signal.getsignal(number) is not signal.SIG_IGN  # started with nohup
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
