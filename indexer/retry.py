"""How long to wait before the next attempt: pure functions of the attempt's number."""

from datetime import timedelta

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 10.0

_LONGEST_RECHECK_SECONDS = 300
_DAY_OF_RECHECKS = 9 + 24 * 3600 // _LONGEST_RECHECK_SECONDS
"""After 2⁹ s the steps are five minutes long; this many of all make a day."""


def backoff_seconds(attempt: int, jitter: float) -> float:
    """Exponential back-off for a server that is away.

    Args:
        attempt: From 0.
        jitter: A random number from 0 to 1; the wait is between half and all of the
            full one, so that several waiting processes spread out.

    Returns:
        Seconds, at most ``LONGEST_SECONDS``.
    """
    full = min(FIRST_SECONDS * 2.0 ** min(attempt, 30), LONGEST_SECONDS)
    return full * (0.5 + 0.5 * jitter)


def recheck_delay(attempts: int) -> timedelta:
    """When to look again for an object that a record names and the store lacks.

    1, 2, 4 … seconds, then every five minutes for a day, then every hour.

    Args:
        attempts: How often it was looked for in vain already.
    """
    if attempts >= _DAY_OF_RECHECKS:
        return timedelta(hours=1)
    return timedelta(seconds=min(2 ** min(attempts, 30), _LONGEST_RECHECK_SECONDS))
