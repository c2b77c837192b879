from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from typing_extensions import override

from catalog.clock import ManualClock
from processors.engine import EngineError
from processors.http import Answer, HttpLimits, Lost, NotSent, ProviderHttp
from processors.patience import Patience

BASE = "https://queue.example/v1"
Handle = Callable[[httpx.Request], httpx.Response]


class Server(httpx.MockTransport):
    """Answers by a function and keeps the requests."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(self._handle)
        self.requests: list[httpx.Request] = []
        self._answer = handle

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer(request)


class Trickle(httpx.SyncByteStream):
    """A body that comes byte by byte, a minute each."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    @override
    def __iter__(self) -> Iterator[bytes]:
        for _ in range(100):
            self._clock.advance(60)
            yield b" "


def raising(error: Exception) -> Handle:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error

    return handle


def http(server: Server, clock: ManualClock | None = None) -> ProviderHttp:
    clock = clock or ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    return ProviderHttp(
        "fal",
        BASE,
        headers={"authorization": "Key secret"},
        clock=clock,
        patience=Patience(clock, attempts=3),
        limits=HttpLimits(body_bytes=100),
        transport=server,
    )


def nothing() -> None:
    """Nobody has cancelled."""


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.ProxyError("x")],
)
def test_what_failed_before_a_byte_went_out_was_never_sent(error: Exception) -> None:
    answer = http(Server(raising(error))).post_once(f"{BASE}/a", {})

    assert isinstance(answer, NotSent)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("x"),
        httpx.WriteTimeout("x"),
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.RemoteProtocolError("x"),
        httpx.DecodingError("x"),
    ],
)
def test_what_failed_later_may_have_arrived(error: Exception) -> None:
    server = Server(raising(error))

    assert isinstance(http(server).post_once(f"{BASE}/a", {}), Lost)
    assert len(server.requests) == 1


def test_an_answer_that_is_too_long_or_too_slow_loses_a_submit() -> None:
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    long = Server(lambda _: httpx.Response(200, content=b"x" * 101))
    slow = Server(lambda _: httpx.Response(200, stream=Trickle(clock)))

    assert isinstance(http(long).post_once(f"{BASE}/a", {}), Lost)
    assert isinstance(http(slow, clock).post_once(f"{BASE}/a", {}), Lost)


def test_a_refusal_counts_although_its_body_never_came() -> None:
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    server = Server(lambda _: httpx.Response(422, stream=Trickle(clock)))

    assert http(server, clock).post_once(f"{BASE}/a", {}) == Answer(422, {}, b"")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_reads_are_repeated_and_then_given_up(status: int) -> None:
    server = Server(lambda _: httpx.Response(status))

    with pytest.raises(EngineError) as caught:
        http(server).get(f"{BASE}/a", nothing)

    assert (caught.value.code, caught.value.is_retryable) == (
        "provider_unavailable",
        True,
    )
    assert len(server.requests) == 3


def test_a_read_that_works_at_last_is_answered() -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.ReadError("x"),
        httpx.Response(503),
        httpx.Response(200),
    ]

    def handle(_request: httpx.Request) -> httpx.Response:
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        return now

    assert http(Server(handle)).get(f"{BASE}/a", nothing).status == 200


def test_a_failure_that_stays_and_is_about_the_job_is_answered() -> None:
    server = Server(lambda _: httpx.Response(503, headers={"X-Type": "job"}))

    answer = http(server).get(
        f"{BASE}/a", nothing, is_settled=lambda one: "x-type" in one.headers
    )

    assert answer.status == 503
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_refused_reads_are_answers(status: int) -> None:
    server = Server(lambda _: httpx.Response(status))

    assert http(server).get(f"{BASE}/a", nothing).status == status
    assert len(server.requests) == 1


def test_reads_are_no_longer_than_allowed() -> None:
    server = Server(lambda _: httpx.Response(200, content=b"x" * 101))

    with pytest.raises(EngineError, match="more than 100 bytes"):
        http(server).get(f"{BASE}/a", nothing)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/a",
        "http://queue.example/v1/a",
        "https://queue.example:8443/v1/a",
        "https://queue.example@evil.example/",
        "https://queue.example.evil.example/",
        "//evil.example/a",
        "ftp://queue.example/",
        "/v1/a",
        "https://[",
        "",
    ],
)
def test_the_key_leaves_for_no_other_host(url: str) -> None:
    server = Server(lambda _: httpx.Response(200))
    ours = http(server)

    with pytest.raises(EngineError, match="another host"):
        ours.get(url, nothing)
    with pytest.raises(EngineError, match="another host"):
        ours.post_once(url, {})
    with pytest.raises(EngineError, match="another host"):
        ours.put(url)
    assert server.requests == []


def test_a_redirect_is_not_followed() -> None:
    server = Server(
        lambda _: httpx.Response(307, headers={"location": "https://evil.example/"})
    )

    answer = http(server).post_once(f"{BASE}/a", {})

    assert isinstance(answer, Answer)
    assert len(server.requests) == 1


def test_json_that_is_none_is_an_empty_object() -> None:
    for body in (b"", b"<html>", b"[1]", b"null", b"{"):
        assert Answer(200, {}, body).json_object() == {}
    assert Answer(200, {}, b'{"a": [1], "new": null}').json_object()["a"] == [1]
