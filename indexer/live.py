"""The generations that are kept in step, the ``_seq`` and the position they share.

One stream feeds all live generations in one serial loop, so they have one position; it
is saved with each of them, behind the proof and fenced by the leader's epoch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from catalog.clock import Clock
from catalog.repositories.index_state import (
    BUILDING,
    FeedPosition,
    Generation,
    GenerationRepository,
    GenerationState,
)
from catalog.search.base import IndexName
from catalog.search.generation import physical_name
from catalog.search.schema import schema_hash

SAVE_SECONDS = 0.1
"""How long a proven position may stay unsaved (replay after a crash is harmless)."""

HEARTBEAT_SECONDS = 1.0
"""How often an idle position is saved: it must not age out of the oplog, and whoever
waits for a freshness token reads it."""

SEQUENCE_JUMP = 1 << 32
"""One second in ``_seq``: passes everything that a crashed process can have used."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Target:
    """The physical indexes of one live generation, and how it is written.

    Attributes:
        number: Of the generation.
        names: Physical index by kind.
        is_ours: Made with the schema of this code, so that rows know what it holds.
        is_writable: It takes our documents. Into an index of an incompatible schema
            nothing is written; what changes is removed from it, so that it never
            answers with rights that were taken away.
        is_filling: Its backfill is not done; what it lacks proves nothing.
    """

    number: int
    names: Mapping[IndexName, str]
    is_ours: bool = True
    is_writable: bool = True
    is_filling: bool = False

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


def target_of(
    generation: Generation, prefix: str, *, is_writable: bool = True
) -> Target:
    """Name the physical indexes of a generation."""
    return Target(
        generation.number,
        {
            kind: physical_name(prefix, kind, generation.number, generation.schema_hash)
            for kind in IndexName
        },
        is_ours=generation.schema_hash == schema_hash(),
        is_writable=is_writable,
        is_filling=generation.state is GenerationState.BACKFILLING,
    )


class LiveSet:
    """The live generations as they were saved; used by the thread that applies.

    ``next_sequence`` alone may be called from others.
    """

    def __init__(
        self,
        live: Iterable[Generation],
        *,
        generations: GenerationRepository,
        clock: Clock,
        prefix: str,
        epoch: int = 0,
        sequence: int = 0,
        frozen: Iterable[int] = (),
    ) -> None:
        """Take over generations as they were saved.

        Args:
            live: At least one, none of them dropped.
            generations: Where to save.
            clock: Tells when.
            prefix: Of the indexes' names.
            epoch: The leader's, which fences every save.
            sequence: Highest ``_seq`` that generations which are gone gave out.
            frozen: Numbers of those that do not take our documents.
        """
        self._live = {one.number: one for one in live}
        self._generations = generations
        self._clock = clock
        self._prefix = prefix
        self._epoch = epoch
        self._frozen = set(frozen)
        self._lock = Lock()
        self._sequence = max([sequence, *(g.sequence for g in self._live.values())])
        positions = [g.position for g in self._live.values() if g.position]
        # The oldest: what the others have already is applied to them once more.
        self._position = min(positions, key=lambda at: at.cluster_time, default=None)
        self._settled = min((g.settled_time for g in self._live.values()), default=0)
        self._holds_settled = False
        self._saved_at = clock.monotonic()
        self._owes_a_save = False
        self._targets = self._make_targets()

    # --- who is live ---------------------------------------------------------------

    @property
    def all(self) -> tuple[Generation, ...]:
        """By number."""
        return tuple(self._live[number] for number in sorted(self._live))

    @property
    def serving(self) -> Generation | None:
        """What readers are pointed at."""
        every = [g for g in self.all if g.state is GenerationState.SERVING]
        return max(every, key=lambda g: g.served_at or _LONG_AGO, default=None)

    @property
    def building(self) -> Generation | None:
        """The one that is to serve next."""
        return next((g for g in reversed(self.all) if g.state in BUILDING), None)

    @property
    def retiring(self) -> Generation | None:
        """The one that can be gone back to."""
        every = [g for g in self.all if g.state is GenerationState.RETIRING]
        return every[-1] if every else None

    @property
    def newest(self) -> Generation:
        """The one to tell of: the one being built, else the one that serves."""
        return self.building or self.serving or self.all[-1]

    @property
    def is_degraded(self) -> bool:
        """Whether history was lost and the repair is not finished."""
        return any(one.is_degraded for one in self.all)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where documents are written; the serving one first."""
        return self._targets

    def target(self, number: int) -> Target:
        """The indexes of one live generation."""
        return next(one for one in self._targets if one.number == number)

    def change(self, number: int, **changes: Any) -> Generation:  # noqa: ANN401
        """Change fields of one generation and save all; returns it as it is now."""
        self._save({number: replace(self._live[number], **changes)})
        return self._live[number]

    def change_all(self, changed: Iterable[Generation]) -> None:
        """Save several generations at once, all or none."""
        self._save({one.number: one for one in changed})

    def add(self, generation: Generation) -> None:
        """Take a new one in (and save it): it follows from our position on."""
        self._save({generation.number: generation})

    def remove(self, number: int) -> None:
        """Keep one in step no longer; saving that is the caller's business."""
        del self._live[number]
        self._targets = self._make_targets()

    def _make_targets(self) -> tuple[Target, ...]:
        serving = self.serving
        first = serving.number if serving else 0
        return tuple(
            target_of(one, self._prefix, is_writable=one.number not in self._frozen)
            for one in sorted(self.all, key=lambda g: (g.number != first, g.number))
            if one.state is not GenerationState.CREATING
        )

    # --- ``_seq`` ------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """The highest that was given out."""
        with self._lock:
            return self._sequence

    def next_sequence(self, cluster_time: int) -> int:
        """Give out a ``_seq`` higher than any before, for documents of one read."""
        with self._lock:
            self._sequence = max(self._sequence + 1, cluster_time)
            return self._sequence

    def jump(self) -> None:
        """Pass whatever ``_seq`` an earlier process used without saving it.

        Saved at once: the next process must pass what this one is about to use.
        """
        with self._lock:
            self._sequence += SEQUENCE_JUMP
        self.save()

    # --- the position --------------------------------------------------------------

    @property
    def position(self) -> FeedPosition | None:
        """Everything up to here is proven in all live generations, saved or not."""
        return self._position

    def hold_settled(self, *, is_held: bool) -> None:
        """Stop, or let go on, the time that freshness tokens are compared with.

        Held while roots wait in ``index_dirty`` that the position has passed.
        """
        self._owes_a_save = self._owes_a_save or self._holds_settled != is_held
        self._holds_settled = is_held

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

    def save(self) -> None:
        """Save everything now; raises as ``GenerationRepository.save``."""
        self._save({})

    def start_over(self, position: FeedPosition) -> None:
        """Go on from elsewhere, degraded until that is repaired.

        Raises:
            ConflictError: The server's clock is behind what was saved.
        """
        self._position = position
        self._settled = min(self._settled, position.cluster_time)
        self.change_all(replace(one, is_degraded=True) for one in self.all)

    def repaired(self) -> None:
        """No history is missing any more."""
        self.change_all(replace(one, is_degraded=False) for one in self.all)

    def _save(self, changed: Mapping[int, Generation]) -> None:
        position = self._position
        now = {**self._live, **changed}
        is_behind = self._holds_settled or any(g.is_degraded for g in now.values())
        if position is not None and not is_behind:
            self._settled = max(self._settled, position.cluster_time)
        saved = {
            number: replace(
                one,
                position=position,
                sequence=self._sequence,
                settled_time=self._settled,
                epoch=self._epoch,
                updated_at=self._clock.now(),
            )
            for number, one in now.items()
        }
        self._generations.save(*saved.values())
        self._live = saved
        self._targets = self._make_targets()
        self._saved_at = self._clock.monotonic()
        self._owes_a_save = False
