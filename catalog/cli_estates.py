"""``catalog import`` and ``catalog export``: what they are told and what they say."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from catalog.cli_common import NothingRunsError, facts_of, out, say, settings_for
from catalog.cli_estates_telling import Teller, show, size_text
from catalog.clock import SystemClock
from catalog.config import Settings
from catalog.errors import InvalidRequestError
from catalog.estates import exports
from catalog.estates.exporting import Exporter
from catalog.estates.exports import ExportSource
from catalog.estates.files import UnitKind
from catalog.estates.importing import BareImporter, Outcome
from catalog.estates.planning import BarePlanner, Plan, Wishes
from catalog.estates.progress import HaltedError, Progress
from catalog.estates.scratch import Batched, Scratch
from catalog.estates.source import BucketSource, FolderSource, Source
from catalog.estates.taking import Belongings, Taking
from catalog.local import signals
from catalog.local.data_directory import DataDirectory
from catalog.models.ids import JobId, UserId
from catalog.repositories.estates import EstateRecords, ForeignJob
from catalog.storage.keys import check_key, lora_model
from catalog.storage.urls import parse_store_url

if TYPE_CHECKING:
    from catalog.bootstrap import Estates

_MISUSED, _WITH_PROBLEMS, _INTERRUPTED = 2, 4, 130
_LOCAL_NAMES = ("", "localhost")


class _MisusedError(InvalidRequestError):
    """Options that don't go together, or whose values can't be used."""


def take_in(chosen: argparse.Namespace, settings: Settings) -> int:
    """Import an estate; returns the exit code."""
    return _told(_take_in, chosen, settings)


def give_out(chosen: argparse.Namespace, settings: Settings) -> int:
    """Export what a user owns; returns the exit code."""
    return _told(_give_out, chosen, settings)


def _told(
    run: Callable[[argparse.Namespace, Settings], int],
    chosen: argparse.Namespace,
    settings: Settings,
) -> int:
    try:
        if chosen.user is not None:
            _check_user(chosen.user)
        return run(chosen, settings)
    except _MisusedError as exc:
        say(str(exc))
        return _MISUSED


def _check_user(user: str) -> None:
    """Keys have to be able to hold it."""
    try:
        lora_model(UserId(user), JobId("imported"), 1)
    except InvalidRequestError as exc:
        raise _MisusedError("--user", f"--user can't be {user!a}: {exc}") from exc


def _take_in(chosen: argparse.Namespace, settings: Settings) -> int:
    wishes = _wishes(chosen, settings)
    with _opened(chosen, settings) as (estates, known, teller, scratch, stop):
        if chosen.directory and exports.is_export(chosen.directory):
            return _take_export(chosen, estates, teller, scratch, stop)
        source = _source(chosen, known, estates)
        if chosen.mongo:
            return _take_database(chosen, known, estates, source, teller, scratch, stop)
        if source is None:
            raise _MisusedError(
                "--directory", "Say what to import: --directory, --bucket or --mongo."
            )
        if wishes is None:
            raise _MisusedError("--user", "Say whose these files become: --user.")
        _check_apart(source, estates)
        planner = BarePlanner(
            source, estates.items, scratch, wishes, is_stopped=stop.is_set
        )
        plan = planner.plan()
        importer = BareImporter(
            source,
            estates.store,
            estates.jobs,
            estates.items,
            wishes,
            tell=teller,
            is_stopped=stop.is_set,
        )

        def run(progress: Progress) -> Outcome:
            return importer.run(plan, scratch, progress)

        return _carry_out(chosen, plan, estates, teller, scratch, run)


def _take_database(
    chosen: argparse.Namespace,
    settings: Settings,
    estates: "Estates",
    source: Source | None,
    teller: Teller,
    scratch: Scratch,
    stop: signals.Stop,
) -> int:
    from catalog.bootstrap import open_records  # noqa: PLC0415  (see ``_opened``)

    name = chosen.mongo_db or urlsplit(chosen.mongo).path.strip("/") or "catalog"
    if isinstance(source, FolderSource) and source.root == _root_of(estates.store.url):
        source = None
    if isinstance(source, BucketSource) and source.address == estates.store.url:
        source = None
    user_id = UserId(chosen.user) if chosen.user else None
    theirs = open_records(chosen.mongo, name)
    notes = [] if source else ["The files are in the catalog's store already."]
    if isinstance(source, BucketSource):
        parse_url = source.store.parse_url
        if estates.store.parse_url(f"{source.store.url}/loras/x") is None:
            notes.append(
                f"The records name the bucket {chosen.bucket}: add it to "
                "CATALOG_STORAGE_BUCKETS, so that these addresses mean this store."
            )
    else:
        parse_url = partial(parse_store_url, buckets=settings.storage_buckets)
    estate = Belongings(
        f"the database {name}" + (f" and {source.address}" if source else ""),
        lambda: theirs.jobs(user_id),
        source,
        parse_url,
        user_id,
        tuple(notes),
    )
    try:
        return _take(chosen, estate, estates, teller, scratch, stop)
    finally:
        theirs.close()


def _take_export(
    chosen: argparse.Namespace,
    estates: "Estates",
    teller: Teller,
    scratch: Scratch,
    stop: signals.Stop,
) -> int:
    folder: Path = chosen.directory
    manifest = exports.read_manifest(folder)
    records = estates.records

    def jobs() -> Iterator[ForeignJob]:
        for line in exports.lines(folder / exports.JOBS):
            yield records.as_job(records.from_line(line))

    def finish() -> None:
        for name in (
            exports.ANNOTATIONS,
            "collections.jsonl",
            "collection_members.jsonl",
        ):
            _add_lines(records, folder / name)

    estate = Belongings(
        f"the export of {manifest.user_id!r} in {folder}",
        jobs,
        ExportSource(folder, scratch),
        estates.store.parse_url,
        notes=(f"It was made at {manifest.created_at}.",),
    )
    return _take(chosen, estate, estates, teller, scratch, stop, before=finish)


def _add_lines(records: EstateRecords, path: Path) -> None:
    """Write what is not there yet; nothing of ours is replaced."""

    def add(batch: list[object]) -> None:
        records.add_missing(path.stem, batch)

    batched = Batched(add)
    for line in exports.lines(path):
        batched.add(records.from_line(line))
    batched.flush()


def _take(
    chosen: argparse.Namespace,
    estate: Belongings,
    estates: "Estates",
    teller: Teller,
    scratch: Scratch,
    stop: signals.Stop,
    *,
    before: Callable[[], None] = lambda: None,
) -> int:
    taking = Taking(
        estate,
        estates.records,
        estates.store,
        estates.items,
        scratch,
        tell=teller,
        is_move=chosen.move,
        is_stopped=stop.is_set,
    )
    plan = taking.plan()

    def run(progress: Progress) -> Outcome:
        before()
        return taking.run(plan, progress)

    return _carry_out(chosen, plan, estates, teller, scratch, run)


def _give_out(chosen: argparse.Namespace, settings: Settings) -> int:
    with _opened(chosen, settings) as (estates, _, teller, scratch, stop):
        exporter = Exporter(
            UserId(chosen.user),
            chosen.to,
            estates.records,
            estates.store,
            scratch,
            SystemClock(),
            tell=teller,
            is_stopped=stop.is_set,
        )
        plan = exporter.plan()
        show(plan, scratch, teller, as_json=chosen.json)
        files, size = plan.new["files"]
        progress = Progress(SystemClock(), teller, files=files, size_bytes=size)
        manifest = exporter.run(progress)
        teller.end_line()
        facts = {
            "event": "done",
            "path": str(chosen.to),
            "counts": manifest.counts,
            "bytes": manifest.size_bytes,
            "missing": manifest.missing,
        }
        counts = ", ".join(f"{n:,} {name}" for name, n in manifest.counts.items())
        out(json.dumps(facts) if chosen.json else f"{chosen.to} is complete: {counts}.")
        return _WITH_PROBLEMS if manifest.missing else 0


# --- plan, question, work -----------------------------------------------------------


def _carry_out(
    chosen: argparse.Namespace,
    plan: Plan,
    estates: "Estates",
    teller: Teller,
    scratch: Scratch,
    run: Callable[[Progress], Outcome],
) -> int:
    show(plan, scratch, teller, as_json=chosen.json)
    if chosen.plan:
        return 0
    if not chosen.yes and not _is_confirmed(is_move=chosen.move):
        say("nothing was done; --yes does it without asking")
        return _MISUSED
    estates.ensure_indexes()
    progress = Progress(
        SystemClock(), teller, files=plan.files, size_bytes=plan.size_bytes
    )
    done = run(progress)
    teller.end_line()
    facts = {
        "event": "done",
        "jobs": done.jobs,
        "files": done.files,
        "bytes": done.size_bytes,
        "problems": done.problems,
        "removed": done.removed,
    }
    text = (
        f"Done: {done.jobs:,} jobs, {done.files:,} files "
        f"({size_text(done.size_bytes)}), {done.problems:,} problems."
    )
    out(json.dumps(facts) if chosen.json else text)
    return _WITH_PROBLEMS if done.problems else 0


def _is_confirmed(*, is_move: bool) -> bool:
    if not sys.stdin.isatty():
        return False
    what = "Move these files" if is_move else "Go on"
    sys.stderr.write(f"{what}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


# --- what is opened ------------------------------------------------------------------


@contextmanager
def _opened(
    chosen: argparse.Namespace, settings: Settings
) -> Iterator[tuple["Estates", Settings, Teller, Scratch, signals.Stop]]:
    """Open the catalog; a signal ends what is done where it can be gone on with."""
    directory = DataDirectory(settings.data_dir)
    if settings.mongo_uri is None:
        if directory.holder() is None:
            raise NothingRunsError(
                f"Nothing runs on {directory.path}: start it with `catalog up`, or set "
                "CATALOG_MONGO_URI and CATALOG_STORAGE."
            )
        settings = settings_for(settings, facts_of(directory))
    # Imports all drivers: a second that `catalog --help` need not wait.
    from catalog.bootstrap import open_estates  # noqa: PLC0415

    estates = open_estates(settings)
    teller = Teller(SystemClock(), as_json=chosen.json)
    scratch = Scratch()
    stop = signals.Stop()
    try:
        with signals.stopping(stop, on_repeat=lambda: os._exit(_INTERRUPTED)):
            yield estates, settings, teller, scratch, stop
    except HaltedError:
        teller.end_line()
        if chosen.json:
            out(json.dumps({"event": "interrupted"}))
        say("interrupted; nothing is lost: the same command goes on from here")
        raise SystemExit(_INTERRUPTED) from None
    finally:
        scratch.close()
        estates.close()


def _source(
    chosen: argparse.Namespace, settings: Settings, estates: "Estates"
) -> Source | None:
    if chosen.directory:
        return FolderSource(chosen.directory)
    if not chosen.bucket:
        return None
    from catalog.bootstrap import open_bucket  # noqa: PLC0415  (see ``_opened``)

    if chosen.prefix:
        check_key(chosen.prefix.strip("/"))
    if f"s3://{chosen.bucket}" == estates.store.url and not chosen.endpoint_url:
        return BucketSource(estates.store, chosen.prefix)
    store = open_bucket(settings, chosen.bucket, chosen.endpoint_url)
    store.check()
    return BucketSource(store, chosen.prefix)


def _check_apart(source: Source, estates: "Estates") -> None:
    """Files that are in the catalog's store already are not copied into it."""
    root = _root_of(estates.store.url)
    if isinstance(source, FolderSource) and root is not None:
        is_apart = not (
            source.root.is_relative_to(root) or root.is_relative_to(source.root)
        )
    else:
        is_apart = not f"{source.address}/".startswith(f"{estates.store.url}/")
    if not is_apart:
        raise _MisusedError(
            "--directory",
            f"{source.address} and the catalog's own store {estates.store.url} "
            "overlap: choose a folder (or bucket) beside it.",
        )


def _root_of(address: str) -> Path | None:
    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc not in _LOCAL_NAMES:
        return None
    return Path(os.path.realpath(unquote(parts.path)))


def _wishes(chosen: argparse.Namespace, settings: Settings) -> Wishes | None:
    if not chosen.user:
        return None
    names = chosen.asset_kinds.split(",") if chosen.asset_kinds else list(UnitKind)
    try:
        kinds = frozenset(UnitKind(name.strip()) for name in names)
    except ValueError as exc:
        raise _MisusedError(
            "--kinds", "--kinds takes image, lora and transcript, comma-separated."
        ) from exc
    return Wishes(
        user_id=UserId(chosen.user),
        kinds=kinds,
        tags=tuple(dict.fromkeys(tag.strip() for tag in chosen.tag if tag.strip())),
        has_folder_tags=chosen.folder_tags,
        is_move=chosen.move,
        keeps_duplicates=chosen.keep_duplicates,
        most_bytes=settings.source_bytes,
    )
