"""How long to wait before something is tried again."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from catalog.clock import Clock

_LONGEST_DEMAND_SECONDS = 60.0
"""A server that wants more time than this is left to the job's next attempt."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Growing, jittered pauses; ``Retry-After`` beats them.

    Attributes:
        clock: What waits.
        attempts: Tries in all, at least 1.
        first_seconds: About the first pause; each further one is twice as long.
        longest_seconds: No pause of our own is longer.
        roll: Gives numbers from 0 to 1.
    """

    clock: Clock
    attempts: int = 5
    first_seconds: float = 0.5
    longest_seconds: float = 15.0
    roll: Callable[[], float] = random.random
    _never: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(
        self,
        attempt: int,
        check: Callable[[], None],
        *,
        retry_after: str | None = None,
    ) -> bool:
        """Wait before the next try.

        Args:
            attempt: How many tries there were.
            check: Raises when nobody waits for this any more.
            retry_after: Header of this name, as the server sent it.

        Returns:
            Whether another try is due; at once ``False`` when there were enough, or
            the server wants more time than anybody should be held up.
        """
        if attempt >= self.attempts:
            return False
        wanted = retry_after_seconds(retry_after, self.clock.now())
        if wanted is not None and wanted > _LONGEST_DEMAND_SECONDS:
            return False
        own = min(self.first_seconds * 2 ** (attempt - 1), self.longest_seconds)
        # Never sooner than told, and not all at the same moment after it.
        pause = own * (0.5 + self.roll() / 2) + (wanted or 0.0)
        check()
        self.clock.wait(self._never, pause)
        check()
        return True


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Read ``Retry-After``: seconds or an HTTP date; ``None`` for neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max((at - now).total_seconds(), 0.0)
