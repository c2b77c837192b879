"""A search taken apart: what to ask to learn why it finds one asset or does not. Pure.

The engine drops words and tries typos only where it finds too little otherwise, so
what a word or a filter does by itself explains an answer but does not decide it. What
decides is the search itself: is the asset in its answer, and where.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from catalog.models.ids import DocumentId
from catalog.search.base import IndexName, SearchQuery
from catalog.search.filters import named_filters
from catalog.search.generation import alias_name
from catalog.search.query import MAX_REACH, Search, plan_search
from catalog.search.text import parse_words, terms_of

PAGE = 250
"""Hits on one page of the engine, at most (``typesense.md`` 8)."""

MAX_TERMS = 30
"""Words that are looked at one by one; with the filters they fit into one request (of
50 searches at most, ``typesense.md`` 3)."""

_SORT = re.compile(r"(\w+)(?:\([^)]*\))?:(asc|desc)")
_SCORE = "_text_match"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Everything to ask about one asset.

    Attributes:
        itself: Finds the asset's document, whoever asks.
        answer: The search as it is, its first page of ``PAGE`` hits.
        alone: All words of the search, asked of this document alone.
        filters: Each filter by its parameter's name, asked of this document alone.
        terms: Each word or phrase to find, likewise, as typed.
        exclusions: Each that was typed with ``-``, as what it excludes.
        has_words: Whether words decide (else every asset matches them).
        is_nothing: Symbols alone were typed: the search finds nothing.
    """

    itself: Search
    answer: Search
    alone: Search
    filters: Mapping[str, Search]
    terms: Mapping[str, Search]
    exclusions: Mapping[str, Search]
    has_words: bool
    is_nothing: bool

    @property
    def searches(self) -> list[Search]:
        """All of them, in the order of the attributes."""
        return [
            self.itself,
            self.answer,
            self.alone,
            *self.filters.values(),
            *self.terms.values(),
            *self.exclusions.values(),
        ]

    def page(self, number: int) -> Search:
        """The search as it is, another page of ``PAGE`` hits."""
        return self.answer | {"page": number}

    def without(self, document_id: DocumentId) -> Search:
        """The search as it is, but that it must not find this document; a count."""
        return self.answer | {"per_page": 0, "hidden_hits": document_id}


def plan_explanation(
    query: SearchQuery, document_id: DocumentId, prefix: str, *, cutoff_ms: int
) -> Inquiry:
    """Take a search apart.

    Args:
        query: The question.
        document_id: Of the asset that it is about.
        prefix: Of the aliases.
        cutoff_ms: When the engine answers with what it has.

    Raises:
        InvalidQueryError: A value can't be used; names the parameter.
    """
    assert document_id.isalnum()  # noqa: S101  (it goes into filters)
    plain = replace(query, facets=(), page=1, per_page=1)
    plan = plan_search(plain, prefix, cutoff_ms=cutoff_ms)
    search = plan.searches[0]
    fields = [field for field, _ in _order(search["sort_by"]) if field != _SCORE]
    answer = search | {
        "per_page": PAGE,
        "include_fields": ",".join(["id", *fields]),
        "highlight_fields": "none",
    }
    me = f"(id:={document_id})"
    lookup: Search = {
        "collection": alias_name(prefix, IndexName.ASSETS),
        "q": "*",
        "filter_by": me,
        "per_page": 1,
        "include_fields": ",".join(["id", "index_error", *fields]),
        "highlight_fields": "none",
    }
    terms, exclusions = _terms(query.words, answer | {"filter_by": me, "per_page": 1})
    return Inquiry(
        itself=lookup,
        answer=answer,
        alone=answer | {"filter_by": me, "per_page": 1},
        filters={
            name: lookup | {"filter_by": f"{me} && {clause}"}
            for name, clause in named_filters(query).items()
        },
        terms=terms,
        exclusions=exclusions,
        has_words=not plan.words.is_all,
        is_nothing=plan.is_nothing,
    )


def _terms(typed: str, alone: Search) -> tuple[dict[str, Search], dict[str, Search]]:
    wanted: dict[str, Search] = {}
    unwanted: dict[str, Search] = {}
    for term in terms_of(typed)[:MAX_TERMS]:
        words = parse_words(term)
        if words.has_positive:
            # All of it (a name like ep-01 is two words to the engine), typos as ever.
            whole = {"q": words.q, "prefix": "false", "drop_tokens_threshold": 0}
            wanted[term] = alone | whole
        else:
            excluded = {"q": words.q.removeprefix("-"), "num_typos": 0}
            unwanted[term] = (
                alone | excluded | {"prefix": "false", "drop_tokens_threshold": 0}
            )
    if wanted:  # the last word may be unfinished
        last = next(reversed(wanted))
        wanted[last] = wanted[last] | {"prefix": "true"}
    return wanted, unwanted


# --- where in the answer -----------------------------------------------------------


def reachable_pages(found: int) -> int:
    """Count the pages of ``PAGE`` hits that a person can page through."""
    return -(-min(found, MAX_REACH) // PAGE)


def is_before(one: Mapping[str, Any], other: Mapping[str, Any], search: Search) -> bool:
    """Tell whether a hit comes before another in a search's order; ties do not."""
    for field, descending in _order(search["sort_by"]):
        mine, theirs = _value(one, field), _value(other, field)
        if mine == theirs:
            continue
        if mine is None or theirs is None:
            return theirs is None  # those without a value come last, either way
        return bool(mine > theirs) if descending else bool(mine < theirs)
    return False


def _value(hit: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401  (JSON)
    return hit.get("text_match") if field == _SCORE else hit["document"].get(field)


def _order(sort_by: str) -> list[tuple[str, bool]]:
    return [(field, order == "desc") for field, order in _SORT.findall(sort_by)]
