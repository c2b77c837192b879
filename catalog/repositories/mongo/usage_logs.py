"""``UsageLogRepository`` over MongoDB."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from pymongo.database import Database

from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates
from catalog.repositories.usage_logs import LogFile


class MongoUsageLogRepository:
    """Records ``usage_log_files``; ``_id`` is store and key."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._files = database["usage_log_files"]

    def done(self, files: Mapping[str, str], now: datetime) -> frozenset[str]:
        """See ``UsageLogRepository.done``."""
        with translated():
            found = self._files.find(
                {
                    "_id": {"$in": list(files)},
                    "$or": [{"againAt": None}, {"againAt": {"$gt": now}}],
                },
                {"etag": 1},
            )
            return frozenset(
                raw["_id"] for raw in found if raw["etag"] == files[raw["_id"]]
            )

    def save(self, file: LogFile) -> None:
        """See ``UsageLogRepository.save``."""
        facts = asdict(file)
        record = {
            "etag": facts.pop("etag"),
            "readAt": facts.pop("read_at"),
            "tooOld": facts.pop("too_old"),
            "againAt": facts.pop("again_at"),
            "problem": without_surrogates(facts.pop("problem")),
        }
        name = facts.pop("name")
        with translated():
            self._files.replace_one({"_id": name}, record | facts, upsert=True)
