"""What happens around every request: id, limits, log line, metrics, headers.

Pure ASGI: Starlette's ``BaseHTTPMiddleware`` costs a task and a queue per request.
"""

import logging
import re
from secrets import token_hex
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import ApiMetrics
from api.responses import ProblemResponse, problem

LOG = logging.getLogger("api.access")

MAX_ADDRESS_BYTES = 8192
"""Path and query together; more answers 414."""

MAX_BODY_BYTES = 1024 * 1024
"""Bodies are JSON; more answers 413 (``CATALOG_BODY_BYTES`` says otherwise)."""

_INBOUND_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}\Z")
_QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})
_UNMATCHED = "(none)"

_SECRET = re.compile(rb"^(/api/shared/)[^/]+")
"""The token of a share link is a right: no log has it."""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
"""Set where the endpoint did not choose its own."""

_DATA = (b"application/json", b"application/problem+json")
_OF_DATA = (b"cross-origin-resource-policy", b"same-origin")
"""Other sites' pages may show pictures that we link, and load no data as a script."""

_OF_TLS = (b"strict-transport-security", b"max-age=31536000")


class RequestMiddleware:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: ApiMetrics,
        body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """Wrap ``app``; bodies have ``body_bytes`` at most."""
        self._app = app
        self._metrics = metrics
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request = _Request(scope, receive, send, self._body_bytes)
        try:
            refusal = _refusal(scope, self._body_bytes)
            if refusal is None:
                await self._app(scope, request.receive, request.send)
            else:
                await refusal(scope, receive, request.send)
        except Exception:
            # The last resort: whatever nobody caught becomes a problem, and is logged.
            LOG.exception("request crashed", extra={"request_id": request.id})
            if request.status == 0:
                detail = (
                    "Something went wrong here; the request id finds it in the log."
                )
                answer = problem(scope, 500, "internal_error", detail)
                await ProblemResponse(answer)(scope, receive, request.send)
            else:
                raise  # half an answer is out: the server must cut the connection
        finally:
            self._tell(scope, request, perf_counter() - started)

    def _tell(self, scope: Scope, request: "_Request", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or _UNMATCHED
        status = request.status or 499  # the caller left before an answer
        self._metrics.count(
            scope["method"], route, status, None if request.is_stream else seconds
        )
        level = logging.DEBUG if scope["path"] in _QUIET else logging.INFO
        if LOG.isEnabledFor(level):
            # the raw path: percent-encoded, so that no caller writes log lines
            raw_path = _SECRET.sub(rb"\1...", scope.get("raw_path") or b"")
            LOG.log(
                level,
                "%s %s %d",
                scope["method"],
                raw_path.decode("ascii", "backslashreplace"),
                status,
                extra={"ms": round(seconds * 1000, 1), "request_id": request.id},
            )


class _Request:
    """One request on its way: wraps what goes in and out."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, max_bytes: int
    ) -> None:
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self._is_secure = scope.get("scheme") == "https"
        self._body_bytes = 0
        self.id = _request_id(scope)
        self.status = 0
        self.is_stream = False
        self._state: dict[str, Any] = scope.setdefault("state", {})
        self._state["request_id"] = self.id

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._body_bytes += len(message.get("body", b""))
            if self._body_bytes > self._max_bytes:
                raise HTTPException(413, _too_large(self._max_bytes))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            present = {name.lower(): value for name, value in headers}
            kind = present.get(b"content-type", b"")
            self.is_stream = kind.startswith(b"text/event-stream")
            headers.append((b"x-request-id", self.id.encode()))
            reached = self._state.get("index_reached")
            if reached is not None:
                headers.append((b"x-index-reached", b"true" if reached else b"false"))
            headers.extend(pair for pair in _HEADERS if pair[0] not in present)
            if kind.startswith(_DATA):
                headers.append(_OF_DATA)
            if self._is_secure:
                headers.append(_OF_TLS)
            message["headers"] = headers
        await self._send(message)


def _too_large(max_bytes: int) -> str:
    return f"The body is larger than {max_bytes} bytes."


def _refusal(scope: Scope, max_bytes: int) -> ProblemResponse | None:
    """Refuse what no endpoint should have to look at."""
    path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    query: bytes = scope.get("query_string", b"")
    if len(path) + len(query) > MAX_ADDRESS_BYTES:
        detail = f"Path and query are longer than {MAX_ADDRESS_BYTES} bytes."
        return ProblemResponse(problem(scope, 414, "address_too_long", detail))
    if b"%00" in path or b"%00" in query or b"\0" in query or "\0" in scope["path"]:
        detail = "The address contains a NUL byte (%00); leave it out."
        return ProblemResponse(problem(scope, 400, "invalid_request", detail))
    length = next((v for k, v in scope["headers"] if k == b"content-length"), b"")
    if length.isdigit() and int(length) > max_bytes:
        facts = problem(scope, 413, "body_too_large", _too_large(max_bytes))
        return ProblemResponse(facts, {"Connection": "close"})
    return None


def _request_id(scope: Scope) -> str:
    """Keep the caller's id if it is a sane one, else make one."""
    given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
    return given.decode() if _INBOUND_ID.match(given) else token_hex(12)
