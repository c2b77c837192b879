from datetime import UTC, datetime

import httpx
import orjson
import pytest

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError
from catalog.jwks import KEPT_SECONDS, HttpPublicKeys

X = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
GOOD = orjson.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": X}]})


class Answers(httpx.MockTransport):
    """Gives one answer after another, the last one for ever."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        super().__init__(self._answer)
        self._answers = list(answers)
        self.asked = 0

    def _answer(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        now = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(now, Exception):
            raise now
        return httpx.Response(now.status_code, content=now.content)


def keys(clock: ManualClock, transport: Answers) -> HttpPublicKeys:
    return HttpPublicKeys("https://keys.example/jwks.json", clock, transport)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 23, tzinfo=UTC))


def test_keys_are_fetched_once_a_day(clock: ManualClock) -> None:
    transport = Answers(httpx.Response(200, content=GOOD))
    public = keys(clock, transport)

    assert [len(public.get()) for _ in range(3)] == [1, 1, 1]
    clock.advance(KEPT_SECONDS - 1)
    public.get()
    assert transport.asked == 1
    clock.advance(1)
    public.get()
    assert transport.asked == 2


def test_forgeries_make_us_look_for_new_keys_once_in_five_minutes(
    clock: ManualClock,
) -> None:
    transport = Answers(httpx.Response(200, content=GOOD))
    public = keys(clock, transport)
    public.get()

    for _ in range(100):
        public.get(renew=True)
    assert transport.asked == 1
    clock.advance(300)
    for _ in range(100):
        public.get(renew=True)
    assert transport.asked == 2


def test_keys_at_hand_serve_while_the_set_is_away_but_no_longer_than_a_day(
    clock: ManualClock,
) -> None:
    away = httpx.ConnectError("away")
    transport = Answers(httpx.Response(200, content=GOOD), away)
    public = keys(clock, transport)
    public.get()

    clock.advance(600)
    assert len(public.get(renew=True)) == 1
    clock.advance(KEPT_SECONDS)
    with pytest.raises(DependencyUnavailableError):
        public.get()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, content=GOOD),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b'{"keys": []}'),
        httpx.Response(200, content=b" " * 300_000),
        httpx.ReadTimeout("slow"),
    ],
)
def test_a_set_that_can_t_be_used_is_an_outage(
    answer: httpx.Response | Exception, clock: ManualClock
) -> None:
    with pytest.raises(DependencyUnavailableError):
        keys(clock, Answers(answer)).get()
