"""Threads that work only while another one waits for them: one order of steps."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from typing_extensions import override

from catalog.clock import Clock
from catalog.errors import CatalogError, FencedError
from catalog.repositories.index_control import ReconcileReport
from indexer.comparison import Suspects
from indexer.findings import Findings, Mended
from indexer.live import Target
from indexer.ports import Answered, Ports
from indexer.reconcile_index import IndexReconciler
from indexer.reconcile_passes import Reconciling
from indexer.steady import StoppedError
from indexer.sweep_run import Run
from indexer.term import Term
from tests.unit.indexer.world import CrashError, Faults


class _EndedError(BaseException):
    """The process has ended; so do its threads."""


class Beside:
    """Something in a thread of its own, which has the turn or has not."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._is_ended = False
        self.is_over = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def go_on(self) -> None:
        """Give it the turn, until it pauses or is over."""
        if not self.is_over:
            self._turn.release()
            self._back.acquire()

    def pause(self) -> None:
        """Give the turn back; called by the thread itself."""
        self._back.release()
        self._turn.acquire()
        if self._is_ended:
            raise _EndedError

    def end(self) -> None:
        """Have it go no further."""
        self._is_ended = True
        self.go_on()
        self.thread.join()

    def _run(self) -> None:
        self._turn.acquire()
        try:
            if not self._is_ended:
                self._work()
        except (_EndedError, CrashError, CatalogError):
            pass
        finally:
            self.is_over = True
            self._back.release()


class _Findings(Findings):
    """Gives the turn back until the loop has looked again."""

    def __init__(self, pause: Callable[[], None]) -> None:
        super().__init__()
        self._pause = pause

    @override
    def put(
        self,
        target: Target,
        suspects: Suspects,
        mended: Mended,
        *,
        stop: threading.Event,
        accept_losses: bool = False,
    ) -> None:
        is_done = False

        def told(*answer: Any) -> None:  # noqa: ANN401  (handed on)
            nonlocal is_done
            is_done = True
            mended(*answer)

        super().put(target, suspects, told, stop=stop, accept_losses=accept_losses)
        while not is_done:
            self._pause()


class _Clock(Clock):
    """Waits by giving the turn back."""

    def __init__(self, clock: Clock, pause: Callable[[], None]) -> None:
        self._clock = clock
        self._pause = pause

    @override
    def now(self) -> datetime:
        return self._clock.now()

    @override
    def monotonic(self) -> float:
        return self._clock.monotonic()

    @override
    def wait(self, stop: threading.Event, seconds: float) -> bool:
        del seconds
        self._pause()
        return stop.is_set()


class ReconcilingBeside:
    """``SweepRunner`` that reconciles while the loop works, in one order of steps."""

    def __init__(
        self,
        ports: Ports,
        term: Term,
        faults: Faults,
        is_interrupted: Callable[[], bool],
    ) -> None:
        self._faults = faults
        self._is_interrupted = is_interrupted
        self.comparison = IndexReconciler(
            rows=ports.rows,
            admin=ports.index_admin,
            records=ports.records,
            dead_letters=ports.dead_letters,
            make_pool=ports.make_pool,
        )
        self.findings = _Findings(self.pause)
        self._clock = _Clock(ports.clock, self.pause)
        self._reconciling = Reconciling(
            reconciler=self.comparison,
            findings=self.findings,
            generations=ports.generations,
            records=ports.records,
            store=ports.store,
            dirty=ports.dirty,
            reports=ports.reconciles,
            clock=self._clock,
            term=term,
            prefix=ports.index_prefix,
            make_pool=ports.make_pool,
        )
        self._term = term
        self._running: Beside | None = None

    def reconcile(self, arguments: dict[str, Any], answered: Answered) -> None:
        del arguments
        if self._running is not None:
            answered("It is under way.", is_done=False)
            return

        def work() -> None:
            try:
                reports = self._pass()
            except (FencedError, StoppedError):
                return
            except CatalogError as exc:
                answered(str(exc), is_done=False)
            else:
                answered(f"{sum(r.drift for r in reports)} differ", is_done=True)

        self._running = Beside(work)

    def _pass(self) -> list[ReconcileReport]:
        run = Run(self._term, self._clock, is_asked=True)
        return [self._reconciling.index(run), self._reconciling.record(run)]

    def run(self, sweep: str, answered: Answered) -> None:
        answered(f"there is no {sweep}", is_done=False)

    def pause(self) -> None:
        assert self._running is not None
        self._running.pause()

    def go_on(self) -> None:
        """Let a pass go on for a while."""
        if self._running is None:
            return
        self._faults.beside = self._step
        self._running.go_on()
        self._faults.beside = None
        if self._running.is_over:
            self._running = None

    def _step(self) -> None:
        if self._is_interrupted():
            self.pause()

    def close(self) -> None:
        if self._running is not None:
            self._running.end()
