"""Waiting on the main thread while the children are looked after."""

from collections.abc import Callable
from threading import Event

from catalog.clock import Clock

TICK_SECONDS = 0.1


class StoppedError(Exception):
    """Somebody asked the stack to end while it was starting."""


class Waiter:
    """Lets time pass in small steps, looking after the children at each."""

    def __init__(self, clock: Clock, stop: Event, tick: Callable[[], None]) -> None:
        """Wait with ``clock`` until ``stop``; call ``tick`` at every step."""
        self._clock = clock
        self._stop = stop
        self._tick = tick

    def step(self) -> None:
        """Let a moment pass.

        Raises:
            StoppedError: The stack is to end.
        """
        if self._clock.wait(self._stop, TICK_SECONDS):
            raise StoppedError
        self._tick()
