"""``waitFor`` on reads and ``X-Catalog-Token`` on writes, as HTTP shows them."""

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from catalog.errors import DependencyUnavailableError
from catalog.freshness import decode_token, encode_token, make_token
from tests.fakes.catalog import FakeParts
from tests.fakes.jobs import Record

NOW = 1_700_000_000 << 32
TOKEN = encode_token(make_token("rs", "catalog", NOW))
JOB: Record = {"jobId": "mine", "userId": "user123", "status": "completed"}

SEARCHES = ("/api/assets/search", "/api/search/transcripts", "/api/suggest")
LISTS = (
    "/api/loras",
    "/api/images",
    "/api/transcripts",
    "/api/datasets",
    "/api/assets/loras",
    "/api/assets/images",
    "/api/assets/transcripts",
    "/api/assets/datasets",
)
READS = (
    *SEARCHES,
    *LISTS,
    "/api/jobs",
    "/api/jobs/mine",
    "/api/assets/unknown",
    "/api/assets/unknown/download",
    "/api/assets/unknown/thumbnail",
)


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.jobs.records.append(JOB)
    made.feed.time = NOW
    made.generations.settle(NOW)
    return made


def _ask(client: TestClient, address: str, **params: str) -> Any:  # noqa: ANN401
    return client.get(address, params={"userId": "user123", "q": "x"} | params)


@pytest.mark.parametrize("address", READS)
def test_every_read_says_whether_the_index_has_what_was_waited_for(
    client: TestClient, parts: FakeParts, address: str
) -> None:
    has_it = _ask(client, address, waitFor=TOKEN)
    parts.generations.settle(NOW - 1)
    lacks_it = _ask(client, address, waitFor=TOKEN, waitMs="30")
    unasked = _ask(client, address)

    assert has_it.headers["x-index-reached"] == "true"
    assert lacks_it.headers["x-index-reached"] == "false"
    assert "x-index-reached" not in unasked.headers
    assert has_it.status_code == lacks_it.status_code == unasked.status_code


@pytest.mark.parametrize("address", [*SEARCHES, "/api/jobs"])
def test_answers_that_are_objects_say_it_in_their_index(
    client: TestClient, parts: FakeParts, address: str
) -> None:
    has_it = _ask(client, address, waitFor=TOKEN).json()
    parts.generations.settle(NOW - 1)
    lacks_it = _ask(client, address, waitFor=TOKEN, waitMs="30").json()
    unasked = _ask(client, address).json()

    assert has_it["index"]["reached"] is True
    assert lacks_it["index"]["reached"] is False
    assert "reached" not in unasked.get("index", {})


@pytest.mark.parametrize("address", READS)
@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "",
        "A" * 36,
        encode_token(make_token("other", "catalog", 1)),
        encode_token(make_token("rs", "other", 1)),
        encode_token(make_token("rs", "catalog", NOW + (3600 << 32))),
        "x" * 1000,
    ],
    ids=["words", "empty", "checksum", "servers", "database", "future", "long"],
)
def test_a_token_that_is_not_ours_is_refused_by_name(
    client: TestClient, address: str, token: str
) -> None:
    answer = _ask(client, address, waitFor=token)

    assert answer.status_code == 400
    assert answer.json()["field"] == "waitFor"


@pytest.mark.parametrize("wait_ms", ["-1", "10001", "x", "1.5"])
@pytest.mark.parametrize("address", [SEARCHES[0], "/api/loras", "/api/jobs"])
def test_a_wait_that_can_not_be_is_refused_by_name(
    client: TestClient, address: str, wait_ms: str
) -> None:
    answer = _ask(client, address, waitFor=TOKEN, waitMs=wait_ms)

    assert answer.status_code == 400
    assert answer.json()["field"] == "waitMs"


def test_without_a_token_nobody_waits(client: TestClient, parts: FakeParts) -> None:
    _ask(client, "/api/loras", waitMs="5000")

    assert parts.generations.looks == 0


def test_strangers_do_not_get_to_wait(client: TestClient, parts: FakeParts) -> None:
    parts.generations.settle(NOW - 1)

    for address in READS:
        answer = client.get(
            address,
            params={"waitFor": TOKEN, "q": "x"},
            headers={"Authorization": "Bearer wrong"},
        )
        assert answer.status_code == 401
    assert parts.generations.looks == 0


def test_two_seconds_are_waited_unless_said_otherwise(
    client: TestClient, parts: FakeParts
) -> None:
    parts.generations.settle(NOW - 1)
    started = perf_counter()

    answer = _ask(client, "/api/loras", waitFor=TOKEN)

    assert answer.headers["x-index-reached"] == "false"
    assert 2 <= perf_counter() - started < 4


def test_while_mongodb_is_away_a_wait_fails_nothing(
    client: TestClient, parts: FakeParts
) -> None:
    away = DependencyUnavailableError("mongodb", "away")
    parts.feed.fail_always(away)
    parts.generations.fail_always(away)

    answer = _ask(client, "/api/assets/search", waitFor=TOKEN, waitMs="50")

    assert answer.status_code == 200
    assert answer.json()["index"]["reached"] is False


def test_exactly_the_reads_of_the_catalog_document_the_wait(
    client: TestClient,
) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    documented = {
        path
        for path, operations in paths.items()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "waitFor"
    }

    reads = {
        path
        for path, operations in paths.items()
        if path.startswith("/api/")
        and "get" in operations
        and not path.startswith(("/api/admin", "/api/files", "/api/stream"))
        and path != "/api/index/token"
    }
    assert documented == reads


# --- tokens ------------------------------------------------------------------------


def test_a_write_brings_a_token_that_covers_it(
    client: TestClient, parts: FakeParts
) -> None:
    parts.feed.time = NOW + 5

    answer = client.post("/api/admin/reindex")

    assert answer.status_code == 202
    assert decode_token(answer.headers["x-catalog-token"]).cluster_time == NOW + 5


def test_reads_and_refused_writes_bring_none(client: TestClient) -> None:
    assert "x-catalog-token" not in client.get("/api/jobs").headers
    refused = client.post("/api/admin/rollback")
    assert refused.status_code == 409
    assert "x-catalog-token" not in refused.headers


def test_a_write_stands_where_no_token_can_be_had(
    client: TestClient, parts: FakeParts
) -> None:
    parts.feed.fail_always(DependencyUnavailableError("mongodb", "away"))

    answer = client.post("/api/admin/reindex")

    assert answer.status_code == 202
    assert "x-catalog-token" not in answer.headers


def test_writers_beside_us_get_a_token_on_asking(
    client: TestClient, parts: FakeParts
) -> None:
    answer = client.get("/api/index/token?userId=user123")

    assert answer.json() == {"token": TOKEN}
    assert answer.headers["x-catalog-token"] == TOKEN
    parts.feed.fail_always(DependencyUnavailableError("mongodb", "away"))
    assert client.get("/api/index/token").status_code == 503


@pytest.fixture
def any_write(parts: FakeParts) -> Iterator[TestClient]:
    """An application with writes of all methods, as later issues bring them."""
    app = create_app(parts.catalog())

    def write() -> dict[str, bool]:
        parts.feed.time += 1
        return {}

    app.add_api_route("/api/x", write, methods=["POST", "PUT", "PATCH", "DELETE"])
    app.add_api_route("/other", write, methods=["POST"])
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_method_that_writes_brings_a_token_made_after_the_write(
    any_write: TestClient, parts: FakeParts, method: str
) -> None:
    answer = any_write.request(method, "/api/x")

    token = decode_token(answer.headers["x-catalog-token"])
    assert token.cluster_time == parts.feed.time == NOW + 1
    assert "x-catalog-token" not in any_write.post("/other").headers
