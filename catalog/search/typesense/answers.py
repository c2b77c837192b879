"""Reads the engine's answers: hits, highlights, facets, moments. Pure functions.

Keys that newer versions add are passed over.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from catalog.errors import (
    CatalogError,
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidQueryError,
)
from catalog.models.asset import AssetView
from catalog.models.ids import DocumentId
from catalog.search.base import FacetCount, Highlight, Moment
from catalog.search.filters import EXACT_FILTERS
from catalog.search.query import END_MARK, FACET_FIELDS, START_MARK
from catalog.search.typesense.client import NAME
from catalog.search.values import exact_key, exact_value, tag_key, with_ancestors

Answer = Mapping[str, Any]
"""One answer of a ``multi_search`` request."""

_BEFORE, _AFTER = 8, 24
"""Words of a snippet around the first that matched."""

_decode = lru_cache(maxsize=65_536)(exact_value)


def error_of(answer: Answer) -> CatalogError | None:
    """Read the error of one search, which comes inline with HTTP 200."""
    if "error" not in answer:
        return None
    detail = str(answer["error"])
    code = answer.get("code")
    if code == 404 and "field" not in detail:  # noqa: PLR2004  (HTTP's not found)
        return DependencyUnavailableError(NAME, f"index not built yet: {detail}")
    if code in (400, 422):
        return InvalidQueryError("q", "The search engine can't use this question.")
    if code == 404:  # noqa: PLR2004  (a field that the schema lacks)
        return DependencyRejectedError(NAME, detail)
    return DependencyUnavailableError(NAME, detail)


# --- highlights --------------------------------------------------------------------


def to_html(marked: str) -> str:
    """Escape text, then turn the sentinels into ``<mark>``."""
    escaped = html.escape(marked)
    return escaped.replace(START_MARK, "<mark>").replace(END_MARK, "</mark>")


def highlights_of(raw: Answer, view: AssetView) -> tuple[Highlight, ...]:
    """Read where a hit matched, in the order of the fields in the answer."""
    found: list[Highlight] = []
    for field, value in raw.items():
        for part in value if isinstance(value, list) else (value,):
            snippet = part.get("snippet", "")
            if START_MARK in snippet:
                name = _origin(snippet, view) if field == "names" else field
                name = _WIRE_NAMES.get(name, name)
                found.append(Highlight(name, to_html(snippet)))
    return tuple(found)


_WIRE_NAMES = {"negative_prompt": "negativePrompt"}


def _origin(snippet: str, view: AssetView) -> str:
    """Tell which of the texts in ``names`` it is."""
    text = snippet.replace(START_MARK, "").replace(END_MARK, "")
    shown: Mapping[str, Any] = {**view}
    for name in ("fileName", "model", "baseModel", "generator", "camera"):
        if text == shown.get(name):
            return name
    for name in ("loraNames", "keywords"):
        if text in shown.get(name, ()):
            return name
    return "speakers"


def mark_runs(text: str, runs: Iterable[str]) -> str:
    """Put sentinels around runs of CJK text, which the engine can't highlight."""
    for run in runs:
        text = text.replace(run, f"{START_MARK}{run}{END_MARK}")
    return text


def cjk_highlights(view: AssetView, runs: Sequence[str]) -> tuple[Highlight, ...]:
    """Find the typed runs in what is shown of an asset."""
    texts: list[tuple[str, str | None]] = [
        ("name", view["name"]),
        *(("tags", tag) for tag in view["tags"]),
        ("trigger", view.get("trigger")),
        ("prompt", view.get("prompt")),
        ("description", view["description"]),
    ]
    marked = [(field, mark_runs(text, runs)) for field, text in texts if text]
    return tuple(
        Highlight(field, to_html(text)) for field, text in marked if START_MARK in text
    )


# --- facets ------------------------------------------------------------------------


def facet_values(answer: Answer) -> dict[str, list[tuple[str, int]]]:
    """List the counted keys by field."""
    return {
        facet["field_name"]: [(c["value"], c["count"]) for c in facet["counts"]]
        for facet in answer.get("facet_counts", ())
    }


def label_of(field: str, key: str) -> str | None:
    """Decode a facet's key; ``None`` when only an asset can tell (``views_label``)."""
    if field == "month":
        return f"{key[:4]}-{key[4:]}"
    if field in ("kind", "size_bucket", "visibility", "filed", "index_error"):
        return key
    return _decode(key)


_SHOWN_AS = {about.field: about.view for about in EXACT_FILTERS.values()}


def views_label(field: str, key: str, views: Iterable[AssetView]) -> str | None:
    """Find the label of a hashed key in assets that may bear it."""
    make_key = tag_key if field == "tag_keys" else exact_key
    for view in views:
        for label in _labels(field, view):
            if label and make_key(label) == key:
                return label
    return None


def _labels(field: str, view: AssetView) -> Sequence[str | None]:
    match field:
        case "tag_keys":
            return with_ancestors(view["tags"])
        case "speaker_keys":
            return view.get("speakers", [])
        case "model_key":
            return (view.get("model"),)
        case "status":
            return (view["status"],)
        case "language" | "format":
            return (view.get("language"), view.get("format"))
        case _:
            shown: Mapping[str, Any] = {**view}
            value = shown.get(_SHOWN_AS.get(field, field))
            return value if isinstance(value, list) else (value,)


def hashed_values(
    counted: Mapping[str, Sequence[tuple[str, int]]],
) -> list[tuple[str, str]]:
    """List the facet values (field, key) that can't be decoded."""
    return [
        (field, key)
        for field, values in counted.items()
        for key, _ in values
        if label_of(field, key) is None
    ]


def facet_counts(
    facets: Iterable[str],
    counted: Mapping[str, Sequence[tuple[str, int]]],
    labels: Mapping[tuple[str, str], str],
) -> dict[str, tuple[FacetCount, ...]]:
    """Present facets by their wire names, most frequent values first."""
    presented: dict[str, tuple[FacetCount, ...]] = {}
    for facet in facets:
        field = FACET_FIELDS[facet]
        presented[facet] = tuple(
            FacetCount(label_of(field, key) or labels.get((field, key), key), count)
            for key, count in counted.get(field, ())
        )
    return presented


# --- moments -----------------------------------------------------------------------


def moments_of(
    best: Answer, runs: Sequence[str]
) -> dict[DocumentId, tuple[Moment, ...]]:
    """Read the best segments by transcript."""
    return {
        cast("DocumentId", group["group_key"][0]): tuple(
            _moment(hit, runs) for hit in group["hits"]
        )
        for group in best.get("grouped_hits", ())
    }


def matches_of(counts: Answer) -> dict[DocumentId, int]:
    """Read how many segments match by transcript."""
    return {
        cast("DocumentId", key): count
        for key, count in facet_values(counts).get("transcript_id", ())
    }


def _moment(hit: Answer, runs: Sequence[str]) -> Moment:
    segment = hit["document"]
    highlighted = hit.get("highlight", {}).get("text", {}).get("snippet", "")
    marked = highlighted if START_MARK in highlighted else segment["text"]
    marked = mark_runs(marked, runs) if runs else marked
    starts = segment.get("word_starts") or ()
    word = _best_marked_word(marked)
    at_ms = starts[word] if word is not None and word < len(starts) else None
    return Moment(
        segment=segment["seq"],
        start_ms=segment.get("start"),
        end_ms=segment.get("end"),
        at_ms=segment.get("start") if at_ms is None else at_ms,
        speaker=segment.get("speaker"),
        snippet=to_html(_around(marked, word or 0)),
    )


def _best_marked_word(marked: str) -> int | None:
    """Number the word (from 0) that begins the longest run of marked words.

    Of a phrase the engine also marks words that stand alone elsewhere in the segment;
    where they all follow one another is where it was said.
    """
    best, best_length, length, is_open = None, 0, 0, False
    for number, word in enumerate(marked.split()):
        if not (is_open or START_MARK in word):
            length = 0
            continue
        length += 1
        if length > best_length:
            best, best_length = number - length + 1, length
        is_open = word.rfind(START_MARK) > word.rfind(END_MARK) or (
            is_open and END_MARK not in word
        )
    return best


def _around(marked: str, word: int) -> str:
    """Cut to some words around one of them; a mark is never left open."""
    words = marked.split()
    start = max(word - _BEFORE, 0)
    end = min(word + _AFTER, len(words))
    if end - start >= len(words):
        return marked.strip()
    text = " ".join(words[start:end])
    if text.count(START_MARK) > text.count(END_MARK):
        text += END_MARK
    return f"{'… ' if start else ''}{text}{' …' if end < len(words) else ''}"
