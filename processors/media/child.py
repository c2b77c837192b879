"""The process beside a worker in which untrusted media are read.

Started as ``python -m processors.media.child module…``. It loads the modules once,
which takes most of a second, and then forks for every file, which takes a few
milliseconds: each file has a process, an address space and limits of its own, and
nothing that a file does to its process reaches the next one.

Protocol: one JSON object a line. First ``{"ready": true}``; then for each request
``{"entry": "module:function", "source", "folder", "options", "limits": {…}}`` one
answer: ``{"facts": …}`` or ``{"cause", "message"}``, both with ``usage``. It ends when
its standard input does.
"""

import gc
import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from processors.media.errors import Cause, MediaError
from processors.media.limits import Limits, confine

Entry = Callable[[Path, Path, Mapping[str, Any]], Mapping[str, Any]]
"""A task: source, folder for its outputs, options → facts that JSON can hold."""

MAX_ANSWER_BYTES = 4_000_000
"""More facts than that of one file are a mistake, or a trick."""

_CHUNK_BYTES = 65_536
_MESSAGE_CHARACTERS = 500
_ENDS = {signal.SIGXCPU: Cause.TIMEOUT, signal.SIGKILL: Cause.OUT_OF_MEMORY}


def main(modules: list[str]) -> None:
    """Load ``modules``, then answer requests until there are no more."""
    requests, answers = _private_pipes()
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that a collection in a fork does not copy all pages
    with os.fdopen(requests, "rb") as lines:
        _say(answers, {"ready": True})
        for line in lines:
            _say(answers, _answer(json.loads(line), (requests, answers)))


def _private_pipes() -> tuple[int, int]:
    """Keep the pipes for ourselves: a native library may print what it likes."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def _say(answers: int, answer: Mapping[str, Any]) -> None:
    rest = memoryview(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    while rest:
        rest = rest[os.write(answers, rest) :]


def _answer(request: Mapping[str, Any], pipes: tuple[int, int]) -> dict[str, Any]:
    """Fork for one file, and tell what came of it whatever the fork does."""
    limits = Limits(**request["limits"])
    start = time.monotonic()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        for descriptor in (reading, *pipes):
            os.close(descriptor)
        _work(request, limits, writing)
    os.close(writing)
    said, is_late = _read(reading, start + limits.wall_seconds)
    os.close(reading)
    answer = _parsed(said)
    if is_late or answer is not None:
        os.kill(pid, signal.SIGKILL)
    _, status, used = os.wait4(pid, 0)
    if is_late:
        answer = _failure(Cause.TIMEOUT, f"more than {limits.wall_seconds:g} s")
    elif answer is None:
        answer = _ended(status)
    answer["usage"] = {
        "peak_rss_bytes": used.ru_maxrss * 1024,  # Linux counts in KiB
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "seconds": time.monotonic() - start,
    }
    return answer


def is_readable(descriptor: int, deadline: float) -> bool:
    """Wait until there is something to read, or the end; ``False`` at ``deadline``."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _read(reading: int, deadline: float) -> tuple[bytes, bool]:
    """Read until the other end closes; the second value tells that it never did."""
    said = bytearray()
    while len(said) <= MAX_ANSWER_BYTES:
        if not is_readable(reading, deadline):
            return b"", True
        chunk = os.read(reading, _CHUNK_BYTES)
        if not chunk:
            return bytes(said), False
        said += chunk
    return b"", False


def _parsed(said: bytes) -> dict[str, Any] | None:
    """Take the answer of a fork that may be anybody's by now."""
    try:
        match json.loads(said):
            case {"facts": dict(facts)}:
                return {"facts": facts}
            case {"cause": str(cause), "message": str(message)}:
                return _failure(Cause(cause), message)
            case _:
                return None
    except (ValueError, RecursionError):  # it died before it had said all
        return None


def _ended(status: int) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return _failure(Cause.CRASHED, f"the process ended with {code} and no answer")
    number = signal.Signals(-code)
    return _failure(_ENDS.get(number, Cause.CRASHED), f"ended by {number.name}")


def _failure(cause: Cause, message: str) -> dict[str, Any]:
    return {"cause": cause.value, "message": message[:_MESSAGE_CHARACTERS]}


def _work(request: Mapping[str, Any], limits: Limits, writing: int) -> None:
    """Do the task in the fork; never returns."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.close(nothing)
        confine(limits)
        _say(writing, _done(request))
        code = 0
    except MemoryError:  # so little is left that not even the answer could be made
        with suppress(OSError):
            os.write(writing, b'{"cause":"out_of_memory","message":"out of memory"}')
    finally:
        os._exit(code)


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
    except Exception as exc:  # noqa: BLE001  (ours: say where, the worker lives on)
        place = traceback.extract_tb(exc.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return _failure(Cause.CRASHED, f"{type(exc).__name__} at {where}: {exc}")


if __name__ == "__main__":
    main(sys.argv[1:])
