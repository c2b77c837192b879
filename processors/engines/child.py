"""Runs a long piece of work in a process of its own, under limits, and can end it.

The child (``processors.engines.child_side`` tells its part) reads untrusted files with
native code, so it gets an environment without our secrets, and it may never outlive
its parent: the kernel kills it with the thread that started it, and a pipe tells it so
where the kernel doesn't.
"""

import json
import logging
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import processors
from catalog.clock import Clock, SystemClock
from processors.engine import EngineError

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2
"""How often cancelling is looked at while the child says nothing."""

_LINE_BYTES = 1024 * 1024
"""Of one message; a child that says more is not ours any more."""

_TAIL_BYTES = 4000
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ")
_ONE_THREAD = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What a child may use; time grows with what it has done.

    Attributes:
        memory_bytes: Address space, mapped files included.
        file_bytes: Largest file that it may write.
        cpu_seconds: Time on the processor before anything is done.
        cpu_seconds_per_unit: More of it for each unit of work done.
        wall_seconds: Time on the wall before anything is done.
        wall_seconds_per_unit: More of it for each unit of work done.
        most_units: Units that are paid for at most.
    """

    memory_bytes: int
    file_bytes: int
    cpu_seconds: float
    cpu_seconds_per_unit: float
    wall_seconds: float
    wall_seconds_per_unit: float
    most_units: float


def run_child(
    module: str,
    task: Mapping[str, Any],
    limits: ChildLimits,
    *,
    folder: Path,
    report: Callable[[int], None],
    check: Callable[[], None],
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Start ``python -m module``, give it the task, and wait for what it made.

    Call it on a thread that lives as long as it takes: the child dies with it.

    Args:
        module: Its main function calls ``child_side.serve``.
        task: What JSON can hold.
        limits: See there.
        folder: Working and temporary directory of the child; gets its log.
        report: Is given the progress, 0 to 100.
        check: Is called several times a second; what it raises ends the child and is
            let through.
        environment: Variables that the child gets beside the harmless ones.
        clock: For the limit on the wall.

    Returns:
        What the child made.

    Raises:
        EngineError: The child says that it can't be done, it needs more than it may
            have, or it broke.
    """
    log = folder / f"{module.rpartition('.')[2]}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-P", "-m", module],  # -P: the folder holds users' files
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=_environment(folder) | dict(environment or {}),
            start_new_session=True,
        )
    watch = _Watch(process, limits, report, check, clock or SystemClock())
    try:
        order = {"parent": os.getpid(), "limits": asdict(limits), "task": dict(task)}
        with suppress(BrokenPipeError):
            _stdin(process).write(json.dumps(order).encode() + b"\n")
            _stdin(process).flush()
        last = watch.until_last()
    finally:
        _end(process)
    if "made" in last:
        return dict(last["made"])
    if "failed" in last:
        failed = last["failed"]
        raise EngineError(failed["code"], failed["message"], is_retryable=False)
    _LOG.warning("%s ended with %s: %s", module, process.returncode, _tail(log))
    raise _broken(process.returncode)


class _Watch:
    """Reads what a child says until its last word, and its time is over otherwise."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limits: ChildLimits,
        report: Callable[[int], None],
        check: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._process = process
        self._limits = limits
        self._report = report
        self._check = check
        self._clock = clock
        self._started_at = clock.monotonic()
        self._done = 0.0
        self._pending = b""

    def until_last(self) -> dict[str, Any]:
        """Return the last message; empty when it ended without one."""
        out = self._process.stdout
        if out is None:
            return {}
        os.set_blocking(out.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while True:
                self._check()
                self._look_at_time()
                if not selector.select(_LOOK_SECONDS):
                    continue
                read = os.read(out.fileno(), 65536)
                if not read:
                    self._wait_for_end()
                    return {}
                for message in self._messages(read):
                    if "done" not in message:
                        return message
                    self._progress(message)

    def _messages(self, read: bytes) -> list[dict[str, Any]]:
        *lines, self._pending = (self._pending + read).split(b"\n")
        if len(self._pending) > _LINE_BYTES:
            raise _broken(None)
        try:
            return [dict(json.loads(line)) for line in lines]
        except (ValueError, TypeError) as exc:
            raise _broken(None) from exc

    def _progress(self, message: Mapping[str, Any]) -> None:
        self._done = max(self._done, float(message["done"]))
        if message.get("percent") is not None:
            self._report(max(0, min(int(message["percent"]), 99)))

    def _look_at_time(self) -> None:
        limits = self._limits
        done = min(self._done, limits.most_units)
        allowed = limits.wall_seconds + done * limits.wall_seconds_per_unit
        if self._clock.monotonic() - self._started_at > allowed:
            raise EngineError(
                "out_of_limits",
                f"It was not done after {allowed:.0f} seconds; try again when the "
                "machine is less busy, or with a shorter source.",
                is_retryable=True,
            )

    def _wait_for_end(self) -> None:
        """Let a process that has closed its output tell its exit code."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)


def _broken(exit_code: int | None) -> EngineError:
    if exit_code == -signal.SIGXCPU:
        return EngineError(
            "out_of_limits",
            "It took more processor time than such a source may take.",
            is_retryable=False,
        )
    if exit_code in (-signal.SIGKILL, -signal.SIGTERM):
        return EngineError(
            "engine_failed",
            "The process that worked on it was ended from outside.",
            is_retryable=True,
        )
    return EngineError(
        "engine_failed",
        "The process that worked on it broke; the worker's log says more.",
        is_retryable=False,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started, whatever it is doing."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    process.wait()


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise BrokenPipeError
    return process.stdin


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    home = Path(next(iter(processors.__path__))).resolve().parent
    return kept | {
        "PYTHONPATH": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        **{f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD},
    }


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
