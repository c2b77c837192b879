"""Filters by what files say: exact values and ranges of numbers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.access import Asker
from catalog.errors import InvalidQueryError
from catalog.identity import use_key
from catalog.models.ids import AssetId, UserId
from catalog.search.base import FACETS, IndexName, NumberRange, SearchQuery
from catalog.search.filters import (
    EXACT_FILTERS,
    MAX_ALL_CLAUSES,
    NUMBER_FILTERS,
    clauses_of,
    named_filters,
    parse_range,
)
from catalog.search.query import FACET_FIELDS
from catalog.search.schema import FIELDS
from catalog.search.values import exact_key

ME = Asker(UserId("user-1"))
SAFE = re.compile(r"[a-z0-9_:=<>!,.\[\]() &-]+")


@pytest.mark.parametrize(
    ("name", "text", "clause"),
    [
        ("width", "1024", "(width:=1024)"),
        ("width", " 512..1024 ", "(width:[512..1024])"),
        ("width", "512..", "(width:>=512)"),
        ("width", "..1024", "(width:<=1024)"),
        ("cfg", "3.5..7", "(cfg:[3.5..7])"),
        ("cfg", "7.0", "(cfg:=7)"),
        ("duration", "0.000001..", "(duration:>=0.000001)"),
        ("speakerCount", "2", "(speaker_count:=2)"),
        ("seed", "6952411511246973023", "(seed:=6952411511246973023)"),
    ],
)
def test_a_range_becomes_one_clause(name: str, text: str, clause: str) -> None:
    query = SearchQuery(ME, ranges=(parse_range(name, text),))

    assert clauses_of(query) == {name: clause}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("width", ""),
        ("width", ".."),
        ("width", "wide"),
        ("width", "-5"),
        ("width", "1..2..3"),
        ("width", "9..1"),
        ("width", "1.5"),
        ("width", "2147483648"),
        ("seed", "9223372036854775808"),
        ("cfg", "1e5"),
        ("cfg", "nan"),
        ("width", "٣"),
        ("width", "1) || (acl:=pub"),
    ],
)
def test_a_range_that_is_none_names_its_parameter(name: str, text: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        parse_range(name, text)

    assert caught.value.field == name


@given(st.sampled_from(sorted(NUMBER_FILTERS)), st.text(max_size=30))
def test_no_range_can_become_filter_syntax(name: str, text: str) -> None:
    try:
        limits = parse_range(name, text)
    except InvalidQueryError:
        return

    (clause,) = clauses_of(SearchQuery(ME, ranges=(limits,))).values()
    assert SAFE.fullmatch(clause)


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5))
def test_no_exact_value_can_become_filter_syntax(values: list[str]) -> None:
    query = SearchQuery(ME, exact=tuple((n, tuple(values)) for n in EXACT_FILTERS))

    for clause in clauses_of(query).values():
        assert SAFE.fullmatch(clause)


def test_filters_look_at_fields_that_there_are() -> None:
    types = {field.name: field.type for field in FIELDS[IndexName.ASSETS]}

    for about in EXACT_FILTERS.values():
        assert types[about.field].startswith("string")
    for limits in NUMBER_FILTERS.values():
        assert types[limits.field] in {"int32", "int64", "float"}
        assert limits.is_whole == (types[limits.field] != "float")
    assert set(FACETS) == set(FACET_FIELDS)


def test_filters_are_named_as_on_the_wire() -> None:
    query = SearchQuery(
        ME,
        exact=(("camera", ("NIKON D50",)), ("audioCodec", ("aac",))),
        ranges=(NumberRange("rank", 8, 16),),
    )

    found = named_filters(query)

    assert found["camera"] == f"(camera_key:=[{exact_key('NIKON D50')}])"
    assert found["audioCodec"] == "(audio_codec:=[aac])"
    assert found["rank"] == "(rank:[8..16])"


def test_what_was_made_with_unknown_assets_is_nothing() -> None:
    named = SearchQuery(ME, uses=(AssetId("lora"), AssetId("job-1-dataset")))

    (clause,) = clauses_of(named).values()
    (nothing,) = clauses_of(SearchQuery(ME, uses=())).values()

    keys = f"{use_key(AssetId('lora'))},{use_key(AssetId('job-1-dataset'))}"
    assert clause == f"(uses:=[{keys}])"
    assert nothing == "(uses:=[none])"
    assert clauses_of(SearchQuery(ME)) == {}


def test_more_clauses_than_the_engine_takes_are_refused() -> None:
    tags = tuple(f"t{n}" for n in range(20))
    ranges = tuple(NumberRange(name, 1, 2) for name in NUMBER_FILTERS)
    most = SearchQuery(ME, tags=tags, tags_none=tags, ranges=ranges[:9])

    clauses = clauses_of(most)

    assert sum(one.count("(") for one in clauses.values()) == MAX_ALL_CLAUSES
    with pytest.raises(InvalidQueryError, match="more than 49"):
        clauses_of(SearchQuery(ME, tags=tags, tags_none=tags, ranges=ranges))
