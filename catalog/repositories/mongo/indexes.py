"""Every database index, as data, each with the query it serves."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import ASCENDING, DESCENDING, TEXT, IndexModel
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from catalog.repositories.mongo.client import Record, translated

log = logging.getLogger(__name__)

FOREIGN = frozenset({"jobs"})
"""Written by other programs: an index that can't be made there is only a warning."""

_CONFLICT_CODES = frozenset({85, 86})
"""IndexOptionsConflict, IndexKeySpecsConflict: an earlier version of ours."""


@dataclass(frozen=True, slots=True)
class DatabaseIndex:
    """One index; never unique on foreign records.

    Attributes:
        collection: Where.
        keys: Fields and directions, in order.
        serves: The query it is for, one line.
        options: Further options of MongoDB.
        is_late: Made after the first build: keeping it up row by row while a whole
            catalog is built costs far more than making it once.
    """

    collection: str
    keys: tuple[tuple[str, int | str], ...]
    serves: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_late: bool = False

    @property
    def name(self) -> str:
        """Name in MongoDB."""
        return "catalog_" + "_".join(name for name, _ in self.keys if name != "_id")


_UP, _DOWN = ASCENDING, DESCENDING

INDEXES: tuple[DatabaseIndex, ...] = (
    DatabaseIndex(
        "jobs",
        (("jobId", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "the newest record of a jobId; all records of jobIds",
    ),
    DatabaseIndex(
        "jobs",
        (("userId", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "a user's jobs, newest first",
    ),
    DatabaseIndex(
        "jobs",
        (("userId", _UP), ("type", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "a user's jobs of one type, newest first",
    ),
    DatabaseIndex(
        "jobs",
        (("createdAt", _DOWN), ("_id", _DOWN)),
        "everybody's jobs, newest first",
    ),
    DatabaseIndex("objects", (("jobId", _UP),), "the objects under a job's prefixes"),
    DatabaseIndex("objects", (("key", _UP),), "objects that a record names"),
    DatabaseIndex("extractions", (("key", _UP),), "what was read out of objects"),
    DatabaseIndex("assets", (("rootKey", _UP),), "the assets of roots"),
    DatabaseIndex(
        "assets", (("bucket", _UP), ("_id", _UP)), "reconciling, a slice at a time"
    ),
    DatabaseIndex("assets", (("jobId", _UP),), "a job's assets, by bare jobId"),
    DatabaseIndex("assets", (("assetId", _UP),), "an asset by its id"),
    DatabaseIndex(
        "assets",
        (("acl", _UP), ("type", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "lists of visible assets, newest first",
    ),
    DatabaseIndex(
        "assets",
        (("acl", _UP), ("sortName", _UP), ("_id", _UP)),
        "visible assets by the start of their name (degraded completion)",
    ),
    DatabaseIndex(
        "assets",
        (("ownerKey", _UP), ("tagKeys", _UP)),
        "who may see an owner's assets that bear a tag",
    ),
    DatabaseIndex(
        "assets",
        (("ownerKey", _UP), ("trashedAt", _DOWN), ("_id", _DOWN)),
        "an owner's trash, the last thrown away first",
        {"partialFilterExpression": {"trashedAt": {"$exists": True}}},
    ),
    DatabaseIndex(
        "assets",
        (("trashedAt", _DOWN), ("_id", _DOWN)),
        "everybody's trash",
        {"partialFilterExpression": {"trashedAt": {"$exists": True}}},
    ),
    DatabaseIndex(
        "assets",
        (("ownerKey", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "what an owner shares with others by name, newest first",
        {"partialFilterExpression": {"view.sharing": {"$exists": True}}},
    ),
    DatabaseIndex("assets", (("keys", _UP),), "the assets that an object belongs to"),
    DatabaseIndex(
        "assets",
        (("sources", _UP),),
        "the transcripts that were made from a recording",
        {"sparse": True},
    ),
    DatabaseIndex(
        "assets",
        (("words", TEXT), ("view.description", TEXT)),
        "search while the engine is away",
        # Words of any language as they are; `view.language` must not choose one.
        {"default_language": "none", "language_override": "textLanguage"},
        is_late=True,
    ),
    DatabaseIndex(
        "assets",
        (("view.uses", _UP), ("createdAt", _DOWN)),
        "the newest images that were made with a LoRA",
        # Few rows use another asset; a build is not held up by those that don't.
        {"partialFilterExpression": {"view.uses": {"$exists": True}}},
        is_late=True,
    ),
    DatabaseIndex(
        "collections",
        (("userId", _UP), ("updatedAt", _DOWN), ("_id", _DOWN)),
        "a user's collections, the last changed first",
    ),
    DatabaseIndex(
        "collections",
        (("grantees", _UP), ("updatedAt", _DOWN), ("_id", _DOWN)),
        "collections that are shared with somebody",
    ),
    DatabaseIndex("collections", (("parentId", _UP),), "what lies within one"),
    DatabaseIndex(
        "collection_members",
        (("collectionId", _UP), ("isLive", _UP), ("position", _UP), ("_id", _UP)),
        "what a collection has, in order",
    ),
    DatabaseIndex(
        "collection_members",
        (("collectionId", _UP), ("position", _UP)),
        "room for a member before another",
    ),
    DatabaseIndex(
        "collection_members", (("jobId", _UP),), "the collections of a job's assets"
    ),
    DatabaseIndex(
        "collection_members", (("assetId", _UP),), "the collections of an asset"
    ),
    DatabaseIndex(
        "groups",
        (("members", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "a user's groups: asked at every call",
    ),
    DatabaseIndex(
        "groups", (("createdAt", _DOWN), ("_id", _DOWN)), "all groups, newest first"
    ),
    DatabaseIndex("keys", (("digest", _UP),), "whose an API key is", {"unique": True}),
    DatabaseIndex("audit", (("at", _DOWN), ("_id", _DOWN)), "all writes, newest first"),
    DatabaseIndex(
        "audit",
        (("user", _UP), ("at", _DOWN), ("_id", _DOWN)),
        "a user's writes, newest first",
    ),
    DatabaseIndex(
        "audit",
        (("target", _UP), ("at", _DOWN), ("_id", _DOWN)),
        "writes to an asset, job or collection, newest first",
    ),
    DatabaseIndex(
        "audit",
        (("expiresAt", _UP),),
        "forgetting what is older than CATALOG_AUDIT_DAYS",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex(
        "shares", (("tokenHash", _UP),), "the link of a token", {"unique": True}
    ),
    DatabaseIndex(
        "shares",
        (("userId", _UP), ("createdAt", _DOWN), ("_id", _DOWN)),
        "a user's share links, newest first",
    ),
    DatabaseIndex("index_dirty", (("dueAt", _UP),), "roots whose time has come"),
    DatabaseIndex(
        "index_dead_letters", (("lastSeenAt", _DOWN),), "dead letters, newest first"
    ),
    DatabaseIndex("index_dirty", (("reason", _UP),), "how many wait for a reason"),
    DatabaseIndex("index_reconciles", (("startedAt", _DOWN),), "reports, newest first"),
    DatabaseIndex("index_requests", (("createdAt", _UP),), "the oldest request"),
    DatabaseIndex(
        "queue",
        (("state", _UP), ("type", _UP), ("priority", _UP), ("turn", _UP), ("_id", _UP)),
        "the job whose turn it is",
    ),
    DatabaseIndex("queue", (("userId", _UP), ("state", _UP)), "a user's open jobs"),
    DatabaseIndex(
        "queue", (("state", _UP), ("dueAt", _UP)), "delayed jobs that are due"
    ),
    DatabaseIndex(
        "queue", (("state", _UP), ("leaseUntil", _UP)), "jobs left by dead workers"
    ),
    DatabaseIndex(
        "object_work",
        (("work", _UP), ("state", _UP), ("rank", _UP), ("dueAt", _UP)),
        "what is done with objects: the work that has waited longest",
    ),
    DatabaseIndex(
        "object_work",
        (("reserved", _UP),),
        "whose rendition a key in the store is",
        {"unique": True, "sparse": True},
    ),
    DatabaseIndex("import_items", (("jobId", _UP),), "the files of an imported job"),
    DatabaseIndex(
        "import_items",
        (("userId", _UP), ("source", _UP), ("state", _UP)),
        "what an interrupted import left",
    ),
    DatabaseIndex(
        "import_items",
        (("userId", _UP), ("likeness", _UP)),
        "files of one content",
    ),
    DatabaseIndex(
        "usage_marks",
        (("until", _UP),),
        "forgetting which fetches were counted, once nothing tells of them any more",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex(
        "usage_assets",
        (("userId", _UP), ("downloads", _DOWN), ("_id", _UP)),
        "an owner's assets by how much they are used",
    ),
    DatabaseIndex(
        "usage_assets",
        (("downloads", _DOWN), ("_id", _UP)),
        "everybody's assets by how much they are used",
    ),
    DatabaseIndex(
        "usage_daily", (("assetId", _UP), ("day", _UP)), "the days of an asset's use"
    ),
    DatabaseIndex(
        "usage_daily",
        (("until", _UP),),
        "forgetting single days after 800",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex(
        "usage_owners", (("owner", _UP), ("day", _UP)), "the days of an owner's assets"
    ),
    DatabaseIndex(
        "usage_owners",
        (("until", _UP),),
        "forgetting single days after 800",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex(
        "usage_snapshots",
        (("owner", _UP), ("day", _UP)),
        "what an owner's assets amounted to, day by day",
    ),
    DatabaseIndex(
        "usage_snapshots",
        (("until", _UP),),
        "forgetting snapshots after 800 days",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex(
        "assets",
        (("ownerKey", _UP), ("createdAt", _UP), ("_id", _UP)),
        "an owner's oldest assets, to find those that nobody uses",
        is_late=True,
    ),
    DatabaseIndex(
        "search_log", (("user", _UP), ("at", _DOWN)), "a user's searches, newest first"
    ),
    DatabaseIndex("search_log", (("at", _DOWN),), "everybody's searches, newest first"),
    DatabaseIndex(
        "search_log",
        (("until", _UP),),
        "forgetting searches after CATALOG_SEARCH_LOG_DAYS",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex("search_clicks", (("searchId", _UP),), "the clicks of searches"),
    DatabaseIndex("search_clicks", (("user", _UP),), "removing a user's clicks"),
    DatabaseIndex(
        "search_clicks",
        (("until", _UP),),
        "forgetting clicks likewise",
        {"expireAfterSeconds": 0},
    ),
    DatabaseIndex(
        "idempotency",
        (("createdAt", _UP),),
        "forgetting keys after a week",
        {"expireAfterSeconds": 7 * 24 * 3600},
    ),
)


def ensure_indexes(database: Database[Record], *, is_late: bool | None = None) -> None:
    """Create what is missing; idempotent.

    Args:
        database: Where.
        is_late: Only those that are made before (``False``) or after (``True``) the
            first build; all by default.

    Raises:
        DependencyUnavailableError: MongoDB did not answer; retryable.
        DependencyRejectedError: MongoDB refused an index on records of our own.
    """
    with translated():
        chosen = [i for i in INDEXES if is_late is None or i.is_late is is_late]
        for collection in dict.fromkeys(index.collection for index in chosen):
            wanted = [index for index in chosen if index.collection == collection]
            present = _present_keys(database, collection)
            missing = [i for i in wanted if _comparable(i) not in present]
            if missing:
                _create(database, collection, missing)


def _create(
    database: Database[Record], collection: str, missing: Iterable[DatabaseIndex]
) -> None:
    if collection not in FOREIGN:
        for index in missing:
            _create_own(database, index)
        return
    for index in missing:
        try:
            database[collection].create_indexes([_model(index)])
        except OperationFailure as exc:
            log.warning(
                "an index on foreign records could not be made; its query is slow",
                extra={"index": index.name, "serves": index.serves, "error": str(exc)},
            )


def _create_own(database: Database[Record], index: DatabaseIndex) -> None:
    """Create an index, in place of an older version of ours if there is one."""
    try:
        database[index.collection].create_indexes([_model(index)])
    except OperationFailure as exc:
        if exc.code not in _CONFLICT_CODES:
            raise
        database[index.collection].drop_index(index.name)
        database[index.collection].create_indexes([_model(index)])


def _model(index: DatabaseIndex) -> IndexModel:
    return IndexModel(list(index.keys), name=index.name, **index.options)


def _present_keys(database: Database[Record], collection: str) -> set[object]:
    """List the keys of present indexes; foreign ones serve as well as ours."""
    try:
        found = database[collection].index_information().values()
    except PyMongoError:
        return set()
    return {
        tuple((name, direction) for name, direction in index["key"])
        for index in found
        if not index.get("sparse") and "partialFilterExpression" not in index
    }


def _comparable(index: DatabaseIndex) -> object:
    if any(direction == TEXT for _, direction in index.keys):
        return (("_fts", TEXT), ("_ftsx", 1))
    return tuple(index.keys)


def index_table() -> str:
    """Write all indexes as a Markdown table, for the docs."""
    lines = ["| records | index | serves |", "| --- | --- | --- |"]
    for index in INDEXES:
        keys = ", ".join(
            name if direction == _UP else f"{name} {_WORDS[direction]}"
            for name, direction in index.keys
        )
        lines.append(f"| `{index.collection}` | {keys} | {index.serves} |")
    return "\n".join(lines) + "\n"


_WORDS: Mapping[int | str, str] = {DESCENDING: "descending", TEXT: "text"}
