"""One process's time as the leader, as those who keep it see it."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from catalog.clock import Clock
from catalog.errors import FencedError
from catalog.repositories.index_control import Lease

log = logging.getLogger(__name__)

NOT_RENEWED = "the lease was not renewed in time"


class LeaderTerm:
    """See ``indexer.term.Term``; made by ``Leadership`` alone."""

    def __init__(
        self,
        lease: Lease,
        *,
        clock: Clock,
        trusted_until: float,
        cut_off: Callable[["LeaderTerm"], None],
    ) -> None:
        """Begin; ``trusted_until`` is monotonic."""
        self.stop = threading.Event()
        self.over = threading.Event()
        """Set when nothing may be written any more; ``stop`` precedes it, or not."""
        self._lease = lease
        self._clock = clock
        self._trusted_until = trusted_until
        self._cut_off = cut_off
        self._lock = threading.Lock()

    @property
    def lease(self) -> Lease:
        """As it was last renewed."""
        return self._lease

    @property
    def epoch(self) -> int:
        """See ``Term.epoch``."""
        return self._lease.epoch

    @property
    def owner(self) -> str:
        """See ``Term.owner``."""
        return self._lease.owner

    @property
    def expires_at(self) -> datetime:
        """See ``Term.expires_at``."""
        return self._lease.expires_at

    def is_held(self) -> bool:
        """See ``Term.is_held``."""
        # The clock goes on while a process is paused, so a sleeper knows at once.
        is_trusted = self._clock.monotonic() < self._trusted_until
        return is_trusted and not self.over.is_set()

    def check(self) -> None:
        """See ``Term.check``."""
        if not self.is_held():
            self.end(NOT_RENEWED)
            raise FencedError(f"epoch {self.epoch}: the term is over")

    def cut_off(self) -> None:
        """See ``Term.cut_off``."""
        self._cut_off(self)

    def extend(self, lease: Lease, trusted_until: float) -> None:
        """Trust a renewed lease; a term that is over stays over."""
        self._lease = lease
        self._trusted_until = max(self._trusted_until, trusted_until)

    def end(self, trouble: str | None = None) -> None:
        """Let nothing be written any more; once and for all."""
        with self._lock:
            if trouble is not None and not self.over.is_set():
                log.warning(trouble, extra={"epoch": self.epoch})
            self.over.set()
            self.stop.set()

    def do_if_held(self, action: Callable[[], None]) -> bool:
        """Do something that no later moment can overtake; returns whether it did."""
        with self._lock:
            if not self.is_held():
                return False
            action()
            return True
