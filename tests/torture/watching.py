"""Threads that look on while a world is tortured, and remember what must not be."""

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError
from typing_extensions import override

from tests.oracle import exported, searched
from tests.servers import TypesenseServer
from tests.torture.outcome import Violation, pause

PHYSICAL = re.compile(r"(assets|segments|tags)__g([1-9][0-9]*)_[0-9a-f]{8}")


class _Watcher(ABC):
    """Does something again and again in a thread until told to stop."""

    def __init__(self, *, every_seconds: float) -> None:
        self._every = every_seconds
        self._stop = threading.Event()
        self._may_look = threading.Event()
        self._may_look.set()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.violations: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._may_look.set()
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        if self.violations:
            raise Violation("\n".join(self.violations[:10]))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the block runs nothing is looked at."""
        self._may_look.clear()
        with self._looking:
            pass  # what is being looked at now was begun before
        try:
            yield
        finally:
            self._may_look.set()

    @abstractmethod
    def look(self) -> None: ...

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._may_look.wait()
            with self._looking:
                if self._may_look.is_set() and not self._stop.is_set():
                    try:
                        self.look()
                    except Exception as error:  # noqa: BLE001  (told by ``check``)
                        self.violations.append(f"{type(self).__name__}: {error!r}")
                        return


class SequenceWatcher(_Watcher):
    """No document's ``_seq`` ever goes down, in any index, gone and come back or not.

    Pause it while the engine replays its log: its reads are old then, which is what
    the engine is like and no fault of ours.
    """

    def __init__(self, engine: TypesenseServer, names: Callable[[], list[str]]) -> None:
        super().__init__(every_seconds=0.7)
        self._engine = engine
        self._names = names
        self._highest: dict[str, dict[str, int]] = {}
        self.samples = 0

    @override
    def look(self) -> None:
        try:
            for name in self._names():
                self._look_at(name)
        except OSError:
            return  # an index was dropped, or the engine was killed
        self.samples += 1

    def _look_at(self, name: str) -> None:
        known = self._highest.setdefault(name, {})
        found = exported(self._engine.url, self._engine.api_key, name, "id,_seq")
        for document in found:
            if "id" not in document:  # of an index that is dropped meanwhile, say
                if name in self._names():
                    self.violations.append(f"{name} exports {document}")
                return
            one, sequence = document["id"], document["_seq"]
            if sequence < known.get(one, 0):
                self.violations.append(
                    f"_seq of {one} in {name} went from {known[one]} to {sequence}"
                )
            known[one] = max(sequence, known.get(one, 0))


class Searcher(_Watcher):
    """Asks readers' questions all the time; each must find what never changes."""

    def __init__(
        self,
        engine: TypesenseServer,
        index: str,
        parameters: dict[str, str],
        expected: set[str],
    ) -> None:
        super().__init__(every_seconds=0.04)
        self._engine = engine
        self._index = index
        self._parameters = parameters
        self._expected = expected
        self.searches = 0

    @override
    def look(self) -> None:
        self.searches += 1
        try:
            answer = searched(
                self._engine.url, self._engine.api_key, self._index, **self._parameters
            )
        except OSError as error:
            self.violations.append(f"a search of {self._index} failed: {error}")
            return
        found = {hit["document"]["id"] for hit in answer["hits"]}
        if found != self._expected:
            self.violations.append(
                f"a search of {self._index} lacks {sorted(self._expected - found)[:5]} "
                f"and has too much {sorted(found - self._expected)[:5]}"
            )


class GenerationWatcher(_Watcher):
    """Follows ``index_generations`` change by change, so that no state is missed."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        super().__init__(every_seconds=0.0)
        self._stream = database["index_generations"].watch(
            full_document="updateLookup", max_await_time_ms=100
        )
        self._changed = threading.Condition()
        self._states: list[tuple[int, str]] = []
        self.degraded = 0
        """How often a generation was seen to become degraded."""
        self._is_degraded: dict[int, bool] = {}

    @override
    def stop(self) -> None:
        super().stop()
        self._stream.close()

    @override
    def look(self) -> None:
        try:
            change = self._stream.try_next()
        except PyMongoError:
            self._stop.wait(0.1)
            return
        record = None if change is None else change.get("fullDocument")
        if record is None:
            return
        number, state = record["_id"], record["state"]
        is_degraded = record["isDegraded"]
        if is_degraded and not self._is_degraded.get(number):
            self.degraded += 1
        self._is_degraded[number] = is_degraded
        with self._changed:
            self._states.append((number, state))
            self._changed.notify_all()

    def await_state(
        self, wanted: Callable[[int, str], bool], seconds: float
    ) -> tuple[int, str] | None:
        """Wait until a generation was seen in such a state; ``None`` if none was."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self._changed:
            while True:
                for one in self._states[seen:]:
                    if wanted(*one):
                        return one
                seen = len(self._states)
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)

    def forget(self) -> None:
        """Look only at what comes from now on."""
        with self._changed:
            self._states.clear()


def await_that(look: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until it is so; returns after how many seconds it was.

    Raises:
        Violation: It is not so within that time.
    """
    begun = time.monotonic()
    last: BaseException | None = None
    while time.monotonic() - begun < seconds:
        try:
            if look():
                return time.monotonic() - begun
        except (OSError, PyMongoError) as error:
            last = error
        pause(0.05)
    message = f"{what} did not happen within {seconds:g} s; last error: {last!r}"
    raise Violation(message)
