"""The process beside a worker that forks the processes in which media are read.

Started as ``python -m processors.media.child files module…``. It loads the modules
once, which takes most of a second, and reads no media itself: a fork of it does, under
limits, which takes milliseconds. A fork reads up to ``files`` files, one after the
other, and none after one that failed; most of what a fork costs, page faults, is spread
over them.

Protocol: one JSON object a line. First ``{"ready": true}``; then for each request
``{"entry": "module:function", "source", "folder", "options", "limits": {…}}`` one
answer: ``{"facts": …}`` or ``{"cause", "message"}``, both with ``usage``. It ends when
its standard input does.
"""

import gc
import importlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from processors.media.fork import Fork
from processors.media.limits import Limits
from processors.media.pipes import say


def main(files_per_fork: int, modules: list[str]) -> None:
    """Load ``modules``, then answer requests until there are no more."""
    requests, answers = _private_pipes()
    for module in modules:
        warm_up = getattr(importlib.import_module(module), "warm_up", None)
        if warm_up is not None:
            warm_up()
    gc.collect()
    gc.freeze()  # so that a collection in a fork does not copy all pages
    forks = _Forks(files_per_fork, (requests, answers))
    with os.fdopen(requests, "rb") as lines:
        say(answers, {"ready": True})
        for line in lines:
            say(answers, forks.answer(json.loads(line)))
    forks.end()


def _private_pipes() -> tuple[int, int]:
    """Keep the pipes for ourselves: a native library may print what it likes."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


class _Forks:
    """The fork that reads files now, and how many it has read."""

    def __init__(self, files_per_fork: int, private: tuple[int, int]) -> None:
        self._most = files_per_fork
        self._private = private
        self._fork: Fork | None = None
        self._files = 0

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        limits = Limits(**request["limits"])
        if self._fork is None or self._fork.limits != limits:
            self.end()
            self._fork = Fork(limits, self._most, self._private)
            self._files = 0
        answer = self._fork.answer(request)
        self._files += 1
        if "facts" not in answer:
            self._fork = None  # it has ended
        elif self._files >= self._most:
            self.end()
        return answer

    def end(self) -> None:
        if self._fork is not None:
            self._fork.end()
            self._fork = None


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
