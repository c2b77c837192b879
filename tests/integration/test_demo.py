"""The demo in a real database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from catalog.clock import ManualClock
from catalog.demo.fill import fill
from catalog.repositories.mongo.client import connect
from catalog.repositories.mongo.jobs import MongoJobRepository
from catalog.storage.directory import DirectoryObjectStore

CLOCK = ManualClock(datetime(2026, 11, 22, 20, 0, tzinfo=UTC))


@pytest.fixture
def database(
    mongo_uri: str, mongo_database: Database[dict[str, Any]]
) -> Iterator[Database[dict[str, Any]]]:
    client = connect(mongo_uri, app_name="test")
    yield client[mongo_database.name]
    client.close()


def test_nothing_but_job_records_is_written_so_no_worker_ever_claims_one(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    jobs, store = MongoJobRepository(database), DirectoryObjectStore(tmp_path)

    summary = fill(jobs, store, CLOCK)

    assert database.list_collection_names() == ["jobs"]
    assert database["jobs"].count_documents({}) == sum(summary.jobs.values())


def test_a_second_filling_adds_nothing(
    database: Database[dict[str, Any]], tmp_path: Path
) -> None:
    jobs, store = MongoJobRepository(database), DirectoryObjectStore(tmp_path)
    first = fill(jobs, store, CLOCK)

    second = fill(jobs, store, CLOCK)

    assert not second.was_empty
    assert database["jobs"].count_documents({}) == sum(first.jobs.values())
    assert len(list(store.list())) == first.files
