"""Where files of a job wait for its next run: ``temp/{jobId}/``."""

from pathlib import Path

from catalog.errors import NotFoundError
from catalog.models.ids import JobId
from catalog.storage import keys
from catalog.storage.base import ObjectStore


class StoreShelf:
    """See ``processors.engine.Shelf``."""

    def __init__(self, store: ObjectStore, job_id: JobId) -> None:
        """Stand on the store."""
        self._store = store
        self._job_id = job_id

    def put(self, name: str, path: Path) -> None:
        """See ``Shelf.put``."""
        with path.open("rb") as content:
            self._store.write(keys.temp(self._job_id, name), content)

    def take(self, name: str, path: Path) -> bool:
        """See ``Shelf.take``."""
        try:
            with path.open("wb") as file:
                for piece in self._store.stream(keys.temp(self._job_id, name)):
                    file.write(piece)
        except NotFoundError:
            path.unlink()
            return False
        return True

    def drop(self, name: str) -> None:
        """See ``Shelf.drop``."""
        self._store.delete(keys.temp(self._job_id, name))
