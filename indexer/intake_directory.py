"""Hints of where to look in a local directory: quick, and not to be relied on."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import Change as FileChange
from watchfiles import watch

from catalog.clock import Clock
from catalog.errors import CatalogError, InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.storage.keys import check_key
from indexer.health import Health
from indexer.intake import Intake
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

_MOST_PREFIXES = 50
"""More parts than this are not listed one by one but with the whole store."""

_HINT_MS = 50
"""How long hints are collected (what a record names is looked at without one)."""


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
