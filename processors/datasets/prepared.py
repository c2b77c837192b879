"""A dataset that lies in ``temp/``, until somebody needs it on this machine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from catalog.errors import NotFoundError
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectStore
from processors.datasets.archive import BrokenArchiveError, unpack
from processors.engine import Dataset, EngineError


class Prepared:
    """A dataset that is needed to train on."""

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        folder: Path,
        check: Callable[[], None],
        dataset: Dataset | None = None,
    ) -> None:
        """Know where it is.

        Args:
            store: Ours.
            key: Of the zip.
            folder: Of this run.
            check: Raises once the job is not wanted any more.
            dataset: Where it is on this machine already.
        """
        self.key = key
        self._store = store
        self._folder = folder
        self._check = check
        self._dataset = dataset

    def bring(self) -> Dataset:
        """Bring it to this machine, unless it is.

        Raises:
            EngineError: It is gone, or damaged; the next attempt makes it anew.
            DependencyError: The store does not answer.
        """
        if self._dataset is None:
            try:
                self._dataset = _unpacked(
                    self._store, self.key, self._folder, self._check
                )
            except (NotFoundError, BrokenArchiveError) as exc:
                self._store.delete(self.key)
                raise EngineError(
                    "engine_failed",
                    "The dataset in temp/ was removed or damaged before its time.",
                    is_retryable=True,
                ) from exc
        return self._dataset


class HandedOver:
    """A dataset that a provider trains on, or has: only to be published afterwards."""

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        folder: Path,
        check: Callable[[], None],
        facts: Mapping[str, Any],
    ) -> None:
        """Know where it is.

        Args:
            store: Ours.
            key: Of the zip.
            folder: Of this run.
            check: Raises once the job is not wanted any more.
            facts: Of the dataset, as they were kept with the submit.
        """
        self._store = store
        self._key = key
        self._folder = folder
        self._check = check
        self._facts = facts
        self._dataset: Dataset | None = None

    def bring(self) -> Dataset:
        """Bring it to this machine; one that is gone costs the LoRA nothing.

        Returns:
            Without any image, and with ``isLost`` among its facts, where it is gone
            from ``temp/``: what was paid for is published all the same.

        Raises:
            DependencyError: The store does not answer.
        """
        if self._dataset is None:
            try:
                self._dataset = _unpacked(
                    self._store, self._key, self._folder, self._check
                )
            except (NotFoundError, BrokenArchiveError):
                is_stored = self._facts.get("from") == FROM_VERSION
                facts = (
                    {**self._facts} if is_stored else {**self._facts, "isLost": True}
                )
                self._dataset = Dataset(self._folder, 0, is_stored, facts)
        return self._dataset


FROM_VERSION = "version"
"""Where a dataset is from that an earlier version of its job left in the store."""


def download(
    store: ObjectStore, key: ObjectKey, path: Path, check: Callable[[], None]
) -> None:
    """Copy an object to a file.

    Raises:
        NotFoundError: There is none.
        DependencyError: The store does not answer.
    """
    with path.open("wb") as file:
        for piece in store.stream(key):
            check()
            file.write(piece)


def _unpacked(
    store: ObjectStore, key: ObjectKey, folder: Path, check: Callable[[], None]
) -> Dataset:
    archive = folder / "dataset.zip"
    try:
        download(store, key, archive, check)
        return unpack(archive, folder / "dataset", check)
    finally:
        archive.unlink(missing_ok=True)
