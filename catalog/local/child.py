"""One child process: started on a leash, its words moved into a rotated log."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import psutil

from catalog.clock import Clock
from catalog.local.logs import LogPump, RotatingLog

_LEASH = str(Path(__file__).with_name("leash.py"))


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run.

    Attributes:
        name: For people, the log and the state: ``mongodb``, ``api`` …
        command: Program and arguments; the program as a path.
        log: File that gets everything the child prints.
        environment: Complete environment of the child.
        port: Port that it listens on, if it does.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    port: int | None = None


class Child:
    """A running process that ends when this one ends, however that happens.

    Start it on the main thread: the kernel's leash is bound to the thread.
    """

    def __init__(self, spec: ChildSpec, clock: Clock) -> None:
        """Start it.

        Raises:
            OSError: No process could be made.
        """
        self.spec = spec
        self._clock = clock
        self._log = RotatingLog(spec.log)
        leash = [sys.executable, "-I", "-S", _LEASH, str(os.getpid())]
        self._process = subprocess.Popen(  # noqa: S603  (our own commands)
            [*leash, *spec.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(spec.environment),
            start_new_session=True,  # Ctrl-C is ours to hand on, in order
        )
        self.started_at = clock.monotonic()
        self.created_at = _created_at(self._process.pid)
        self._pump = LogPump(
            cast("BinaryIO", self._process.stdout), self._log, name=spec.name
        )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    @property
    def lived_seconds(self) -> float:
        """Seconds since the start."""
        return self._clock.monotonic() - self.started_at

    @property
    def tail(self) -> str:
        """Its last lines."""
        return self._pump.tail

    @property
    def is_disk_full(self) -> bool:
        """Whether its last words were about a full disk."""
        return self._pump.is_disk_full

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and whatever it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for its end.

        Returns:
            Whether it has ended.
        """
        try:
            self._process.wait(max(timeout_seconds, 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self) -> None:
        """Collect the last words of a process that has ended."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what it left behind
        self._pump.finish()
        self._log.close()


def how_it_ended(exit_code: int) -> str:
    """Say an exit code in words."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


def _created_at(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
