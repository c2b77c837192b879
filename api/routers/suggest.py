"""``/api/suggest``: completion while typing."""

from typing import Annotated

from fastapi import APIRouter, Query

from api import presenters
from api.asset_services import ServicesDep
from api.freshness import FreshDep
from api.queries import SuggestQueryDep
from api.responses import JsonResponse
from api.schemas.problems import problems
from api.schemas.search import SuggestionPage
from catalog.services.suggestions import MAX_SUGGESTIONS

router = APIRouter(tags=["search"])


@router.get(
    "/api/suggest",
    summary="Complete names and tags",
    response_model=SuggestionPage,
    responses=problems(400, 401, 503),
)
async def suggest(
    query: SuggestQueryDep,
    fresh: FreshDep,
    services: ServicesDep,
    limit: Annotated[
        int, Query(ge=1, le=MAX_SUGGESTIONS, description="Most of each kind.")
    ] = 8,
) -> JsonResponse:
    """Names, tags, speakers and models that fit what was typed so far."""
    answered = await services.suggestions.suggest(query, limit=limit)
    return JsonResponse(
        presenters.suggestions(answered.answer)
        | presenters.standing(answered, reached=fresh)
    )
