"""The freshness contract on the wire: ``waitFor`` on reads, a token after writes."""

import logging
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dependencies import AskerDep
from catalog.errors import CatalogError
from catalog.services.freshness import MAX_WAIT_SECONDS, FreshnessService

LOG = logging.getLogger(__name__)

TOKEN_HEADER = "X-Catalog-Token"  # noqa: S105  (a header's name)
REACHED_HEADER = "X-Index-Reached"

DEFAULT_WAIT_MS = 2000
_MAX_WAIT_MS = int(MAX_WAIT_SECONDS * 1000)
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FIRST_REFUSAL = 400

WaitForParam = Annotated[
    str | None,
    Query(
        alias="waitFor",
        max_length=200,
        description="An `X-Catalog-Token`: wait until the index has what was written "
        "before it. The header `X-Index-Reached` tells whether it has.",
    ),
]
WaitMsParam = Annotated[
    int,
    Query(
        alias="waitMs",
        ge=0,
        le=_MAX_WAIT_MS,
        description="How long to wait for `waitFor` at most, 0 to 10,000 "
        "milliseconds; then the answer comes as the index has it.",
    ),
]


async def wait_for_index(
    request: Request, wait_for: str | None, wait_ms: int
) -> bool | None:
    """Hold a request until the index has reached its token, if it brought one.

    Args:
        request: The request.
        wait_for: Its token.
        wait_ms: How long at most, in milliseconds.

    Returns:
        Whether the index has; ``None`` without a token. ``index_reached`` tells the
        same later on, and the middleware writes it into the header.

    Raises:
        InvalidRequestError: The token is not one of this catalog.
    """
    if wait_for is None:
        return None
    freshness: FreshnessService = request.app.state.freshness
    reached = await freshness.wait(wait_for, wait_ms / 1000)
    request.scope.setdefault("state", {})["index_reached"] = reached
    return reached


async def wait_as_asked(
    request: Request,
    _asker: AskerDep,  # first of all: strangers don't get to wait
    wait_for: WaitForParam = None,
    wait_ms: WaitMsParam = DEFAULT_WAIT_MS,
) -> bool | None:
    """Read ``waitFor`` and ``waitMs``, and wait before the endpoint looks."""
    return await wait_for_index(request, wait_for, wait_ms)


FreshDep = Annotated[bool | None, Depends(wait_as_asked)]
"""For an endpoint that tells ``reached`` in its answer; see also ``index_reached``."""

FRESH = Depends(wait_as_asked)
"""For ``dependencies`` of a router, all of whose reads can be waited for."""


def index_reached(request: Request) -> bool | None:
    """Tell what ``wait_for_index`` found; ``None`` where nothing was waited for."""
    found: bool | None = request.scope.get("state", {}).get("index_reached")
    return found


class TokenMiddleware:
    """Puts a token on the answer of every write, whatever endpoint did it.

    It is made when the answer starts: after the write, so that it covers it.
    """

    def __init__(self, app: ASGIApp, freshness: FreshnessService) -> None:
        """Wrap ``app``."""
        self._app = app
        self._freshness = freshness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (
            scope["type"] != "http"
            or scope["method"] not in _WRITES
            or not scope["path"].startswith("/api/")
        ):
            await self._app(scope, receive, send)
            return

        async def send_with_token(message: Message) -> None:
            is_start = message["type"] == "http.response.start"
            # What was refused has written nothing.
            if is_start and message["status"] < _FIRST_REFUSAL:
                headers = list(message.get("headers", ()))
                message["headers"] = headers + await self._token_header()
            await send(message)

        await self._app(scope, receive, send_with_token)

    async def _token_header(self) -> list[tuple[bytes, bytes]]:
        try:
            token = await self._freshness.issue()
        except CatalogError as error:  # the write is done: it must not look failed
            LOG.warning("a write goes without a token", extra={"cause": str(error)})
            return []
        return [(TOKEN_HEADER.lower().encode(), token.encode())]
