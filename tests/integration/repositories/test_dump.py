"""Dump and load on a real server: byte for byte, and of one moment."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database

from catalog.errors import DependencyUnavailableError, InvalidRequestError
from catalog.repositories.mongo.dump import Dumped, dump, load
from tests.unit.repositories.poison import corpus, unidentified

Record = dict[str, Any]

ODD_NAMES = ("a/b", "a.b.c", "über 1 %", "x" * 80)


@pytest.fixture
def copy(mongo_client: pymongo.MongoClient[Record]) -> Iterator[Database[Record]]:
    name = f"copy_{uuid4().hex[:12]}"
    yield mongo_client[name]
    mongo_client.drop_database(name)


def quiet(_name: str, _count: int) -> None:
    """Nobody wants to know."""


def raw(collection: Collection[Record]) -> list[bytes]:
    options = collection.codec_options.with_options(document_class=RawBSONDocument)
    every = collection.with_options(codec_options=options).find({})
    return sorted(bytes(record.raw) for record in every)


def copied(
    uri: str, source: Database[Record], target: Database[Record], folder: Path
) -> tuple[Dumped, ...]:
    dumped = dump(uri, source.name, folder, quiet)
    assert set(load(uri, target.name, folder, quiet)) == set(dumped)
    return dumped


def test_records_of_every_kind_survive_byte_for_byte(
    mongo_uri: str, database: Database[Record], copy: Database[Record], tmp_path: Path
) -> None:
    records = [*corpus(), *unidentified()]
    database["jobs"].insert_many(records, ordered=False)

    dumped = copied(mongo_uri, database, copy, tmp_path)

    assert dumped == (Dumped("jobs", len(records)),)
    assert raw(copy["jobs"]) == raw(database["jobs"])


def test_a_record_of_nearly_16_megabytes_survives(
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    size = 16 * 1024 * 1024 - 64
    mongo_database["jobs"].insert_many([{"text": "x" * size}, {"text": "y" * size}])

    copied(mongo_uri, mongo_database, copy, tmp_path)

    assert raw(copy["jobs"]) == raw(mongo_database["jobs"])


def test_the_copy_is_of_one_moment_while_writers_go_on(
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    """Both collections are written in one transaction each time; so they must agree."""
    client = mongo_database.client
    first, last = mongo_database["a_first"], mongo_database["z_last"]
    first.insert_many([{"_id": n, "text": "x" * 500} for n in range(5_000)])
    last.insert_many([{"_id": n} for n in range(5_000)])
    stop, started = threading.Event(), threading.Event()

    def write() -> None:
        number = 10_000
        with client.start_session() as session:
            while not stop.is_set():
                with session.start_transaction():
                    first.insert_one({"_id": number}, session=session)
                    last.insert_one({"_id": number}, session=session)
                number += 1
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert started.wait(20)
        copied(mongo_uri, mongo_database, copy, tmp_path)
        known = last.count_documents({})
    finally:
        stop.set()
        writer.join()

    ids = {record["_id"] for record in copy["a_first"].find()}
    assert ids == {record["_id"] for record in copy["z_last"].find()}
    assert 5_000 < len(ids) < known  # some were there before it, some came meanwhile


def test_indexes_and_options_come_back(
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    mongo_database.create_collection("jobs", collation={"locale": "de", "strength": 2})
    jobs = mongo_database["jobs"]
    jobs.insert_one({"jobId": "a", "z": 1})
    jobs.create_index([("z", -1), ("a", 1)], name="order matters")
    jobs.create_index("jobId", unique=True, partialFilterExpression={"z": {"$gt": 0}})
    jobs.create_index("at", expireAfterSeconds=3600)

    copied(mongo_uri, mongo_database, copy, tmp_path)

    assert copy["jobs"].index_information() == jobs.index_information()
    assert list(copy["jobs"].index_information()["order matters"]["key"]) == [
        ("z", -1),
        ("a", 1),
    ]
    assert copy["jobs"].options() == jobs.options()
    assert "collation" in copy["jobs"].options()


def test_what_the_indexer_makes_again_is_left_out(
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    kept = {"jobs", "annotations", "objects", "extractions"}
    for name in (*kept, "assets", "index_generations", "index_dead_letters"):
        mongo_database[name].insert_one({"from": name})
    mongo_database.create_collection("a_view", viewOn="jobs", pipeline=[])

    copied(mongo_uri, mongo_database, copy, tmp_path)

    assert set(copy.list_collection_names()) == kept


@pytest.mark.parametrize("name", ODD_NAMES)
def test_collections_of_odd_names_come_back_under_them(
    name: str,
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    mongo_database[name].insert_one({"_id": 1})
    mongo_database.create_collection("empty")

    copied(mongo_uri, mongo_database, copy, tmp_path)

    assert set(copy.list_collection_names()) == {name, "empty"}
    assert copy[name].find_one() == {"_id": 1}
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*.bson"))


@pytest.mark.parametrize("cut", [1, 3, 40])
def test_a_truncated_file_is_refused_naming_it(
    cut: int,
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    mongo_database["jobs"].insert_many([{"text": "x" * 20} for _ in range(3)])
    dump(mongo_uri, mongo_database.name, tmp_path, quiet)
    path = tmp_path / "jobs.bson"
    path.write_bytes(path.read_bytes()[:-cut])

    with pytest.raises(InvalidRequestError, match=r"jobs\.bson is damaged"):
        load(mongo_uri, copy.name, tmp_path, quiet)


@pytest.mark.parametrize("length", [0, 4, 2**31 - 1])
def test_a_length_that_cannot_be_is_refused(
    length: int, mongo_uri: str, copy: Database[Record], tmp_path: Path
) -> None:
    (tmp_path / "jobs.metadata.json").write_text('{"indexes": []}')
    (tmp_path / "jobs.bson").write_bytes(length.to_bytes(4, "little") + bytes(20))

    with pytest.raises(InvalidRequestError, match="damaged"):
        load(mongo_uri, copy.name, tmp_path, quiet)


@pytest.mark.parametrize("text", ["", "[]", '{"indexes": 3}', "{}", '{"indexes": [1]}'])
def test_metadata_that_cannot_be_read_is_refused_naming_it(
    text: str,
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    mongo_database["jobs"].insert_one({})
    dump(mongo_uri, mongo_database.name, tmp_path, quiet)
    (tmp_path / "jobs.metadata.json").write_text(text)

    with pytest.raises(InvalidRequestError, match=r"jobs\.metadata\.json"):
        load(mongo_uri, copy.name, tmp_path, quiet)


def test_a_database_with_records_is_refused_and_left_as_it_is(
    mongo_uri: str,
    mongo_database: Database[Record],
    copy: Database[Record],
    tmp_path: Path,
) -> None:
    mongo_database["jobs"].insert_one({"_id": 1})
    dump(mongo_uri, mongo_database.name, tmp_path, quiet)
    copy["notes"].insert_one({"_id": 2})

    with pytest.raises(InvalidRequestError, match="has records"):
        load(mongo_uri, copy.name, tmp_path, quiet)

    assert copy.list_collection_names() == ["notes"]


def test_progress_is_told_by_collection(
    mongo_uri: str, mongo_database: Database[Record], tmp_path: Path
) -> None:
    mongo_database["jobs"].insert_many([{} for _ in range(2_500)])
    told: list[tuple[str, int]] = []

    dump(mongo_uri, mongo_database.name, tmp_path, lambda *fact: told.append(fact))

    assert told == [("jobs", 1_000), ("jobs", 2_000), ("jobs", 2_500)]


def test_how_long_the_server_remembers_is_set_back(
    mongo_uri: str, mongo_database: Database[Record], tmp_path: Path
) -> None:
    name = "minSnapshotHistoryWindowInSeconds"
    admin = mongo_database.client.admin
    mongo_database["jobs"].insert_one({})

    def remembered() -> int:
        return int(admin.command({"getParameter": 1, name: 1})[name])

    before = remembered()
    admin.command({"setParameter": 1, name: 301})
    during: list[int] = []
    try:
        dump(
            mongo_uri,
            mongo_database.name,
            tmp_path,
            lambda *_: during.append(remembered()),
        )
        after = remembered()
    finally:
        admin.command({"setParameter": 1, name: before})

    assert during == [24 * 3600]
    assert after == 301


def test_a_server_that_is_away_is_told_in_our_words(tmp_path: Path) -> None:
    address = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"

    with pytest.raises(DependencyUnavailableError):
        dump(address, "nothing", tmp_path, quiet)
