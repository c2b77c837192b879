"""Lines of JSON over pipes, with a deadline for whoever waits for one."""

import json
import os
import select
import time
from collections.abc import Mapping
from typing import Any

MAX_LINE_BYTES = 4_000_000
"""More facts than that of one file are a mistake, or a trick."""

_CHUNK_BYTES = 65_536


class LateError(Exception):
    """The other end did not say a whole line in time."""


class GoneError(Exception):
    """The other end has closed."""


class NonsenseError(Exception):
    """The other end says what is no answer, or too long for one."""


def say(descriptor: int, message: Mapping[str, Any]) -> None:
    """Write one line."""
    line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def hear(descriptor: int, seconds: float) -> Any:  # noqa: ANN401  (JSON)
    """Read one line, which must be all that there is to read.

    Raises:
        LateError: No whole line came within ``seconds``.
        GoneError: The other end closed before one was whole.
        NonsenseError: It is too long a line, more than one, or no JSON.
    """
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    said = bytearray()
    while not said.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise LateError
        chunk = os.read(descriptor, _CHUNK_BYTES)
        if not chunk:
            raise GoneError
        said += chunk
        if len(said) > MAX_LINE_BYTES:
            raise NonsenseError
    try:
        return json.loads(said)
    except (ValueError, RecursionError) as exc:
        raise NonsenseError from exc
