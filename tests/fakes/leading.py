"""What leaders contend for and write with, on a clock that a test moves."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

from typing_extensions import override

from catalog.clock import ManualClock
from catalog.models.ids import RootKey
from catalog.repositories.index_control import Lease
from catalog.search.base import Document, LineResult
from indexer.leadership import Loop
from tests.fakes.failing import Failing


class Timeline(ManualClock):
    """A manual clock on which loops run in order of time, all in one thread."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._loops: list[tuple[float, str, Loop, threading.Event]] = []
        self._at: list[tuple[float, Callable[[], None]]] = []

    def start_loop(self, name: str, loop: Loop, until: threading.Event) -> None:
        """See ``indexer.leadership.StartLoop``."""
        self._loops.append((self.monotonic() + next(loop), name, loop, until))

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something once so many seconds from the very start have passed."""
        self._at.append((seconds, action))

    @override
    def advance(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        while True:
            due = min((loop[0] for loop in self._loops), default=float("inf"))
            planned = min((when for when, _ in self._at), default=float("inf"))
            if min(due, planned) > end:
                break
            self.pause(max(min(due, planned) - self.monotonic(), 0.0))
            if planned <= due:
                self._act()
            else:
                self._step()
        self.pause(max(end - self.monotonic(), 0.0))

    def pause(self, seconds: float) -> None:
        """Let time pass while the process is stopped: none of its loops runs."""
        super().advance(seconds)

    def suspend(self, seconds: float) -> None:
        """Let time pass while the machine sleeps: its monotonic clock stands still."""
        self._now += timedelta(seconds=seconds)

    def _act(self) -> None:
        planned = min(self._at, key=lambda item: item[0])
        self._at.remove(planned)
        planned[1]()

    def _step(self) -> None:
        entry = min(self._loops, key=lambda item: item[0])
        self._loops.remove(entry)
        _, name, loop, until = entry
        if until.is_set():
            return
        pause = next(loop, None)
        if pause is not None:
            self._loops.append((self.monotonic() + pause, name, loop, until))


class FakeLeaseRepository(Failing):
    """See ``LeaseRepository``; share one among the contenders."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.lease: Lease | None = None

    def acquire(self, owner: str, ttl: timedelta) -> Lease | None:
        self.check()
        held, now = self.lease, self._clock.now()
        if held is not None and held.owner != owner and held.expires_at > now:
            return None
        epoch = 1 if held is None else held.epoch + (held.owner != owner)
        self.lease = Lease(epoch, owner, now + ttl)
        return self.lease

    def renew(self, lease: Lease, ttl: timedelta) -> Lease | None:
        self.check()
        held = self.lease
        if held is None or (held.owner, held.epoch) != (lease.owner, lease.epoch):
            return None
        self.lease = replace(held, expires_at=self._clock.now() + ttl)
        return self.lease

    def release(self, lease: Lease) -> None:
        self.check()
        if self.lease and (self.lease.owner, self.lease.epoch) == (
            lease.owner,
            lease.epoch,
        ):
            self.lease = replace(self.lease, owner="", expires_at=self._clock.now())

    def read(self) -> Lease | None:
        self.check()
        return self.lease


class FakeIndexKeys(Failing):
    """See ``IndexKeys``; share one among the contenders."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.minted = 0
        self.keys: dict[str, tuple[int, datetime]] = {}
        """Epoch and expiry of those that have not been deleted."""
        self.after_mint: Callable[[], None] = lambda: None

    def mint(self, epoch: int, ttl: timedelta) -> str:
        self.check()
        self.minted += 1
        key = f"key {self.minted}"
        self.keys[key] = (epoch, self._clock.now() + ttl)
        self.after_mint()
        return key

    def revoke(self, *, before_epoch: int) -> int:
        self.check()
        return self._delete([k for k, (e, _) in self.keys.items() if e < before_epoch])

    def revoke_superseded(self, epoch: int, keep: str) -> int:
        self.check()
        return self._delete(
            [k for k, (e, _) in self.keys.items() if e == epoch and k != keep]
        )

    def is_good(self, key: str | None) -> bool:
        """Whether the engine takes it now."""
        return key in self.keys and self.keys[key][1] > self._clock.now()

    def _delete(self, keys: Sequence[str]) -> int:
        for key in keys:
            del self.keys[key]
        return len(keys)


class FakeKeyedWriter:
    """Of ``IndexWriter`` only what takes a key."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.uncertain_writes = 0

    def use_key(self, key: str) -> None:
        self.key = key

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        return self._refuse(index, documents)

    def delete(self, index: str, document_ids: Sequence[str]) -> None:
        self._refuse(index, document_ids)

    def delete_older(self, index: str, roots: Sequence[RootKey], sequence: int) -> int:
        return self._refuse(index, roots, sequence)

    def count_of_roots(
        self, indexes: Sequence[str], roots: Sequence[RootKey]
    ) -> list[int]:
        return self._refuse(indexes, roots)

    def barrier(self, index: str) -> None:
        self._refuse(index)

    def _refuse(self, *_: object) -> NoReturn:
        message = "leadership itself writes nothing"
        raise AssertionError(message)
