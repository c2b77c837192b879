"""What a child of an engine does besides its work.

``processors.engines.child`` starts it.

On standard input comes one line of JSON, and then nothing until the parent is gone. On
standard output go lines of JSON: any number of ``{"done": …, "percent": …}``, and at
the end ``{"made": …}`` or ``{"failed": {"code": …, "message": …}}``.

Imports no more than it must: a child is started for each job.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from catalog.clock import Clock, SystemClock
from catalog.errors import CatalogError

_PR_SET_PDEATHSIG = 1
_GRACE_CPU_SECONDS = 30
_OPEN_FILES = 256
_PAUSE_SECONDS = 0.25
"""Between two words of progress: a parent that shows it needs no more."""


class ChildFailedError(CatalogError):
    """The work can't be done; the parent makes an ``EngineError`` of it."""

    def __init__(self, code: str, message: str) -> None:
        """Take a code of ``EngineError`` and what to tell a person."""
        super().__init__(message)
        self.code = code
        self.message = message


class Parent:
    """Who is told how far the work is, and allows time for what was done."""

    def __init__(
        self, out: BinaryIO, limits: Mapping[str, Any], clock: Clock | None = None
    ) -> None:
        """Say nothing yet."""
        self._out = out
        self._limits = limits
        self._clock = clock or SystemClock()
        self._spoken_at = 0.0

    def tell(self, done: float, percent: float | None = None) -> None:
        """Tell progress; may be called often.

        Args:
            done: Units of work done so far (seconds of a recording, training steps):
                each allows more time.
            percent: 0 to 100; ``None`` where the whole is not known.
        """
        now = self._clock.monotonic()
        if now - self._spoken_at < _PAUSE_SECONDS:
            return
        self._spoken_at = now
        seconds = (
            self._limits["cpu_seconds"] + done * self._limits["cpu_seconds_per_unit"]
        )
        _limit_cpu(seconds)
        self.say({"done": done, "percent": percent})

    def fileno(self) -> int:
        """Where its words go."""
        return self._out.fileno()

    def say(self, message: Mapping[str, Any]) -> None:
        """Write one line."""
        self._out.write(json.dumps(message).encode() + b"\n")
        self._out.flush()


def serve(work: Callable[[Mapping[str, Any], Parent], Mapping[str, Any]]) -> int:
    """Do one piece of work under limits, then end; the main function of a child.

    Args:
        work: Is given the task and whom to tell; what it returns is what was made.

    Returns:
        The exit code.
    """
    out = _take_over_output()
    order = json.loads(sys.stdin.buffer.readline())
    _end_with(int(order["parent"]))
    limits = order["limits"]
    _limit(limits)
    parent = Parent(out, limits)
    try:
        made = work(order["task"], parent)
    except ChildFailedError as error:
        parent.say({"failed": {"code": error.code, "message": error.message}})
    except MemoryError:
        traceback.print_exc()
        message = "It needs more memory than one job may have."
        parent.say({"failed": {"code": "out_of_limits", "message": message}})
    else:
        parent.say({"made": made})
    return 0


def _take_over_output() -> BinaryIO:
    """Keep standard output for ourselves: native libraries print as they like."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return out


def _end_with(parent: int) -> None:
    """Die when the parent does, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_input, daemon=True).start()
    if os.getppid() != parent:
        sys.exit("The parent process has ended already.")


def _watch_input() -> None:
    """Where the kernel has no such signal: the parent's end of the pipe closes."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _limit(limits: Mapping[str, Any]) -> None:
    most = limits["cpu_seconds"] + limits["most_units"] * limits["cpu_seconds_per_unit"]
    hard = int(most) + _GRACE_CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits["cpu_seconds"]), hard))
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))


def _limit_cpu(seconds: float) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(seconds) if hard == resource.RLIM_INFINITY else min(int(seconds), hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
