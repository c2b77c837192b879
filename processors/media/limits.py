"""What a process that reads untrusted media may use, and how it is held to that."""

import math
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ONE_THREAD: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
"""Native libraries start no threads: forking stays safe, address space small."""

MAX_PICTURE_BYTES = 200_000_000
"""Of a file; larger ones are not opened."""

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one file.

    Attributes:
        memory_bytes: Of address space, code included; resident memory is always less.
        wall_seconds: On the clock.
        cpu_seconds: Of processor time, whole seconds.
        file_bytes: Of each file that is written.
        open_files: At once.
    """

    memory_bytes: int = 512_000_000
    wall_seconds: float = 20.0
    cpu_seconds: int = 20
    file_bytes: int = 64_000_000
    open_files: int = 32


def environment() -> dict[str, str]:
    """Make the whole environment of a child: no secret of the parent is in it."""
    return {**ONE_THREAD, "LC_ALL": "C.UTF-8", "PYTHONPATH": str(_ROOT)}


def confine(limits: Limits, files: int) -> None:
    """Put this process under ``limits``, for good; the clock is its parent's to watch.

    Args:
        limits: For each file.
        files: That it will read at most.
    """
    for what, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds * files),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
    ):
        allowed = _allowed(what, bound)
        resource.setrlimit(what, (allowed, allowed))


def allow_processor_time(limits: Limits) -> None:
    """Give this process the processor time of one more file, which it began now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime) + limits.cpu_seconds
    _, highest = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (_allowed(resource.RLIMIT_CPU, until), highest)
    )


def _allowed(what: int, bound: int) -> int:
    """Keep to a bound that the host has set lower."""
    _, highest = resource.getrlimit(what)
    return bound if highest == resource.RLIM_INFINITY else min(bound, highest)
