"""A dataset that lies in ``temp/``, until somebody needs it on this machine."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

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
                self._dataset = self._unpacked()
            except (NotFoundError, BrokenArchiveError) as exc:
                self._dataset = self._gone(exc)
        return self._dataset

    def _gone(self, cause: Exception) -> Dataset:
        self._store.delete(self.key)
        raise EngineError(
            "engine_failed",
            "The dataset in temp/ was removed or damaged before its time.",
            is_retryable=True,
        ) from cause

    def _unpacked(self) -> Dataset:
        archive = self._folder / "dataset.zip"
        try:
            download(self._store, self.key, archive, self._check)
            return unpack(archive, self._folder / "dataset", self._check)
        finally:
            archive.unlink(missing_ok=True)


class HandedOver(Prepared):
    """A dataset that a provider trains on, or has: only to be published afterwards.

    One that is gone from ``temp/`` costs the LoRA nothing: what was paid for is
    published all the same, with a dataset without any image, and ``isLost`` among its
    facts unless an earlier version has left it in the store.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        folder: Path,
        check: Callable[[], None],
        *,
        facts: Mapping[str, Any],
    ) -> None:
        """See ``Prepared``; ``facts`` are those that were kept with the submit."""
        super().__init__(store, key, folder, check)
        self._facts = facts

    @override
    def _gone(self, cause: Exception) -> Dataset:
        if self._facts.get("from") == FROM_VERSION:
            return Dataset(self._folder, 0, is_stored=True, facts=self._facts)
        facts = {**self._facts, "isLost": True}
        return Dataset(self._folder, 0, is_stored=False, facts=facts)


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
