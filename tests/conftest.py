"""Fixtures shared by all suites.

Policy: unit tests get no sockets and build what they need by hand; everything else
runs on one real MongoDB and one real Typesense per test process, isolated by database
name and index prefix.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest
from pymongo.database import Database
from pytest_socket import enable_socket

from processors.engines.diffusers_model import LIBRARIES
from tests.servers import TypesenseServer, running_mongod, running_typesense

for name in [n for n in os.environ if n.startswith("CATALOG_")]:
    if name not in {"CATALOG_SHARED_DATA", "CATALOG_TEST_SEED", "CATALOG_TORTURE"}:
        del os.environ[name]  # a developer's settings must not steer a test

_WITH_SERVERS = {"contract", "integration", "e2e", "torture"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _WITH_SERVERS & set(item.path.parts):
            item.add_marker(pytest.mark.service)
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="session")
def mongo_uri() -> Iterator[str]:
    enable_socket()
    with running_mongod() as uri:
        yield uri


@pytest.fixture(scope="session")
def mongo_client(
    mongo_uri: str,
) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
    with pymongo.MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def mongo_database(
    mongo_client: pymongo.MongoClient[dict[str, Any]],
) -> Iterator[Database[dict[str, Any]]]:
    name = f"test_{uuid4().hex[:12]}"
    yield mongo_client[name]
    mongo_client.drop_database(name)


@pytest.fixture(scope="session")
def typesense_server() -> Iterator[TypesenseServer]:
    enable_socket()
    with running_typesense() as server:
        yield server


@pytest.fixture
def index_prefix(typesense_server: TypesenseServer) -> Iterator[str]:
    prefix = f"t{uuid4().hex[:10]}_"
    yield prefix
    for alias in _call(typesense_server, "GET", "/aliases")["aliases"]:
        if alias["name"].startswith(prefix):
            _call(typesense_server, "DELETE", f"/aliases/{alias['name']}")
    for index in _call(typesense_server, "GET", "/collections"):
        if index["name"].startswith(prefix):
            _call(typesense_server, "DELETE", f"/collections/{index['name']}")


def _call(server: TypesenseServer, method: str, path: str) -> Any:  # noqa: ANN401
    request = urllib.request.Request(
        server.url + path,
        method=method,
        headers={"X-TYPESENSE-API-KEY": server.api_key},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole Stable Diffusion model of 4 MB with random weights."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"CI tests the extra local-models: {missing} are not installed")
    if missing:
        pytest.skip(f"the extra local-models is not installed: {', '.join(missing)}")
    directory = tmp_path_factory.mktemp("models") / "tiny"
    subprocess.run(
        [sys.executable, "-m", "processors.engines.tiny_model", str(directory)],
        capture_output=True,
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    return directory


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real transcripts, prompts and files that lie beside the checkout, if any."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CATALOG_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data folder at {folder} (set CATALOG_SHARED_DATA)")
    return folder
