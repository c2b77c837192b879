"""``/api/admin/audit``: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.admin import ADMIN
from api.dependencies import (
    CatalogDep,
    LimitParam,
    PageTokenParam,
    SinceParam,
    UntilParam,
)
from api.responses import JsonResponse
from api.schemas.audit import AuditLog
from api.schemas.problems import admin_problems
from catalog.models.audit import AuditEntry, AuditQuery
from catalog.search.view import iso_time

router = APIRouter(prefix="/api/admin/audit", tags=["admin"], dependencies=[ADMIN])


@router.get(
    "",
    summary="Read the audit log",
    response_model=AuditLog,
    responses=admin_problems(),
)
def read_audit_log(
    catalog: CatalogDep,
    user: Annotated[
        str | None,
        Query(min_length=1, max_length=512, description="Writes in this user's name."),
    ] = None,
    target: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=1024,
            description="Writes whose address names this asset, job or collection.",
        ),
    ] = None,
    since: SinceParam = None,
    until: UntilParam = None,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """Writes through the API that succeeded, the newest first.

    An entry is there a moment after the answer; it is kept for `CATALOG_AUDIT_DAYS`.
    """
    query = AuditQuery(user, target, since, until)
    page = catalog.audit.page(query, limit, page_token or None)
    return JsonResponse(
        {
            "entries": [_presented(entry) for entry in page.items],
            "total": page.total,
            "nextPageToken": page.next_token,
        }
    )


def _presented(entry: AuditEntry) -> dict[str, object]:
    return {
        "entryId": entry.entry_id,
        "at": iso_time(entry.at),
        "user": entry.user,
        "through": entry.through,
        "keyId": entry.key_id,
        "method": entry.method,
        "route": entry.route,
        "path": entry.path,
        "target": entry.target,
        "status": entry.status,
        "requestId": entry.request_id,
    }
