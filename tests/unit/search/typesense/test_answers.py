"""Answers as 0.24.1 gave them; those of 27 to 30 as documented, never run here."""

from typing import Any, cast

import pytest

from catalog.errors import (
    CatalogError,
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidQueryError,
)
from catalog.models.asset import AssetView
from catalog.search.base import FacetCount, Highlight, IndexName
from catalog.search.projection import view_of
from catalog.search.schema import differences, schema_of
from catalog.search.typesense.answers import (
    cjk_highlights,
    error_of,
    facet_counts,
    facet_values,
    hashed_values,
    highlights_of,
    matches_of,
    moments_of,
    to_html,
    views_label,
)
from catalog.search.typesense.capabilities import capabilities_of
from catalog.search.values import exact_key, tag_key
from tests.unit.search.assets import an_image


def grouped(text: str, snippet: str, **document: Any) -> dict[str, Any]:  # noqa: ANN401
    hit = {
        "document": {"transcript_id": "t1", "seq": 3, "text": text} | document,
        "highlight": {"text": {"matched_tokens": [], "snippet": snippet}},
    }
    return {"found": 1, "grouped_hits": [{"group_key": ["t1"], "hits": [hit]}]}


def test_highlights_are_escaped_before_they_are_marked() -> None:
    evil = "<script>\x01alert\x02</script> & \"'"

    shown = to_html(evil)

    assert shown == (
        "&lt;script&gt;<mark>alert</mark>&lt;/script&gt; &amp; &quot;&#x27;"
    )


def test_only_what_matched_is_a_highlight() -> None:
    view = view_of(an_image(model="flux-pro", file_name="image.png"))
    raw = {
        "name": {"matched_tokens": [], "snippet": "A garden"},
        "tags": [{"snippet": "x"}, {"snippet": "\x01c++\x02"}],
        "names": [{"snippet": "\x01flux\x02-pro"}, {"snippet": "\x01image\x02.png"}],
    }

    found = highlights_of(raw, view)

    assert found == (
        Highlight("tags", "<mark>c++</mark>"),
        Highlight("model", "<mark>flux</mark>-pro"),
        Highlight("fileName", "<mark>image</mark>.png"),
    )


def test_runs_of_cjk_are_highlighted_in_what_is_shown() -> None:
    view = view_of(an_image(name="播客 第一集", tags=("播客",)))

    found = cjk_highlights(view, ["播客"])

    assert found == (
        Highlight("name", "<mark>播客</mark> 第一集"),
        Highlight("tags", "<mark>播客</mark>"),
    )


def test_a_moment_is_where_the_first_marked_word_starts() -> None:
    best = grouped(
        "one two three",
        "one two \x01three\x02",
        start=1000,
        end=4000,
        speaker="Jane",
        word_starts=[1000, 2000, 3000],
    )

    (moment,) = moments_of(best, ())[cast("Any", "t1")]

    assert (moment.start_ms, moment.end_ms, moment.at_ms) == (1000, 4000, 3000)
    assert (moment.segment, moment.speaker) == (3, "Jane")
    assert moment.snippet == "one two <mark>three</mark>"


def test_a_mark_inside_a_word_belongs_to_that_word() -> None:
    best = grouped("a re-run b", "a re-\x01run\x02 b", word_starts=[1, 2, 3])

    (moment,) = moments_of(best, ())[cast("Any", "t1")]

    assert moment.at_ms == 2


def test_a_segment_without_times_has_none() -> None:
    (moment,) = moments_of(grouped("x", "\x01x\x02"), ())[cast("Any", "t1")]

    assert (moment.start_ms, moment.end_ms, moment.at_ms) == (None, None, None)


def test_a_long_segment_is_cut_around_the_first_mark() -> None:
    words = [f"w{n}" for n in range(60)]
    words[30] = "\x01found\x02"

    (moment,) = moments_of(grouped("…", " ".join(words)), ())[cast("Any", "t1")]

    assert moment.snippet.startswith("… w22 ")
    assert moment.snippet.endswith("w53 …")
    assert "<mark>found</mark>" in moment.snippet


def test_keys_are_shown_as_the_values_that_they_stand_for() -> None:
    long = "M" * 200
    counted = {
        "tag_keys": [(tag_key("C++"), 3), (tag_key("c#"), 2)],
        "month": [("202511", 4)],
        "model_key": [(exact_key(long), 1)],
    }
    views: list[AssetView] = [view_of(an_image(model=long))]

    hashed = hashed_values(counted)
    labels = {(f, k): views_label(f, k, views) or k for f, k in hashed}
    shown = facet_counts(("tags", "month", "model", "type"), counted, labels)

    assert shown["tags"] == (FacetCount("c++", 3), FacetCount("c#", 2))
    assert shown["month"] == (FacetCount("2025-11", 4),)
    assert shown["model"] == (FacetCount(long, 1),)
    assert shown["type"] == ()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"code": 404, "error": "Not found."}, DependencyUnavailableError),
        (
            {"code": 404, "error": "Could not find a filter field named `x`"},
            DependencyRejectedError,
        ),
        ({"code": 400, "error": "Could not parse"}, InvalidQueryError),
        ({"code": 503, "error": "Not Ready or Lagging"}, DependencyUnavailableError),
        ({"code": 408, "error": "Request Timeout"}, DependencyUnavailableError),
    ],
)
def test_an_inline_error_is_translated(
    answer: dict[str, Any], error: type[CatalogError]
) -> None:
    assert isinstance(error_of(answer), error)


def test_an_answer_without_error_is_fine() -> None:
    assert error_of({"found": 0, "hits": []}) is None


# --- as documented for newer servers -------------------------------------------------


def test_versions_map_to_capabilities_not_run_on_27_to_30() -> None:
    assert not capabilities_of("0.24.1").facet_strategy
    assert not capabilities_of("nightly").facet_strategy
    assert capabilities_of("27.1").facet_strategy
    assert not capabilities_of("28.0").approximate_groups
    assert capabilities_of("29.0").approximate_groups
    assert not capabilities_of("29.1").synonym_sets
    assert capabilities_of("30.2").synonym_sets
    assert capabilities_of("v30.2").stem


def test_extra_keys_in_facets_are_passed_over_not_run_on_27_to_30() -> None:
    answer = {
        "facet_counts": [
            {
                "counts": [
                    {"count": 2, "highlighted": "image", "value": "image", "parent": {}}
                ],
                "field_name": "kind",
                "sampled": False,
                "stats": {"total_values": 1},
            }
        ],
        "found": 2,
        "out_of": 9,
        "metadata": {},
    }

    assert facet_values(answer) == {"kind": [("image", 2)]}


def test_extra_keys_in_groups_are_passed_over_not_run_on_27_to_30() -> None:
    best = grouped("one", "\x01one\x02") | {"found_docs": 12}
    best["grouped_hits"][0]["found"] = 12
    counts = {
        "facet_counts": [
            {
                "counts": [{"count": 12, "highlighted": "t1", "value": "t1"}],
                "field_name": "transcript_id",
                "sampled": False,
                "stats": {"total_values": 1},
            }
        ]
    }

    assert list(moments_of(best, ())) == ["t1"]
    assert matches_of(counts) == {"t1": 12}


def test_an_empty_page_of_groups_has_no_moments_not_run_on_27_to_30() -> None:
    assert moments_of({"found": 3, "found_docs": 9, "grouped_hits": []}, ()) == {}


def test_extra_schema_keys_are_no_difference_not_run_on_27_to_30() -> None:
    schema = schema_of(IndexName.SEGMENTS, "x")
    extra = {
        "stem": False,
        "stem_dictionary": "",
        "store": True,
        "range_index": False,
        "truncate_len": 100,
        "index": True,
        "token_separators": [],
        "symbols_to_index": [],
    }
    schema["fields"] = [extra | field for field in schema["fields"]]
    schema |= {"curation_sets": [], "synonym_sets": [], "enable_nested_fields": False}

    assert differences(IndexName.SEGMENTS, schema) == ()
