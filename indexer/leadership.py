"""One leader at a time: a lease on the server's clock, and keys of the engine as fence.

A lease alone corrupts: a process that was paused wakes up and goes on writing. So each
epoch writes with a key of its own, which the next one deletes, and every checkpoint is
compared with the epoch (``reliability.md`` 4.6).
"""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import timedelta

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError, FencedError
from catalog.repositories.index_control import Lease, LeaseRepository
from catalog.search.base import IndexKeys, IndexWriter
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

_RENEW_SHARE = 0.3
_TRUST_SHARE = 2 / 3
"""Shares of the lease's time: when it is renewed; how long it is trusted without."""

_KEY_LIFE = timedelta(seconds=60)
_STANDBY_SECONDS = 1.0


def owner_name() -> str:
    """Name this process so that a person can find it."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


class LeaderTerm:
    """See ``indexer.term.Term``; made by ``Leadership`` alone."""

    def __init__(self, lease: Lease, *, clock: Clock, trusted_until: float) -> None:
        """Begin; ``trusted_until`` is monotonic."""
        self.stop = threading.Event()
        self._lease = lease
        self._clock = clock
        self._trusted_until = trusted_until

    @property
    def lease(self) -> Lease:
        """As it was last renewed."""
        return self._lease

    @property
    def epoch(self) -> int:
        """See ``Term.epoch``."""
        return self._lease.epoch

    @property
    def owner(self) -> str:
        """See ``Term.owner``."""
        return self._lease.owner

    def is_held(self) -> bool:
        """See ``Term.is_held``."""
        # The clock goes on while a process is paused, so a sleeper knows at once.
        return self._clock.monotonic() < self._trusted_until

    def check(self) -> None:
        """See ``Term.check``."""
        if not self.is_held():
            self.stop.set()
            raise FencedError(f"epoch {self.epoch}: the lease was not renewed in time")

    def extend(self, lease: Lease, trusted_until: float) -> None:
        """The lease has been renewed."""
        self._lease = lease
        self._trusted_until = trusted_until

    def end(self) -> None:
        """The lease is another process's, or of nobody."""
        self._trusted_until = float("-inf")
        self.stop.set()


class Leadership:
    """Contends for the lease, and leads while it is ours."""

    def __init__(
        self,
        *,
        leases: LeaseRepository,
        keys: IndexKeys,
        writer: IndexWriter,
        clock: Clock,
        ttl: timedelta,
        jitter: Callable[[], float],
        owner: str | None = None,
    ) -> None:
        """Contend for nothing yet.

        Args:
            leases: Of the one lease.
            keys: Of the engine.
            writer: Is given the epoch's key.
            clock: Its monotonic time tells how long a lease may be trusted.
            ttl: How long a lease lasts; a takeover takes that long at most.
            jitter: Gives random numbers from 0 to 1.
            owner: Unique per process start.
        """
        self._leases = leases
        self._keys = keys
        self._writer = writer
        self._clock = clock
        self._ttl = ttl
        self._jitter = jitter
        self._owner = owner or owner_name()
        self._is_said = False

    def run(self, work: Callable[[LeaderTerm], None], stop: threading.Event) -> None:
        """Lead whenever it is our turn, until ``stop`` is set.

        Args:
            work: Leads until ``term.stop`` is set; called in this thread.
            stop: The process is to end; ``term.stop`` is set then as well.

        Raises:
            Exception: Whatever ``work`` raises but ``FencedError``.
        """
        while not stop.is_set():
            term = self._contend()
            if term is None:
                pause = _STANDBY_SECONDS * (0.5 + self._jitter())
                self._clock.wait(stop, pause)
                continue
            try:
                self._lead(term, work, stop)
            except FencedError as exc:
                log.warning("led no longer", extra={"error": str(exc)})

    # --- becoming the leader -------------------------------------------------------

    def _contend(self) -> LeaderTerm | None:
        asked_at = self._clock.monotonic()
        try:
            lease = self._leases.acquire(self._owner, self._ttl)
        except DependencyError as exc:
            log.info("no lease to be had", extra={"error": str(exc)})
            return None
        if lease is None:
            if not self._is_said:
                log.info("standing by: another indexer leads")
            self._is_said = True
            return None
        self._is_said = False
        return LeaderTerm(
            lease,
            clock=self._clock,
            trusted_until=asked_at + self._trusted_seconds,
        )

    @property
    def _trusted_seconds(self) -> float:
        # From before the question: the server counts from somewhere after it.
        return self._ttl.total_seconds() * _TRUST_SHARE

    def _lead(
        self,
        term: LeaderTerm,
        work: Callable[[LeaderTerm], None],
        stop: threading.Event,
    ) -> None:
        log.info("leading", extra={"epoch": term.epoch, "owner": term.owner})
        keeper = threading.Thread(
            target=self._keep, args=(term, stop), name="lease", daemon=True
        )
        keeper.start()
        try:
            if self._fence(term):
                work(term)
        finally:
            was_held = term.is_held()
            term.end()
            keeper.join(timeout=self._ttl.total_seconds())
            if was_held:
                self._leave(term)

    def _fence(self, term: LeaderTerm) -> bool:
        """Write with a key of this epoch, and let no older one do so any more."""
        attempt = 0
        while not term.stop.is_set():
            try:
                self._change_key(term)
                revoked = self._keys.revoke(before_epoch=term.epoch)
            except DependencyError as exc:
                log.info("no key to be had", extra={"error": str(exc)})
                pause = backoff_seconds(attempt, self._jitter())
                self._clock.wait(term.stop, pause)
                attempt += 1
            else:
                if revoked:
                    log.info("older keys revoked", extra={"keys": revoked})
                return True
        return False

    def _change_key(self, term: LeaderTerm) -> str:
        term.check()
        key = self._keys.mint(term.epoch, _KEY_LIFE)
        self._writer.use_key(key)
        return key

    # --- staying it ----------------------------------------------------------------

    def _keep(self, term: LeaderTerm, stop: threading.Event) -> None:
        """Renew the lease and the key until the term ends; a thread of its own."""
        pause = self._ttl.total_seconds() * _RENEW_SHARE
        key_at = self._clock.monotonic() + _KEY_LIFE.total_seconds() / 2
        superseded_by: str | None = None
        while not self._clock.wait(term.stop, min(pause, 0.25)):
            if stop.is_set():
                term.stop.set()
                return
            pause -= 0.25
            if pause > 0:
                continue
            pause = self._ttl.total_seconds() * _RENEW_SHARE
            if not self._renew(term):
                return
            if superseded_by is not None:
                superseded_by = self._revoke_superseded(term, superseded_by)
            elif self._clock.monotonic() >= key_at:
                superseded_by = self._next_key(term)
                if superseded_by is not None:
                    key_at = self._clock.monotonic() + _KEY_LIFE.total_seconds() / 2

    def _renew(self, term: LeaderTerm) -> bool:
        asked_at = self._clock.monotonic()
        try:
            lease = self._leases.renew(term.lease, self._ttl)
        except DependencyError as exc:
            log.warning("the lease is not renewed", extra={"error": str(exc)})
            if term.is_held():
                return True  # tried again soon; the trust runs out by itself
            lease = None
        if lease is None:
            log.warning("the lease is lost", extra={"epoch": term.epoch})
            term.end()
            return False
        term.extend(lease, asked_at + self._trusted_seconds)
        return True

    def _next_key(self, term: LeaderTerm) -> str | None:
        try:
            return self._change_key(term)
        except CatalogError as exc:
            log.warning("no new key", extra={"error": str(exc)})
            return None

    def _revoke_superseded(self, term: LeaderTerm, keep: str) -> str | None:
        """Delete the key before, a while after it was last used."""
        try:
            self._keys.revoke_superseded(term.epoch, keep)
        except DependencyError as exc:
            log.info("an old key is left to expire", extra={"error": str(exc)})
        return None

    def _leave(self, term: LeaderTerm) -> None:
        """Give the lease back, so that nobody need wait for it to run out."""
        try:
            self._keys.revoke(before_epoch=term.epoch + 1)
            self._leases.release(term.lease)
        except CatalogError as exc:
            log.info("the lease is left to run out", extra={"error": str(exc)})
