"""How much of a batch is written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PassMode:
    """How much a pass writes.

    Attributes:
        force: Trust nothing that was proven before: write everything.
        is_fill: A chunk of a backfill: the generation being filled gets everything,
            the others what changed.
        is_fresh: The generation being filled never held anything of these roots, so
            nothing can be left over: it need not be counted.
    """

    force: bool = False
    is_fill: bool = False
    is_fresh: bool = False


LIVE = PassMode()
FORCED = PassMode(force=True)
