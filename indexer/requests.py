"""What others ask of the indexer: ``index_requests``, done once each, whoever leads.

A request stays ``running`` until its outcome is known, so a dead leader's are taken up
by the next one; every action can be begun twice without harm.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from catalog.clock import Clock
from catalog.errors import CatalogError, ConflictError, DependencyError, FencedError
from catalog.repositories.index_state import (
    DeadLetterRepository,
    DirtyRepository,
    DirtyRoot,
    Generation,
    IndexRequest,
    IndexRequestRepository,
    LetterQuery,
    RequestState,
)
from indexer.batching import slices
from indexer.checkpoint import LiveSet
from indexer.rollout import Rollout
from indexer.steady import Steady

log = logging.getLogger(__name__)

Answered = Callable[[bool, str], None]
"""Told whether it was done, and what came of it; by any thread."""

_LETTER_FIELDS = frozenset({"letter_id", "stage", "job_id", "text"})
_MARKED_AT_ONCE = 1_000


class SweepRunner(Protocol):
    """Does what the schedule does, on request; returns at once."""

    def reconcile(self, arguments: dict[str, Any], answered: Answered) -> None:
        """Compare record, index and store now (``kinds``, ``acceptLosses``)."""
        ...

    def run(self, sweep: str, answered: Answered) -> None:
        """Start a sweep of the schedule now; an unknown one is answered at once."""
        ...


class RequestDesk:
    """Takes requests and gives them to whoever can do them; used by one thread."""

    def __init__(
        self,
        *,
        requests: IndexRequestRepository,
        live: LiveSet,
        dirty: DirtyRepository,
        dead_letters: DeadLetterRepository,
        steady: Steady,
        clock: Clock,
    ) -> None:
        """Take nothing yet; see ``open`` for who does the work."""
        self._requests = requests
        self._live = live
        self._dirty = dirty
        self._dead_letters = dead_letters
        self._steady = steady
        self._clock = clock
        self._mine: set[str] = set()
        self._rollout: Rollout | None = None
        self._sweeps: SweepRunner | None = None
        self._must_rescan = False

    def open(self, rollout: Rollout, sweeps: SweepRunner) -> None:
        """From now on these do the work."""
        self._rollout, self._sweeps = rollout, sweeps

    def look(self) -> bool:
        """Take what waits; returns whether everything is to be looked at again."""
        for request in self._steady.run(self._requests.open):
            if request.request_id not in self._mine:
                self._take(request)
        must, self._must_rescan = self._must_rescan, False
        return must

    def generation_done(
        self,
        generation: Generation,
        is_serving: bool,  # noqa: FBT001  (a callback)
        why: str,
    ) -> None:
        """A generation serves, or was given up: whoever asked for it is told."""
        if generation.request_id is None:
            return
        text = f"Generation {generation.number} serves." if is_serving else why
        request = self._steady.run(
            lambda: self._requests.find(generation.request_id or "")
        )
        if request is not None:
            self._answer(request, is_done=is_serving, outcome=text)

    # --- each action ---------------------------------------------------------------

    def _take(self, request: IndexRequest) -> None:
        log.info("asked", extra={"action": request.action, "id": request.request_id})
        self._mine.add(request.request_id)
        started = replace(
            request,
            state=RequestState.RUNNING,
            started_at=request.started_at or self._clock.now(),
        )
        self._steady.run(lambda: self._requests.update(started))
        try:
            self._do(started)
        except (FencedError, DependencyError):
            raise
        except (ConflictError, ValueError, TypeError) as exc:
            self._answer(started, is_done=False, outcome=str(exc))

    def _do(self, request: IndexRequest) -> None:
        assert self._rollout is not None  # noqa: S101  (open was called)
        assert self._sweeps is not None  # noqa: S101
        arguments = dict(request.arguments)

        def answered(is_done: bool, outcome: str) -> None:  # noqa: FBT001
            self._answer(request, is_done=is_done, outcome=outcome)

        match request.action:
            case "reindex":
                self._reindex(request, self._rollout)
            case "rollback":
                answered(True, self._rollout.roll_back())  # noqa: FBT003
            case "reconcile":
                self._sweeps.reconcile(arguments, answered)
            case "rescan":
                self._must_rescan = True
                answered(True, "Everything is looked at again.")  # noqa: FBT003
            case "redrive":
                answered(True, self._redrive(arguments))  # noqa: FBT003
            case "run":
                self._sweeps.run(str(arguments.get("sweep")), answered)
            case _:
                message = f"The indexer does not know the action {request.action!r}."
                raise ValueError(message)

    def _reindex(self, request: IndexRequest, rollout: Rollout) -> None:
        building = self._live.building
        if building is not None and building.request_id == request.request_id:
            return  # a dead leader began it, and it goes on
        served = self._live.serving
        if served is not None and served.request_id == request.request_id:
            outcome = f"Generation {served.number} serves."
            self._answer(request, is_done=True, outcome=outcome)
            return
        reason = str(request.arguments.get("reason", "asked"))
        rollout.begin(reason, request.request_id)

    def _redrive(self, arguments: dict[str, Any]) -> str:
        wanted = {k: v for k, v in arguments.items() if k in _LETTER_FIELDS and v}
        roots = list(self._dead_letters.roots(LetterQuery(**wanted)))
        now = self._clock.now()
        for part in slices(roots, _MARKED_AT_ONCE):
            marks = [DirtyRoot(root, now, reason="redrive") for root in part]
            self._steady.run(lambda: self._dirty.mark(marks))  # noqa: B023
        return f"{len(roots)} roots are looked at again."

    def _answer(self, request: IndexRequest, *, is_done: bool, outcome: str) -> None:
        state = RequestState.DONE if is_done else RequestState.FAILED
        finished = replace(
            request, state=state, outcome=outcome, finished_at=self._clock.now()
        )
        log.info("answered", extra={"id": request.request_id, "outcome": outcome})
        try:
            self._steady.run(lambda: self._requests.update(finished))
        except CatalogError as exc:  # it is done again by the next leader
            log.warning("an answer was lost", extra={"error": str(exc)})
            raise
