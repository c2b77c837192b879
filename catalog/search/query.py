"""From a question to the engine's searches: pure compilation, no engine is called.

The access filter is in every search that is built here. Filters hold nothing but keys
of ``[a-z0-9]`` and whole numbers; what a person typed reaches ``q`` alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.access import search_filter
from catalog.errors import InvalidQueryError
from catalog.models.ids import DocumentId
from catalog.search.base import FACETS, IndexName, SearchQuery
from catalog.search.filters import clauses_of, joined
from catalog.search.generation import alias_name
from catalog.search.text import Words, parse_words

MAX_REACH = 10_000
"""How deep pages go: page x per page (``typesense.md`` 8)."""

MAX_PER_PAGE = 200
MAX_FACET_VALUES = 50
MAX_COUNTED_TAGS = 250
"""Other tags of the same assets count too and must not push a candidate out."""

START_MARK, END_MARK = "\x01", "\x02"
"""Around what matched; ``catalog.search.text.clean`` keeps them out of all texts."""

Search = dict[str, Any]
"""One search of a ``multi_search`` request."""

FACET_FIELDS: Mapping[str, str] = {
    "tags": "tag_keys",
    "type": "kind",
    "status": "status",
    "model": "model_key",
    "baseModel": "base_model_key",
    "family": "family",
    "generator": "generator",
    "sampler": "sampler_key",
    "lora": "lora_keys",
    "camera": "camera_key",
    "audioCodec": "audio_codec",
    "videoCodec": "video_codec",
    "keyword": "keyword_keys",
    "extraction": "extraction",
    "speaker": "speaker_keys",
    "language": "language",
    "format": "format",
    "month": "month",
    "size": "size_bucket",
    "visibility": "visibility",
    "inCollection": "filed",
    "indexError": "index_error",
}
"""Facets by their names on the wire (``FACETS``) and the fields that they count."""

_SORT_FIELDS: Mapping[str, str] = {
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "completedAt": "completed_at",
    "name": "name_sort",
    "sizeBytes": "size",
    "duration": "duration",
    "wordCount": "word_count",
    "width": "width",
    "height": "height",
}

# Weights beyond 15 ranks are not kept apart (``typesense.md`` 8).
_ASSET_FIELDS = (
    ("name", 15),
    ("name_alt", 13),
    ("tags", 11),
    ("trigger", 10),
    ("names", 8),
    ("prompt", 6),
    ("description", 5),
)
_CJK_FIELD = ("text_cjk", 4)
_NEGATIVE_FIELD = ("negative_prompt", 2)
_TRANSCRIPT_FIELD = ("transcript", 1)
_HIGHLIGHTED = "name,tags,trigger,names,prompt,description,negative_prompt"
_BY_RELEVANCE = "_text_match:desc,created_at:desc"
_WHOLE_TEXT_TOKENS = 400
"""More than a segment has: its highlight must be the whole text to find the word."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send for one question.

    Attributes:
        searches: The first finds the hits; the others count one facet each.
        words: What was typed, understood.
        is_nothing: Nothing can be found: ask nothing.
    """

    searches: tuple[Search, ...]
    words: Words
    is_nothing: bool = False


# --- search ------------------------------------------------------------------------


def plan_search(
    query: SearchQuery,
    prefix: str,
    *,
    cutoff_ms: int,
    spoken_only: bool = False,
    exhaustive_facets: bool = False,
) -> Plan:
    """Compile a search over assets.

    Args:
        query: The question.
        prefix: Of the aliases.
        cutoff_ms: When the engine answers with what it has.
        spoken_only: Look through what was said in transcripts, and nothing else.
        exhaustive_facets: The server knows ``facet_strategy``.

    Raises:
        InvalidQueryError: A value can't be used; names the parameter.
    """
    words = parse_words(query.words)
    _check_page(query)
    clauses = clauses_of(query)
    if spoken_only:
        clauses["spoken"] = "(kind:=transcript)"
    access = search_filter(query.asker, query.scope)
    shared: Search = {
        "collection": alias_name(prefix, IndexName.ASSETS),
        "search_cutoff_ms": cutoff_ms,
        **_matching(words, spoken_only=spoken_only),
    }
    facets = _check_facets(query.facets)
    own = [facet for facet in facets if facet in clauses]
    main = [facet for facet in facets if facet not in clauses]
    first = shared | {
        "filter_by": joined(access, clauses.values()),
        "sort_by": _sort_by(query, words),
        "page": query.page,
        "per_page": query.per_page,
        "include_fields": "id,view",
        "enable_highlight_v1": "false",
        "highlight_fields": "none",
    }
    if words.has_positive and not spoken_only:
        first |= {
            "highlight_fields": _HIGHLIGHTED,
            "highlight_affix_num_tokens": 8,
            "highlight_start_tag": START_MARK,
            "highlight_end_tag": END_MARK,
        }
    if main:
        first |= _counting(main, exhaustive=exhaustive_facets)
    searches = [first]
    for facet in own:
        # Without its own filter, or every other value of the facet would count zero.
        others = [clause for name, clause in clauses.items() if name != facet]
        searches.append(
            shared
            | {
                "filter_by": joined(access, others),
                "per_page": 0,
                "highlight_fields": "none",
            }
            | _counting([facet], exhaustive=exhaustive_facets)
        )
    return Plan(tuple(searches), words, is_nothing=words.is_nothing)


def _matching(words: Words, *, spoken_only: bool) -> Search:
    if words.is_all:
        return {"q": "*"}
    fields = [] if spoken_only else list(_ASSET_FIELDS)
    if words.has_cjk:
        fields.append(_CJK_FIELD)
    if not spoken_only:
        fields.append(_NEGATIVE_FIELD)
    fields.append(_TRANSCRIPT_FIELD)
    return {
        "q": words.q,
        "query_by": ",".join(name for name, _ in fields),
        "query_by_weights": ",".join(str(weight) for _, weight in fields),
        # The best match of the weightiest field decides: names before prompts.
        "text_match_type": "max_weight",
        "prefix": "true",
        # A typo is one byte: a third of a Chinese character, and so another one.
        "num_typos": 0 if words.has_cjk else 2,
        "drop_tokens_threshold": 0 if words.has_cjk else 1,
    }


def _counting(facets: Sequence[str], *, exhaustive: bool) -> Search:
    counting: Search = {
        "facet_by": ",".join(FACET_FIELDS[facet] for facet in facets),
        "max_facet_values": MAX_FACET_VALUES,
    }
    if exhaustive:
        counting["facet_strategy"] = "exhaustive"
    return counting


def _sort_by(query: SearchQuery, words: Words) -> str:
    if query.sort == "relevance":
        return _BY_RELEVANCE if words.has_positive else "created_at:desc"
    field = _SORT_FIELDS.get(query.sort)
    if field is None:
        names = " ".join(["relevance", *_SORT_FIELDS])
        raise InvalidQueryError("sort", f"Sort by one of: {names}.")
    order = "desc" if query.descending else "asc"
    if field == "created_at":
        return f"created_at:{order}"
    return f"{field}(missing_values: last):{order},created_at:desc"


def _check_page(query: SearchQuery) -> None:
    if query.page < 1:
        raise InvalidQueryError("page", "Pages count from 1.")
    if not 1 <= query.per_page <= MAX_PER_PAGE:
        raise InvalidQueryError("perPage", f"Ask for 1 to {MAX_PER_PAGE} hits a page.")
    if query.page * query.per_page > MAX_REACH:
        raise InvalidQueryError(
            "page", f"Only the first {MAX_REACH} hits can be paged through."
        )


def _check_facets(facets: Sequence[str]) -> list[str]:
    for facet in facets:
        if facet not in FACET_FIELDS:
            raise InvalidQueryError("facets", f"Count any of: {' '.join(FACETS)}.")
    return list(dict.fromkeys(facets))


# --- moments -----------------------------------------------------------------------


def plan_moments(
    query: SearchQuery,
    words: Words,
    transcripts: Sequence[DocumentId],
    prefix: str,
    *,
    cutoff_ms: int,
    per_transcript: int,
    exhaustive_facets: bool = False,
    some_words: bool = False,
) -> tuple[Search, Search]:
    """Compile the look-up of where it was said, in these transcripts alone.

    Args:
        query: The question; its rights hold here too.
        words: Of the question.
        transcripts: Document ids of hits.
        prefix: Of the aliases.
        cutoff_ms: As in ``plan_search``.
        per_transcript: Moments of each transcript.
        exhaustive_facets: As in ``plan_search``.
        some_words: Take segments that have some of the words where none has all.

    Returns:
        The best segments, grouped by transcript; and the number of segments that
        match, by transcript (counts of groups are not to be had in every version).
    """
    access = search_filter(query.asker, query.scope)
    wanted = f"(transcript_id:=[{','.join(transcripts)}])"
    fields = "text,text_cjk" if words.has_cjk else "text"
    shared: Search = {
        "collection": alias_name(prefix, IndexName.SEGMENTS),
        "q": words.q,
        "query_by": fields,
        "prefix": "true",
        "num_typos": 0 if words.has_cjk else 2,
        "drop_tokens_threshold": 1000 if some_words else 0,
        "filter_by": joined(access, wanted),
        "search_cutoff_ms": cutoff_ms,
    }
    best = shared | {
        "group_by": "transcript_id",
        "group_limit": per_transcript,
        "per_page": len(transcripts),
        "sort_by": "_text_match:desc,seq:asc",
        "include_fields": "transcript_id,seq,text,start,end,speaker,word_starts",
        "enable_highlight_v1": "false",
        "highlight_fields": "text",
        "snippet_threshold": _WHOLE_TEXT_TOKENS,
        "highlight_start_tag": START_MARK,
        "highlight_end_tag": END_MARK,
    }
    counts = shared | {
        "per_page": 0,
        "highlight_fields": "none",
        "facet_by": "transcript_id",
        "max_facet_values": len(transcripts),
    }
    if exhaustive_facets:
        counts["facet_strategy"] = "exhaustive"
    return best, counts


# --- suggestions -------------------------------------------------------------------


def plan_suggest(
    query: SearchQuery, words: Words, prefix: str, *, cutoff_ms: int, limit: int
) -> tuple[Search, Search, Search]:
    """Compile the completion of names, of tags, and of speakers and models.

    Returns:
        Assets by name; candidate tags; assets whose speakers or models match, with
        the facets that their values are taken from.
    """
    access = search_filter(query.asker, query.scope)
    assets = alias_name(prefix, IndexName.ASSETS)
    shared: Search = {
        "q": words.q,
        "prefix": "true",
        "filter_by": access,
        "drop_tokens_threshold": 0,
        "search_cutoff_ms": cutoff_ms,
        "enable_highlight_v1": "false",
        "highlight_fields": "none",
    }
    typos = 0 if words.has_cjk else 1
    names = shared | {
        "collection": assets,
        "query_by": "name,name_alt",
        "query_by_weights": "2,1",
        "text_match_type": "max_weight",
        "num_typos": typos,
        "sort_by": _BY_RELEVANCE,
        "per_page": 4 * limit,  # the images of one job share their name
        "include_fields": "id,view",
    }
    tags = shared | {
        "collection": alias_name(prefix, IndexName.TAGS),
        "query_by": "label,label_cjk" if words.has_cjk else "label",
        "num_typos": typos,
        "group_by": "key",
        "group_limit": 1,
        "per_page": min(4 * limit, 40),
        "include_fields": "key,label",
    }
    values = shared | {
        "collection": assets,
        "query_by": "names,text_cjk" if words.has_cjk else "names",
        "num_typos": 0,
        "per_page": 0,
        "facet_by": "speaker_keys,model_key",
        "max_facet_values": 100,
    }
    return names, tags, values


def plan_tag_counts(
    query: SearchQuery,
    keys: Sequence[str],
    prefix: str,
    *,
    exhaustive_facets: bool = False,
) -> Search:
    """Compile the count of each of these tags under the asker's rights."""
    access = search_filter(query.asker, query.scope)
    counting: Search = {
        "collection": alias_name(prefix, IndexName.ASSETS),
        "q": "*",
        "filter_by": joined(access, f"(tag_keys:=[{','.join(keys)}])"),
        "per_page": 0,
        "facet_by": "tag_keys",
        "max_facet_values": MAX_COUNTED_TAGS,
    }
    if exhaustive_facets:
        counting["facet_strategy"] = "exhaustive"
    return counting


def plan_labels(
    query: SearchQuery, values: Sequence[tuple[str, str]], prefix: str
) -> tuple[Search, ...]:
    """Compile the look-up of one visible asset per facet value (field, key).

    For keys that are hashes and so can't be decoded: the asset's view has the label.
    """
    access = search_filter(query.asker, query.scope)
    return tuple(
        {
            "collection": alias_name(prefix, IndexName.ASSETS),
            "q": "*",
            "filter_by": joined(access, f"({field}:={key})"),
            "per_page": 1,
            "include_fields": "id,view",
        }
        for field, key in values
    )
