"""The demo's recording: when it is left out, and what is told of its job."""

import json
from typing import Any

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from catalog.clock import ManualClock
from catalog.config import Settings
from catalog.demo.transcribing import KEY, RECORDING, submit, why_not
from catalog.errors import DependencyUnavailableError
from tests.fakes.store import FakeStore
from tests.unit.demo.filled import BUCKET, NOW

pytestmark = pytest.mark.enable_socket


class Api:
    """Takes a job as the API does."""

    def __init__(self, server: HTTPServer) -> None:
        self.accepted: list[Request] = []
        self.answer: tuple[int, dict[str, Any]] = (202, {"jobId": "job-1"})
        self.url = server.url_for("").rstrip("/")
        server.expect_request("/api/transcribe", "POST").respond_with_handler(
            self._accept
        )

    def _accept(self, request: Request) -> Response:
        self.accepted.append(request)
        status, body = self.answer
        return Response(json.dumps(body), status, content_type="application/json")


@pytest.fixture
def api(httpserver: HTTPServer) -> Api:
    return Api(httpserver)


def run(api: Api, token: str | None = None) -> tuple[str, FakeStore]:
    store = FakeStore()
    return submit(store, api.url, token, ManualClock(NOW)), store


def test_a_recording_is_uploaded_and_submitted_once(api: Api) -> None:
    told, store = run(api)

    (request,) = api.accepted
    body = request.get_json()
    assert store.read(KEY) == RECORDING.read_bytes()
    assert body["upload"] == f"s3://{BUCKET}/{KEY}"
    assert request.headers["Idempotency-Key"]
    assert "Authorization" not in request.headers
    assert f"{api.url}/api/jobs/job-1" in told
    assert told.endswith(f"'{api.url}/api/search/transcripts?userId=user456&q=asthma'")


def test_a_refusal_is_told(api: Api) -> None:
    api.answer = (400, {"detail": "upload: it is no file of this catalog"})

    assert run(api)[0] == (
        "no recording is transcribed: upload: it is no file of this catalog"
    )


def test_an_api_in_trouble_is_no_answer(api: Api) -> None:
    api.answer = (503, {"detail": "MongoDB is away"})

    with pytest.raises(DependencyUnavailableError, match="503"):
        run(api)


def test_the_admin_asks_where_the_api_wants_to_know_who_asks(api: Api) -> None:
    run(api, "secret")

    assert api.accepted[0].headers["Authorization"] == "Bearer secret"


def test_nobodys_money_is_spent_and_nothing_is_awaited_in_vain() -> None:
    paid = Settings(assemblyai_key=SecretStr("key"))

    assert why_not(Settings(), lambda _name: object()) is None
    assert "CATALOG_ASSEMBLYAI_KEY" in str(why_not(paid, lambda _name: object()))
    assert "`processors`" in str(why_not(Settings(), lambda _name: None))
