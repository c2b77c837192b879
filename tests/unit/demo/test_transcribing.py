"""The demo's recording: when it is left out, and what is told of its job."""

import json
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from catalog.clock import ManualClock
from catalog.config import Settings
from catalog.demo.transcribing import KEY, RECORDING, transcribe, why_not
from catalog.errors import DependencyUnavailableError
from tests.fakes.store import FakeStore
from tests.unit.demo.filled import BUCKET, NOW

pytestmark = pytest.mark.enable_socket


class Api:
    """Answers as the API does; ``jobs`` are the answers about the job, in turn."""

    def __init__(self, server: HTTPServer) -> None:
        self.accepted: list[Request] = []
        self.jobs: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, Any]] = (202, {"jobId": "job-1"})
        self.url = server.url_for("").rstrip("/")
        server.expect_request("/api/transcribe", "POST").respond_with_handler(
            self._accept
        )
        server.expect_request("/api/jobs/job-1").respond_with_handler(self._tell)

    def _accept(self, request: Request) -> Response:
        self.accepted.append(request)
        status, body = self.answer
        return _json(body, status)

    def _tell(self, _request: Request) -> Response:
        return _json(self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0])


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


@pytest.fixture
def api(httpserver: HTTPServer) -> Api:
    return Api(httpserver)


def run(api: Api, token: str | None = None) -> tuple[str, list[str], FakeStore]:
    store, said = FakeStore(), list[str]()
    told = transcribe(store, api.url, token, ManualClock(NOW), said.append)
    return told, said, store


def test_a_recording_is_uploaded_submitted_once_and_waited_for(api: Api) -> None:
    api.jobs = [
        {"status": "queued"},
        {"status": "processing", "progress": 40},
        {"status": "completed", "progress": 100},
    ]

    told, said, store = run(api)

    (request,) = api.accepted
    body = request.get_json()
    assert store.read(KEY) == RECORDING.read_bytes()
    assert body["upload"] == f"s3://{BUCKET}/{KEY}"
    assert request.headers["Idempotency-Key"]
    assert "Authorization" not in request.headers
    assert said == [
        "a recording is transcribed: 0 %",
        "a recording is transcribed: 40 %",
    ]
    assert told.endswith(f"'{api.url}/api/search/transcripts?userId=user456&q=asthma'")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (
            {"status": "failed", "error": {"message": "no speech in it"}},
            "the recording was not transcribed: no speech in it",
        ),
        ({"status": "cancelled"}, "the recording was not transcribed: cancelled"),
        ({"status": "queued"}, "the recording still waits for a worker: "),
    ],
)
def test_what_went_wrong_is_told(api: Api, job: dict[str, Any], expected: str) -> None:
    api.jobs = [job]

    told, _said, _store = run(api)

    assert told.startswith(expected)


def test_a_refusal_is_told(api: Api) -> None:
    api.answer = (400, {"detail": "upload: it is no file of this catalog"})

    assert run(api)[0] == (
        "the recording was refused: upload: it is no file of this catalog"
    )


def test_an_api_in_trouble_is_no_answer(api: Api) -> None:
    api.answer = (503, {"detail": "MongoDB is away"})

    with pytest.raises(DependencyUnavailableError, match="503"):
        run(api)


def test_the_admin_asks_where_the_api_wants_to_know_who_asks(api: Api) -> None:
    api.jobs = [{"status": "completed"}]

    run(api, "secret")

    assert api.accepted[0].headers["Authorization"] == "Bearer secret"


def test_nobodys_money_is_spent_and_nothing_is_awaited_in_vain() -> None:
    paid = Settings(assemblyai_key=SecretStr("key"))

    assert why_not(Settings(), lambda _name: object()) is None
    assert "CATALOG_ASSEMBLYAI_KEY" in str(why_not(paid, lambda _name: object()))
    assert "`processors`" in str(why_not(Settings(), lambda _name: None))
