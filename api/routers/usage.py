"""``/api/usage``: what an owner's assets amount to, and which are not used."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.asset_services import ServicesDep
from api.dependencies import (
    AskerDep,
    LimitParam,
    PageTokenParam,
    SinceParam,
    UntilParam,
)
from api.freshness import FRESH
from api.responses import JsonResponse
from api.schemas.problems import problems
from api.schemas.usage import UnusedPage, Usage
from api.usage_presenters import moment, usage_report

router = APIRouter(prefix="/api/usage", tags=["usage"], dependencies=[FRESH])


@router.get(
    "",
    summary="See what your assets amount to and how they are used",
    response_model=Usage,
    responses=problems(400, 401, 403, 503),
)
def usage(
    asker: AskerDep,
    services: ServicesDep,
    since: SinceParam = None,
    until: UntilParam = None,
) -> JsonResponse:
    """Counts, bytes and cost by type, growth, the most used, duplicates.

    Of the caller's own assets; of everybody's for the admin and the machine's owner.
    `from` and `to` choose the days of `growth` and `daily`, at most 400; the last 30 by
    default.
    """
    report = services.owners.report(asker, since, until)
    return JsonResponse(usage_report(asker.user_id, report, services.owners.cost))


@router.get(
    "/never-used",
    summary="List assets that nobody uses",
    response_model=UnusedPage,
    responses=problems(400, 401, 403, 503),
)
def never_used(
    asker: AskerDep,
    services: ServicesDep,
    days: Annotated[
        int, Query(ge=1, le=3650, description="Not used for so many days.")
    ] = 90,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """The caller's assets that are older than `days` and were not used since.

    Use is a download, a view by a browser, or something that was made with it.
    """
    page, total, as_of = services.owners.unused(
        asker, days, limit=limit, page_token=page_token
    )
    assets: list[dict[str, Any]] = [
        {
            "assetId": one.asset_id,
            "type": one.type,
            "name": one.name,
            "sizeBytes": one.size_bytes,
            "cost": services.owners.cost(one.size_bytes),
            "createdAt": moment(one.created_at),
            "lastUsed": moment(one.last_at),
        }
        for one in page.items
    ]
    facts = {
        "assets": assets,
        "total": total,
        "asOf": moment(as_of),
        "nextPageToken": page.next_token,
    }
    return JsonResponse(facts)
