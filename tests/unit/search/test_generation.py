import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.search.base import IndexName
from catalog.search.generation import (
    PhysicalName,
    alias_name,
    kind_of,
    parse_physical,
    physical_name,
)

prefixes = st.from_regex(r"[a-z0-9_]{0,12}", fullmatch=True)
hashes = st.from_regex(r"[0-9a-f]{8}", fullmatch=True)


@given(prefixes, st.sampled_from(IndexName), st.integers(1, 10**6), hashes)
def test_a_physical_name_is_read_as_it_was_built(
    prefix: str, kind: IndexName, number: int, schema_hash: str
) -> None:
    name = physical_name(prefix, kind, number, schema_hash)

    assert parse_physical(name) == PhysicalName(prefix, kind, number, schema_hash)
    assert kind_of(name) is kind


@given(prefixes, st.sampled_from(IndexName))
def test_an_alias_is_no_physical_name(prefix: str, kind: IndexName) -> None:
    assert parse_physical(alias_name(prefix, kind)) is None


@pytest.mark.parametrize(
    "name", ["assets__g0_01234567", "assets__g1_0123", "jobs__g1_01234567", "", "../x"]
)
def test_other_names_are_nobody_s(name: str) -> None:
    assert parse_physical(name) is None
    with pytest.raises(ValueError, match="not the name"):
        kind_of(name)
