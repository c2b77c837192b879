"""The real server through the catalog's own client, and a workshop on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from catalog.repositories.mongo.client import connect
from catalog.repositories.mongo.indexes import ensure_indexes
from tests.integration.processors.workshop import Workshop


@pytest.fixture(scope="session")
def client(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with connect(mongo_uri, app_name="tests") as client:
        yield client


@pytest.fixture
def workshop(
    client: MongoClient[dict[str, Any]],
    mongo_database: Database[dict[str, Any]],
    tmp_path: Path,
) -> Workshop:
    database = client[mongo_database.name]
    ensure_indexes(database)
    return Workshop(database, tmp_path)
