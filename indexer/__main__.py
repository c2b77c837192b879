"""``python -m indexer``: settings, logging, signals and exit codes."""

import gc
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.errors import CatalogError
from catalog.graph import Catalog
from catalog.telemetry import configure_logging
from indexer.daemon import Daemon
from indexer.ports import Ports
from indexer.usage_ports import UsagePorts

log = logging.getLogger("indexer")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_SETTINGS = 2


def ports_of(catalog: Catalog) -> Ports:
    """Take out of the catalog what the indexer needs."""
    settings = catalog.settings
    place = urlsplit(catalog.store.url)
    return Ports(
        clock=catalog.clock,
        rows=catalog.rows,
        objects=catalog.objects,
        extractions=catalog.extractions,
        records=catalog.records,
        feed=catalog.feed,
        generations=catalog.generations,
        dirty=catalog.dirty,
        dead_letters=catalog.dead_letters,
        index_status=catalog.index_status,
        index_requests=catalog.index_requests,
        leases=catalog.leases,
        sweeps=catalog.sweeps,
        reconciles=catalog.reconciles,
        index_keys=catalog.index_keys,
        store=catalog.store,
        object_events=catalog.object_events,
        index_writer=catalog.index_writer,
        index_admin=catalog.index_admin,
        ensure_indexes=catalog.ensure_indexes,
        ensure_late_indexes=catalog.ensure_late_indexes,
        index_prefix=settings.index_prefix,
        linger_seconds=settings.linger_ms / 1000,
        rescan_every=timedelta(seconds=settings.rescan_seconds),
        reconcile_every=timedelta(seconds=settings.reconcile_seconds),
        reindex_every=timedelta(seconds=settings.reindex_seconds) or None,
        rollback_window=timedelta(seconds=settings.rollback_seconds),
        lease_ttl=timedelta(seconds=settings.lease_seconds),
        use=usage_ports_of(catalog),
        storage_directory=(
            Path(unquote(place.path)) if place.scheme == "file" else None
        ),
    )


def usage_ports_of(catalog: Catalog) -> UsagePorts:
    """Take out of the catalog what the sweeps over the use of assets need."""
    settings = catalog.settings
    own = catalog.store.store_id.removeprefix("s3://")
    return UsagePorts(
        usage=catalog.usage,
        files=catalog.usage_logs,
        sources=catalog.log_sources,
        buckets=frozenset({own, *settings.storage_buckets}),
        logs_every=timedelta(seconds=settings.usage_logs_seconds),
        rollups=catalog.rollups,
        rollup_every=timedelta(seconds=settings.rollup_seconds),
    )


_SWITCH_SECONDS = 0.001
"""How long a computing thread keeps the interpreter from one that has an answer to read
(5 ms by default): describing and projecting must not starve the imports."""


_COLLECT_AFTER = (50_000, 20, 50)
"""Net allocations before a collection (700, 10, 10 by default): records and documents
are trees without cycles, made by the ten thousand; looking at them costs an eighth."""


def main() -> int:
    """Run the indexer until SIGTERM or SIGINT; returns the exit code."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        settings = Settings()
    except ValidationError as exc:
        print(f"The settings can't be used: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_SETTINGS
    configure_logging(settings.log_level, settings.log_format)
    try:
        catalog = open_catalog(settings, process="indexer")
    except CatalogError as exc:
        log.error("cannot start", extra={"error": str(exc)})  # noqa: TRY400
        return EXIT_SETTINGS
    daemon = Daemon(ports_of(catalog))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    try:
        daemon.run()
    except Exception as exc:  # noqa: BLE001  (the process boundary; logged by the loop)
        log.critical("the indexer ends", extra={"error": str(exc)})
        return EXIT_FAILED
    finally:
        catalog.close()
    return EXIT_OK


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    # Threads left behind (a request that hangs, a sweep) must not delay the exit;
    # nothing that they do is acknowledged before it is proven.
    os._exit(code)
