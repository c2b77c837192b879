"""One copy of an object for all tasks of this process that read it at the same time."""

import os
import threading
from collections import OrderedDict
from pathlib import Path

from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.storage.base import ObjectStore
from processors.objects.sources import fetch

_MOST_KNOWN = 64
"""Copies that are remembered: as many as are ever read at a time."""


class _Copy:
    """Where an object lies on this machine, if it still does."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.path: Path | None = None


class SharedFetch:
    """Fetches objects; what another task has here just now is not fetched again.

    A copy is shared by a second name (hard link), so each task removes its own
    whenever it ends, and none waits for another but to fetch. Used by several threads.
    """

    def __init__(self, store: ObjectStore) -> None:
        """Fetch nothing yet.

        Args:
            store: Where objects are.
        """
        self._store = store
        self._lock = threading.Lock()
        self._copies = OrderedDict[tuple[ObjectKey, str], _Copy]()

    def fetch(self, found: StoredObject, path: Path, *, most_bytes: int) -> None:
        """See ``processors.objects.sources.fetch``.

        Args:
            found: The object, and its state: only copies of the same one are shared.
            path: Of the file, which must not exist.
            most_bytes: As ``sources.fetch`` has it.

        Raises:
            MediaError: As ``sources.fetch``, as are the others; what went wrong for
                another task is tried again for this one.
            NotFoundError: See above.
            DependencyError: See above.
        """
        if found.etag is None:
            fetch(self._store, found, path, most_bytes=most_bytes)
            return
        copy = self._copy_of((found.key, found.etag))
        with copy.lock:
            if copy.path is None or not _is_linked(copy.path, path, most_bytes):
                fetch(self._store, found, path, most_bytes=most_bytes)
                copy.path = path

    def _copy_of(self, state: tuple[ObjectKey, str]) -> _Copy:
        with self._lock:
            copy = self._copies.setdefault(state, _Copy())
            self._copies.move_to_end(state)
            if len(self._copies) > _MOST_KNOWN:
                self._copies.popitem(last=False)
            return copy


def _is_linked(copy: Path, path: Path, most_bytes: int) -> bool:
    """Give a copy a second name; not if its task has ended, or it is too large."""
    try:
        if copy.stat().st_size > most_bytes:
            return False
        os.link(copy, path)
    except OSError:  # gone, or a file system without hard links
        return False
    return True
