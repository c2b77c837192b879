import pytest

from api.__main__ import refusal
from catalog.config import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_served_openly(host: str) -> None:
    assert refusal(Settings(host=host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", "::", ""])
def test_elsewhere_open_access_is_refused_with_the_way_out(host: str) -> None:
    reason = refusal(Settings(host=host))

    assert reason is not None
    assert "CATALOG_ALLOW_REMOTE" in reason


def test_remote_access_can_be_allowed() -> None:
    assert refusal(Settings(host="0.0.0.0", allow_remote=True)) is None


def test_where_tokens_are_required_any_address_may_be_served() -> None:
    assert refusal(Settings(auth="token", host="0.0.0.0")) is None
