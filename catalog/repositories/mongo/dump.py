"""Writes a database to files and back: one moment of it, without what is derived.

The files are laid out as MongoDB's own tools lay theirs out (``name.bson``, one record
after the other, and ``name.metadata.json``), so those can read them too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from bson import json_util
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from catalog.errors import InvalidRequestError
from catalog.repositories.mongo.client import Record, connect, translate, translated

DERIVED = frozenset({"assets"})
DERIVED_PREFIX = "index_"
"""Records that the indexer makes again; restored, they would vouch for an index that
is not there."""

_SYSTEM = "system."
"""MongoDB's own, such as the definitions of views."""

_HISTORY_SECONDS = 24 * 3600
"""How long one moment must stay readable (five minutes by default)."""

_HISTORY = "minSnapshotHistoryWindowInSeconds"
_BATCH = 1_000
_LENGTH_BYTES = 4
_MOST_BYTES = 17 * 1024 * 1024

Tell = Callable[[str, int], None]
"""Told of a collection and how many of its records are done."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """One collection of records in files."""

    name: str
    count: int


def dump(uri: str, database: str, folder: Path, tell: Tell) -> tuple[Dumped, ...]:
    """Write all records as of one moment, but what is derived.

    Args:
        uri: Of a replica set.
        database: Its name.
        folder: Exists and is empty.
        tell: Progress.

    Raises:
        DependencyUnavailableError: MongoDB went away; the files are incomplete.
        OSError: The disk is full.
    """
    client = connect(uri, app_name="asset-catalog-backup")
    with client, translated():
        before = _set_history(client, _HISTORY_SECONDS)
        try:
            with client.start_session(snapshot=True) as session:
                # No list of collections is read in a session of this kind; what
                # comes into being meanwhile belongs to a later moment.
                source = client[database]
                found = {
                    one["name"]: one.get("options", {})
                    for one in source.list_collections(filter={"type": "collection"})
                    if not is_derived(one["name"])
                    and not one["name"].startswith(_SYSTEM)
                }
                done = []
                for name, options in sorted(found.items()):
                    _write_metadata(source[name], options, folder)
                    count = 0
                    raw: Any = source.get_collection(
                        name, codec_options=_raw_options(client)
                    )
                    with (folder / f"{_file_name(name)}.bson").open("wb") as out:
                        for record in raw.find({}, session=session):
                            out.write(record.raw)
                            count += 1
                            if count % _BATCH == 0:
                                tell(name, count)
                    tell(name, count)
                    done.append(Dumped(name, count))
        finally:
            if before is not None:
                _set_history(client, before)
    return tuple(done)


def load(uri: str, database: str, folder: Path, tell: Tell) -> tuple[Dumped, ...]:
    """Write the records of a dump into an empty database, indexes included.

    Raises:
        InvalidRequestError: A file is damaged, or the database has records.
        DependencyUnavailableError: MongoDB went away; the database is incomplete.
    """
    client = connect(uri, app_name="asset-catalog-restore")
    with client, translated():
        target = client[database]
        if any(not is_derived(name) for name in target.list_collection_names()):
            raise InvalidRequestError(
                "mongodb", f"The database {database} has records."
            )
        done = []
        for path in sorted(folder.glob("*.bson")):
            name = unquote(path.stem)
            raw = target.get_collection(name, codec_options=_raw_options(client))
            metadata = _metadata(path.with_suffix(".metadata.json"))
            if name not in target.list_collection_names():
                target.command({"create": name, **metadata.get("options", {})})
            count = 0
            for batch in _batches(_records(path)):
                raw.insert_many(batch, ordered=False, bypass_document_validation=True)
                count += len(batch)
                tell(name, count)
            _make_indexes(target, name, metadata["indexes"])
            done.append(Dumped(name, count))
    return tuple(done)


def is_derived(name: str) -> bool:
    """Whether the indexer makes these records again by itself."""
    return name in DERIVED or name.startswith(DERIVED_PREFIX)


def _raw_options(client: Any) -> Any:  # noqa: ANN401  (the driver's types of these)
    return client.codec_options.with_options(document_class=RawBSONDocument)


def _file_name(name: str) -> str:
    return quote(name, safe="")


def _write_metadata(collection: Any, options: Record, folder: Path) -> None:  # noqa: ANN401
    facts = {
        "indexes": [dict(one) for one in collection.list_indexes()],
        "options": options,
        "collectionName": collection.name,
    }
    path = folder / f"{_file_name(collection.name)}.metadata.json"
    path.write_text(
        json_util.dumps(facts, json_options=json_util.CANONICAL_JSON_OPTIONS)
    )


def _metadata(path: Path) -> Record:
    try:
        found: Record = json_util.loads(path.read_text())
        found["indexes"] = [dict(one) for one in found["indexes"]]
    except (OSError, ValueError, TypeError, KeyError, BSONError) as exc:
        problem = f"{path.name} can't be read: {exc}"
        raise InvalidRequestError("backup", problem) from exc
    return found


def _make_indexes(target: Any, name: str, indexes: list[Record]) -> None:  # noqa: ANN401
    wanted = [
        {k: v for k, v in index.items() if k not in {"v", "ns"}}
        for index in indexes
        if index.get("name") != "_id_"
    ]
    if wanted:
        target.command({"createIndexes": name, "indexes": wanted})


def _records(path: Path) -> Iterator[RawBSONDocument]:
    with path.open("rb") as source:
        while head := source.read(_LENGTH_BYTES):
            length = int.from_bytes(head, "little")
            if len(head) < _LENGTH_BYTES or not _LENGTH_BYTES < length <= _MOST_BYTES:
                raise InvalidRequestError("backup", f"{path.name} is damaged.")
            raw = head + source.read(length - _LENGTH_BYTES)
            try:
                yield RawBSONDocument(raw)
            except BSONError as exc:
                problem = f"{path.name} is damaged: {exc}"
                raise InvalidRequestError("backup", problem) from exc


def _batches(records: Iterator[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.raw)
        if len(batch) >= _BATCH or size > _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _set_history(client: Any, seconds: int) -> int | None:  # noqa: ANN401
    """Let one moment be readable for long; returns what was set before, if known."""
    try:
        found: Record = client.admin.command({"getParameter": 1, _HISTORY: 1})
        client.admin.command({"setParameter": 1, _HISTORY: seconds})
    except OperationFailure as exc:
        if translate(exc).retryable:
            raise
        return None  # no privilege: it must do in the time there is
    return int(found[_HISTORY])
