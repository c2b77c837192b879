"""What MongoDB adds up for roll-ups: pipelines over ``assets`` and ``objects``."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from catalog.repositories.mongo.client import Record

CONTENT_HASH = "^[0-9a-f]{32}$"
"""ETags that are a hash of the content: MD5, of what was stored in one piece. Those of
uploads in parts and of directories say nothing of it."""

_STORED_FILES: Record = {
    "$reduce": {
        "input": "$view.versions",
        "initialValue": [],
        "in": {
            "$setUnion": [
                "$$value",
                {
                    "$map": {
                        "input": {
                            "$filter": {
                                "input": "$$this.files",
                                "as": "file",
                                "cond": {
                                    "$and": [
                                        {"$gt": ["$$file.key", None]},
                                        {"$ne": ["$$file.missing", True]},
                                    ]
                                },
                            }
                        },
                        "as": "file",
                        "in": {"key": "$$file.key", "size": "$$file.sizeBytes"},
                    }
                },
            ]
        },
    }
}
"""Files of all versions in our store, each once (``services.stats.stored_bytes``)."""

_WHOLE: Record = {
    "$cond": [{"$eq": ["$type", "dataset"]}, {"$ifNull": ["$sizeBytes", 0]}, 0]
}


def amounts_pipeline(
    buckets: range, now: datetime, days: Sequence[int]
) -> list[Record]:
    """Count and weigh some assets by owner, type, and whether they are in the trash.

    ``old30`` and so on count those that were made before so many days.
    """
    old: dict[str, Any] = {
        f"old{count}": _count({"$lt": ["$createdAt", now - timedelta(days=count)]})
        for count in days
    }
    return [
        {"$match": {"bucket": {"$gte": buckets.start, "$lt": buckets.stop}}},
        {
            "$group": {
                "_id": {
                    "user": "$view.userId",
                    "type": "$type",
                    "isTrashed": {"$eq": ["$acl", []]},
                },
                "count": {"$sum": 1},
                "bytes": {"$sum": {"$max": [{"$sum": {"$map": _sizes()}}, _WHOLE]}},
                **old,
            }
        },
    ]


def _count(condition: Record) -> Record:
    return {"$sum": {"$cond": [condition, 1, 0]}}


def _sizes() -> Record:
    return {"input": _STORED_FILES, "as": "file", "in": "$$file.size"}


def uses_pipeline() -> list[Record]:
    """Count what was made with each asset, where that asset is still there."""
    return [
        {"$match": {"view.uses": {"$exists": True}, "acl.0": {"$exists": True}}},
        {"$unwind": "$view.uses"},
        {
            "$group": {
                "_id": "$view.uses",
                "count": {"$sum": 1},
                "last": {"$max": "$createdAt"},
            }
        },
        {
            "$lookup": {
                "from": "assets",
                "localField": "_id",
                "foreignField": "assetId",
                "as": "used",
                "pipeline": [{"$project": {"type": 1, "user": "$view.userId"}}],
            }
        },
        {"$match": {"used.0": {"$exists": True}}},
        {
            "$project": {
                "count": 1,
                "last": 1,
                "userId": {"$first": "$used.user"},
                "type": {"$first": "$used.type"},
            }
        },
    ]


def duplicates_pipeline() -> list[Record]:
    """Find objects of one content at one owner: groups, copies, bytes, by owner.

    ``contentHash`` of an object's record counts where somebody has worked it out.
    """
    known: Record = {"$gt": ["$contentHash", None]}
    is_hash: Record = {"$regexMatch": {"input": "$etag", "regex": CONTENT_HASH}}
    is_told: Record = {"$or": [known, is_hash]}
    return [
        {"$match": {"state": "present", "userId": {"$type": "string"}}},
        {"$match": {"etag": {"$type": "string"}, "sizeBytes": {"$gt": 0}}},
        {"$match": {"$expr": is_told}},
        {
            "$group": {
                "_id": {
                    "user": "$userId",
                    "content": {"$ifNull": ["$contentHash", "$etag"]},
                    "size": "$sizeBytes",
                },
                "objects": {"$sum": 1},
            }
        },
        {"$match": {"objects": {"$gt": 1}}},
        {
            "$group": {
                "_id": "$_id.user",
                "groups": {"$sum": 1},
                "copies": {"$sum": {"$subtract": ["$objects", 1]}},
                "bytes": {
                    "$sum": {"$multiply": ["$_id.size", {"$subtract": ["$objects", 1]}]}
                },
            }
        },
    ]


def used_pipeline(now: datetime, days: Sequence[int]) -> list[Record]:
    """Count used assets by owner, over ``usage_assets``.

    ``used30`` and so on: made before so many days, and used since.
    """
    longest = now - timedelta(days=max(days))
    counts: dict[str, Any] = {}
    for count in days:
        cutoff = now - timedelta(days=count)
        was_used: Record = {"$gte": ["$usedAt", cutoff]}
        is_old: Record = {"$lt": ["$createdAt", cutoff]}
        counts[f"used{count}"] = _count({"$and": [was_used, is_old]})
    return [
        {
            "$match": {
                "$or": [
                    {"lastAt": {"$gte": longest}},
                    {"lastUsedAt": {"$gte": longest}},
                ]
            }
        },
        {
            "$lookup": {
                "from": "assets",
                "localField": "_id",
                "foreignField": "assetId",
                "as": "asset",
                "pipeline": [
                    {"$match": {"acl.0": {"$exists": True}}},
                    {"$project": {"createdAt": 1, "user": "$view.userId"}},
                ],
            }
        },
        {"$match": {"asset.0": {"$exists": True}}},
        {
            "$project": {
                "user": {"$first": "$asset.user"},
                "createdAt": {"$first": "$asset.createdAt"},
                "usedAt": {"$max": ["$lastAt", "$lastUsedAt"]},
            }
        },
        {"$group": {"_id": "$user", **counts}},
    ]
