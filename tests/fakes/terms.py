"""A leader's term that ends when a test says so."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from catalog.clock import Clock, SystemClock
from catalog.errors import FencedError

LEASE = timedelta(seconds=15)


class ScriptedTerm:
    """Is renewed until ``is_over`` is set.

    Attributes:
        on_cut_off: Does what an engine does whose key is changed.
    """

    def __init__(self, epoch: int = 1, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.stop = threading.Event()
        self.epoch = epoch
        self.owner = f"process {epoch}"
        self.is_over = False
        self.on_cut_off: Callable[[], None] = lambda: None

    @property
    def expires_at(self) -> datetime:
        return self._clock.now() + LEASE

    def is_held(self) -> bool:
        return not self.is_over

    def check(self) -> None:
        if self.is_over:
            raise FencedError("the term is over")

    def cut_off(self) -> None:
        self.check()
        self.on_cut_off()
