"""``DeadLetterRepository`` over MongoDB."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import DESCENDING, UpdateOne
from pymongo.database import Database

from catalog.models.page import Page
from catalog.repositories.base import RootId
from catalog.repositories.index_state import DeadLetter, LetterQuery
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.jsonable import json_value
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
    place_filter,
)
from catalog.repositories.mongo.roots import root_key_of


class MongoDeadLetterRepository:
    """See ``DeadLetterRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_dead_letters``."""
        self._records = database["index_dead_letters"]

    def record(self, letters: Iterable[DeadLetter]) -> None:
        """See ``DeadLetterRepository.record``."""
        writes = [
            UpdateOne(
                {"_id": root_key_of(letter.root)},
                {
                    "$set": {
                        "root": letter.root,
                        "stage": letter.stage,
                        # What was refused may be quoted: a letter that can't be
                        # written itself would stop everything.
                        "error": without_surrogates(letter.error),
                        "jobId": letter.job_id,
                        "documentId": letter.document_id,
                        "details": without_surrogates(json_value(dict(letter.details))),
                        "lastSeenAt": letter.last_seen_at,
                    },
                    "$inc": {"attempts": 1},
                    "$setOnInsert": {"firstSeenAt": letter.first_seen_at},
                },
                upsert=True,
            )
            for letter in letters
        ]
        if writes:
            with translated():
                self._records.bulk_write(writes)

    def clear(self, roots: Sequence[RootId]) -> None:
        """See ``DeadLetterRepository.clear``."""
        if roots:
            with translated():
                self._records.delete_many(
                    {"_id": {"$in": [root_key_of(root) for root in roots]}}
                )

    def page(
        self,
        limit: int,
        query: LetterQuery | None = None,
        page_token: str | None = None,
    ) -> Page[DeadLetter]:
        """See ``DeadLetterRepository.page``."""
        wanted = _filter(query or LetterQuery())
        binding = fingerprint("letters", wanted)
        filters: list[Record] = [wanted]
        if page_token:
            place = decode_token(page_token, binding)
            filters.append(place_filter("lastSeenAt", place, descending=True))
        with translated():
            total = self._records.count_documents(wanted)
            records = list(
                self._records.find(
                    {"$and": filters},
                    sort=[("lastSeenAt", DESCENDING), ("_id", DESCENDING)],
                    limit=limit + 1,
                )
            )
        token = None
        if len(records) > limit:
            last = records[limit - 1]
            token = encode_token(Place(last["lastSeenAt"], last["_id"]), binding)
        return Page(tuple(map(_letter, records[:limit])), total, token)

    def count(self) -> int:
        """See ``DeadLetterRepository.count``."""
        with translated():
            return self._records.estimated_document_count()


def _filter(query: LetterQuery) -> Record:
    exact = {"_id": query.letter_id, "stage": query.stage, "jobId": query.job_id}
    wanted: Record = {name: {"$eq": v} for name, v in exact.items() if v is not None}
    if query.text:
        # A zero byte ends a pattern, and is refused; written so it is one like any.
        pattern = re.escape(query.text).replace("\0", r"\x00")
        wanted["error"] = {"$regex": pattern, "$options": "i"}
    texts = (*exact.values(), query.text)
    if not all(is_text_storable(text) for text in texts if text is not None):
        return {"_id": {"$in": []}}
    return wanted


def _letter(record: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter(
        root=record["root"],
        stage=record["stage"],
        error=record["error"],
        attempts=record["attempts"],
        first_seen_at=record["firstSeenAt"],
        last_seen_at=record["lastSeenAt"],
        job_id=record.get("jobId"),
        document_id=record.get("documentId"),
        details=record.get("details") or {},
        letter_id=str(record["_id"]),
    )
