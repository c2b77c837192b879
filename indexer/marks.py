"""Notes about roots: what must be looked at again, and what can't be indexed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from catalog.clock import Clock
from catalog.models.ids import RootKey
from catalog.models.stored import TRANSCRIPT_EXTRACTOR
from catalog.repositories.base import RootId
from catalog.repositories.index_state import (
    DeadLetter,
    DeadLetterRepository,
    DirtyReason,
    DirtyRepository,
    DirtyRoot,
    LetterQuery,
)
from indexer.documents import Refusal
from indexer.learning import Learned
from indexer.retry import recheck_delay

LATE = timedelta(seconds=20)
"""After which a write that broke off is not carried out any more: longer than anything
between us and the engine holds a request whose sender is gone."""

_LETTERS_AT_ONCE = 1_000


class Marks:
    """Keeps ``index_dirty`` and ``index_dead_letters``; used by the applying thread."""

    def __init__(
        self,
        *,
        dirty: DirtyRepository,
        dead_letters: DeadLetterRepository,
        clock: Clock,
    ) -> None:
        """Read nothing yet."""
        self._dirty = dirty
        self._dead_letters = dead_letters
        self._clock = clock
        self._has_letters: bool | None = None

    def settle(
        self,
        learned: Sequence[Learned],
        refusals: Mapping[RootKey, Refusal],
        *,
        rechecked: bool,
        is_fill: bool = False,
    ) -> None:
        """Note what became of roots that are in the index now.

        Args:
            learned: All roots of the batch.
            refusals: Documents that the engine refused.
            rechecked: Whether objects recorded as missing were looked for again.
            is_fill: Not every live generation was written, so marks stay.
        """
        self._settle_dirty(learned, rechecked=rechecked, is_fill=is_fill)
        letters = [
            letter
            for one in learned
            if (letter := self._letter(one, refusals.get(one.bundle.root_key)))
        ]
        if self._has_letters is None:
            self._has_letters = self._dead_letters.count() > 0
        if self._has_letters:
            dead = {letter.details["rootKey"] for letter in letters}
            fine = [
                one.bundle.root for one in learned if one.bundle.root_key not in dead
            ]
            if fine:
                self._dead_letters.clear(fine)
        if letters:
            self._dead_letters.record(letters)
            self._has_letters = True

    def doubt(self, roots: Sequence[RootId]) -> None:
        """Have roots written again later: an old write of them may still come."""
        due_at = self._clock.now() + LATE
        self._dirty.mark(
            DirtyRoot(root, due_at, reason=DirtyReason.UNCERTAIN) for root in roots
        )

    def _settle_dirty(
        self, learned: Sequence[Learned], *, rechecked: bool, is_fill: bool
    ) -> None:
        attempts = self._dirty.attempts([one.bundle.root for one in learned])
        now = self._clock.now()
        marks, settled = [], []
        for one in learned:
            root, known = one.bundle.root, attempts.get(one.bundle.root_key)
            reason = _why_again(one)
            if reason is None:
                if known is not None and not is_fill:
                    settled.append(root)
            elif known is None or rechecked:
                tried = 0 if known is None else known + 1
                marks.append(DirtyRoot(root, now + recheck_delay(tried), tried, reason))
        if marks:
            self._dirty.mark(marks)
        if settled:
            self._dirty.clear(settled, now)

    def _letter(self, one: Learned, refusal: Refusal | None) -> DeadLetter | None:
        bundle = one.bundle
        unread = [
            f"{found.key}: {found.error}"
            for found in bundle.extractions.values()
            if found.error is not None and found.extractor == TRANSCRIPT_EXTRACTOR
        ]
        if refusal is not None:
            stage, error = "index", refusal.error
        elif one.error is not None:
            stage, error = "describe", one.error
        elif bundle.malformed is not None:
            stage, error = "read", str(bundle.malformed)
        elif bundle.shadowed_by is not None:
            newer = f"a newer record has the same jobId: {bundle.shadowed_by}"
            stage, error = "read", newer
        elif unread:
            stage, error = "extract", unread[0]
        else:
            return None
        now = self._clock.now()
        return DeadLetter(
            root=bundle.root,
            stage=stage,
            error=error,
            attempts=1,
            first_seen_at=now,
            last_seen_at=now,
            job_id=bundle.job.job_id if bundle.job else None,
            document_id=refusal.document_id if refusal else None,
            details={"rootKey": bundle.root_key},
        )


def redrive(
    query: LetterQuery,
    *,
    dead_letters: DeadLetterRepository,
    dirty: DirtyRepository,
    clock: Clock,
    check: Callable[[], None],
) -> int:
    """Have what could not be indexed looked at again, page by page.

    Args:
        query: Which dead letters.
        dead_letters: All of them.
        dirty: Where their roots are marked.
        clock: Tells when.
        check: Called before each effect.

    Returns:
        How many roots were marked.

    Raises:
        DependencyError: Repeat it, if that is retryable; what was marked stays so.
    """
    count, token = 0, None
    while True:
        page = dead_letters.page(_LETTERS_AT_ONCE, query, token)
        tried = dirty.attempts([letter.root for letter in page.items])
        check()
        now = clock.now()
        dirty.mark(
            DirtyRoot(one.root, now, tried.get(one.letter_id, 0), DirtyReason.REDRIVE)
            for one in page.items
        )
        count, token = count + len(page.items), page.next_token
        if token is None:
            return count


def _why_again(one: Learned) -> DirtyReason | None:
    """Why a root must be looked at again although nothing of it may change."""
    if one.is_unsettled:
        return DirtyReason.UNSETTLED
    if one.description.missing:
        return DirtyReason.MISSING
    if one.bundle.shadowed_by is not None:
        # The newer record may vanish before the index has ever known of it; then
        # nothing leads from its deletion to this one.
        return DirtyReason.SUPERSEDED
    return None
