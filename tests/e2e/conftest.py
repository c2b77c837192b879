"""One stack with the demo for all end-to-end tests of a test process."""

from collections.abc import Iterator
from typing import Any

import pymongo
import pytest
from pymongo.database import Database
from pytest_socket import enable_socket

from tests.e2e.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    enable_socket()
    with running_stack(tmp_path_factory.mktemp("stack") / "data", "--demo") as running:
        yield running


@pytest.fixture(scope="session")
def gateway(stack: Stack) -> Iterator[Database[dict[str, Any]]]:
    """A MongoDB client that knows nothing of the catalog."""
    with pymongo.MongoClient[dict[str, Any]](stack.mongo) as client:
        yield client[stack.mongo_db]
