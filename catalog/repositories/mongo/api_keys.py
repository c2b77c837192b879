"""``KeyRepository`` over MongoDB."""

from datetime import datetime, timedelta

from pymongo import DESCENDING, ReturnDocument, WriteConcern
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import AlreadyExistsError, NotFoundError
from catalog.models.api_key import ApiKey, KeyId, Permission
from catalog.models.ids import UserId
from catalog.repositories.keys import USED_AGAIN_SECONDS
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable


class MongoKeyRepository:
    """See ``KeyRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``keys``."""
        self._keys = database["keys"]
        # No answer waits until a majority knows that a key was used.
        self._uses = self._keys.with_options(write_concern=WriteConcern(w=1))

    def add(self, key: ApiKey) -> None:
        """See ``KeyRepository.add``."""
        record: Record = {
            "_id": key.key_id,
            "digest": key.digest,
            "hint": key.hint,
            "userId": key.user_id,
            "name": key.name,
            "permissions": sorted(key.permissions),
            "createdAt": key.created_at,
            "expiresAt": key.expires_at,
            "revokedAt": key.revoked_at,
            "lastUsedAt": key.last_used_at,
        }
        with translated():
            try:
                self._keys.insert_one(record)
            except DuplicateKeyError as exc:
                raise AlreadyExistsError("API key", key.key_id) from exc

    def find(self, digest: str) -> ApiKey | None:
        """See ``KeyRepository.find``."""
        with translated():
            raw = self._keys.find_one({"digest": digest})
        return None if raw is None else _from_record(raw)

    def all(self, user_id: UserId | None = None) -> tuple[ApiKey, ...]:
        """See ``KeyRepository.all``."""
        wanted: Record = {}
        if user_id is not None:
            if not is_text_storable(user_id):
                return ()
            wanted["userId"] = user_id
        order = [("createdAt", DESCENDING), ("_id", DESCENDING)]
        with translated():
            return tuple(map(_from_record, self._keys.find(wanted).sort(order)))

    def revoke(self, key_id: KeyId, at: datetime) -> ApiKey:
        """See ``KeyRepository.revoke``."""
        if not is_text_storable(key_id):
            raise NotFoundError("API key", key_id)
        with translated():
            raw = self._keys.find_one_and_update(
                {"_id": key_id, "revokedAt": None},
                {"$set": {"revokedAt": at}},
                return_document=ReturnDocument.AFTER,
            ) or self._keys.find_one({"_id": key_id})
        if raw is None:
            raise NotFoundError("API key", key_id)
        return _from_record(raw)

    def touch(self, key_id: KeyId, at: datetime) -> None:
        """See ``KeyRepository.touch``."""
        before = at - timedelta(seconds=USED_AGAIN_SECONDS)
        unused = {"_id": key_id, "lastUsedAt": {"$not": {"$gt": before}}}
        with translated():
            self._uses.update_one(unused, {"$set": {"lastUsedAt": at}})


def _from_record(raw: Record) -> ApiKey:
    return ApiKey(
        key_id=KeyId(raw["_id"]),
        digest=raw["digest"],
        hint=raw["hint"],
        user_id=UserId(raw["userId"]),
        name=raw["name"],
        permissions=frozenset(map(Permission, raw["permissions"])),
        created_at=raw["createdAt"],
        expires_at=raw["expiresAt"],
        revoked_at=raw["revokedAt"],
        last_used_at=raw["lastUsedAt"],
    )
