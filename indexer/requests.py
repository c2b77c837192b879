"""What others ask of the indexer: ``index_requests``, done once each, whoever leads.

A request stays ``running`` until its outcome is known, so a dead leader's are taken up
by the next one; every action can be begun twice without harm.
"""

import logging
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from catalog.clock import Clock
from catalog.errors import (
    CatalogError,
    ConflictError,
    DependencyRejectedError,
    FencedError,
)
from catalog.repositories.index_state import (
    DeadLetterRepository,
    DirtyRepository,
    Generation,
    IndexRequest,
    IndexRequestRepository,
    LetterQuery,
    RequestState,
)
from indexer.live import LiveSet
from indexer.marks import redrive
from indexer.ports import Answered
from indexer.rollout import Rollout
from indexer.steady import Steady

log = logging.getLogger(__name__)

_LETTER_FIELDS = frozenset({"letter_id", "stage", "job_id", "text"})


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
        rollout: Rollout,
        sweeps: SweepRunner,
        steady: Steady,
        clock: Clock,
    ) -> None:
        """Take nothing yet.

        Args:
            requests: What is asked.
            live: The live generations.
            dirty: Where roots are marked.
            dead_letters: What can be tried again.
            rollout: Builds and swaps generations.
            sweeps: Does what needs a thread of its own.
            steady: Retries.
            clock: Tells the time.
        """
        self._requests = requests
        self._live = live
        self._dirty = dirty
        self._dead_letters = dead_letters
        self._steady = steady
        self._clock = clock
        self._mine: set[str] = set()
        self._rollout = rollout
        self._sweeps = sweeps
        self._must_rescan = False

    def look(self) -> bool:
        """Take what waits; returns whether everything is to be looked at again."""
        for request in self._steady.run(self._requests.open):
            if request.request_id not in self._mine:
                self._take(request)
        must, self._must_rescan = self._must_rescan, False
        return must

    def generation_done(self, generation: Generation, failure: str | None) -> None:
        """A generation serves, or was given up: whoever asked for it is told."""
        request_id = generation.request_id
        if request_id is None:
            return
        request = self._steady.run(lambda: self._requests.find(request_id))
        if request is not None:
            outcome = failure or _serves(generation)
            self._answer(request, outcome, is_done=failure is None)

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
        except FencedError:
            raise
        except (ConflictError, ValueError, TypeError) as exc:
            self._answer(started, str(exc), is_done=False)

    def _do(self, request: IndexRequest) -> None:
        arguments = dict(request.arguments)
        answered = partial(self._answer, request)
        match request.action:
            case "reindex":
                self._reindex(request)
            case "rollback":
                answered(self._rollout.roll_back(), is_done=True)
            case "reconcile":
                self._sweeps.reconcile(arguments, answered)
            case "rescan":
                self._must_rescan = True
                answered("Everything is looked at again.", is_done=True)
            case "redrive":
                answered(self._redrive(arguments), is_done=True)
            case "run":
                self._sweeps.run(str(arguments.get("sweep")), answered)
            case _:
                message = f"The indexer does not know the action {request.action!r}."
                raise ValueError(message)

    def _reindex(self, request: IndexRequest) -> None:
        building = self._live.building
        if building is not None and building.request_id == request.request_id:
            return  # a dead leader began it, and it goes on
        served = self._live.serving
        if served is not None and served.request_id == request.request_id:
            self._answer(request, _serves(served), is_done=True)
            return
        reason = str(request.arguments.get("reason", "asked"))
        self._rollout.begin(reason, request.request_id)

    def _redrive(self, arguments: dict[str, Any]) -> str:
        wanted = {k: v for k, v in arguments.items() if k in _LETTER_FIELDS and v}

        def attempt() -> int:
            try:
                return redrive(
                    LetterQuery(**wanted),
                    dead_letters=self._dead_letters,
                    dirty=self._dirty,
                    clock=self._clock,
                    check=lambda: None,  # ``Steady.run`` does
                )
            except DependencyRejectedError as exc:
                # The question is refused, and always will be: the asker's trouble.
                raise ValueError(str(exc)) from exc

        return f"{self._steady.run(attempt)} roots are looked at again."

    def _answer(self, request: IndexRequest, outcome: str, *, is_done: bool) -> None:
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


def _serves(generation: Generation) -> str:
    return f"Generation {generation.number} serves."
