"""Storage → ``objects``: rescans are the promise, file-watching hints are only quick.

Works for any store that can be listed; hints exist for a local directory. S3 events
from SQS come with the issue "An index that never drifts", as another source of hints.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchfiles import Change as FileChange
from watchfiles import watch

from catalog.clock import Clock
from catalog.errors import CatalogError, DependencyError, InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.repositories.base import ObjectRepository
from catalog.storage.base import ObjectStore
from catalog.storage.keys import check_key
from indexer.health import Health
from indexer.retry import backoff_seconds
from indexer.stored import look_at, missing, present

log = logging.getLogger(__name__)

_BATCH = 1_000
_MOST_PREFIXES = 50
"""More parts than this are not listed one by one but with the whole store."""

_HINT_MS = 50
"""How long hints are collected (what a record names is looked at without one)."""


class Intake:
    """Brings ``objects`` up to date with the store."""

    def __init__(
        self, *, store: ObjectStore, objects: ObjectRepository, clock: Clock
    ) -> None:
        """Look at nothing yet."""
        self._store = store
        self._objects = objects
        self._clock = clock
        self._one_at_a_time = threading.RLock()
        self.has_listed = False
        """Whether a complete listing has been recorded since the start."""

    def rescan(self, prefix: str = "") -> int:
        """List a part of the store (all of it by default) and record what differs.

        Objects that were there and aren't any more become missing, but only after a
        complete listing: an interrupted one proves nothing about what it lacks.

        Returns:
            How many records changed.

        Raises:
            DependencyUnavailableError: The store or MongoDB did not answer; what was
                seen until then is recorded; retryable.
        """
        with self._one_at_a_time:
            known = dict(self._objects.present_under(self._store.store_id, prefix))
            changed = 0
            for batch in _batches(self._seen(prefix, known)):
                changed += self._objects.record(batch)
            now = self._clock.now()
            absent = (missing(self._store, key, now) for key in known)
            for batch in _batches(absent):
                changed += self._objects.record(self._confirm(batch))
            if not prefix:
                self.has_listed = True
        if changed:
            log.info("store listed", extra={"prefix": prefix, "changed": changed})
        return changed

    def ensure_listed(self) -> None:
        """List the whole store unless that has been done, or is under way."""
        with self._one_at_a_time:  # one that another thread is at will do
            if not self.has_listed:
                self.rescan()

    def look(self, keys: Iterable[ObjectKey]) -> int:
        """Look at single objects that are said to be there; raises as ``rescan``.

        One that isn't is left to ``rescan``: its key may be a directory's name.
        """
        now = self._clock.now()
        found = (look_at(self._store, key, now) for key in keys)
        return self._objects.record([known for known in found if known.is_present])

    def _seen(self, prefix: str, known: dict[ObjectKey, str]) -> Iterator[StoredObject]:
        """What is listed and not recorded with this etag; empties ``known``."""
        for info in self._store.list(prefix):
            if known.pop(info.key, None) != info.etag:
                yield present(self._store, info, self._clock.now())

    def _confirm(self, absent: list[StoredObject]) -> list[StoredObject]:
        """Look again: an object may have come back behind the listing's back."""
        now = self._clock.now()
        return [look_at(self._store, found.key, now) for found in absent]


class DirectoryHints:
    """Follows a directory with the system's file notifications.

    They can be lost without a word (new sub-directories, moved trees), so each says
    only where to look, and ``Intake.rescan`` finds the rest.
    """

    def __init__(
        self,
        *,
        intake: Intake,
        directory: Path,
        clock: Clock,
        health: Health,
        jitter: Callable[[], float],
    ) -> None:
        """Watch nothing yet."""
        self._intake = intake
        self._directory = directory.resolve()
        self._clock = clock
        self._health = health
        self._jitter = jitter

    def run(self, stop: threading.Event) -> None:
        """Watch until ``stop`` is set, starting over after any trouble."""
        attempt = 0
        while not stop.is_set():
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                for changes in watch(
                    self._directory,
                    stop_event=stop,
                    step=_HINT_MS,
                    debounce=_HINT_MS * 5,
                    watch_filter=None,
                    recursive=True,
                    ignore_permission_denied=True,
                    raise_interrupt=False,
                ):
                    self.take(changes)
                    attempt = 0
                    self._health.trouble("hints", None)
            except (CatalogError, OSError, RuntimeError) as exc:
                # Whatever was hinted at meanwhile is found by the next rescan.
                self._health.trouble("hints", f"Watching the store: {exc}")
                log.warning("watching broke off", extra={"error": str(exc)})
                self._clock.wait(stop, backoff_seconds(attempt, self._jitter()))
                attempt += 1

    def take(self, changes: Iterable[tuple[FileChange, str]]) -> None:
        """Look where hints point.

        Raises:
            DependencyUnavailableError: retryable; the hints are lost.
        """
        keys: dict[ObjectKey, None] = {}
        prefixes: set[str] = set()
        for kind, name in changes:
            path = Path(name)
            key = self._key_of(path)
            if key is None:
                continue
            if kind is FileChange.deleted or not path.exists():
                prefixes.add(key)  # a file, or a directory with all that was in it
            elif path.is_dir():
                prefixes.add(f"{key}/")
            else:
                keys[key] = None
        outermost = _outermost(prefixes)
        for prefix in outermost if len(outermost) <= _MOST_PREFIXES else [""]:
            self._intake.rescan(prefix)
        if keys:
            self._intake.look(keys)

    def _key_of(self, path: Path) -> ObjectKey | None:
        try:
            key = path.relative_to(self._directory).as_posix()
            if key.startswith("."):
                return None  # the store's own temporary files, or the store itself
            return check_key(key)
        except (ValueError, InvalidObjectKeyError):
            return None


def _outermost(prefixes: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept


def _batches(objects: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    batch: list[StoredObject] = []
    for found in objects:
        batch.append(found)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def guarded(action: Callable[[], object], *, health: Health, name: str) -> None:
    """Do a sweep; a server in trouble is reported and left to the next one."""
    try:
        action()
    except DependencyError as exc:
        health.trouble(name, str(exc))
        log.warning("sweep failed", extra={"sweep": name, "error": str(exc)})
    else:
        health.trouble(name, None)
