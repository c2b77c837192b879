"""The process in which media are read: forked with all code loaded, then confined."""

import errno
import importlib
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from processors.media.errors import Cause, MediaError
from processors.media.limits import Limits, allow_processor_time, confine
from processors.media.pipes import GoneError, LateError, NonsenseError, hear, say

Entry = Callable[[Path, Path, Mapping[str, Any]], Mapping[str, Any]]
"""A task: source, folder for its outputs, options → facts that JSON can hold."""

_MESSAGE_CHARACTERS = 500
_ENDS = {signal.SIGXCPU: Cause.TIMEOUT, signal.SIGKILL: Cause.OUT_OF_MEMORY}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PEAK = b"VmHWM:"
_IDLE_SECONDS = 86_400.0
_OUT_OF_MEMORY = b'{"cause":"out_of_memory","message":"not enough for an answer"}\n'


class Fork:
    """One forked process, seen from the child; it may be anybody's by now."""

    def __init__(self, limits: Limits, files: int, private: Iterable[int]) -> None:
        """Fork.

        Args:
            limits: It is held to, for each file.
            files: It will read at most.
            private: Descriptors that it must not have.
        """
        self.limits = limits
        told, self._requests = os.pipe()
        self._answers, telling = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            for descriptor in (self._requests, self._answers, *private):
                os.close(descriptor)
            _work(limits, files, told, telling)
        os.close(told)
        os.close(telling)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Let it do one task, and tell what came of it, with what it cost.

        After anything but ``facts`` it has ended.
        """
        start, cpu_before = time.monotonic(), self._cpu_seconds()
        try:
            say(self._requests, request)
            answer = _checked(hear(self._answers, self.limits.wall_seconds))
        except LateError:
            message = f"it took more than {self.limits.wall_seconds:g} s"
            answer = _failure(Cause.TIMEOUT, message)
        except NonsenseError:
            answer = _failure(Cause.CRASHED, "the process gave no readable answer")
        except (GoneError, OSError):
            answer = {}
        if "facts" in answer:
            peak_bytes, cpu_seconds = self._peak_bytes(), self._cpu_seconds()
        else:
            status, used = self.end()
            answer = answer or _ended(status)
            peak_bytes = used.ru_maxrss * 1024  # Linux counts in KiB
            cpu_seconds = used.ru_utime + used.ru_stime
        answer["usage"] = {
            "peak_rss_bytes": peak_bytes,
            "cpu_seconds": max(0.0, cpu_seconds - cpu_before),
            "seconds": time.monotonic() - start,
        }
        return answer

    def end(self) -> tuple[int, resource.struct_rusage]:
        """Kill it; a status that it has ended with already stays. To be called once."""
        os.kill(self._pid, signal.SIGKILL)
        _, status, used = os.wait4(self._pid, 0)
        os.close(self._requests)
        os.close(self._answers)
        return status, used

    def _peak_bytes(self) -> int:
        lines = Path(f"/proc/{self._pid}/status").read_bytes().splitlines()
        peak = next((line for line in lines if line.startswith(_PEAK)), b"0 0")
        return int(peak.split()[1]) * 1024

    def _cpu_seconds(self) -> float:
        after_name = Path(f"/proc/{self._pid}/stat").read_bytes().rpartition(b")")[2]
        user, system = after_name.split()[11:13]  # proc(5): fields 14 and 15
        return (int(user) + int(system)) / _TICKS_A_SECOND


def _checked(said: object) -> dict[str, Any]:
    """Take the answer of a fork apart; what is none becomes an empty one."""
    match said:
        case {"facts": dict(facts)}:
            return {"facts": facts}
        case {"cause": str(cause), "message": str(message)} if cause in set(Cause):
            return _failure(Cause(cause), message)
        case _:
            return {}


def _ended(status: int) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return _failure(Cause.CRASHED, f"the process ended with {code} and no answer")
    number = signal.Signals(-code)
    return _failure(_ENDS.get(number, Cause.CRASHED), f"ended by {number.name}")


def _failure(cause: Cause, message: str) -> dict[str, Any]:
    return {"cause": cause.value, "message": message[:_MESSAGE_CHARACTERS]}


def _work(limits: Limits, files: int, told: int, telling: int) -> NoReturn:
    """Do tasks in the fork until it is ended, or fails."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.close(nothing)
        confine(limits, files)
        for _ in range(files):
            request = hear(told, _IDLE_SECONDS)
            allow_processor_time(limits)
            say(telling, _done(request))
    except MemoryError:  # so little is left that not even the answer could be made
        with suppress(OSError):
            os.write(telling, _OUT_OF_MEMORY)
    except (LateError, GoneError, NonsenseError):
        pass
    finally:
        os._exit(1)


def _done(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        module, _, function = request["entry"].partition(":")
        entry: Entry = getattr(importlib.import_module(module), function)
        folder = Path(request["folder"])
        return {"facts": entry(Path(request["source"]), folder, request["options"])}
    except MediaError as exc:
        return _failure(exc.cause, exc.message)
    except MemoryError:
        return _failure(Cause.OUT_OF_MEMORY, "it needs more memory than a file may")
    except OSError as exc:
        if exc.errno != errno.EFBIG:
            return _mistake(exc)
        return _failure(Cause.TOO_LARGE, "what is made of it has too many bytes")
    except Exception as exc:  # noqa: BLE001  (ours: say where, the worker lives on)
        return _mistake(exc)


def _mistake(exc: Exception) -> dict[str, Any]:
    place = traceback.extract_tb(exc.__traceback__)[-1]
    where = f"{Path(place.filename).name}:{place.lineno}"
    return _failure(Cause.CRASHED, f"{type(exc).__name__} at {where}: {exc}")
