"""What the indexer writes about itself, in memory: for tests of the API."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from catalog.models.page import Page
from catalog.repositories.base import RootId
from catalog.repositories.index_control import ReconcileReport, SweepRecord
from catalog.repositories.index_state import (
    DeadLetter,
    FeedPosition,
    Generation,
    GenerationState,
    IndexRequest,
    LetterQuery,
    RequestState,
)
from tests.fakes.failing import Failing

_OPEN = frozenset({RequestState.WAITING, RequestState.RUNNING})


class FakeChangeFeed(Failing):
    """See ``PositionReader``; ``time`` is the server's, in seconds << 32."""

    def __init__(
        self, time: int = 1_700_000_000 << 32, replica_set: str = "rs"
    ) -> None:
        super().__init__()
        self.time = time
        self.replica_set = replica_set

    def current(self) -> FeedPosition:
        self.check()
        return FeedPosition(None, self.time, "pipeline", self.replica_set)


class FakeGenerationRepository(Failing):
    """See ``GenerationRepository``; counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[int, Generation] = {}
        self.looks = 0

    def all(self) -> tuple[Generation, ...]:
        self.check()
        return tuple(self.records[number] for number in sorted(self.records))

    def save(self, *generations: Generation) -> None:
        self.check()
        self.records |= {generation.number: generation for generation in generations}

    def settled(self) -> tuple[int, int]:
        self.looks += 1
        self.check()
        for generation in self.records.values():
            if generation.state is GenerationState.SERVING:
                return generation.number, generation.settled_time
        return 0, 0

    def settle(self, time: int) -> None:
        """Let generation 1 serve, and have everything up to ``time``."""
        self.save(Generation(1, "schema", GenerationState.SERVING, settled_time=time))


class FakeIndexRequestRepository(Failing):
    """See ``IndexRequestRepository``."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, IndexRequest] = {}

    def add(self, request: IndexRequest) -> None:
        self.check()
        self.records.setdefault(request.request_id, request)

    def find(self, request_id: str) -> IndexRequest | None:
        self.check()
        return self.records.get(request_id)

    def page(self, limit: int) -> tuple[IndexRequest, ...]:
        self.check()
        return tuple(reversed(self.records.values()))[:limit]

    def open(self) -> tuple[IndexRequest, ...]:
        self.check()
        return tuple(one for one in self.records.values() if one.state in _OPEN)

    def update(self, request: IndexRequest) -> None:
        self.check()
        self.records[request.request_id] = request

    def finish(self, request_id: str, outcome: str = "done") -> None:
        """Do what the indexer does at the end."""
        found = self.records[request_id]
        self.update(replace(found, state=RequestState.DONE, outcome=outcome))


class FakeDeadLetterRepository(Failing):
    """See ``DeadLetterRepository``; one page holds everything."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[DeadLetter] = []

    def record(self, letters: Iterable[DeadLetter]) -> None:
        self.check()
        self.letters.extend(letters)

    def clear(self, roots: Sequence[RootId]) -> None:
        self.check()
        self.letters = [one for one in self.letters if one.root not in roots]

    def page(
        self,
        limit: int,
        query: LetterQuery | None = None,
        page_token: str | None = None,
    ) -> Page[DeadLetter]:
        self.check()
        assert page_token is None
        found = [one for one in self.letters if _fits(one, query or LetterQuery())]
        return Page(tuple(found[:limit]), len(found))

    def count(self) -> int:
        self.check()
        return len(self.letters)


def _fits(letter: DeadLetter, query: LetterQuery) -> bool:
    wanted: dict[str, Any] = {
        "letter_id": query.letter_id,
        "stage": query.stage,
        "job_id": query.job_id,
    }
    return (
        all(
            value is None or getattr(letter, name) == value
            for name, value in wanted.items()
        )
        and (query.text or "").lower() in letter.error.lower()
    )


class FakeScheduleRepository(Failing):
    """See ``ScheduleRepository``."""

    def __init__(self) -> None:
        super().__init__()
        self.sweeps: dict[str, SweepRecord] = {}

    def all(self) -> tuple[SweepRecord, ...]:
        self.check()
        return tuple(self.sweeps[name] for name in sorted(self.sweeps))

    def save(self, sweep: SweepRecord) -> None:
        self.check()
        self.sweeps[sweep.name] = sweep

    def keep_only(self, names: Sequence[str]) -> None:
        self.sweeps = {name: self.sweeps[name] for name in names}


class FakeReconcileRepository(Failing):
    """See ``ReconcileRepository``."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[ReconcileReport] = []

    def save(self, report: ReconcileReport) -> None:
        self.check()
        self.reports.append(report)

    def page(self, limit: int) -> tuple[ReconcileReport, ...]:
        self.check()
        return tuple(reversed(self.reports))[:limit]

    def drift_total(self) -> int:
        self.check()
        return sum(report.drift for report in self.reports)
