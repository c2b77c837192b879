"""What a row of the torture table says when it is through, or is not."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field


class Violation(AssertionError):  # noqa: N818  (what the table calls it)
    """A promise was broken; the message says which, and what was found instead."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of a row.

    Attributes:
        count: How many of what the row counts (kills, rebuilds, faults …).
        settle_seconds: Worst time from "the killed server accepts writes again" to
            an index without any difference; 0 where nothing was killed.
        figures: What else was counted.
    """

    count: int
    settle_seconds: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)


def pause(seconds: float) -> None:
    """Let other processes work for a while."""
    time.sleep(seconds)  # noqa: TID251  (everything here waits for other processes)
