"""Port to the records of what was read out of files."""

from collections.abc import Iterable
from typing import Any, Protocol

from catalog.models.stored import Extraction


class ExtractionRepository(Protocol):
    """Records of ``extractions``."""

    def record(self, extractions: Iterable[Extraction]) -> None:
        """Add or replace; identity is store, key, etag, extractor, version.

        Facts by an older version of the same extractor are removed.
        """
        ...

    def record_id(self, extraction: Extraction) -> Any:  # noqa: ANN401  (any BSON value)
        """``_id`` of an extraction's record, as ``Change.record_id`` tells it."""
        ...
