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
from collections.abc import Callable, Iterator
from datetime import timedelta

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError, FencedError
from catalog.repositories.index_control import LeaseRepository
from catalog.search.base import IndexKeys, IndexWriter
from indexer.leader_term import NOT_RENEWED, LeaderTerm
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

KEY_LIFE = timedelta(seconds=60)
_NEXT_KEY_SECONDS = KEY_LIFE.total_seconds() / 2
_GRACE_SECONDS = 5.0
"""How long a superseded key lives on: requests that were being built may bear it."""

_RENEW_SHARE = 0.3
_TRUST_SHARE = 2 / 3
"""Shares of the lease's time: when it is renewed; how long it is trusted without."""

_STANDBY_SECONDS = 1.0
_WATCH_SECONDS = 0.1
_SAID_AFTER = 2
"""Attempts after which a trouble is worth a warning."""


def owner_name() -> str:
    """Name this process so that a person can find it."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


Loop = Iterator[float]
"""A loop of steps; between two of them it waits so many seconds."""

StartLoop = Callable[[str, Loop, threading.Event], None]
"""Starts a named loop beside the caller, which ends once the event is set."""


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
        start_loop: StartLoop | None = None,
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
            start_loop: Another way to run loops than in threads.
        """
        self._leases = leases
        self._keys = keys
        self._writer = writer
        self._clock = clock
        self._ttl = ttl
        self._jitter = jitter
        self._owner = owner or owner_name()
        self._start_loop = start_loop or self._start_thread
        self._is_standing_by = False
        self._changing = threading.Lock()
        self._key = ""

    def run(self, work: Callable[[LeaderTerm], None], stop: threading.Event) -> None:
        """Lead whenever it is our turn, until ``stop`` is set.

        Args:
            work: Leads until ``term.stop`` is set; called in this thread, and nothing
                of it may go on when it has returned.
            stop: The process is to end; ``term.stop`` is set then as well.

        Raises:
            Exception: Whatever ``work`` raises but ``FencedError``.
        """
        short_terms = 0
        while not stop.is_set():
            term = self._contend()
            if term is None:
                self._clock.wait(stop, _STANDBY_SECONDS * (0.5 + self._jitter()))
                continue
            began_at = self._clock.monotonic()
            try:
                self._lead(term, work, stop)
            except FencedError as exc:
                log.warning("led no longer", extra={"error": str(exc)})
            lasted = self._clock.monotonic() - began_at
            short_terms = short_terms + 1 if lasted < self._ttl.total_seconds() else 0
            if not stop.is_set():
                pause = backoff_seconds(short_terms, self._jitter())
                self._clock.wait(stop, pause)

    # --- becoming the leader -------------------------------------------------------

    def _contend(self) -> LeaderTerm | None:
        asked_at = self._clock.monotonic()
        try:
            lease = self._leases.acquire(self._owner, self._ttl)
        except DependencyError as exc:
            log.info("no lease to be had", extra={"error": str(exc)})
            return None
        if lease is None:
            if not self._is_standing_by:
                log.info("standing by: another indexer leads")
            self._is_standing_by = True
            return None
        self._is_standing_by = False
        until = asked_at + self._trusted_seconds
        return LeaderTerm(
            lease, clock=self._clock, trusted_until=until, cut_off=self._cut_off
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
        # Three loops, so that a server that hangs holds up none of the others.
        self._start_loop("lease watch", self._watch(term, stop), term.over)
        self._start_loop("lease", self._renewing(term), term.over)
        try:
            if self._fence(term):
                self._start_loop("engine key", self._changing_keys(term), term.over)
                work(term)
        finally:
            is_lost = not term.is_held()
            term.end()
            if not is_lost:
                self._leave(term)

    def _fence(self, term: LeaderTerm) -> bool:
        """Write with a key of this epoch, and let no older one do so any more."""
        attempt = 0
        while not term.stop.is_set():
            try:
                self._change_key(term)
                revoked = self._keys.revoke(before_epoch=term.epoch)
            except DependencyError as exc:
                level = logging.WARNING if attempt >= _SAID_AFTER else logging.INFO
                log.log(level, "no key to be had", extra={"error": str(exc)})
                pause = backoff_seconds(attempt, self._jitter())
                self._clock.wait(term.stop, pause)
                attempt += 1
            else:
                if revoked:
                    log.info("older keys revoked", extra={"keys": revoked})
                return True
        return False

    def _change_key(self, term: LeaderTerm) -> None:
        """Write with a new key.

        A key may be made after a pause in which another process took over and revoked
        ours. So the lease is looked at again before the key is used: whoever takes over
        after that look revokes it.

        Raises:
            FencedError: The term is over.
            DependencyError: One of the servers is away; retryable.
        """
        term.check()
        key = self._keys.mint(term.epoch, KEY_LIFE)
        self._renew(term)
        if not term.do_if_held(lambda: self._writer.use_key(key)):
            raise FencedError(f"epoch {term.epoch}: the term is over")
        self._key = key

    def _cut_off(self, term: LeaderTerm) -> None:
        """Have the engine refuse whatever is still on its way to it.

        A request that is sent anew because of that bears the new key.
        """
        with self._changing:
            self._change_key(term)
            self._keys.revoke_superseded(term.epoch, self._key)

    # --- staying it ----------------------------------------------------------------

    def _watch(self, term: LeaderTerm, stop: threading.Event) -> Loop:
        """Tell the work when to end, whatever it and the servers are doing."""
        while True:
            yield _WATCH_SECONDS
            if stop.is_set():
                term.stop.set()
            if not term.is_held():
                term.end(NOT_RENEWED)

    def _renewing(self, term: LeaderTerm) -> Loop:
        usual = self._ttl.total_seconds() * _RENEW_SHARE
        pause = usual
        while True:
            yield pause
            pause = usual
            try:
                self._renew(term)
            except FencedError:
                return
            except DependencyError as exc:  # the trust runs out by itself
                log.warning("the lease is not renewed", extra={"error": str(exc)})
                pause = usual / 3

    def _renew(self, term: LeaderTerm) -> None:
        asked_at = self._clock.monotonic()
        lease = self._leases.renew(term.lease, self._ttl)
        if lease is None:
            term.end("the lease is lost")
            raise FencedError(f"epoch {term.epoch}: another process has the lease")
        term.extend(lease, asked_at + self._trusted_seconds)

    def _changing_keys(self, term: LeaderTerm) -> Loop:
        """Write with the next key at half of a key's life; delete the one before."""
        pause = _NEXT_KEY_SECONDS
        while True:
            yield pause
            try:
                with self._changing:
                    self._change_key(term)
            except FencedError:
                return
            except DependencyError as exc:
                log.warning("no new key", extra={"error": str(exc)})
                pause = self._ttl.total_seconds() * _RENEW_SHARE
                continue
            yield _GRACE_SECONDS
            try:
                with self._changing:  # the key may be another by now
                    self._keys.revoke_superseded(term.epoch, self._key)
            except DependencyError as exc:
                log.info("an old key is left to expire", extra={"error": str(exc)})
            pause = _NEXT_KEY_SECONDS - _GRACE_SECONDS

    def _leave(self, term: LeaderTerm) -> None:
        """Give lease and keys back, so that nobody need wait for them to run out."""
        for give_back in (
            lambda: self._leases.release(term.lease),
            lambda: self._keys.revoke(before_epoch=term.epoch + 1),
        ):
            try:
                give_back()
            except CatalogError as exc:
                log.info("left to run out", extra={"error": str(exc)})

    def _start_thread(self, name: str, loop: Loop, until: threading.Event) -> None:
        def run() -> None:
            for pause in loop:
                if self._clock.wait(until, pause):
                    return

        threading.Thread(target=run, name=name, daemon=True).start()
