from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from pytest_socket import enable_socket
from starlette.testclient import TestClient

from api.app import create_app
from catalog.repositories.mongo.job_feed import MongoJobFeed
from catalog.repositories.mongo.jobs import MongoJobRepository
from tests.fakes.catalog import FakeParts
from tests.integration.api.serving import ApiProcess, running_api


@pytest.fixture
def jobs_client(mongo_database: Database[dict[str, Any]]) -> Iterator[TestClient]:
    """The API over real job records; everything else is fake."""
    real = replace(
        FakeParts().catalog(),
        jobs=MongoJobRepository(mongo_database),
        job_feed=MongoJobFeed(mongo_database),
    )
    with TestClient(create_app(real)) as client:
        yield client


@pytest.fixture
def api_process(
    mongo_uri: str, mongo_database: Database[dict[str, Any]], tmp_path: Path
) -> Iterator[ApiProcess]:
    enable_socket()  # fixtures come before the hook that enables sockets
    with running_api(mongo_uri, mongo_database.name, tmp_path) as api:
        yield api
