"""What a log of searches says: what is wanted, not found, and passed by. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from catalog.repositories.search_log import LoggedClick, LoggedSearch

REFINED_WITHIN = timedelta(minutes=5)
"""Who asks another question so soon refines the first one."""

TYPED_WITHIN = timedelta(seconds=10)
"""Words that go on with those before them so soon are the same, still being typed."""

_MOST = 20
_FIRST_POSITIONS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """Words and how often they were asked for."""

    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a log says.

    Attributes:
        searches: Questions, those left out that were only typed on, and pages.
        with_clicks: Questions out of which something was opened.
        abandoned: Questions that found something, of which nothing was opened, and
            that nobody refined.
        popular: Words asked for most.
        zero_results: Words that found nothing, asked for most.
        abandoned_words: Words that were abandoned most.
        filters: Names of filters, most used first.
        positions: Clicks by position from 1 to 10.
        median_position: Of all clicks.
        median_ms: How long answers took.
        degraded: Answers that MongoDB gave.
    """

    searches: int
    with_clicks: int
    abandoned: int
    popular: tuple[Asked, ...]
    zero_results: tuple[Asked, ...]
    abandoned_words: tuple[Asked, ...]
    filters: tuple[Asked, ...]
    positions: tuple[int, ...]
    median_position: float | None
    median_ms: float | None
    degraded: int


def analyse(
    searches: Iterable[LoggedSearch], clicks: Sequence[LoggedClick], now: datetime
) -> Analysis:
    """Work out what a log says.

    Args:
        searches: In any order.
        clicks: Of these searches.
        now: The time: what was asked last may still be refined.
    """
    by_user: dict[str | None, list[LoggedSearch]] = defaultdict(list)
    for one in sorted(searches, key=lambda one: (one.at, one.search_id)):
        by_user[one.user_id].append(one)
    clicked = {one.search_id for one in clicks}
    questions: list[LoggedSearch] = []
    abandoned: list[LoggedSearch] = []
    for asked in by_user.values():
        for one, after in zip(asked, [*asked[1:], None], strict=True):
            if one.page > 1 or _is_unfinished(one, after):
                continue
            questions.append(one)
            is_followed = after is not None and after.at - one.at <= REFINED_WITHIN
            is_open = after is None and now - one.at <= REFINED_WITHIN
            if one.found and one.search_id not in clicked:
                abandoned += [] if is_followed or is_open else [one]
    positions = [one.position for one in clicks]
    counted = Counter(positions)
    return Analysis(
        searches=len(questions),
        with_clicks=sum(one.search_id in clicked for one in questions),
        abandoned=len(abandoned),
        popular=_most(one.words for one in questions),
        zero_results=_most(
            one.words for one in questions if not one.found and not one.is_degraded
        ),
        abandoned_words=_most(one.words for one in abandoned),
        filters=_most(
            name
            for one in questions
            for name in {told.partition("=")[0] for told in one.filters}
        ),
        positions=tuple(counted[n] for n in range(1, _FIRST_POSITIONS + 1)),
        median_position=median(positions) if positions else None,
        median_ms=median(one.took_ms for one in questions) if questions else None,
        degraded=sum(one.is_degraded for one in questions),
    )


def _is_unfinished(one: LoggedSearch, after: LoggedSearch | None) -> bool:
    """Whether its words were only typed on: the next search has them and more."""
    return (
        after is not None
        and after.at - one.at <= TYPED_WITHIN
        and after.words != one.words
        and after.words.startswith(one.words)
    )


def _most(words: Iterable[str]) -> tuple[Asked, ...]:
    counted = Counter(one for one in words if one)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Asked(*one) for one in ranked[:_MOST])
