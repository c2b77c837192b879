"""What every call of ``/api/…`` passes: who calls, how often, and what he changed.

Pure ASGI, like the others of ``api.middleware``. Whether somebody may do something is
for the endpoints to say: the gate only finds out who it is.
"""

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.audit import AuditTrail
from api.callers import keep_caller, noted_user
from api.limits import Allowance, Limiter
from api.responses import ProblemResponse, problem, request_id
from catalog.callers import Caller
from catalog.clock import Clock
from catalog.config import Settings
from catalog.errors import CatalogError, InvalidRequestError, UnauthenticatedError
from catalog.graph import Catalog
from catalog.models.audit import AuditEntry
from catalog.services.authentication import Authenticator

REQUESTS_PER_MINUTE = 6000
"""Of one caller where tokens are required and nothing else is set."""

_GUARDED = "/api/"
_WITH_OWN_RIGHT = ("/api/files/", "/api/webhooks/")
"""A signature is the right there; pages load dozens of files at a time."""

_VARIES = (b"vary", b"authorization")
"""A browser that keeps an answer must not show it to who uses another token."""

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FIRST_REFUSAL = 400
_PATH_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Gate:
    """What the middleware stands on; made once for an application."""

    authenticator: Authenticator
    limiter: Limiter | None
    trail: AuditTrail
    clock: Clock
    needs_token: bool
    limits_admin: bool
    audit_days: int


def make_gate(catalog: Catalog) -> Gate:
    """Build the gate of a catalog; connects to nothing."""
    settings = catalog.settings
    admin = settings.admin_token
    authenticator = Authenticator(
        catalog.api_keys,
        catalog.web_tokens,
        catalog.clock,
        admin.get_secret_value() if admin else None,
    )
    per_minute = _requests_per_minute(settings)
    limiter = Limiter(per_minute, settings.requests_at_once, catalog.clock)
    return Gate(
        authenticator,
        limiter if per_minute else None,
        AuditTrail(catalog.audit),
        catalog.clock,
        needs_token=settings.auth == "token",
        limits_admin=settings.requests_per_minute is not None,
        audit_days=settings.audit_days,
    )


def _requests_per_minute(settings: Settings) -> int:
    if settings.requests_per_minute is not None:
        return settings.requests_per_minute
    return REQUESTS_PER_MINUTE if settings.auth == "token" else 0


class GateMiddleware:
    """Stands right inside of ``RequestMiddleware``."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        """Wrap ``app``."""
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope.get("path", "")
        if (
            scope["type"] != "http"
            or not path.startswith(_GUARDED)
            or path.startswith(_WITH_OWN_RIGHT)
        ):
            await self._app(scope, receive, send)
            return
        found = await self._caller(scope)
        keep_caller(scope, found)
        allowance = self._allowance(scope, found)
        if allowance is not None and not allowance.is_granted:
            await _refuse(allowance, scope, receive, send)
            return
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), _VARIES]
                if allowance is not None:
                    headers += allowance.headers()
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            if scope["method"] in _WRITES and 0 < status < _FIRST_REFUSAL:
                self._note(scope, status, found)

    async def _caller(self, scope: Scope) -> Caller | CatalogError | None:
        """Find out who calls, or why that can't be told."""
        authenticator = self._gate.authenticator
        try:
            token = _bearer_token(scope)
            if token is None:
                if self._gate.needs_token:
                    message = "Send `Authorization: Bearer <token>`."
                    return UnauthenticatedError(message)
                return None
            return authenticator.known(token) or await run_in_threadpool(
                authenticator.identify, token
            )
        except CatalogError as error:
            return error

    def _allowance(
        self, scope: Scope, found: Caller | CatalogError | None
    ) -> Allowance | None:
        gate = self._gate
        if gate.limiter is None:
            return None
        if isinstance(found, Caller):
            if found.means == "admin":
                return gate.limiter.take("admin") if gate.limits_admin else None
            return gate.limiter.take(f"user:{found.user_id}")
        # Whoever has no good token is known by his address alone.
        client = scope.get("client")
        return gate.limiter.take(f"address:{client[0] if client else ''}")

    def _note(
        self, scope: Scope, status: int, found: Caller | CatalogError | None
    ) -> None:
        gate = self._gate
        if not gate.audit_days:
            return
        caller = found if isinstance(found, Caller) else None
        now = gate.clock.now()
        targets: dict[str, Any] = scope.get("path_params") or {}
        raw_path: bytes = scope.get("raw_path") or b""
        entry = AuditEntry(
            entry_id=token_hex(12),
            at=now,
            expires_at=now + timedelta(days=gate.audit_days),
            user=noted_user(scope),
            through=caller.means if caller else "open",
            key_id=caller.key_id if caller else None,
            method=scope["method"],
            route=getattr(scope.get("route"), "path", ""),
            path=raw_path.decode("ascii", "backslashreplace")[:_PATH_LENGTH],
            target=next((str(one)[:_PATH_LENGTH] for one in targets.values()), None),
            status=status,
            request_id=request_id(scope),
        )
        gate.trail.note(entry)


def _bearer_token(scope: Scope) -> str | None:
    """Take the token out of the headers.

    Raises:
        InvalidRequestError: There are several headers: which one counts is nobody's
            guess.
        UnauthenticatedError: It is no bearer token.
    """
    given: list[bytes] = [
        value for name, value in scope["headers"] if name == b"authorization"
    ]
    if not given:
        return None
    if len(given) > 1:
        raise InvalidRequestError("Authorization", "Send this header once.")
    scheme, _, token = given[0].decode("latin-1").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise UnauthenticatedError("Send `Authorization: Bearer <token>`, or none.")
    return token


async def _refuse(
    allowance: Allowance, scope: Scope, receive: Receive, send: Send
) -> None:
    seconds = allowance.retry_seconds
    detail = f"These were too many calls; try again in {seconds} s."
    headers = {name.decode(): value.decode() for name, value in allowance.headers()}
    headers["Retry-After"] = str(seconds)
    facts = problem(scope, 429, "too_many_requests", detail)
    await ProblemResponse(facts, headers)(scope, receive, send)
