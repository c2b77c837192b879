"""The indexer's own state and the change feed of the world in memory, as ports."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from catalog.errors import ConflictError, FencedError, HistoryLostError
from catalog.models.page import Page
from catalog.repositories.base import RootId
from catalog.repositories.index_control import ReconcileReport
from catalog.repositories.index_state import (
    Change,
    DeadLetter,
    DirtyReason,
    DirtyRoot,
    FeedPosition,
    Generation,
    GenerationState,
    IndexRequest,
    LetterQuery,
)
from tests.unit.indexer.world import World, root_key_of


class Generations:
    """``GenerationRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def all(self) -> tuple[Generation, ...]:
        return tuple(g for _, g in sorted(self.world.generations.items()))

    def save(self, *generations: Generation) -> None:
        self.world.faults.step("save", detail=[_about(one) for one in generations])
        for generation in generations:
            old = self.world.generations.get(generation.number)
            self._fence(old, generation)
            before = old.position.cluster_time if old and old.position else 0
            is_back = generation.position and generation.position.cluster_time < before
            if is_back and not generation.is_degraded:
                raise ConflictError("backwards")
        self.world.generations |= {one.number: one for one in generations}
        if any(one.state is GenerationState.SERVING for one in generations):
            self.world.is_serving = bool(self.world.aliases)
        self.world.cluster_time += 1  # the server's time goes on with every write

    def _fence(self, old: Generation | None, generation: Generation) -> None:
        if old is not None and old.epoch > generation.epoch:
            raise FencedError("a later leader")

    def settled(self) -> tuple[int, int]:
        for one in self.all():
            if one.state is GenerationState.SERVING:
                return one.number, one.settled_time
        return 0, 0


class Dirty:
    """``DirtyRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def mark(self, roots: Iterable[DirtyRoot]) -> None:
        marks = list(roots)
        self.world.faults.step("dirty.mark", detail=[one.root for one in marks])
        for one in marks:
            if one.reason == "drift" and one.root in self.world.dirty:
                self.world.awaited.add(f"rows of root {one.root!r}")
            self.world.dirty[one.root] = one

    def due(self, now: datetime, limit: int) -> tuple[DirtyRoot, ...]:
        self.world.faults.step("dirty.due")
        found = [one for one in self.world.dirty.values() if one.due_at <= now]
        return tuple(sorted(found, key=lambda one: one.due_at)[:limit])

    def attempts(self, roots: Sequence[RootId]) -> Mapping[str, int]:
        return {
            root_key_of(root): self.world.dirty[root].attempts
            for root in roots
            if root in self.world.dirty
        }

    def clear(self, roots: Sequence[RootId], now: datetime) -> None:
        self.world.faults.step("dirty.clear", detail=roots)
        for root in roots:
            known = self.world.dirty.get(root)
            if known and (known.reason != DirtyReason.UNCERTAIN or known.due_at <= now):
                del self.world.dirty[root]

    def count(self, reason: str | None = None) -> int:
        return sum(reason in {None, d.reason} for d in self.world.dirty.values())


class Letters:
    """``DeadLetterRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, letters: Iterable[DeadLetter]) -> None:
        self.world.faults.step("letters.record")
        for letter in letters:
            old = self.world.letters.get(letter.root)
            attempts = old.attempts + 1 if old else 1
            self.world.letters[letter.root] = replace(letter, attempts=attempts)

    def clear(self, roots: Sequence[RootId]) -> None:
        self.world.faults.step("letters.clear")
        for root in roots:
            self.world.letters.pop(root, None)

    def page(
        self,
        limit: int,
        query: LetterQuery | None = None,
        page_token: str | None = None,
    ) -> Page[DeadLetter]:
        assert page_token is None
        wanted = query.letter_id if query else None
        found = tuple(
            replace(letter, letter_id=root_key_of(letter.root))
            for letter in self.world.letters.values()
            if wanted in {None, root_key_of(letter.root)}
        )
        assert len(found) <= limit
        return Page(found, len(found))

    def count(self) -> int:
        return len(self.world.letters)


class Requests:
    """``IndexRequestRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add(self, request: IndexRequest) -> None:
        self.world.requests.setdefault(request.request_id, request)

    def find(self, request_id: str) -> IndexRequest | None:
        return self.world.requests.get(request_id)

    def page(self, limit: int) -> tuple[IndexRequest, ...]:
        return tuple(self.world.requests.values())[:limit]

    def open(self) -> tuple[IndexRequest, ...]:
        self.world.faults.step("requests.open")
        return self.world.open_requests()

    def update(self, request: IndexRequest) -> None:
        self.world.faults.step("requests.update")
        self.world.requests[request.request_id] = request


class Reports:
    """``ReconcileRepository`` over the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def save(self, report: ReconcileReport) -> None:
        self.world.reports[report.report_id] = report

    def page(self, limit: int) -> tuple[ReconcileReport, ...]:
        return tuple(self.world.reports.values())[:limit]

    def drift_total(self) -> int:
        return sum(sum(r.differences.values()) for r in self.page(10_000))


def _about(generation: Generation) -> tuple[object, ...]:
    position = generation.position
    reached = position.cluster_time if position else None
    return generation.number, generation.state.value, reached, generation.sequence


class Stream:
    """``ChangeStream`` over the world's events; fails as the real one does."""

    def __init__(self, world: World, position: FeedPosition) -> None:
        self.world = world
        self._position = position
        self._next = self._resume(position)

    def _resume(self, position: FeedPosition) -> int:
        """Climb the ladder: token, else cluster time (some are repeated then)."""
        if position.replica_set != self.world.replica_set:
            raise HistoryLostError("mongodb", "of another replica set")
        if position.cluster_time < self.world.oldest_event:
            raise HistoryLostError("mongodb", "286: gone")
        token = position.token
        if token is not None and token["of"] == self.world.tokens:
            return int(token["next"])
        return self.world.first_event_at(position.cluster_time)

    def next_batch(self, *, max_changes: int, linger_seconds: float) -> list[Change]:
        del linger_seconds
        world = self.world
        world.faults.step("next_batch", detail=self._next)
        if world.is_cursor_lost:  # 136: the position may still be in the oplog
            world.is_cursor_lost = False
            self._next = self._resume(self._position)
        at = self._position.cluster_time
        if at < world.oldest_event:
            raise HistoryLostError("mongodb", "286: gone")
        changes = world.events[self._next : self._next + max_changes]
        end = self._next + len(changes)
        if world.too_large is not None and self._next <= world.too_large < end:
            # The good events before it are lost with it, and the token is unmoved.
            raise HistoryLostError("mongodb", "10334: too large")
        self._next = end
        if end == len(world.events):
            reached = world.cluster_time
        else:  # in the middle of a transaction its time has not been reached
            reached = min(changes[-1].cluster_time, world.events[end].cluster_time - 1)
        token = {"of": world.tokens, "next": end}
        self._position = replace(
            self._position, token=token, cluster_time=max(reached, at)
        )
        return changes

    @property
    def position(self) -> FeedPosition:
        return self._position

    def close(self) -> None:
        """Nothing is open."""


class Feed:
    """``ChangeFeed`` over the world's events."""

    def __init__(self, world: World) -> None:
        self.world = world

    def current(self) -> FeedPosition:
        self.world.faults.step("feed.current")
        world = self.world
        return FeedPosition(None, world.cluster_time, "p", world.replica_set)

    def oldest(self) -> int:
        return self.world.oldest_event

    def open(self, position: FeedPosition) -> Stream:
        self.world.faults.step("feed.open")
        return Stream(self.world, position)
