from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

import catalog.errors
from api.errors import STATUS, status_of
from catalog.errors import (
    CatalogError,
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidQueryError,
)
from tests.fakes.catalog import FakeParts


def _family(kind: type[CatalogError]) -> Iterator[type[CatalogError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


def test_every_error_has_a_status() -> None:
    ours = {k for k in _family(CatalogError) if k.__module__ == catalog.errors.__name__}

    assert ours == set(STATUS)


def test_an_error_defined_elsewhere_takes_the_status_of_its_family() -> None:
    class OddQueryError(InvalidQueryError):
        pass

    assert status_of(OddQueryError("q", "It is odd.")) == 400


def test_a_problem_names_field_code_and_request(
    client: TestClient, parts: FakeParts
) -> None:
    parts.jobs.fail_next(InvalidQueryError("pageToken", "It is not one of this list."))

    answer = client.get("/api/jobs", headers={"X-Request-Id": "abc-1"})

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:asset-catalog:problem:invalid_query",
        "title": "Bad Request",
        "status": 400,
        "detail": "It is not one of this list.",
        "instance": "/api/jobs",
        "code": "invalid_query",
        "field": "pageToken",
        "requestId": "abc-1",
    }


def test_a_server_that_is_away_is_named_and_its_words_are_kept_back(
    client: TestClient, parts: FakeParts
) -> None:
    parts.jobs.fail_next(DependencyUnavailableError("mongodb", "10.0.0.7: secret"))

    answer = client.get("/api/jobs")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "MongoDB" in answer.json()["detail"]
    assert "10.0.0.7" not in answer.text


@pytest.mark.parametrize(
    "error",
    [
        DependencyRejectedError("typesense", "secret"),
        CatalogError("secret"),
        RuntimeError("secret"),
    ],
)
def test_our_own_mistakes_answer_500_without_their_words(
    client: TestClient, parts: FakeParts, error: Exception
) -> None:
    parts.jobs.fail_next(error)

    answer = client.get("/api/jobs")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["requestId"] == answer.headers["x-request-id"]
    assert "secret" not in answer.text


def test_a_bad_parameter_is_named_with_all_others_at_fault(client: TestClient) -> None:
    answer = client.get("/api/jobs?from=yesterday&limit=0")

    facts = answer.json()
    assert answer.status_code == 400
    assert facts["code"] == "invalid_query"
    assert facts["field"] == "from"
    assert "2025-12-31" in facts["detail"]
    assert "limit" in facts["detail"]


def test_an_unknown_address_is_a_problem(client: TestClient) -> None:
    answer = client.get("/api/nothing")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_wrong_method_says_which_are_possible(client: TestClient) -> None:
    answer = client.delete("/api/jobs")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert "GET" in answer.json()["detail"]
