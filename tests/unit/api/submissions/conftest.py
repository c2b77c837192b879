from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from tests.fakes.catalog import FakeParts


@pytest.fixture
def parts() -> FakeParts:
    return FakeParts()


@pytest.fixture
def client(parts: FakeParts) -> Iterator[TestClient]:
    app = create_app(parts.catalog())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
