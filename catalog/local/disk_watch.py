"""Watches the free space while the stack runs and says when it gets low or is back."""

from collections.abc import Callable
from enum import Enum

from catalog.local.preflight import LOW_BYTES, NEEDED_BYTES, megabytes


class _Level(Enum):
    ENOUGH = 0
    LOW = 1
    FULL = 2


class DiskWatch:
    """Turns free space into a sentence whenever its level changes."""

    def __init__(self, free: Callable[[], int]) -> None:
        """Measure with ``free``."""
        self._free = free
        self._level = _Level.ENOUGH

    @property
    def is_full(self) -> bool:
        """Whether the last look found the disk full."""
        return self._level is _Level.FULL

    def look(self) -> str | None:
        """Measure once.

        Returns:
            What to tell the operator, or ``None`` when nothing has changed.
        """
        try:
            free = self._free()
        except OSError:
            return None
        level = self._judge(free)
        if level is self._level:
            return None
        self._level = level
        left = megabytes(free)
        if level is _Level.FULL:
            return (
                f"The disk is full ({left} left). Nothing that was acknowledged is "
                "lost; new writes may fail until there is room. Make room: all "
                "recovers by itself."
            )
        if level is _Level.LOW:
            return f"The disk is getting full: {left} left."
        return f"The disk has room again: {left} left."

    def _judge(self, free: int) -> _Level:
        slack = NEEDED_BYTES // 4  # so that a size at the border isn't told each time
        full = NEEDED_BYTES + (slack if self._level is _Level.FULL else 0)
        low = LOW_BYTES + (slack if self._level is not _Level.ENOUGH else 0)
        if free < full:
            return _Level.FULL
        return _Level.LOW if free < low else _Level.ENOUGH
