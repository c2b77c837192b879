"""What an admin may ask of the indexer, and look at.

Nothing is done here: requests are written down, and whoever leads the indexers does
them once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_hex
from typing import Any

from catalog.clock import Clock
from catalog.errors import ConflictError, NotFoundError
from catalog.models.page import Page
from catalog.repositories.index_control import (
    ReconcileReport,
    ReconcileRepository,
    ScheduleRepository,
    SweepRecord,
)
from catalog.repositories.index_state import (
    BUILDING,
    DeadLetter,
    DeadLetterRepository,
    Generation,
    GenerationRepository,
    GenerationState,
    IndexRequest,
    IndexRequestRepository,
    IndexStatus,
    IndexStatusRepository,
    LetterQuery,
    RequestState,
)

RECONCILE_KINDS = ("index", "record", "storage")
"""What can be compared with what; see ``ReconcileReport.kind``."""

_SAME_AS = "same_as"
"""Argument of a request that was answered by one that was open already."""

_BUILD_PREFIX = "generation-"
"""Before a generation's number: the id of a build that nobody asked for."""

_FINISHED = frozenset({RequestState.DONE, RequestState.FAILED})


@dataclass(frozen=True, slots=True)
class IndexReport:
    """How the index is, all at once.

    Attributes:
        status: The indexer's last heartbeat; ``None`` when none ever ran.
        silent_seconds: Age of the heartbeat.
        generations: All that are not dropped, by number.
        open_requests: Requests that wait or run.
    """

    status: IndexStatus | None
    silent_seconds: float | None
    generations: tuple[Generation, ...]
    open_requests: int


class Administration:
    """The admin's use cases; every method raises ``DependencyUnavailableError``."""

    def __init__(
        self,
        *,
        requests: IndexRequestRepository,
        generations: GenerationRepository,
        statuses: IndexStatusRepository,
        letters: DeadLetterRepository,
        sweeps: ScheduleRepository,
        reconciles: ReconcileRepository,
        clock: Clock,
    ) -> None:
        """Stand on what the indexer writes about itself."""
        self._requests = requests
        self._generations = generations
        self._statuses = statuses
        self._letters = letters
        self._sweeps = sweeps
        self._reconciles = reconciles
        self._clock = clock

    # --- asking --------------------------------------------------------------------
    # ``key``: the caller's own name for the call; the same key is the same request.

    def reindex(self, key: str | None = None) -> IndexRequest:
        """Ask for a new generation; while one is built, tell of that one instead.

        Raises:
            ConflictError: The key was used for another request.
        """

        def under_way() -> IndexRequest | None:
            building = self._building()
            begun = None if building is None else self._request_of(building)
            return self._open("reindex") or begun

        return self._ask("reindex", {}, key, under_way)

    def rollback(self, key: str | None = None) -> IndexRequest:
        """Ask for the generation that served before to serve again.

        Raises:
            ConflictError: None is kept, or the key was used for another request.
        """

        def under_way() -> IndexRequest | None:
            found = self._open("rollback")
            if found is None and not self._is_any_kept():
                message = (
                    "There is no generation to go back to: the one before is kept for "
                    "a while after a rebuild only. POST /api/admin/reindex makes a new "
                    "one."
                )
                raise ConflictError(message)
            return found

        return self._ask("rollback", {}, key, under_way)

    def reconcile(
        self,
        kinds: Sequence[str] = RECONCILE_KINDS,
        *,
        accept_losses: bool = False,
        key: str | None = None,
    ) -> IndexRequest:
        """Ask for comparisons now.

        Args:
            kinds: Out of ``RECONCILE_KINDS``.
            accept_losses: Believe a store in which much more is gone than usual.
            key: See above.

        Raises:
            ConflictError: The key was used for another request.
        """
        wanted = [kind for kind in RECONCILE_KINDS if kind in kinds]
        arguments = {"kinds": wanted, "acceptLosses": accept_losses}
        return self._ask("reconcile", arguments, key)

    def run_sweep(self, name: str, key: str | None = None) -> IndexRequest:
        """Ask for a sweep of the schedule to run now.

        Raises:
            NotFoundError: There is none of this name.
            ConflictError: The key was used for another request.
        """
        if all(sweep.name != name for sweep in self._sweeps.all()):
            raise NotFoundError("sweep", name)
        return self._ask("run", {"sweep": name}, key)

    def redrive_one(self, letter_id: str, key: str | None = None) -> IndexRequest:
        """Ask for one dead letter to be tried again.

        Raises:
            NotFoundError: There is no such dead letter.
            ConflictError: The key was used for another request.
        """
        self.letter(letter_id)
        return self._ask("redrive", {"letter_id": letter_id}, key)

    def redrive(
        self,
        *,
        stage: str | None = None,
        job_id: str | None = None,
        text: str | None = None,
        key: str | None = None,
    ) -> IndexRequest:
        """Ask for all dead letters to be tried again that fit; without filter: all.

        Raises:
            ConflictError: The key was used for another request.
        """
        asked = {"stage": stage, "job_id": job_id, "text": text}
        arguments = {name: value for name, value in asked.items() if value is not None}
        return self._ask("redrive", arguments, key)

    # --- looking -------------------------------------------------------------------

    def request(self, request_id: str) -> IndexRequest:
        """Read one request.

        Raises:
            NotFoundError: There is none, or none any more.
        """
        found = self._requests.find(request_id)
        if found is None:
            for generation in self._generations.all():
                if _build_id(generation) == request_id:
                    return self._request_of(generation)
            raise NotFoundError("request", request_id)
        return self._followed(found)

    def requests(self, limit: int) -> tuple[IndexRequest, ...]:
        """List requests, newest first."""
        return self._requests.page(limit)

    def report(self) -> IndexReport:
        """Tell how the index is."""
        status = self._statuses.read()
        silence: float | None = None
        if status is not None:
            silence = (self._clock.now() - status.beat_at).total_seconds()
        return IndexReport(
            status=status,
            silent_seconds=None if silence is None else max(silence, 0.0),
            generations=tuple(
                generation
                for generation in self._generations.all()
                if generation.state is not GenerationState.DROPPED
            ),
            open_requests=len(self._requests.open()),
        )

    def generations(self) -> tuple[tuple[Generation, ...], IndexStatus | None]:
        """List all generations by number, with the heartbeat for the pace."""
        return self._generations.all(), self._statuses.read()

    def sweeps(self) -> tuple[SweepRecord, ...]:
        """List the schedule, by name."""
        return self._sweeps.all()

    def reconciles(self, limit: int) -> tuple[tuple[ReconcileReport, ...], int]:
        """List reports, newest first, and count all drift that was ever found."""
        return self._reconciles.page(limit), self._reconciles.drift_total()

    def letters(
        self,
        limit: int,
        *,
        stage: str | None = None,
        job_id: str | None = None,
        text: str | None = None,
        page_token: str | None = None,
    ) -> Page[DeadLetter]:
        """List dead letters, newest first.

        Raises:
            InvalidQueryError: The page token is not one of this list.
        """
        query = LetterQuery(stage=stage, job_id=job_id, text=text)
        return self._letters.page(limit, query, page_token)

    def letter(self, letter_id: str) -> DeadLetter:
        """Read one dead letter.

        Raises:
            NotFoundError: There is no such dead letter.
        """
        found = self._letters.page(1, LetterQuery(letter_id=letter_id)).items
        if not found:
            raise NotFoundError("dead letter", letter_id)
        return found[0]

    # --- requests ------------------------------------------------------------------

    def _ask(
        self,
        action: str,
        arguments: Mapping[str, Any],
        key: str | None,
        under_way: Callable[[], IndexRequest | None] | None = None,
    ) -> IndexRequest:
        """Write a request down, unless it was, or is under way already."""
        request_id = token_hex(12) if key is None else _id_of_key(key)
        if key is not None:
            known = self._requests.find(request_id)
            if known is not None:
                _refuse_reuse(known, action, arguments)
                return self._followed(known)
        now = self._clock.now()
        running = under_way() if under_way else self._open(action, arguments)
        if running is None:
            self._requests.add(IndexRequest(request_id, action, now, arguments))
        elif key is None:
            return running
        else:
            # The key must go on to mean this one, also when that one has finished.
            self._requests.add(
                IndexRequest(
                    request_id,
                    action,
                    now,
                    {**arguments, _SAME_AS: running.request_id},
                    RequestState.DONE,
                    f"The same as request {running.request_id}, which was open then.",
                    finished_at=now,
                )
            )
        return self.request(request_id)

    def _open(
        self, action: str, arguments: Mapping[str, Any] | None = None
    ) -> IndexRequest | None:
        """Find an open request; without ``arguments`` whatever it has."""
        for request in self._requests.open():
            same = arguments is None or dict(request.arguments) == dict(arguments)
            if request.action == action and same:
                return request
        return None

    def _followed(self, request: IndexRequest) -> IndexRequest:
        """Find the request that this one was answered by, if it was."""
        other = request.arguments.get(_SAME_AS)
        if other is None:
            return request
        try:
            return self.request(str(other))
        except NotFoundError:  # so long ago that it is forgotten
            return request

    # --- builds --------------------------------------------------------------------

    def _building(self) -> Generation | None:
        found = [g for g in self._generations.all() if g.state in BUILDING]
        return found[-1] if found else None

    def _is_any_kept(self) -> bool:
        return any(
            generation.state is GenerationState.RETIRING
            for generation in self._generations.all()
        )

    def _request_of(self, generation: Generation) -> IndexRequest:
        """Find who asked for a build; one that nobody asked for looks the same."""
        if generation.request_id is not None:
            found = self._requests.find(generation.request_id)
            if found is not None:
                return found
        state, outcome = RequestState.RUNNING, None
        if generation.served_at is not None:
            state = RequestState.DONE
            outcome = f"Generation {generation.number} was built and swapped in."
        elif generation.state is GenerationState.DROPPED:
            state = RequestState.FAILED
            outcome = f"Generation {generation.number} was given up."
        finished_at = generation.served_at or generation.updated_at
        begun_at = generation.started_at or generation.updated_at or self._clock.now()
        return IndexRequest(
            request_id=_build_id(generation),
            action="reindex",
            created_at=begun_at,
            arguments={"reason": generation.reason},
            state=state,
            outcome=outcome,
            started_at=begun_at,
            finished_at=finished_at if state in _FINISHED else None,
        )


def _id_of_key(key: str) -> str:
    """Hash a caller's key: whatever it is, the id is short and safe in an address."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16)
    return "key-" + digest.hexdigest()


def _refuse_reuse(
    known: IndexRequest, action: str, arguments: Mapping[str, Any]
) -> None:
    asked = {k: v for k, v in known.arguments.items() if k != _SAME_AS}
    if known.action != action or asked != dict(arguments):
        message = (
            f"This Idempotency-Key was used for another request ({known.action}); "
            "choose a new one."
        )
        raise ConflictError(message)


def _build_id(generation: Generation) -> str:
    return f"{_BUILD_PREFIX}{generation.number}"
