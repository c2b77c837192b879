from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas.common import WireModel
from api.schemas.jobs import JobList, Readiness
from api.schemas.problems import Problem
from tests.fakes.catalog import FakeParts
from tests.fakes.jobs import Record

RECORD: Record = {"jobId": "a", "userId": "user123", "status": "completed"}


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.jobs.records.append(RECORD)
    return made


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_has_summary_description_tag_and_documented_errors(
    document: dict[str, Any],
) -> None:
    for name, operation in _operations(document):
        assert operation.get("summary"), name
        assert operation.get("description"), name
        assert operation.get("tags"), name
        problem = operation["responses"]["default"]["content"]
        assert "application/problem+json" in problem, name


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in _operations(document)]

    assert len(ids) == len(set(ids))


def test_every_parameter_is_described_and_camel_case(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            assert "_" not in parameter["name"], (name, parameter["name"])
            assert parameter.get("description"), (name, parameter["name"])


def test_every_answer_in_json_has_a_schema_of_its_own(
    document: dict[str, Any],
) -> None:
    for name, operation in _operations(document):
        answer = operation["responses"].get("200", {}).get("content", {})
        if "application/json" in answer:
            assert answer["application/json"].get("schema") != {"type": "string"}, name


def test_no_route_hides_another(client: TestClient, document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        if "{" in path or "get" not in operations:
            continue
        client.get(path, params={"userId": "user123", "q": "x"})
        counted = f'method="GET",route="{path}"'

        assert counted in client.get("/metrics").text, path


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def check(node: Any) -> None:  # noqa: ANN401
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].rpartition("/")[2] in schemas
            for value in node.values():
                check(value)
        elif isinstance(node, list):
            for value in node:
                check(value)

    check(document)
    assert "HTTPValidationError" not in schemas


@pytest.mark.parametrize(
    ("address", "model"),
    [
        ("/api/jobs", JobList),
        ("/health/ready", Readiness),
        ("/api/jobs/unknown", Problem),
    ],
)
def test_answers_are_as_documented(
    client: TestClient, address: str, model: type[WireModel]
) -> None:
    answer = client.get(address).json()

    model.model_validate(answer)
