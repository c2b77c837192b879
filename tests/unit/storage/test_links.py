from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.clock import ManualClock
from catalog.errors import InvalidLinkError, InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.storage.links import (
    FILES_PATH,
    LinkSigner,
    VerifiedLink,
    rounded_expiry,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = int(NOW.timestamp()) + 600
KEY = ObjectKey("generated-images/user 1/j+ü/image_1.png")


def signer(secret: bytes = b"secret") -> LinkSigner:
    return LinkSigner(secret, ManualClock(NOW))


def taken_apart(path: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(path)
    assert parts.path.startswith(FILES_PATH)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return unquote(parts.path.removeprefix(FILES_PATH)), query


def test_a_link_says_what_was_signed() -> None:
    path = signer().path(
        KEY, expires_at=LATER, file_name="my ä&?.png", is_attachment=True
    )

    assert signer().verify(*taken_apart(path)) == VerifiedLink(
        KEY, LATER, "my ä&?.png", is_attachment=True
    )


@given(
    name=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    is_attachment=st.booleans(),
)
def test_any_file_name_survives(name: str | None, *, is_attachment: bool) -> None:
    path = signer().path(
        KEY, expires_at=LATER, file_name=name, is_attachment=is_attachment
    )

    assert path.isascii()
    assert signer().verify(*taken_apart(path)) == VerifiedLink(
        KEY, LATER, name, is_attachment
    )


@pytest.mark.parametrize(
    "change",
    [
        {"e": str(LATER + 1)},
        {"n": "evil.html"},
        {"n": ""},
        {"d": "1"},
        {"s": ""},
        {"s": "ü"},
        {"s": "A" * 22},
    ],
)
def test_a_changed_link_is_refused(change: dict[str, str]) -> None:
    key, params = taken_apart(signer().path(KEY, expires_at=LATER))

    with pytest.raises(InvalidLinkError) as caught:
        signer().verify(key, params | change)

    assert caught.value.field == "s"
    assert "invalid" in caught.value.problem


def test_a_link_to_one_object_opens_no_other() -> None:
    _, params = taken_apart(signer().path(KEY, expires_at=LATER))

    with pytest.raises(InvalidLinkError):
        signer().verify("generated-images/user 1/j+ü/image_2.png", params)


def test_a_link_of_another_secret_is_refused() -> None:
    key, params = taken_apart(signer(b"other").path(KEY, expires_at=LATER))

    with pytest.raises(InvalidLinkError):
        signer().verify(key, params)


@pytest.mark.parametrize("expiry", ["", "x", "-1", "²", "1e9", "9" * 13, " 1"])
def test_an_expiry_that_is_no_number_is_refused(expiry: str) -> None:
    with pytest.raises(InvalidLinkError) as caught:
        signer().verify(KEY, {"e": expiry, "s": "x"})

    assert caught.value.field == "e"


def test_a_link_without_parameters_is_refused() -> None:
    with pytest.raises(InvalidLinkError):
        signer().verify(KEY, {})


def test_a_link_works_until_it_expires() -> None:
    clock = ManualClock(NOW)
    links = LinkSigner(b"secret", clock)
    key, params = taken_apart(links.path(KEY, expires_at=LATER))

    clock.advance(599)
    assert links.verify(key, params).key == KEY
    clock.advance(1)
    with pytest.raises(InvalidLinkError) as caught:
        links.verify(key, params)

    assert (caught.value.field, "expired" in caught.value.problem) == ("e", True)


def test_no_link_is_made_to_an_impossible_key() -> None:
    with pytest.raises(InvalidObjectKeyError):
        signer().path(ObjectKey("a/../b"), expires_at=LATER)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 604_800),
)
def test_an_expiry_is_late_enough_by_less_than_a_window(
    now: datetime, seconds: int
) -> None:
    expiry = rounded_expiry(now, seconds)

    assert expiry % 300 == 0
    assert 0 <= expiry - (now.timestamp() + seconds) < 300.001


def test_links_made_within_a_window_are_equal() -> None:
    first = rounded_expiry(NOW, 3600)
    second = rounded_expiry(NOW + timedelta(seconds=50), 3600)

    assert first == second
    assert signer().path(KEY, expires_at=first) == signer().path(KEY, expires_at=second)
