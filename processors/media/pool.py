"""The worker's side of the children: one call a file, whatever the file does."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import LifoQueue
from types import TracebackType
from typing import Any, Self

from processors.media.errors import Cause, MediaError, Usage
from processors.media.limits import Limits, environment
from processors.media.pipes import GoneError, LateError, NonsenseError, hear, say
from processors.media.tasks import TASKS, Task

_START_SECONDS = 60.0
"""To load all modules on a busy machine; it takes 1 s on an idle one."""

_GRACE_SECONDS = 5.0
"""Beyond the limit of a file, which the child itself watches."""

FILES_PER_FORK = 8
"""A fork costs 10 to 25 ms of page faults here: an eighth of that for each file."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was made of one file.

    Attributes:
        facts: As the task tells them.
        files: What it wrote, by name.
        usage: What it cost.
    """

    facts: Mapping[str, Any]
    files: tuple[Path, ...]
    usage: Usage


class MediaPool:
    """Runs tasks in children; used by any number of threads.

    At most ``size`` files are read at once; who comes later waits. Children start when
    they are first needed and stay until ``close``.
    """

    def __init__(
        self,
        size: int = 1,
        limits: Limits | None = None,
        tasks: Mapping[str, Task] = TASKS,
        files_per_fork: int = FILES_PER_FORK,
    ) -> None:
        """Start nothing yet.

        Args:
            size: Files at once.
            limits: For each file; ``None`` means the project's.
            tasks: What can be asked for.
            files_per_fork: Files that one process reads, one after the other, while
                none fails; 1 lets no file share a process with another.
        """
        self._limits = limits or Limits()
        self._tasks = tasks
        self._slots: LifoQueue[_Slot] = LifoQueue()
        self._size = size
        self._files_per_fork = files_per_fork
        for _ in range(size):
            self._slots.put({})

    def run(
        self,
        task: str,
        source: Path,
        folder: Path,
        options: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> Done:
        """Do one task on one file.

        Args:
            task: Name of it.
            source: The file; its name says nothing about what it is.
            folder: Exists; outputs are written there, and may be left by halves when
                it fails.
            options: Of the task.
            limits: Instead of the pool's.

        Raises:
            MediaError: Nothing can be made of the file.
        """
        wanted = self._tasks[task]
        request = {
            "entry": wanted.entry,
            "source": str(source.resolve()),
            "folder": str(folder.resolve()),
            "options": dict(options or {}),
            "limits": asdict(limits or self._limits),
        }
        before = set(folder.iterdir())
        answer = self._ask(wanted, request, limits or self._limits)
        usage = Usage(**answer["usage"]) if "usage" in answer else None
        if usage is None or "facts" not in answer:
            raise MediaError(Cause(answer["cause"]), answer["message"], usage)
        files = sorted(path for path in folder.iterdir() if path not in before)
        return Done(answer["facts"], tuple(files), usage)

    def _ask(
        self, task: Task, request: Mapping[str, Any], limits: Limits
    ) -> Mapping[str, Any]:
        slot = self._slots.get()
        try:
            child = slot.get(task.modules)
            if child is None:
                child = slot[task.modules] = _Child(task.modules, self._files_per_fork)
            try:
                return child.ask(request, limits.wall_seconds + _GRACE_SECONDS)
            except _LostError as exc:
                slot.pop(task.modules).kill()
                return {"cause": exc.cause, "message": str(exc)}
            except (
                BaseException
            ):  # interrupted: the answer would be taken for another's
                slot.pop(task.modules).kill()
                raise
        finally:
            self._slots.put(slot)

    def close(self) -> None:
        """Wait for what is being read, then end all children."""
        for slot in [self._slots.get() for _ in range(self._size)]:
            for child in slot.values():
                child.close()
            self._slots.put({})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _LostError(Exception):
    """A child does not answer, or not in our language; it can't be used again."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class _Child:
    """One process and its pipes; used by one thread at a time."""

    def __init__(self, modules: Sequence[str], files_per_fork: int) -> None:
        command = ["-P", "-m", "processors.media.child", str(files_per_fork), *modules]
        self._process = subprocess.Popen(  # noqa: S603  (our own module, no shell)
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
        self._is_ready = False

    def ask(self, request: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        pipes = self._process.stdin, self._process.stdout
        assert pipes[0] is not None and pipes[1] is not None  # noqa: S101, PT018  (asked for above)
        to, answers = pipes[0].fileno(), pipes[1].fileno()
        try:
            if not self._is_ready:
                hear(answers, _START_SECONDS)
                self._is_ready = True
            say(to, request)
            answer = hear(answers, seconds)
        except LateError as exc:
            raise _LostError(Cause.TIMEOUT, "the child does not answer") from exc
        except (GoneError, NonsenseError, OSError) as exc:
            raise _LostError(Cause.CRASHED, "the child has ended") from exc
        if not isinstance(answer, dict) or "usage" not in answer:
            raise _LostError(Cause.CRASHED, "the child's answer is not complete")
        return answer

    def close(self) -> None:
        """Let it end its fork, and itself, which leaves nobody to be adopted."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it with all that it has forked."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


_Slot = dict[tuple[str, ...], _Child]
