"""Builds the object graph from settings; the only importer of adapters.

Nothing connects on import. ``open_catalog`` connects lazily (drivers do at first use).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from catalog.access_logs import LogSource
from catalog.clock import Clock, SystemClock
from catalog.config import Settings
from catalog.errors import InvalidRequestError
from catalog.graph import Catalog
from catalog.jwks import HttpPublicKeys, HttpSigningKeys
from catalog.passwords import Argon2Passwords
from catalog.places import named_keys
from catalog.repositories.base import JobRepository
from catalog.repositories.estates import EstateRecords, ImportRepository
from catalog.repositories.mongo.annotations import MongoAnnotationRepository
from catalog.repositories.mongo.api_keys import MongoKeyRepository
from catalog.repositories.mongo.assets import MongoAssetRepository
from catalog.repositories.mongo.audit import MongoAuditRepository
from catalog.repositories.mongo.client import connect, ping
from catalog.repositories.mongo.collections import MongoCollectionRepository
from catalog.repositories.mongo.dead_letters import MongoDeadLetterRepository
from catalog.repositories.mongo.dump import dump, load
from catalog.repositories.mongo.estates import MongoEstateRecords
from catalog.repositories.mongo.extractions import MongoExtractionRepository
from catalog.repositories.mongo.feed import MongoChangeFeed
from catalog.repositories.mongo.generations import MongoGenerationRepository
from catalog.repositories.mongo.groups import MongoGroupRepository
from catalog.repositories.mongo.import_items import MongoImportRepository
from catalog.repositories.mongo.index_control import (
    MongoLeaseRepository,
    MongoReconcileRepository,
    MongoScheduleRepository,
)
from catalog.repositories.mongo.index_state import (
    MongoDirtyRepository,
    MongoIndexRequestRepository,
    MongoIndexStatusRepository,
)
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.job_feed import MongoJobFeed
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.repositories.mongo.jsonable import json_value
from catalog.repositories.mongo.object_work import MongoObjectWorkRepository
from catalog.repositories.mongo.objects import MongoObjectRepository
from catalog.repositories.mongo.queue import MongoQueueRepository
from catalog.repositories.mongo.records import MongoRecordReader
from catalog.repositories.mongo.rollups import MongoRollupRepository
from catalog.repositories.mongo.rows import MongoRowRepository
from catalog.repositories.mongo.search_log import MongoSearchLogRepository
from catalog.repositories.mongo.share_links import MongoShareLinkRepository
from catalog.repositories.mongo.submissions import MongoSubmissionRepository
from catalog.repositories.mongo.usage import MongoUsageRepository
from catalog.repositories.mongo.usage_logs import MongoUsageLogRepository
from catalog.search.typesense.admin import TypesenseIndexAdmin
from catalog.search.typesense.keys import TypesenseIndexKeys
from catalog.search.typesense.reader import TypesenseSearchReader
from catalog.search.typesense.writer import TypesenseIndexWriter
from catalog.share_sessions import ShareSessions
from catalog.storage.base import ObjectEventQueue, ObjectStore
from catalog.storage.directory import DirectoryObjectStore
from catalog.storage.links import LinkSigner
from catalog.storage.s3 import S3ObjectStore, connect_s3
from catalog.storage.sqs import SqsEventQueue, connect_sqs
from catalog.web_tokens import TokenRules, WebTokenChecker, static_keys

Value = TypeVar("Value")

dump_records, load_records = dump, load
"""Of a whole database, for backups; see ``catalog.repositories.mongo.dump``."""


def open_catalog(settings: Settings, *, process: str) -> Catalog:
    """Wire everything from settings; opens no connection yet.

    Args:
        settings: As read from the environment.
        process: ``api``, ``indexer``, ``cli`` …: named to MongoDB for its logs.

    Returns:
        The graph; ``close`` gives all of its sync connections back (the search
        reader closes itself in its own event loop).

    Raises:
        InvalidRequestError: A setting is missing or malformed; names it.
    """
    clock = SystemClock()
    store = open_store(settings)
    mongo_uri = _needed(settings.mongo_uri, "CATALOG_MONGO_URI").get_secret_value()
    engine_url = _needed(settings.typesense_url, "CATALOG_TYPESENSE_URL")
    engine_key = _needed(settings.typesense_api_key, "CATALOG_TYPESENSE_API_KEY")
    key = engine_key.get_secret_value()
    client = connect(mongo_uri, app_name=f"asset-catalog-{process}")
    database = client[settings.mongo_db]
    assets = MongoAssetRepository(database)

    def close() -> None:
        client.close()

    def ping_mongo() -> None:
        ping(client)

    return Catalog(
        settings=settings,
        clock=clock,
        jobs=MongoJobRepository(database),
        submissions=MongoSubmissionRepository(database),
        queue=MongoQueueRepository(database),
        assets=assets,
        trash=assets,
        collections=MongoCollectionRepository(database),
        groups=MongoGroupRepository(database),
        share_links=MongoShareLinkRepository(database),
        shared=assets,
        share_sessions=ShareSessions(_link_secret(settings), clock),
        passwords=Argon2Passwords(),
        rows=MongoRowRepository(database),
        objects=MongoObjectRepository(database),
        extractions=MongoExtractionRepository(database),
        object_work=MongoObjectWorkRepository(database, store.store_id),
        annotations=MongoAnnotationRepository(database),
        records=MongoRecordReader(
            database, named_keys=partial(named_keys, parse_url=store.parse_url)
        ),
        job_feed=MongoJobFeed(database),
        feed=MongoChangeFeed(database),
        generations=MongoGenerationRepository(database),
        dirty=MongoDirtyRepository(database),
        dead_letters=MongoDeadLetterRepository(database),
        index_status=MongoIndexStatusRepository(database),
        index_requests=MongoIndexRequestRepository(database),
        leases=MongoLeaseRepository(database),
        sweeps=MongoScheduleRepository(database),
        reconciles=MongoReconcileRepository(database),
        usage=MongoUsageRepository(database),
        usage_logs=MongoUsageLogRepository(database),
        rollups=MongoRollupRepository(database),
        search_log=MongoSearchLogRepository(database),
        fal_keys=HttpPublicKeys(settings.fal_jwks_url, clock),
        api_keys=MongoKeyRepository(database),
        audit=MongoAuditRepository(database),
        web_tokens=_web_tokens(settings, clock),
        store=store,
        links=LinkSigner(_link_secret(settings), clock),
        index_writer=TypesenseIndexWriter(engine_url, key, settings.index_prefix),
        index_admin=TypesenseIndexAdmin(engine_url, key, settings.index_prefix),
        index_keys=TypesenseIndexKeys(
            engine_url, key, settings.index_prefix, clock=clock
        ),
        search=TypesenseSearchReader(
            engine_url,
            key,
            settings.index_prefix,
            timeout_seconds=settings.search_timeout_ms / 1000,
            cutoff_ms=settings.search_cutoff_ms,
        ),
        ensure_indexes=partial(ensure_indexes, database, is_late=False),
        ensure_late_indexes=partial(ensure_indexes, database, is_late=True),
        ping_mongo=ping_mongo,
        jsonable=json_value,
        close=close,
        object_events=_object_events(settings, store),
        log_sources=open_log_sources(settings),
    )


@dataclass(frozen=True, slots=True)
class Estates:
    """What importing and exporting stand on."""

    store: ObjectStore
    jobs: JobRepository
    items: ImportRepository
    records: EstateRecords
    ensure_indexes: Callable[[], None]
    close: Callable[[], None]


def open_estates(settings: Settings) -> Estates:
    """Wire records and store alone: no search engine is needed.

    Raises:
        InvalidRequestError: A setting is missing or malformed; names it.
    """
    store = open_store(settings)
    mongo_uri = _needed(settings.mongo_uri, "CATALOG_MONGO_URI").get_secret_value()
    client = connect(mongo_uri, app_name="asset-catalog-estates")
    database = client[settings.mongo_db]
    return Estates(
        store=store,
        jobs=MongoJobRepository(database),
        items=MongoImportRepository(database),
        records=MongoEstateRecords(database),
        ensure_indexes=partial(ensure_indexes, database, is_late=False),
        close=client.close,
    )


def open_records(uri: str, database: str) -> EstateRecords:
    """Read the records of somebody else's database; nothing is written there."""
    client = connect(uri, app_name="asset-catalog-import")
    return MongoEstateRecords(client[database], client.close)


def open_bucket(
    settings: Settings, bucket: str, endpoint_url: str | None
) -> ObjectStore:
    """Look at a bucket that is not the catalog's own."""
    endpoint_url = endpoint_url or settings.s3_endpoint_url
    client = connect_s3(endpoint_url, settings.s3_region)
    return S3ObjectStore(
        bucket,
        client=client,
        endpoint_url=endpoint_url,
        buckets=settings.storage_buckets,
    )


def open_store(settings: Settings) -> ObjectStore:
    """Open the store that ``CATALOG_STORAGE`` names.

    Raises:
        InvalidRequestError: Unset, or neither ``s3://bucket`` nor ``file:///dir``.
    """
    address = _needed(settings.storage, "CATALOG_STORAGE")
    parts = urlsplit(address)
    if parts.scheme == "file" and parts.path:
        root = Path(unquote(parts.path))
        return DirectoryObjectStore(root, buckets=settings.storage_buckets)
    if parts.scheme == "s3" and parts.netloc and parts.path in ("", "/"):
        client = connect_s3(settings.s3_endpoint_url, settings.s3_region)
        return S3ObjectStore(
            parts.netloc,
            client=client,
            endpoint_url=settings.s3_endpoint_url,
            buckets=settings.storage_buckets,
        )
    raise InvalidRequestError(
        "CATALOG_STORAGE", "It must be `s3://bucket` or `file:///directory`."
    )


def open_log_sources(settings: Settings) -> tuple[LogSource, ...]:
    """Open the stores that ``CATALOG_USAGE_LOGS`` names.

    Raises:
        InvalidRequestError: One is neither ``s3://bucket/prefix`` nor
            ``file:///directory``.
    """
    sources = []
    for address in settings.usage_logs:
        parts = urlsplit(address)
        store: ObjectStore
        if parts.scheme == "file" and parts.path:
            store = DirectoryObjectStore(Path(unquote(parts.path)))
            sources.append(LogSource(store))
        elif parts.scheme == "s3" and parts.netloc:
            client = connect_s3(settings.s3_endpoint_url, settings.s3_region)
            store = S3ObjectStore(
                parts.netloc, client=client, endpoint_url=settings.s3_endpoint_url
            )
            sources.append(LogSource(store, parts.path.removeprefix("/")))
        else:
            raise InvalidRequestError(
                "CATALOG_USAGE_LOGS",
                "Each must be `s3://bucket/prefix` or `file:///directory`.",
            )
    return tuple(sources)


def _object_events(settings: Settings, store: ObjectStore) -> ObjectEventQueue | None:
    queue_url = settings.s3_events_queue_url
    if queue_url is None:
        return None
    if not store.store_id.startswith("s3://"):
        raise InvalidRequestError(
            "CATALOG_S3_EVENTS_QUEUE_URL", "Only an S3 store sends notifications."
        )
    client = connect_sqs(settings.sqs_endpoint_url, settings.s3_region)
    return SqsEventQueue(queue_url, client=client)


def _web_tokens(settings: Settings, clock: Clock) -> WebTokenChecker | None:
    """Check web tokens by the settings, if any are to be taken."""
    given = (settings.jwt_audience, settings.jwt_jwks_url, settings.jwt_key)
    if settings.jwt_issuer is None and not any(given):
        return None
    if settings.jwt_issuer is None or settings.jwt_audience is None:
        name = "AUDIENCE" if settings.jwt_issuer else "ISSUER"
        problem = "Web tokens are taken only from a known issuer, for a known audience."
        raise InvalidRequestError(f"CATALOG_JWT_{name}", problem)
    rules = TokenRules(
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_leeway_seconds,
        settings.jwt_user_claim,
        settings.jwt_groups_claim,
    )
    if (settings.jwt_jwks_url is None) == (settings.jwt_key is None):
        raise InvalidRequestError(
            "CATALOG_JWT_KEY", "Set it or CATALOG_JWT_JWKS_URL, and not both."
        )
    if settings.jwt_jwks_url is not None:
        keys = HttpSigningKeys(settings.jwt_jwks_url, clock)
        return WebTokenChecker(keys, rules, clock)
    text = settings.jwt_key.get_secret_value() if settings.jwt_key else ""
    try:
        return WebTokenChecker(static_keys(text), rules, clock)
    except ValueError as exc:
        raise InvalidRequestError("CATALOG_JWT_KEY", f"{exc}.") from exc


def _link_secret(settings: Settings) -> bytes:
    secret = settings.link_secret
    return (secret.get_secret_value() if secret else token_hex(32)).encode()


def _needed(value: Value | None, name: str) -> Value:
    if value is None:
        raise InvalidRequestError(name, f"Set {name}, or start with `catalog up`.")
    return value
