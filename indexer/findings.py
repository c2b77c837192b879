"""What reconciling found, on its way to the loop that alone may mend it.

Two phases: a thread compares while everything goes on; the loop looks again at what
looked different, while nothing is on its way, and mends only what still does.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from indexer.comparison import Suspects, Verdict
from indexer.live import LiveSet, Target
from indexer.reconcile_index import IndexReconciler
from indexer.repair import Repair
from indexer.steady import Steady

log = logging.getLogger(__name__)

MOST_GHOSTS = 100
GHOST_SHARE = 0.1
"""More roots without a row than both of these (of what was compared): not documents too
many but rows too few. They are not removed; everything is looked at again instead."""

BUILDING = "A generation is being built; the older ones are compared afterwards."

Mended = Callable[[Verdict, str | None], None]
"""Told what really differed, and why some of it was not mended."""


@dataclass(frozen=True, slots=True)
class _Finding:
    number: int
    suspects: Suspects
    mended: Mended
    accept_losses: bool


class Findings:
    """A queue between threads."""

    def __init__(self) -> None:
        """Nothing was found."""
        self._found: deque[_Finding] = deque()
        self._has_room = threading.Semaphore(8)

    def put(
        self,
        target: Target,
        suspects: Suspects,
        mended: Mended,
        *,
        stop: threading.Event,
        accept_losses: bool = False,
    ) -> None:
        """Hand over what looked different; waits while much is still to be mended.

        Args:
            target: The generation.
            suspects: What to look at again.
            mended: Told what came of it, by the loop's thread.
            stop: Ends the wait; then nothing is handed over.
            accept_losses: Remove ghosts however many there are.
        """
        while not self._has_room.acquire(timeout=0.5):
            if stop.is_set():
                return
        self._found.append(_Finding(target.number, suspects, mended, accept_losses))

    def __bool__(self) -> bool:
        """Whether something waits to be mended."""
        return bool(self._found)

    def take(self) -> _Finding | None:
        """Take the oldest."""
        try:
            found = self._found.popleft()
        except IndexError:
            return None
        self._has_room.release()
        return found


class Mender:
    """Looks again, and mends; used by the thread that applies, while it is idle."""

    def __init__(
        self,
        findings: Findings,
        *,
        live: LiveSet,
        reconciler: IndexReconciler,
        repair: Repair,
        steady: Steady,
    ) -> None:
        """Mend nothing yet."""
        self._findings = findings
        self._live = live
        self._reconciler = reconciler
        self._repair = repair
        self._steady = steady

    @property
    def has_work(self) -> bool:
        """Whether ``mend`` would do anything."""
        return bool(self._findings)

    def mend(self) -> bool:
        """Mend what was found; returns whether everything must be looked at again.

        Nothing may be on its way.
        """
        must_rescan = False
        while (found := self._findings.take()) is not None:
            targets = [t for t in self._live.targets if t.number == found.number]
            if not targets:
                found.mended(Verdict(), "The generation is gone.")
                continue
            if not targets[0].is_ours and self._live.building is not None:
                # A fill writes rows ahead of the stream, and leaves this one out.
                found.mended(Verdict(), BUILDING)
                continue
            try:
                verdict, refused = self._mend(targets[0], found)
            except BaseException:
                found.mended(Verdict(), "It could not be looked at again.")
                raise
            must_rescan = must_rescan or refused is not None
            found.mended(verdict, refused)
        return must_rescan

    def _mend(self, target: Target, found: _Finding) -> tuple[Verdict, str | None]:
        # An engine that has just restarted may not show all it has.
        self._steady.run(lambda: self._steady.barrier([target]))
        verdict = self._steady.run(
            lambda: self._reconciler.recheck(target, found.suspects)
        )
        if verdict.is_clean:
            return verdict, None
        samples = list(verdict.samples)
        log.warning("drift", extra={"n": target.number, "samples": samples})
        refused = None if found.accept_losses else _refusal(verdict, found.suspects)
        if refused is None:
            self._repair.mend(target, verdict)
        else:
            log.error("not mended", extra={"why": refused})
        return verdict, refused


def _refusal(verdict: Verdict, suspects: Suspects) -> str | None:
    """Why nothing must be removed; ``None`` when it may be."""
    ghosts = max(len(verdict.ghosts), suspects.ghosts)
    if not ghosts:
        return None
    is_empty = not suspects.rows and suspects.checked
    if not is_empty and ghosts <= max(MOST_GHOSTS, GHOST_SHARE * suspects.checked):
        return None
    return (
        f"{ghosts} roots have documents and no rows ({suspects.checked} documents and "
        f"{suspects.rows} rows were compared): rows were lost, so nothing is removed "
        "and everything is looked at again."
    )
