"""``python -m catalog.repositories.mongo.records_page``: makes ``docs/records.md``.

It lives here because the table of database indexes does; what the records hold is
said below and nowhere else.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from catalog.generated_page import publish
from catalog.repositories.mongo.feed_stream import WATCHED
from catalog.repositories.mongo.indexes import INDEXES, index_table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "records.md"

RECORDS = (
    (
        "jobs",
        (
            "the platform's job records, any further fields included; of several "
            "with one `jobId` the newest counts"
        ),
        "the platform (and the demo, its own)",
        "its root",
    ),
    (
        "annotations",
        (
            "what a person changed on an asset or job: name, description, tags, "
            "rights; only the fields set. `_id` is the assetId or jobId"
        ),
        "API",
        "the root",
    ),
    (
        "collections",
        (
            "a user's groups of assets: name, description, parent, cover, with whom it "
            "is shared, and counts by type of what can be seen of it"
        ),
        "API; counts also the indexer",
        "nothing",
    ),
    (
        "collection_members",
        (
            "one per asset in a collection, `_id` is collection/asset: its place, and "
            "whether the asset is there to be seen (`isLive`)"
        ),
        "API; `isLive` the indexer",
        "the asset's root",
    ),
    (
        "groups",
        "users whom things are shared with at once: name, owner, members",
        "API",
        "nothing",
    ),
    (
        "shares",
        (
            "share links: whose, what they open, with which right, until when; hashes "
            "of token and password; uses, and attempts at the password"
        ),
        "API",
        "nothing",
    ),
    (
        "objects",
        (
            "what is known of an object in the store: size, etag, content type, and "
            "whether it is present, missing, or deleted (a tombstone)"
        ),
        "indexer; processors, of renditions that they stored",
        "the root that the key belongs to",
    ),
    (
        "extractions",
        (
            "what was read out of one state of an object (key, etag, extractor, "
            "version): a transcript's text and segments, or facts with problems and "
            "the raw input (packed, 1 MiB), or why it can't be read, with a cause"
        ),
        "indexer (what was said), processors (facts)",
        "the root",
    ),
    (
        "assets",
        (
            "the read model: one row per asset with what a list shows, sorts and "
            "filters by, the access keys, and the words of degraded search. Derived"
        ),
        "indexer",
        "nothing",
    ),
    (
        "queue",
        (
            "one per job that our own POST accepted, written with it in one "
            "transaction; only jobs with such a record are ever claimed by a worker"
        ),
        "API, processors",
        "nothing",
    ),
    (
        "object_work",
        (
            "one per task (`renditions`, `previews`) and object: what waits to be done "
            "with it, who does it, and what came of it: facts, renditions and where "
            "they lie, or the cause why there is nothing; of one etag and one version "
            "of the task"
        ),
        "processors",
        "nothing",
    ),
    (
        "object_sweeps",
        "how far the workers' sweep over all objects is, and when the next one begins",
        "processors",
        "nothing",
    ),
    (
        "queue_turns",
        "each user's last turn, and the turn that was served last, by type of job",
        "API, processors",
        "nothing",
    ),
    (
        "idempotency",
        "keys of accepted requests, for a week",
        "API",
        "nothing",
    ),
    (
        "keys",
        (
            "one per API key: SHA-256 of it, whose, what it may be used for, until "
            "when, when it was last used or revoked; never the key"
        ),
        "`catalog keys`; API (the last use)",
        "nothing",
    ),
    (
        "audit",
        (
            "one per write that succeeded: who, which route, what it names, status, "
            "request id, time; for `CATALOG_AUDIT_DAYS`"
        ),
        "API",
        "nothing",
    ),
    (
        "import_items",
        (
            "one per file that `catalog import` took over: from where, into which job, "
            "under which key, how far it is"
        ),
        "`catalog import`",
        "nothing",
    ),
    (
        "usage_assets",
        (
            "one per asset that was used: downloads, views and links handed out since "
            "counting began, and when it was last fetched"
        ),
        "API, indexer (from access logs)",
        "nothing",
    ),
    (
        "usage_daily",
        "the same by asset and day (UTC), for 800 days",
        "API, indexer",
        "nothing",
    ),
    (
        "usage_owners",
        "the same by owner (and `all`) and day, for 800 days",
        "API, indexer",
        "nothing",
    ),
    (
        "usage_marks",
        (
            "which fetches were counted: hashes of link, client and day, or of a log's "
            "request, for 100 days; so that each counts once"
        ),
        "API, indexer",
        "nothing",
    ),
    (
        "usage_log_files",
        "access logs that were read, by name and etag, and what came of each",
        "indexer",
        "nothing",
    ),
    (
        "usage_rollups",
        "what each owner's assets (and `all`) amount to, as of the last sweep",
        "indexer",
        "nothing",
    ),
    (
        "usage_snapshots",
        "the same by day, for growth, for 800 days",
        "indexer",
        "nothing",
    ),
    (
        "search_log",
        (
            "one per search: who, the folded words, the filters, how much was found, "
            "how fast; nothing of what was found"
        ),
        "API",
        "nothing",
    ),
    (
        "search_clicks",
        "what was opened out of searches, and at which position",
        "API",
        "nothing",
    ),
    (
        "search_settings",
        "users who said whether their searches may be logged",
        "API",
        "nothing",
    ),
    (
        "index_generations",
        "one per physical set of indexes: state, checkpoint, how far a build is",
        "indexer",
        "nothing",
    ),
    (
        "index_status",
        "one record, the indexer's heartbeat: lag, counts, what is wrong",
        "indexer",
        "nothing",
    ),
    (
        "index_dirty",
        "roots to look at again, and when (an object that isn't there yet, say)",
        "indexer",
        "nothing",
    ),
    (
        "index_dead_letters",
        "roots that can't be indexed as they are, and why",
        "indexer",
        "nothing",
    ),
    (
        "index_requests",
        "what the indexer is asked to do, and what came of it",
        "API, `catalog` commands, indexer",
        "nothing",
    ),
    (
        "index_lease",
        "one record: which process leads, in which epoch, until when",
        "indexer",
        "nothing",
    ),
    (
        "index_schedule",
        "one per sweep: when it ran, how it went, when it runs next",
        "indexer",
        "nothing",
    ),
    (
        "index_reconciles",
        "what passes of reconciling compared, found and mended",
        "indexer",
        "nothing",
    ),
)
"""Collection, what it holds, who writes it, what a change of it makes dirty."""

_INTRODUCTION = """\
# What lies where in MongoDB

<!-- Generated by `python -m catalog.repositories.mongo.records_page --write`; do not
edit. -->

One database (`CATALOG_MONGO_DB`) holds the platform's job records and, beside them,
what the catalog keeps of its own. The catalog never writes into a job record. `assets`
and `index_…` are derived like the index: `catalog reindex` makes `assets` anew, and
without `index_generations` the indexer's next start builds everything. `objects`,
`extractions` and `object_work` are learnt from the store and can be learnt again;
renditions that are there already are known by their bytes.

| records | hold | written by | a change makes dirty |
| --- | --- | --- | --- |
"""

_INDEXES = """
## Database indexes

Declared in `catalog/repositories/mongo/indexes.py` and created by the indexer when it
starts; repeating that is harmless. None on `jobs` is unique, all are named `catalog_…`.
One that can't be made on `jobs` is a warning in the log, and its query is slow.
"""


def page() -> str:
    """Write the page."""
    rows = "".join(
        f"| `{name}` | {holds} | {writer} | {dirty} |\n"
        for name, holds, writer, dirty in RECORDS
    )
    watched = ", ".join(f"`{name}`" for name in WATCHED)
    late = ", ".join(f"{i.serves} (`{i.collection}`)" for i in INDEXES if i.is_late)
    return (
        f"{_INTRODUCTION}{rows}\n"
        f"The change stream watches {watched}, in one stream over the database.\n"
        f"{_INDEXES}Made after the first build, since keeping it up meanwhile would "
        f"cost more: {late}.\n\n{index_table()}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or compare the page; see ``catalog.generated_page.publish``."""
    return publish(
        PAGE,
        page(),
        module="catalog.repositories.mongo.records_page",
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
