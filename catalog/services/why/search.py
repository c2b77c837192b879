"""The stages of the search itself: filters, words, the place in the answer. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from catalog.models.asset import Asset
from catalog.search.base import Explanation, NumberRange, SearchQuery
from catalog.search.filters import EXACT_FILTERS, NUMBER_FILTERS
from catalog.search.query import MAX_REACH
from catalog.search.text import parse_words
from catalog.search.view import iso_time, view_of
from catalog.services.why.case import MAX_NAMED, Case, Stage, Verdict, quoted
from catalog.services.why.record import relations

OF_WHAT_WAS_SAID = frozenset({"speaker", "language", "speakerCount", "wordCount"})
"""Filters by what only a transcript's text tells."""

OF_WHAT_FILES_SAY = frozenset({*EXACT_FILTERS, *NUMBER_FILTERS}) - OF_WHAT_WAS_SAID
"""Filters by what files say of themselves, though some jobs say it, too."""

_NONE_KNOWN = "none that you may know of"
"""In place of the assets that ``uses`` names, where the asker may see none of them."""


def filters_stage(case: Case, explanation: Explanation | None) -> Stage:
    """Judge each filter of the search by itself."""
    if explanation is None or not explanation.is_indexed:
        return _unseen("filters", case, explanation)
    asked = asked_for(case.query)
    failed = explanation.failed_filters
    facts = {
        "filters": [
            {
                "name": name,
                "verdict": (Verdict.FAILED if name in failed else Verdict.OK).value,
                "asked": list(values),
                "has": has_of(case, name)[:MAX_NAMED],
            }
            for name, values in asked.items()
        ]
    }
    if not failed:
        return Stage("filters", Verdict.OK, "No filter excludes it.", facts)
    told = "; ".join(
        f"{name} asks for {quoted(asked.get(name, ()))}, it has "
        f"{quoted(has_of(case, name))}"
        for name in failed
    )
    return Stage(
        "filters",
        Verdict.FAILED,
        f"Filters exclude it: {told}.",
        facts,
        "filtered_out",
        f"Change or leave out {', '.join(failed)}.",
    )


def _unseen(name: str, case: Case, explanation: Explanation | None) -> Stage:
    if case.document_id is None or explanation is not None:
        return Stage(name, Verdict.SKIPPED, "The index does not have it.")
    return Stage(name, Verdict.UNKNOWN, "The search index does not answer.")


def asked_for(query: SearchQuery) -> dict[str, Sequence[str]]:
    """List the search's filters by the names of their parameters, as sent."""
    filters: dict[str, Sequence[str] | None] = {
        "scope": (query.scope.value,),
        "type": [type_.value for type_ in query.types],
        "status": query.statuses,
        "model": query.models,
        "speaker": query.speakers,
        "language": query.languages,
        "format": query.formats,
        "uses": query.uses if query.uses is None else query.uses or (_NONE_KNOWN,),
        **dict(query.exact),
        **{limits.name: (_range(limits),) for limits in query.ranges},
        "tagsAny": query.tags_any,
        "tags": query.tags,
        "tagsNone": query.tags_none,
        "from": _times(query.since),
        "to": _times(query.until),
    }
    return {name: values for name, values in filters.items() if values}


def has_of(case: Case, name: str) -> list[str]:
    """List what the asset has where a filter looks."""
    if case.asset is None:
        return []
    if name == "uses":  # of others the asker may not know
        return [used for used in case.asset.uses if used in (case.query.uses or ())]
    return relations(case) if name == "scope" else _values(case.asset, name)


def _values(asset: Asset, name: str) -> list[str]:
    single = {
        "type": asset.type.value,
        "status": asset.status,
        "model": asset.model,
        "language": asset.language,
        "format": asset.format,
    }
    if name in single:
        return [value] if (value := single[name]) else []
    if name in ("from", "to"):
        return [iso_time(asset.created_at)]
    if name in EXACT_FILTERS or name in NUMBER_FILTERS:
        return _shown(asset, name)
    return list(asset.speakers if name == "speaker" else asset.tags)


def _shown(asset: Asset, name: str) -> list[str]:
    """List what a view shows where a filter looks."""
    if name == "speakerCount":
        return [str(len(asset.speakers))] if asset.speakers else []
    if name == "megapixels":
        sides = (asset.width_px or 0, asset.height_px or 0)
        return [f"{sides[0] * sides[1] / 1e6:g}"] if all(sides) else []
    view: Mapping[str, object] = {**view_of(asset)}
    about = EXACT_FILTERS.get(name) or NUMBER_FILTERS[name]
    value = view.get(about.view)
    values = value if isinstance(value, list) else [value]
    return [str(one) for one in values if one is not None]


def _range(limits: NumberRange) -> str:
    ends = ["" if end is None else f"{end}" for end in (limits.low, limits.high)]
    return ends[0] if limits.low == limits.high else "..".join(ends)


def _times(time: datetime | None) -> Sequence[str]:
    return () if time is None else (iso_time(time),)


def words_stage(case: Case, explanation: Explanation | None) -> Stage:
    """Judge each word of the search by itself."""
    words = parse_words(case.query.words)
    if words.is_all and case.document_id is not None:
        return Stage("words", Verdict.OK, "No words were asked for.")
    if explanation is None or not explanation.is_indexed:
        return _unseen("words", case, explanation)
    facts = {
        "matched": list(explanation.matched_words),
        "unmatched": list(explanation.unmatched_words),
        "excludedBy": list(explanation.excluded_by),
    }
    if explanation.is_match:
        detail = "It has the words."
        if explanation.unmatched_words:
            lacking = quoted(explanation.unmatched_words)
            detail = f"It lacks {lacking}, but so does all else: words were dropped."
        return Stage("words", Verdict.OK, detail, facts)
    if not words.is_nothing and not explanation.excluded_by:
        if explanation.unmatched_words:
            return _lacking(explanation, facts)
        if explanation.failed_filters:
            return Stage("words", Verdict.OK, "It has the words.", facts)
    if words.is_nothing:
        reason = "no_words"
        detail = "There is no letter or digit in the words: they find nothing."
        advice = "Ask for words, or leave `q` out to find everything."
    elif explanation.excluded_by:
        reason = "excluded_word"
        found = quoted(explanation.excluded_by)
        detail = f"It has {found}, which the search excludes."
        advice = "Leave the exclusion out."
    else:
        reason = "weaker_match"
        detail = "It has the words only nearly, or begun; others have them exactly."
        advice = "Write the words in full, as they stand in it."
    return Stage("words", Verdict.FAILED, detail, facts, reason, advice)


def _lacking(explanation: Explanation, facts: dict[str, list[str]]) -> Stage:
    lacking = quoted(explanation.unmatched_words)
    detail = f"It does not have {lacking}"
    if explanation.matched_words:
        detail += f"; it has {quoted(explanation.matched_words)}"
    return Stage(
        "words",
        Verdict.FAILED,
        f"{detail}.",
        facts,
        "words_missing",
        f"Leave out {lacking}"
        + (", or the quotes around a phrase." if '"' in lacking else "."),
    )


def rank_stage(case: Case, explanation: Explanation | None) -> Stage:
    """Tell where in the answer it stands."""
    query = case.query
    if explanation is None:
        return _unseen("rank", case, explanation)
    if not explanation.is_match:
        return Stage("rank", Verdict.SKIPPED, "The search does not find it.")
    facts: dict[str, int] = {
        "found": explanation.found,
        "perPage": query.per_page,
        "askedPage": query.page,
    }
    reach = MAX_REACH // query.per_page
    if explanation.rank is None or explanation.rank > reach * query.per_page:
        place = f"after the first {MAX_REACH:,}"
        if explanation.rank is not None:
            facts["rank"] = explanation.rank
            place = f"number {explanation.rank:,}"
        return Stage(
            "rank",
            Verdict.FAILED,
            f"It is {place} of {explanation.found:,}, further than pages go.",
            facts,
            "beyond_reach",
            "Narrow the search down, or sort it otherwise.",
        )
    page = (explanation.rank - 1) // query.per_page + 1
    facts |= {"rank": explanation.rank, "page": page}
    detail = f"It is number {explanation.rank:,} of {explanation.found:,}"
    if page == query.page:
        return Stage("rank", Verdict.OK, f"{detail}, on this page.", facts)
    return Stage(
        "rank",
        Verdict.FAILED,
        f"{detail}: on page {page}, not on page {query.page}.",
        facts,
        "other_page",
        f"Ask for `page={page}`, or add words or filters.",
    )
