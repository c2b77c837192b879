"""The admin's right, and what the endpoints under ``/api/admin`` share."""

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Header, Request

from api import admin_presenters
from api.dependencies import AskerDep, CatalogDep
from api.responses import JsonResponse
from catalog.access import Asker
from catalog.errors import ForbiddenError
from catalog.repositories.index_state import IndexRequest, RequestState
from catalog.services.administration import Administration

_OWN_PAGE = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of our own page, and of an address that a person typed."""


async def get_admin(request: Request, asker: AskerDep, catalog: CatalogDep) -> Asker:
    """Let the admin pass: by the token, or as the owner of the one machine.

    The machine's owner needs no token where nobody else can reach us: on loopback,
    and not from another site's page in the owner's browser.

    Raises:
        UnauthenticatedError: The token is not the admin's.
        ForbiddenError: Somebody else.
    """
    if not asker.sees_everything:
        message = "Only the admin may do this; send `Authorization: Bearer <token>`."
        raise ForbiddenError(message)
    if "authorization" in request.headers:
        return asker
    if catalog.settings.allow_remote:
        message = (
            "Other machines can reach this API, so only the admin's token tells who "
            "the admin is; send `Authorization: Bearer <token>`."
        )
        raise ForbiddenError(message)
    if _is_foreign_page(request):
        message = "Another site's page asks for this; send the admin's token."
        raise ForbiddenError(message)
    return asker


def _is_foreign_page(request: Request) -> bool:
    """Tell whether a browser asks on behalf of a page that is not ours."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in _OWN_PAGE
    origin = request.headers.get("origin")
    return origin is not None and (
        urlsplit(origin).netloc != request.headers.get("host")
    )


AdminDep = Annotated[Asker, Depends(get_admin)]
"""The admin; anybody else is refused."""

ADMIN = Depends(get_admin)
"""For ``dependencies`` of a router, so that no endpoint of it can forget."""


async def get_administration(catalog: CatalogDep) -> Administration:
    """Make the service for one request; it holds nothing but repositories."""
    return Administration(
        requests=catalog.index_requests,
        generations=catalog.generations,
        statuses=catalog.index_status,
        letters=catalog.dead_letters,
        sweeps=catalog.sweeps,
        reconciles=catalog.reconciles,
        clock=catalog.clock,
    )


AdministrationDep = Annotated[Administration, Depends(get_administration)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Your name for this call: repeated with the same, it is answered "
        "by the same request and asks for nothing anew.",
    ),
]

_FINISHED = frozenset({RequestState.DONE, RequestState.FAILED})


def accepted(request: IndexRequest) -> JsonResponse:
    """Answer with a request: 202 and where to look while it is open, else 200."""
    address = f"/api/admin/requests/{quote(request.request_id, safe='')}"
    return JsonResponse(
        admin_presenters.request(request),
        200 if request.state in _FINISHED else 202,
        headers={"Location": address},
    )
