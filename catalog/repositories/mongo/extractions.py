"""``ExtractionRepository`` over MongoDB."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pymongo import ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

from catalog.models.ids import ObjectKey
from catalog.models.stored import TRANSCRIPT_EXTRACTOR, Extraction
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import (
    extraction_from_record,
    extraction_record_id,
    record_from_extraction,
    without_surrogates,
)


@dataclass(slots=True)
class Extractions:
    """What was read out of objects as they are now, by key; see ``RootBundle``."""

    texts: dict[ObjectKey, Extraction] = field(default_factory=dict)
    facts: dict[ObjectKey, tuple[Extraction, ...]] = field(default_factory=dict)


def read_extractions(
    extractions: Collection[Record],
    etags: Mapping[ObjectKey, str | None],
    session: ClientSession,
) -> Extractions:
    """Read those of these states of objects, without raw input.

    Of several transcripts the one that says most counts, of other facts the newest.
    """
    found = Extractions()
    newest: dict[ObjectKey, dict[str, Extraction]] = defaultdict(dict)
    wanted = {"key": {"$in": list(etags)}}
    for raw in extractions.find(wanted, {"raw": 0}, session=session):
        key = raw["key"]
        if raw["etag"] != etags[key]:
            continue
        one = extraction_from_record(raw)
        if one.extractor == TRANSCRIPT_EXTRACTOR:
            rival = found.texts.get(key)
            if rival is None or _worth(one) > _worth(rival):
                found.texts[key] = one
        else:
            known = newest[key].get(one.extractor)
            if known is None or one.version > known.version:
                newest[key][one.extractor] = one
    for key, by_extractor in newest.items():
        found.facts[key] = tuple(by_extractor[name] for name in sorted(by_extractor))
    return found


def _worth(extraction: Extraction) -> tuple[bool, int]:
    return (extraction.transcript is not None, extraction.version)


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
            # After the new ones, so that there is never none.
            older = [
                _older(record)
                for record in records
                if record["version"] > 1 and record["extractor"] != TRANSCRIPT_EXTRACTOR
            ]
            if older:
                self._extractions.delete_many({"$or": older})


def _older(record: Record) -> Record:
    """Select what a record takes the place of."""
    same = {name: record[name] for name in ("key", "store", "etag", "extractor")}
    return same | {"version": {"$lt": record["version"]}}
