"""``/api/search/clicks`` and ``/api/search/analytics``."""

from fastapi import APIRouter
from starlette.responses import Response

from api.asset_services import ServicesDep
from api.bodies import BodyDep, json_object, validated
from api.dependencies import AskerDep, SinceParam, UntilParam, WriterDep
from api.freshness import FRESH
from api.responses import JsonResponse
from api.schemas.analytics import (
    SearchAnalytics,
    SearchClickBody,
    SearchSettings,
    SearchSettingsBody,
)
from api.schemas.problems import problems
from api.schemas.submissions import documented
from api.usage_presenters import search_analysis
from api.writers import named_asker

router = APIRouter(prefix="/api/search", tags=["search"])

_WRITING = problems(400, 401, 413, 415, 503)


@router.post(
    "/clicks",
    summary="Tell what was opened out of a search",
    status_code=204,
    response_class=Response,
    responses=problems(400, 401, 404, 413, 415, 503),
    openapi_extra=documented(SearchClickBody),
)
def click(services: ServicesDep, writer: WriterDep, body: BodyDep) -> Response:
    """Notes a click for the caller's own search analytics; the same counts once.

    A `searchId` of somebody else's is noted, and never counted.
    """
    data = json_object(body)
    asker = named_asker(writer, data, body)
    told = validated(SearchClickBody, data)
    services.searches.click(asker, told.search_id, told.asset_id, told.position)
    return Response(status_code=204)


@router.get(
    "/analytics",
    summary="See what is searched for, and not found",
    response_model=SearchAnalytics,
    responses=problems(400, 401, 503),
    dependencies=[FRESH],
)
def analytics(
    asker: AskerDep,
    services: ServicesDep,
    since: SinceParam = None,
    until: UntilParam = None,
) -> JsonResponse:
    """Popular, zero-result and abandoned searches, and at which position is clicked.

    Of the caller's own searches; of everybody's for the admin and the machine's owner.
    The last 30 days by default.
    """
    found = services.searches.analysis(asker, since, until)
    return JsonResponse(search_analysis(*found))


@router.get(
    "/analytics/settings",
    summary="See whether your searches are logged",
    response_model=SearchSettings,
    responses=problems(400, 401, 503),
    dependencies=[FRESH],
)
def read_settings(asker: AskerDep, services: ServicesDep) -> JsonResponse:
    """What the caller wants, and what the catalog does."""
    return _settings(services, is_wanted=services.searches.is_wanted(asker))


@router.put(
    "/analytics/settings",
    summary="Say whether your searches may be logged",
    response_model=SearchSettings,
    responses=_WRITING,
    openapi_extra=documented(SearchSettingsBody),
)
def change_settings(
    services: ServicesDep, writer: WriterDep, body: BodyDep
) -> JsonResponse:
    """With `enabled: false` what was logged of the caller is removed, too."""
    data = json_object(body)
    asker = named_asker(writer, data, body)
    told = validated(SearchSettingsBody, data)
    services.searches.want(asker, is_wanted=told.enabled)
    return _settings(services, is_wanted=told.enabled)


def _settings(services: ServicesDep, *, is_wanted: bool) -> JsonResponse:
    searches = services.searches
    facts = {
        "enabled": is_wanted,
        "active": is_wanted and searches.is_on,
        "keptDays": searches.kept_days,
    }
    return JsonResponse(facts)
