import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.access import MACHINE_OWNER, Asker, Scope, search_filter
from catalog.errors import InvalidQueryError
from catalog.models.asset import AssetType
from catalog.models.ids import DocumentId, UserId
from catalog.search.base import FACETS, SearchQuery
from catalog.search.query import (
    FACET_FIELDS,
    Plan,
    plan_labels,
    plan_moments,
    plan_search,
    plan_suggest,
    plan_tag_counts,
)
from catalog.search.text import parse_words
from catalog.search.values import exact_key, tag_key

ME = Asker(UserId("user-1"))
SAFE_FILTER = re.compile(r"[a-z0-9_:=<>!,\[\]() &-]+")


def plan(query: SearchQuery, **options: Any) -> Plan:  # noqa: ANN401
    return plan_search(query, "p_", cutoff_ms=500, **options)


def every_filter(query: SearchQuery) -> list[str]:
    words = parse_words(query.words)
    ids = [DocumentId("t0123")]
    searches = [
        *plan(query).searches,
        *plan(query, spoken_only=True).searches,
        *plan_moments(query, words, ids, "p_", cutoff_ms=1, per_transcript=3),
        *plan_suggest(query, words, "p_", cutoff_ms=1, limit=8),
        plan_tag_counts(query, ["a"], "p_"),
        *plan_labels(query, [("tag_keys", "qxab")], "p_"),
    ]
    return [search["filter_by"] for search in searches]


@pytest.mark.parametrize("asker", [ME, MACHINE_OWNER, Asker(None)])
@pytest.mark.parametrize("scope", Scope)
def test_every_search_begins_with_the_access_filter(asker: Asker, scope: Scope) -> None:
    query = SearchQuery(
        asker,
        scope,
        words="cats",
        tags_any=("a",),
        types=(AssetType.LORA,),
        facets=FACETS,
    )

    filters = every_filter(query)

    access = search_filter(asker, scope)
    assert access
    assert all(f == access or f.startswith(f"{access} && ") for f in filters)


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5))
def test_no_value_can_become_filter_syntax(values: list[str]) -> None:
    labels = tuple(value for value in values if value.split()) or ("x",)
    query = SearchQuery(
        ME,
        words="cats",
        tags=labels,
        tags_any=labels,
        tags_none=labels,
        statuses=tuple(values),
        models=tuple(values),
        speakers=tuple(values),
        languages=tuple(values),
        formats=tuple(values),
    )

    for wanted in every_filter(query):
        assert SAFE_FILTER.fullmatch(wanted)
        assert wanted.count("(") == wanted.count(")")


def test_filters_are_exact_keys_and_whole_numbers() -> None:
    query = SearchQuery(
        ME,
        tags=("C++", "foo-bar"),
        tags_none=("c#",),
        statuses=("Weird Status",),
        since=datetime(2025, 1, 1, tzinfo=UTC),
        until=datetime(2025, 12, 31, tzinfo=UTC),
    )

    wanted = plan(query).searches[0]["filter_by"]

    assert f"(tag_keys:={tag_key('C++')}) && (tag_keys:={tag_key('foo-bar')})" in wanted
    assert f"(tag_keys:!={tag_key('c#')})" in wanted
    assert f"(status:=[{exact_key('Weird Status')}])" in wanted
    assert "(created_at:>=1735689600) && (created_at:<=1767139200)" in wanted


def test_a_facet_with_its_own_filter_is_counted_without_it() -> None:
    query = SearchQuery(
        ME,
        types=(AssetType.IMAGE,),
        statuses=("failed",),
        facets=("type", "status", "tags"),
    )

    main, of_type, of_status = plan(query).searches

    assert main["facet_by"] == "tag_keys"
    assert of_type["facet_by"] == "kind"
    assert "kind:=" not in of_type["filter_by"]
    assert "status:=" in of_type["filter_by"]
    assert of_status["facet_by"] == "status"
    assert "kind:=" in of_status["filter_by"]
    assert of_type["per_page"] == of_status["per_page"] == 0


def test_without_filters_all_facets_are_counted_in_one_search() -> None:
    searches = plan(SearchQuery(ME, facets=FACETS)).searches

    assert len(searches) == 1
    assert searches[0]["facet_by"] == ",".join(FACET_FIELDS[name] for name in FACETS)


def test_rights_and_transcripts_are_never_asked_for() -> None:
    for search in plan(SearchQuery(ME, words="cats")).searches:
        assert search["include_fields"] == "id,view"
        assert "transcript" not in search["highlight_fields"].split(",")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (SearchQuery(ME, page=0), "page"),
        (SearchQuery(ME, per_page=0), "perPage"),
        (SearchQuery(ME, per_page=201), "perPage"),
        (SearchQuery(ME, page=101, per_page=100), "page"),
        (SearchQuery(ME, sort="acl"), "sort"),
        (SearchQuery(ME, facets=("acl",)), "facets"),
        (SearchQuery(ME, statuses=("",)), "status"),
        (SearchQuery(ME, tags=(" ",)), "tags"),
        (SearchQuery(ME, tags_none=tuple("abcdefghijklmnopqrstuvwxyz")), "tagsNone"),
        (SearchQuery(ME, models=("m",) * 101), "model"),
        (SearchQuery(ME, since=datetime(2025, 1, 1)), "from"),  # noqa: DTZ001
        (SearchQuery(ME, words="x" * 513), "q"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(query: SearchQuery, field: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        plan(query)

    assert caught.value.field == field


def test_the_last_reachable_page_is_allowed() -> None:
    assert plan(SearchQuery(ME, page=100, per_page=100)).searches[0]["page"] == 100


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (SearchQuery(ME, words="x"), "_text_match:desc,created_at:desc"),
        (SearchQuery(ME), "created_at:desc"),
        (SearchQuery(ME, words="-x"), "created_at:desc"),
        (SearchQuery(ME, sort="createdAt", descending=False), "created_at:asc"),
        (
            SearchQuery(ME, sort="name", descending=False),
            "name_sort(missing_values: last):asc,created_at:desc",
        ),
    ],
)
def test_the_order_is_from_a_fixed_list(query: SearchQuery, order: str) -> None:
    assert plan(query).searches[0]["sort_by"] == order


def test_facet_strategy_is_sent_to_servers_that_know_it() -> None:
    query = SearchQuery(ME, facets=("type",))

    (old,) = plan(query).searches
    (new,) = plan(query, exhaustive_facets=True).searches

    assert "facet_strategy" not in old
    assert new["facet_strategy"] == "exhaustive"
