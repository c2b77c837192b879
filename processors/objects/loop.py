"""Does what there is to do with objects, whoever wrote them, until told to end."""

import logging
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

from catalog.clock import Clock
from catalog.errors import (
    DependencyError,
    DependencyRejectedError,
    FencedError,
    NotFoundError,
)
from catalog.repositories.object_work import (
    ObjectWorkRepository,
    WorkClaim,
    WorkResult,
)
from catalog.storage.base import ObjectStore
from catalog.storage.seen import present
from processors.media.errors import Cause, MediaError
from processors.objects.noticing import Noticing
from processors.objects.storing import RenditionStore
from processors.objects.task import ObjectTask, TaskResult

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=90)
MAX_ATTEMPTS = 3
"""For what may be the file's fault or the machine's: time, memory, a crash."""

DRAIN_SECONDS = 10.0
"""What is not through by then is given back, and done by others."""

_LOOK_SECONDS = 1.0
_FIRST_PAUSE = timedelta(seconds=5)
_FIRST_PAUSE_AFTER_ATTEMPT = timedelta(seconds=60)
"""Longer: what a machine in trouble did to a file must not be its cause for good."""

_LONGEST_PAUSE = timedelta(minutes=10)
_LONGEST_AGAIN = timedelta(hours=1)
_PASSING = frozenset({Cause.TIMEOUT, Cause.OUT_OF_MEMORY, Cause.CRASHED})
_AT_ONCE = timedelta()


class ObjectLoop:
    """One process's share of the work on objects; any number of them may run."""

    def __init__(
        self,
        *,
        tasks: Sequence[ObjectTask],
        work: ObjectWorkRepository,
        store: ObjectStore,
        renditions: RenditionStore,
        at_once: int,
        clock: Clock,
        jitter: Callable[[], float],
        name: str,
        folder: Path,
        draining: threading.Event,
    ) -> None:
        """Do nothing yet.

        Args:
            tasks: What is done with each object that they want.
            work: What waits, and where results go.
            store: Where objects are.
            renditions: Stores what tasks made.
            at_once: Objects at once.
            clock: Waits.
            jitter: Gives random numbers from 0 to 1.
            name: Of this process, for people.
            folder: For files; each run gets a folder of its own in it.
            draining: Ends it once it is set.
        """
        self._tasks = {task.name: task for task in tasks}
        self._work = work
        self._store = store
        self._renditions = renditions
        self._at_once = at_once
        self._clock = clock
        self._jitter = jitter
        self._name = name
        self._folder = folder
        self._draining = draining
        self._news = threading.Event()
        self._running: dict[Future[None], WorkClaim] = {}
        self._renew_at = clock.monotonic()
        self._away_until = clock.monotonic()
        self._noticing = Noticing(
            work=work, tasks=tasks, clock=clock, draining=draining, news=self._news
        )

    def run(self) -> None:
        """Work until ``draining`` is set; what is left then is done by others."""
        ears = threading.Thread(target=self._noticing.run, name="objects", daemon=True)
        ears.start()
        threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="object")
        log.info("object worker begins", extra={"tasks": sorted(self._tasks)})
        try:
            while not self._draining.is_set():
                self._news.clear()
                try:
                    self.step(threads)
                except DependencyError as exc:
                    log.warning("no object to be had", extra={"error": str(exc)})
                self._clock.wait(self._news, _LOOK_SECONDS)
        finally:
            self._draining.set()
            self._drain()
            threads.shutdown(wait=False, cancel_futures=True)
            ears.join(DRAIN_SECONDS)

    def step(self, threads: ThreadPoolExecutor) -> None:
        """Keep what is running, and begin what there is room for."""
        for future in [one for one in self._running if one.done()]:
            del self._running[future]
        now = self._clock.monotonic()
        if self._running and now >= self._renew_at:
            self._work.renew(self._running.values(), LEASE)
            self._renew_at = now + LEASE.total_seconds() / 3
        while len(self._running) < self._at_once and not self._draining.is_set():
            if self._clock.monotonic() < self._away_until:
                return
            claim = self._work.claim(
                list(self._tasks.values()), worker=self._name, lease=LEASE
            )
            if claim is None:
                return
            future = threads.submit(self.do, claim)
            self._running[future] = claim
            future.add_done_callback(lambda _: self._news.set())

    def _drain(self) -> None:
        for future in wait(self._running, DRAIN_SECONDS).not_done:
            claim = self._running[future]
            try:
                self._work.postpone(claim, until=_AT_ONCE, is_counted=False)
            except (DependencyError, FencedError) as exc:
                log.info("left to its lease", extra=_about(claim, exc))

    # --- one object ----------------------------------------------------------------

    def do(self, claim: WorkClaim) -> None:
        """Do one task with one object; raises nothing."""
        try:
            with tempfile.TemporaryDirectory(
                prefix="object-", dir=self._folder, ignore_cleanup_errors=True
            ) as folder:
                self._do(claim, Path(folder))
        except FencedError as exc:
            log.info("an object has changed meanwhile", extra=_about(claim, exc))
        except (DependencyError, OSError) as exc:  # a server, a full disk: not the file
            self._away_until = self._clock.monotonic() + _FIRST_PAUSE.total_seconds()
            log.warning("put off", extra=_about(claim, exc))
            self._put_off(claim, is_counted=False)
        except Exception as exc:  # one object must never stop the others
            log.exception("an object defeats us", extra=_about(claim, exc))
            self._put_off(claim, is_counted=True)

    def _do(self, claim: WorkClaim, folder: Path) -> None:
        try:
            result = self._tried(claim, folder)
        except NotFoundError:
            self._renditions.put(claim, ())
            self._work.forget(claim)
            return
        except MediaError as exc:
            if exc.cause in _PASSING and claim.attempt < MAX_ATTEMPTS:
                log.info("tried again later", extra=_about(claim, exc))
                self._put_off(claim, is_counted=True)
                return
            self._renditions.put(claim, ())
            failed = WorkResult(cause=exc.cause.value, message=exc.message)
            self._work.finish(claim, failed)
            return
        stored, problems = self._renditions.put(claim, result.renditions)
        kept = WorkResult(result.facts, stored, (*result.problems, *problems))
        try:
            self._work.finish(claim, kept, again_after=_again(result, claim))
        except DependencyRejectedError as exc:  # too large, or no plain values
            cause, message = Cause.CRASHED.value, f"its facts can't be kept: {exc}"
            self._work.finish(claim, WorkResult({}, stored, (), cause, message))

    def _tried(self, claim: WorkClaim, folder: Path) -> TaskResult:
        found = present(self._store, self._store.head(claim.key), self._clock.now())
        if claim.attempt > MAX_ATTEMPTS:
            message = "reading it has ended the worker several times"
            raise MediaError(Cause.CRASHED, message)
        return self._tasks[claim.task].run(found, folder)

    def _put_off(self, claim: WorkClaim, *, is_counted: bool) -> None:
        first = _FIRST_PAUSE_AFTER_ATTEMPT if is_counted else _FIRST_PAUSE
        pause = first * (1 << min(claim.delays, 10))
        pause = min(pause, _LONGEST_PAUSE) * (0.5 + self._jitter() / 2)
        try:
            self._work.postpone(claim, until=pause, is_counted=is_counted)
        except (DependencyError, FencedError) as exc:  # its lease ends by itself
            log.info("left to its lease", extra=_about(claim, exc))


def _again(result: TaskResult, claim: WorkClaim) -> timedelta | None:
    if result.again_after is None:
        return None
    doubled: timedelta = result.again_after * (1 << min(claim.delays, 10))
    return min(doubled, _LONGEST_AGAIN)


def _about(claim: WorkClaim, exc: Exception) -> dict[str, object]:
    return {
        "task": claim.task,
        "key": claim.key,
        "attempt": claim.attempt,
        "error": str(exc),
    }
