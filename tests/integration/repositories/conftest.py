"""The real server through the catalog's own client."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from catalog.repositories.mongo.client import connect
from catalog.repositories.mongo.records import MongoRecordReader


@pytest.fixture(scope="session")
def client(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with connect(mongo_uri, app_name="tests") as client:
        yield client


@pytest.fixture
def database(
    client: MongoClient[dict[str, Any]], mongo_database: Database[dict[str, Any]]
) -> Database[dict[str, Any]]:
    return client[mongo_database.name]


@pytest.fixture
def fail_point(client: MongoClient[dict[str, Any]]) -> Iterator[Any]:
    def fail(command: str, code: int, times: int = 1) -> None:
        client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": times},
            data={"failCommands": [command], "errorCode": code},
        )

    yield fail
    client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.fixture
def reader(database: Database[dict[str, Any]]) -> MongoRecordReader:
    return MongoRecordReader(
        database,
        named_keys=lambda job: [
            image.s3_key  # type: ignore[misc]  # a key to the store of this test
            for version in job.versions
            for image in version.images
            if image.s3_key
        ],
    )
