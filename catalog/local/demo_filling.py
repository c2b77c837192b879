"""Runs ``python -m catalog.demo`` and waits until what it made is searchable."""

from collections.abc import Callable
from datetime import datetime

from catalog.clock import Clock
from catalog.local.child import Child
from catalog.local.reporter import Reporter
from catalog.local.waiting import Waiter
from catalog.repositories.index_state import IndexStatus

_PATIENCE_SECONDS = 180.0
_DIRTY_PATIENCE_SECONDS = 30.0
_QUIET_BEATS = 2


def fill(
    demo: Child,
    read_index: Callable[[], IndexStatus | None],
    waiter: Waiter,
    reporter: Reporter,
    clock: Clock,
) -> None:
    """Wait for the demo process and then for the index; a failure is only told.

    Args:
        demo: The process; it has been started.
        read_index: Reads the indexer's heartbeat.
        waiter: Lets time pass.
        reporter: Told how far it is.
        clock: Times the patience.
    """
    while demo.exit_code is None:
        said = demo.tail.splitlines()
        reporter.waiting(said[-1] if said else "demo: starting …")
        waiter.step()
    demo.finish()
    if demo.exit_code:
        reporter.warn(
            f"The demo could not be made (exit code {demo.exit_code}). Its log: "
            f"{demo.spec.log}\n{demo.tail}"
        )
    elif is_caught_up(read_index, waiter, reporter, clock):
        reporter.done("The demo's assets are searchable.")
        for line in demo.tail.splitlines()[-1:]:
            reporter.done(line)
    else:
        reporter.warn("The index is still busy with the demo's assets.")


def is_caught_up(
    read_index: Callable[[], IndexStatus | None],
    waiter: Waiter,
    reporter: Reporter,
    clock: Clock,
) -> bool:
    """Wait until the index holds all that was written before this call.

    Returns:
        Whether it does; ``False`` when patience has run out.
    """
    began, since = clock.monotonic(), clock.now()
    quiet_beats: set[datetime] = set()
    reporter.waiting("demo: waiting for the index …")
    while (waited := clock.monotonic() - began) < _PATIENCE_SECONDS:
        status = read_index()
        if status is not None and (status.beat_at - since).total_seconds() > 1.0:
            # What stays dirty for long waits for an object that isn't there.
            is_clean = not status.dirty or waited > _DIRTY_PATIENCE_SECONDS
            is_quiet = is_clean and not status.lag_ms and status.generation > 0
            quiet_beats = {*quiet_beats, status.beat_at} if is_quiet else set()
            if len(quiet_beats) >= _QUIET_BEATS:
                return True
        waiter.step()
    return False
