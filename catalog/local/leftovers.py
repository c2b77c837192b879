"""Ends children of an earlier ``catalog up`` that could not take them along.

The kernel ends children with their parent (``leash``), so there should be none; a
process frozen in a debugger or a container's freezer may come late.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from catalog.local.data_directory import ProcessState
from catalog.local.reporter import Reporter

_SAME_PROCESS_SECONDS = 1.5
_PATIENCE_SECONDS = 5.0


def end_leftovers(processes: Mapping[str, ProcessState], reporter: Reporter) -> None:
    """End those of ``processes`` that still run; call it while holding the lock."""
    left = {
        name: found
        for name, process in processes.items()
        if (found := find(process)) is not None
    }
    for name, process in left.items():
        reporter.warn(f"Ending {name} (pid {process.pid}), left over from before.")
        _quietly(process.terminate)
    _gone, alive = psutil.wait_procs(list(left.values()), timeout=_PATIENCE_SECONDS)
    for process in alive:
        _quietly(process.kill)
    psutil.wait_procs(alive, timeout=_PATIENCE_SECONDS)


def find(process: ProcessState) -> psutil.Process | None:
    """Find the process that was written down, not a later one with its id."""
    try:
        found = psutil.Process(process.pid)
        is_same = abs(found.create_time() - process.started_at) < _SAME_PROCESS_SECONDS
        is_alive = found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return found if is_same and is_alive else None


def _quietly(act: Callable[[], None]) -> None:
    with suppress(psutil.Error):
        act()
