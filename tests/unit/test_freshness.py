"""The token codec; waiting is in ``tests/unit/services/test_freshness_service.py``."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidRequestError
from catalog.freshness import decode_token, encode_token, make_token

TOKEN = make_token("64b7", "catalog", (1_700_000_000 << 32) + 7)


@given(st.text(), st.text(), st.integers(min_value=0, max_value=2**64 - 1))
def test_a_token_is_read_as_it_was_written(
    replica_set: str, database: str, time: int
) -> None:
    token = make_token(replica_set, database, time)

    assert decode_token(encode_token(token)) == token


def test_a_token_needs_no_escaping_and_tells_no_name() -> None:
    text = encode_token(TOKEN)

    assert set(text) <= set(string.ascii_letters + string.digits + "-_")
    assert len(text) == 36
    assert "catalog" not in text


def test_every_slip_of_one_character_is_noticed() -> None:
    text = encode_token(TOKEN)
    alphabet = string.ascii_letters + string.digits + "-_"

    for place in range(len(text)):
        for other in alphabet:
            if other != text[place]:
                with pytest.raises(InvalidRequestError) as caught:
                    decode_token(text[:place] + other + text[place + 1 :])
                assert caught.value.field == "waitFor"


def test_what_is_no_token_is_refused() -> None:
    text = encode_token(TOKEN)
    mangled = [
        "",
        text[:-1],
        text[:-4],
        text + "AAAA",
        text + "=",
        text + "\n",
        " " + text,
        text[:4] + "*" + text[4:],
        text.lower(),
        "é" * 36,
        "\ud800",
        "A" * 36,
        "x" * 10_000,
    ]

    for given_text in mangled:
        with pytest.raises(InvalidRequestError):
            decode_token(given_text)


def test_tokens_of_another_replica_set_or_database_are_no_kin() -> None:
    assert TOKEN.is_kin_of(make_token("64b7", "catalog", 1))
    assert not TOKEN.is_kin_of(make_token("64b8", "catalog", 1))
    assert not TOKEN.is_kin_of(make_token("64b7", "other", 1))


def test_where_the_replica_set_is_not_known_the_database_decides() -> None:
    unknown = make_token("", "catalog", 1)

    assert TOKEN.is_kin_of(unknown)
    assert unknown.is_kin_of(TOKEN)
    assert not unknown.is_kin_of(make_token("", "other", 1))
