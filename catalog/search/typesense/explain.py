"""``SearchReader.explain`` over Typesense: one request for nearly everything."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from catalog.models.ids import DocumentId
from catalog.search.base import Explanation, SearchQuery
from catalog.search.explain import (
    PAGE,
    Inquiry,
    is_before,
    plan_explanation,
    reachable_pages,
)
from catalog.search.query import Search
from catalog.search.typesense.answers import Answer

Ask = Callable[[Sequence[Search]], Awaitable[Sequence[Answer]]]
"""Sends searches as one request; one answer each, errors raised."""

_SCANNED_AT_ONCE = 8
"""Pages of one request where the order does not lead to the asset."""


async def explain(
    ask: Ask,
    query: SearchQuery,
    document_id: DocumentId,
    prefix: str,
    *,
    cutoff_ms: int,
) -> Explanation:
    """See ``SearchReader.explain``.

    Args:
        ask: The engine.
        query: The question.
        document_id: Of the asset.
        prefix: Of the aliases.
        cutoff_ms: When the engine answers with what it has.
    """
    inquiry = plan_explanation(query, document_id, prefix, cutoff_ms=cutoff_ms)
    itself, answer, alone, *rest = await ask(inquiry.searches)
    found = 0 if inquiry.is_nothing else answer["found"]
    if not itself["found"]:
        return Explanation(is_indexed=False, found=found)
    is_true = iter([bool(one["found"]) for one in rest])
    failed = tuple(name for name in inquiry.filters if not next(is_true))
    terms = {term: next(is_true) for term in inquiry.terms}
    exclusions = {term: next(is_true) for term in inquiry.exclusions}
    rank, is_match = None, False
    if not failed and not inquiry.is_nothing and alone["found"]:
        place = _Place(ask, inquiry, document_id, alone["hits"][0], found)
        is_match, rank = await place.find(answer)
    return Explanation(
        is_indexed=True,
        is_minimal="index_error" in itself["hits"][0]["document"],
        failed_filters=failed,
        matched_words=tuple(term for term, is_there in terms.items() if is_there),
        unmatched_words=(query.words.strip(),)
        if inquiry.is_nothing
        else tuple(term for term, is_there in terms.items() if not is_there),
        excluded_by=tuple(term for term, is_there in exclusions.items() if is_there),
        rank=rank,
        found=found,
        is_match=is_match,
    )


class _Place:
    """Looks for one document in a search's whole answer."""

    def __init__(
        self,
        ask: Ask,
        inquiry: Inquiry,
        document_id: DocumentId,
        mine: Mapping[str, Any],
        found: int,
    ) -> None:
        self._ask = ask
        self._inquiry = inquiry
        self._id = document_id
        self._mine = mine
        self._found = found

    async def find(self, first: Answer) -> tuple[bool, int | None]:
        """Tell whether the answer has it, and its rank if it can be paged to."""
        rank = self._rank_on(1, first)
        if rank is not None:
            return True, rank
        if self._found <= PAGE:
            return False, None
        if self._inquiry.has_words:
            # The answer without it is one shorter, or it is not in it.
            (others,) = await self._ask([self._inquiry.without(self._id)])
            if others["found"] >= self._found:
                return False, None
        return True, await self._search(2, reachable_pages(self._found))

    async def _search(self, low: int, high: int) -> int | None:
        """Halve the pages by their order; ties and oddities are looked through."""
        first, last = low, high
        middle = low
        while low <= high:
            middle = (low + high) // 2
            (page,) = await self._ask([self._inquiry.page(middle)])
            rank = self._rank_on(middle, page)
            if rank is not None:
                return rank
            hits = page["hits"]
            if not hits or is_before(self._mine, hits[0], self._inquiry.answer):
                high = middle - 1
            elif is_before(hits[-1], self._mine, self._inquiry.answer):
                low = middle + 1
            else:
                break
        # Equals lie in the order of their arrival, which is not to be had: look.
        # Nearest first; an asset beyond all pages sorts after the last of them.
        nearest = sorted(range(first, last + 1), key=lambda page: abs(page - middle))
        if low > last:
            return None
        return await self._look_through(nearest)

    async def _look_through(self, pages: Sequence[int]) -> int | None:
        for start in range(0, len(pages), _SCANNED_AT_ONCE):
            batch = pages[start : start + _SCANNED_AT_ONCE]
            answers = await self._ask([self._inquiry.page(number) for number in batch])
            for number, answer in zip(batch, answers, strict=True):
                rank = self._rank_on(number, answer)
                if rank is not None:
                    return rank
        return None

    def _rank_on(self, page: int, answer: Answer) -> int | None:
        for position, hit in enumerate(answer["hits"], 1):
            if hit["document"]["id"] == self._id:
                return (page - 1) * PAGE + position
        return None
