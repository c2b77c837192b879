"""Page tokens survive the round trip, and nothing else is taken for one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidQueryError
from catalog.repositories.mongo.paging import (
    Place,
    decode_token,
    encode_token,
    fingerprint,
)

BINDING = fingerprint("jobs", {"userId": "user123"}, "createdAt", True)  # noqa: FBT003


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        Int64(8),
        1.5,
        "päge",
        Decimal128("1.5"),
        ObjectId("0123456789abcdef01234567"),
        UUID(int=3),
        datetime(2025, 1, 1, tzinfo=UTC),
        {"a": 1},
    ],
)
def test_a_token_brings_back_its_place(value: Any) -> None:  # noqa: ANN401
    place = Place(value, value, is_odd=value is None)

    token = encode_token(place, BINDING)

    assert decode_token(token, BINDING) == place
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_token_of_another_filter_is_refused() -> None:
    token = encode_token(Place(1, 2), BINDING)

    with pytest.raises(InvalidQueryError) as caught:
        decode_token(token, fingerprint("jobs", {"userId": "user456"}))

    assert caught.value.field == "pageToken"


@pytest.mark.parametrize("token", ["", "x", "päge", "AAAA", "=" * 9, "a" * 100_000])
def test_garbage_is_no_token(token: str) -> None:
    with pytest.raises(InvalidQueryError):
        decode_token(token, BINDING)


@given(st.text(), st.integers(0, 60), st.characters())
def test_a_damaged_token_is_refused_or_harmless(
    text: str, at: int, damage: str
) -> None:
    token = encode_token(Place("value", "id"), BINDING)
    damaged = token[:at] + damage + token[at + 1 :]

    for candidate in (text, damaged):
        try:
            place = decode_token(candidate, BINDING)
        except InvalidQueryError as exc:
            assert exc.field == "pageToken"  # noqa: PT017  (either outcome is right)
        else:
            assert isinstance(place, Place)
