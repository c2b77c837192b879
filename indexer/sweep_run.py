"""One run of a sweep: how long it may go on, and how fast."""

from collections.abc import Mapping
from threading import Event
from typing import Any

from catalog.clock import Clock
from indexer.steady import StoppedError
from indexer.term import Term

DUTY = 0.25
"""Share of the time that a sweep which nobody waits for may work."""

_STEP_SECONDS = 0.2
_LONGEST_REST_SECONDS = 30.0


class Run:
    """Handed to a sweep; used by its thread, but for ``cancel`` and ``hurry``."""

    def __init__(
        self,
        term: Term,
        clock: Clock,
        *,
        is_asked: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin.

        Args:
            term: Nothing may have an effect outside it.
            clock: Tells the time, and waits.
            is_asked: Somebody waits for it: no rests.
            arguments: What it was told.
        """
        self._term = term
        self._clock = clock
        self._cancelled = Event()
        self._is_hurried = is_asked
        self._worked_since = clock.monotonic()
        self.is_asked = is_asked
        self.arguments = arguments or {}

    def cancel(self) -> None:
        """Have it end at its next ``check``."""
        self._cancelled.set()

    def hurry(self) -> None:
        """Somebody waits for its end: no more rests."""
        self._is_hurried = True

    def check(self) -> None:
        """Call before every effect.

        Raises:
            StoppedError: The term, or the process, is to end.
            FencedError: Another process may lead by now.
        """
        if self._cancelled.is_set() or self._term.stop.is_set():
            raise StoppedError("the sweep is to end")
        self._term.check()

    def rest(self) -> None:
        """Call between slices of work; raises as ``check``.

        Leaves the machine to others three times as long as was worked, unless
        somebody waits for the end.
        """
        worked = self._clock.monotonic() - self._worked_since
        left = min(worked * (1 / DUTY - 1), _LONGEST_REST_SECONDS)
        while left > 0 and not self._is_hurried:
            self.check()
            self._clock.wait(self._cancelled, min(left, _STEP_SECONDS))
            left -= _STEP_SECONDS
        self.check()
        self._worked_since = self._clock.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait, if the term lasts so long; raises as ``check``."""
        while seconds > 0:
            self.check()
            self._clock.wait(self._cancelled, min(seconds, _STEP_SECONDS))
            seconds -= _STEP_SECONDS
        self.check()
