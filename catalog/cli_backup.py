"""``catalog backup`` and ``catalog restore``: what they read and what they say."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from catalog.cli_common import NothingRunsError, facts_of, out, say
from catalog.clock import Clock, SystemClock
from catalog.config import Settings
from catalog.local import backup, mongod
from catalog.local.data_directory import DataDirectory
from catalog.local.manifest import Manifest, verify
from catalog.local.servers import start_mongod_on
from catalog.local.upgrade import noted, version_of

_NAMED = 5
"""Names in a sentence; all are in the manifest."""


def back_up(chosen: argparse.Namespace, settings: Settings) -> int:
    """Write a backup, or verify one; returns the exit code."""
    if chosen.verify:
        manifest = verify(chosen.verify, say)
        return _tell_backup(chosen, chosen.verify, manifest, "is complete")
    directory, clock = DataDirectory(settings.data_dir), SystemClock()
    target = chosen.to or Path(f"catalog-backup-{clock.now():%Y%m%d-%H%M%S}")
    from catalog.bootstrap import dump_records  # noqa: PLC0415  (see IndexReader)

    with _records_of(directory, settings, clock) as (uri, database, storage):
        manifest = backup.back_up(
            target,
            directory=directory,
            mongo_uri=uri,
            database=database,
            storage=storage,
            versions=_versions(directory, settings),
            dump=dump_records,
            clock=clock,
            tell=say,
        )
    return _tell_backup(chosen, target, manifest, "is written")


@contextmanager
def _records_of(
    directory: DataDirectory, settings: Settings, clock: Clock
) -> Iterator[tuple[str, str, str | None]]:
    """Reach the stack's MongoDB: the one that runs, else one started for this."""
    if directory.holder() is not None:
        facts = facts_of(directory)
        yield facts.mongo, facts.mongo_db, facts.storage
        return
    if settings.mongo_uri is not None:
        yield settings.mongo_uri.get_secret_value(), settings.mongo_db, settings.storage
        return
    if not any(directory.mongo.glob("*.wt")):
        raise NothingRunsError(f"There is nothing to back up in {directory.path}.")
    with directory.locked(clock):
        directory.check_whole()
        server = start_mongod_on(directory.mongo, directory.logs / "backup.log")
        try:
            yield server.uri, settings.mongo_db, settings.storage
        finally:
            server.stop()


def _versions(directory: DataDirectory, settings: Settings) -> dict[str, str]:
    """Tell who wrote what is saved; servers of others are not asked."""
    found = {"catalog": metadata.version("asset-catalog")}
    kept = noted(directory.path)
    if kept is not None and kept.mongod and settings.mongo_uri is None:
        found["mongod"] = kept.mongod
    return found


def restore(chosen: argparse.Namespace, settings: Settings) -> int:
    """Make a data directory out of a backup; returns the exit code."""
    directory = DataDirectory(settings.data_dir)
    from catalog.bootstrap import load_records  # noqa: PLC0415  (see IndexReader)

    manifest = backup.restore(
        chosen.source,
        directory=directory,
        force=chosen.force,
        mongod=version_of(mongod.find_binary()),
        load=load_records,
        clock=SystemClock(),
        tell=say,
    )
    return _tell_backup(chosen, directory.path, manifest, "is restored")


def _tell_backup(
    chosen: argparse.Namespace, path: Path, manifest: Manifest, what: str
) -> int:
    records = sum(manifest.collections.values())
    if chosen.json:
        facts = {
            "path": str(path),
            "records": records,
            "files": len(manifest.files),
            "bytes": sum(size for size, _ in manifest.files.values()),
            "storage": manifest.storage,
            "changed": manifest.changed,
        }
        out(json.dumps(facts))
    else:
        out(f"{path} {what}: {records:,} records, {len(manifest.files):,} files.")
        if manifest.changed:
            names = ", ".join(manifest.changed[:_NAMED])
            say(f"{len(manifest.changed):,} files changed while copied: {names}")
        if manifest.storage != "copied":
            say(f"the store {manifest.storage} is not in it: back it up by itself")
    return 0
