"""The generation that is being written: its names, its ``_seq``, its saved position.

A position is saved only behind the proof: ``indexer.follow`` tells it after a batch is
in the index. The lease's epoch will fence these saves (issue "An index that never
drifts"); until then the repository refuses to go backwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from catalog.clock import Clock
from catalog.repositories.base import RootId
from catalog.repositories.index_state import (
    FeedPosition,
    Generation,
    GenerationRepository,
    GenerationState,
)
from catalog.search.base import IndexName
from catalog.search.generation import physical_name

SAVE_SECONDS = 0.1
"""How long a proven position may stay unsaved (replay after a crash is harmless)."""

HEARTBEAT_SECONDS = 10.0
"""How often an idle position is saved, so that it doesn't age out of the oplog."""

SEQUENCE_JUMP = 1 << 32
"""One second in ``_seq``: passes everything that a crashed process can have used."""


@dataclass(frozen=True, slots=True)
class Target:
    """The physical indexes of one generation."""

    number: int
    names: Mapping[IndexName, str]

    @property
    def assets(self) -> str:
        """Physical index of the assets."""
        return self.names[IndexName.ASSETS]

    @property
    def segments(self) -> str:
        """Physical index of the segments."""
        return self.names[IndexName.SEGMENTS]

    @property
    def tags(self) -> str:
        """Physical index of the tags."""
        return self.names[IndexName.TAGS]


def target_of(generation: Generation, prefix: str) -> Target:
    """Name the physical indexes of a generation."""
    return Target(
        generation.number,
        {
            kind: physical_name(prefix, kind, generation.number, generation.schema_hash)
            for kind in IndexName
        },
    )


class Checkpoint:
    """The saved state of one generation; used by the thread that applies."""

    def __init__(
        self,
        generation: Generation,
        *,
        generations: GenerationRepository,
        clock: Clock,
        prefix: str,
    ) -> None:
        """Take over a generation as it was saved."""
        self.generation = generation
        self.target = target_of(generation, prefix)
        self._generations = generations
        self._clock = clock
        self._lock = Lock()
        self._sequence = generation.sequence
        self._position = generation.position
        self._saved_at = clock.monotonic()
        self._owes_a_save = False

    @property
    def position(self) -> FeedPosition | None:
        """Everything up to here is proven, saved or not."""
        return self._position

    def next_sequence(self, cluster_time: int) -> int:
        """Give out a ``_seq`` higher than any before, for documents of one read."""
        with self._lock:
            self._sequence = max(self._sequence + 1, cluster_time)
            return self._sequence

    def jump(self) -> None:
        """Pass whatever ``_seq`` an earlier process used without saving it."""
        with self._lock:
            self._sequence += SEQUENCE_JUMP

    def advance(self, position: FeedPosition, *, has_changes: bool) -> None:
        """Note a proven position; save it unless the last save is very recent."""
        self._position = position
        self._owes_a_save = self._owes_a_save or has_changes
        elapsed = self._clock.monotonic() - self._saved_at
        if elapsed >= (SAVE_SECONDS if self._owes_a_save else HEARTBEAT_SECONDS):
            self.save()

    def save_if_behind(self) -> None:
        """Save a proven position that is still unsaved (the stream is quiet now)."""
        if self._owes_a_save:
            self.save()

    def save(self, **changes: Any) -> None:  # noqa: ANN401  (fields of Generation)
        """Save everything now.

        Args:
            changes: Other fields of the generation, by name.

        Raises:
            ConflictError: A newer position is saved already: another indexer runs.
            DependencyUnavailableError: retryable.
        """
        position = changes.pop("position", self._position)
        generation = replace(
            self.generation,
            position=position,
            sequence=self._sequence,
            updated_at=self._clock.now(),
            **changes,
        )
        self._generations.save(generation)
        self.generation, self._position = generation, position
        self._saved_at = self._clock.monotonic()
        self._owes_a_save = False

    def save_backfill(self, cursor: RootId, done: int) -> None:
        """Save how far the backfill is."""
        self.save(cursor=cursor, done=done)

    def enter(self, state: GenerationState) -> None:
        """Save the next state of the generation's life."""
        self.save(state=state)
