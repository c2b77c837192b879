"""``ExtractionRepository`` over MongoDB."""

from collections.abc import Iterable

from pymongo import ReplaceOne
from pymongo.database import Database

from catalog.models.stored import Extraction
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import (
    extraction_record_id,
    record_from_extraction,
    without_surrogates,
)


class MongoExtractionRepository:
    """What was read out of files, in the records ``extractions``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._extractions = database["extractions"]

    def record_id(self, extraction: Extraction) -> str:
        """See ``ExtractionRepository.record_id``."""
        return extraction_record_id(extraction)

    def record(self, extractions: Iterable[Extraction]) -> None:
        """See ``ExtractionRepository.record``."""
        records = [without_surrogates(record_from_extraction(e)) for e in extractions]
        with translated():
            if len(records) == 1:  # the usual live case
                one = records[0]
                self._extractions.replace_one({"_id": one["_id"]}, one, upsert=True)
            elif records:
                self._extractions.bulk_write(
                    [ReplaceOne({"_id": r["_id"]}, r, upsert=True) for r in records],
                    ordered=False,
                )
