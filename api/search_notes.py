"""Notes what was searched for, for search analytics."""

from api.asset_services import AssetServices
from catalog.search.base import SearchAnswer, SearchQuery
from catalog.services.search import Answered


def note(
    services: AssetServices,
    query: SearchQuery,
    answered: Answered[SearchAnswer],
    took_ms: float,
) -> str:
    """Note a search that was answered; returns its id, by which clicks are told."""
    return services.searches.note(
        query,
        found=answered.answer.found,
        took_ms=took_ms,
        is_degraded=answered.is_degraded,
    )
