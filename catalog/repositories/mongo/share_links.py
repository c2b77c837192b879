"""``ShareLinkRepository`` over MongoDB."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import AlreadyExistsError, ConflictError
from catalog.models.ids import AssetId, CollectionId, ShareId, UserId
from catalog.models.page import Page
from catalog.models.share_link import ShareLink
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_values import is_text_storable
from catalog.repositories.mongo.keyset import read_page


class MongoShareLinkRepository:
    """Share links, in the records ``shares``."""

    def __init__(self, database: Database[Record]) -> None:
        """Stand on a database."""
        self._shares = database["shares"]

    def create(self, link: ShareLink) -> ShareLink:
        """See ``ShareLinkRepository.create``."""
        record = {
            "_id": link.share_id,
            "userId": link.user_id,
            "tokenHash": link.token_hash,
            "assets": list(link.assets),
            "collectionId": link.collection_id,
            "createdAt": link.created_at,
            "uses": link.uses,
            **_fields(link),
        }
        with translated():
            try:
                self._shares.insert_one(record)
            except DuplicateKeyError as exc:
                raise AlreadyExistsError("share link", link.share_id) from exc
        return link

    def find(self, share_id: ShareId) -> ShareLink | None:
        """See ``ShareLinkRepository.find``."""
        return self._one("_id", share_id)

    def by_token(self, token_hash: str) -> ShareLink | None:
        """See ``ShareLinkRepository.by_token``."""
        return self._one("tokenHash", token_hash)

    def _one(self, field: str, value: str) -> ShareLink | None:
        if not is_text_storable(value):
            return None
        with translated():
            raw = self._shares.find_one({field: value})
        return None if raw is None else _from_record(raw)

    def page(
        self, user_id: UserId | None, limit: int, page_token: str | None = None
    ) -> Page[ShareLink]:
        """See ``ShareLinkRepository.page``."""
        wanted: Record = {}
        if user_id is not None:
            if not is_text_storable(user_id):
                return Page(items=(), total=0)
            wanted["userId"] = user_id
        return read_page(
            self._shares, wanted, "createdAt", limit, page_token, _from_record
        )

    def save(self, link: ShareLink) -> ShareLink:
        """See ``ShareLinkRepository.save``."""
        saved = link.evolve(revision=link.revision + 1)
        known = {"_id": link.share_id, "revision": link.revision}
        with translated():
            done = self._shares.update_one(known, {"$set": _fields(saved)})
        if not done.matched_count:
            message = "Somebody else changed this share link; read it again."
            raise ConflictError(message)
        return saved

    def use(self, share_id: ShareId, now: datetime) -> bool:
        """See ``ShareLinkRepository.use``."""
        is_left = {
            "_id": share_id,
            "revokedAt": None,
            "$or": [
                {"maxUses": None},
                {"$expr": {"$lt": ["$uses", "$maxUses"]}},
            ],
        }
        used = {"$inc": {"uses": 1}, "$set": {"lastUsedAt": now}}
        with translated():
            return self._shares.update_one(is_left, used).matched_count == 1

    def attempt(
        self, share_id: ShareId, now: datetime, *, most: int, within_seconds: int
    ) -> bool:
        """See ``ShareLinkRepository.attempt``."""
        since = now - timedelta(seconds=within_seconds)
        is_counted = {
            "_id": share_id,
            "triedAt": {"$gt": since},
            "tries": {"$lt": most},
        }
        is_first = {
            "_id": share_id,
            "$or": [{"triedAt": None}, {"triedAt": {"$lte": since}}],
        }
        steps = (
            (is_counted, {"$inc": {"tries": 1}}),
            (is_first, {"$set": {"tries": 1, "triedAt": now}}),
            # Somebody else's was the first one between these two.
            (is_counted, {"$inc": {"tries": 1}}),
        )
        with translated():
            return any(
                self._shares.update_one(wanted, change).matched_count
                for wanted, change in steps
            )

    def forgive(self, share_id: ShareId) -> None:
        """See ``ShareLinkRepository.forgive``."""
        forgotten = {"$unset": {"tries": "", "triedAt": ""}}
        with translated():
            self._shares.update_one({"_id": share_id}, forgotten)


def _fields(link: ShareLink) -> Record:
    """Write what ``save`` writes."""
    return {
        "name": link.name,
        "right": link.right,
        "passwordHash": link.password_hash,
        "expiresAt": link.expires_at,
        "maxUses": link.max_uses,
        "updatedAt": link.updated_at,
        "revokedAt": link.revoked_at,
        "revision": link.revision,
    }


def _from_record(raw: Mapping[str, Any]) -> ShareLink:
    collection_id = raw.get("collectionId")
    return ShareLink(
        share_id=ShareId(raw["_id"]),
        user_id=UserId(raw["userId"]),
        token_hash=raw["tokenHash"],
        name=raw.get("name"),
        assets=tuple(AssetId(one) for one in raw["assets"]),
        collection_id=None if collection_id is None else CollectionId(collection_id),
        right=raw["right"],
        password_hash=raw.get("passwordHash"),
        expires_at=raw.get("expiresAt"),
        max_uses=raw.get("maxUses"),
        uses=raw["uses"],
        last_used_at=raw.get("lastUsedAt"),
        created_at=raw["createdAt"],
        updated_at=raw["updatedAt"],
        revoked_at=raw.get("revokedAt"),
        revision=raw["revision"],
    )
