"""``python -m processors``: settings, logging, signals and exit codes."""

import argparse
import logging
import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from socket import gethostname
from threading import Thread

from pydantic import ValidationError

from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.errors import CatalogError, InvalidRequestError
from catalog.graph import Catalog
from catalog.models.job import JobType
from catalog.services.locations import LocationService
from catalog.services.membership import MembershipService
from catalog.telemetry import configure_logging
from processors.choose import engines_of
from processors.datasets.gathering import Gatherer
from processors.datasets.making import DatasetMaker
from processors.fetch import Fetcher, FetchLimits
from processors.inputs import JobInputs
from processors.media.limits import MAX_PICTURE_BYTES
from processors.media.pool import MediaPool
from processors.objects.loop import ObjectLoop
from processors.objects.metadata import MetadataTask
from processors.objects.previews import PreviewsTask
from processors.objects.renditions import RenditionsTask
from processors.objects.sharing import SharedFetch
from processors.objects.storing import RenditionStore
from processors.objects.task import ObjectTask
from processors.publishing import Publisher
from processors.runner import JobRunner
from processors.worker import Worker

log = logging.getLogger("processors")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_SETTINGS = 2

LEASE = timedelta(seconds=60)

_MEDIA_MODULES = ("PIL", "av", "numpy")

JOBS, OBJECTS = "jobs", "objects"
"""The two parts of a worker."""

_PICTURE_SECONDS = 600.0
"""For one of the pictures of a training, of which there may be a thousand."""

_LOCAL_AT_ONCE = 1
_REMOTE_AT_ONCE = 8
"""Jobs of one type at once: an engine of this machine needs a core, a provider's
job little more than a look now and then."""


def worker_of(
    catalog: Catalog, types: Sequence[JobType], folder: Path, draining: threading.Event
) -> Worker:
    """Wire a worker.

    Args:
        catalog: What everything is asked of.
        types: Which jobs to take, where there is an engine for them.
        folder: For the files of runs.
        draining: Ends it once it is set.

    Raises:
        EngineError: ``not_configured``: a setting can't be used.
    """
    settings = catalog.settings
    engines = engines_of(settings, catalog.clock, types)
    jitter = random.SystemRandom().random
    fetch = Fetcher(catalog.store, FetchLimits(size_bytes=settings.source_bytes))
    pictures = FetchLimits(
        size_bytes=min(settings.source_bytes, MAX_PICTURE_BYTES),
        seconds=_PICTURE_SECONDS,
    )
    gatherer = Gatherer(
        catalog.store, fetch, fetch_picture=Fetcher(catalog.store, pictures)
    )
    runner = JobRunner(
        queue=catalog.queue,
        engines=engines,
        inputs=JobInputs(
            store=catalog.store,
            locations=LocationService(
                catalog.assets,
                catalog.jobs,
                catalog.store,
                rights=MembershipService(catalog.groups, catalog.collections).asker,
            ),
            links=catalog.links,
            fetch=fetch,
            datasets=DatasetMaker(catalog.store, gatherer),
            clock=catalog.clock,
            public_url=settings.public_url,
        ),
        publisher=Publisher(catalog.store, catalog.clock, address=_address_of(catalog)),
        clock=catalog.clock,
        lease=LEASE,
        draining=draining,
        folder=folder,
        jitter=jitter,
    )
    return Worker(
        queue=catalog.queue,
        run=runner.run,
        room={
            type_: _REMOTE_AT_ONCE if engine.reads_addresses else _LOCAL_AT_ONCE
            for type_, engine in engines.items()
        },
        clock=catalog.clock,
        jitter=jitter,
        name=_name(),
        lease=LEASE,
        draining=draining,
    )


def object_loop_of(
    catalog: Catalog, pool: MediaPool, folder: Path, draining: threading.Event
) -> ObjectLoop:
    """Wire the part that does with objects what there is to do.

    Args:
        catalog: What everything is asked of.
        pool: Reads untrusted files.
        folder: For the files of runs.
        draining: Ends it once it is set.
    """
    settings, store = catalog.settings, catalog.store
    most, shared = settings.source_bytes, SharedFetch(store)
    tasks: list[ObjectTask] = [
        RenditionsTask(store, catalog.jobs, pool, most_bytes=most, shared=shared),
        PreviewsTask(catalog.assets, store, pool),
        MetadataTask(store, pool, catalog.extractions, most_bytes=most, shared=shared),
    ]
    return ObjectLoop(
        tasks=tasks,
        work=catalog.object_work,
        store=store,
        renditions=RenditionStore(
            store, catalog.object_work, catalog.objects, catalog.clock
        ),
        at_once=settings.objects_at_once,
        clock=catalog.clock,
        jitter=random.SystemRandom().random,
        name=_name(),
        folder=folder,
        draining=draining,
    )


def _name() -> str:
    return f"{gethostname()}:{os.getpid()}:{token_hex(3)}"


def _address_of(catalog: Catalog) -> str:
    """What job records name the store by: a bucket, also where it is a directory.

    A path of this machine says nothing elsewhere, and nobody may name one as a source.
    """
    url, others = catalog.store.url, catalog.settings.storage_buckets
    return url if url.startswith("s3://") or not others else f"s3://{others[0]}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run jobs until SIGTERM or SIGINT; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as exc:
        print(f"The settings can't be used: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_SETTINGS
    configure_logging(settings.log_level, settings.log_format)
    draining = threading.Event()
    with tempfile.TemporaryDirectory(prefix="catalog-worker-") as folder:
        try:
            catalog = open_catalog(settings, process="processors")
            parts = parts_of(catalog, options, Path(folder), draining)
        except CatalogError as exc:
            log.error("cannot start", extra={"error": str(exc)})  # noqa: TRY400
            return EXIT_SETTINGS
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: draining.set())
        try:
            catalog.ensure_indexes()
            return _run(parts, draining)
        except Exception as exc:  # the process boundary
            log.exception("the worker ends", extra={"error": str(exc)})
            return EXIT_FAILED
        finally:
            catalog.close()


def parts_of(
    catalog: Catalog,
    options: argparse.Namespace,
    folder: Path,
    draining: threading.Event,
) -> Mapping[str, Callable[[], None]]:
    """Wire what is to run.

    Raises:
        EngineError: ``not_configured``: a setting can't be used.
        InvalidRequestError: Nothing is left to do.
    """
    parts: dict[str, Callable[[], None]] = {}
    at_once = catalog.settings.objects_at_once
    if options.only != OBJECTS:
        parts[JOBS] = worker_of(catalog, options.types, folder, draining).run
    if at_once and not all(map(find_spec, _MEDIA_MODULES)):
        log.warning("nothing is made of files here: the extra `processors` is absent")
        at_once = 0
    if options.only != JOBS and at_once:
        pool = MediaPool(at_once)  # starts no process before it is needed
        parts[OBJECTS] = object_loop_of(catalog, pool, folder, draining).run
    if not parts:
        problem = (
            "For --only objects it must be 1 or more, and the extra `processors` "
            "must be installed."
        )
        raise InvalidRequestError("CATALOG_OBJECTS_AT_ONCE", problem)
    return parts


def _run(parts: Mapping[str, Callable[[], None]], draining: threading.Event) -> int:
    """Run all parts; when one breaks, the process ends."""
    broken = list[str]()

    def run(name: str) -> None:
        try:
            parts[name]()
        except Exception as exc:
            log.exception("a part of the worker ends", extra={"error": str(exc)})
            broken.append(name)
        finally:
            draining.set()

    threads = [Thread(target=run, args=(name,), name=name) for name in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return EXIT_FAILED if broken else EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m processors", description=__doc__)
    parser.add_argument(
        "--types",
        type=_types,
        default=tuple(JobType),
        help="jobs to take, separated by commas: "
        f"{', '.join(type_.value for type_ in JobType)}; all by default",
    )
    parser.add_argument(
        "--only",
        choices=(JOBS, OBJECTS),
        help="take only submitted jobs, or only make thumbnails and the like of what "
        "appears in the store; both by default",
    )
    return parser


def _types(text: str) -> tuple[JobType, ...]:
    try:
        return tuple(dict.fromkeys(JobType(name.strip()) for name in text.split(",")))
    except ValueError as exc:
        known = ", ".join(type_.value for type_ in JobType)
        message = f"{exc}; there are {known}"
        raise argparse.ArgumentTypeError(message) from exc


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    sys.stderr.flush()
    # Jobs that did not come to a step in time are left to their lease.
    os._exit(code)
