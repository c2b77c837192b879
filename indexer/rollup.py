"""Adds up every owner's assets from time to time, so that asking costs one read."""

from itertools import islice

from catalog.clock import Clock
from catalog.repositories.rollups import RollupRepository
from indexer.sweep_run import Run

_AT_ONCE = 500


def roll_up(rollups: RollupRepository, clock: Clock, run: Run) -> str:
    """Add up, keep it, and forget owners who have nothing any more.

    Nothing of the old sums goes before the new ones are whole.

    Raises:
        DependencyUnavailableError: MongoDB did not answer; retryable.
        StoppedError, FencedError: As ``Run.check``.
    """
    run.check()
    now = clock.now()
    rollups.note_uses()
    run.rest()
    made = rollups.make(now)
    owners = 0
    while some := list(islice(made, _AT_ONCE)):
        run.check()
        rollups.save(some)
        owners += len(some)
    run.check()
    rollups.forget(now)
    return f"{owners - 1} owners were added up."
