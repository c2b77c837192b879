"""Who calls, for whoever serves the request; the gate finds it out."""

from contextvars import ContextVar
from secrets import token_hex
from typing import Any, Final

from fastapi import Request
from starlette.types import Scope

from catalog.callers import Caller
from catalog.errors import CatalogError, UnauthenticatedError
from catalog.models.ids import UserId

NOBODY: Final = UserId(f"nobody-{token_hex(16)}")
"""Who asks in a foreign user's name: a user who owns nothing, whom nobody can name."""

_CALLER, _USER = "caller", "user"

_request_state: ContextVar[dict[str, Any] | None] = ContextVar("state", default=None)
"""Of the request that is being served, also in its endpoint's thread."""


def keep_caller(scope: Scope, found: Caller | CatalogError | None) -> None:
    """Remember who calls, or why that can't be told; ``None`` where nobody says."""
    state = scope.setdefault("state", {})
    state[_CALLER] = found
    _request_state.set(state)


def caller_of(request: Request) -> Caller | None:
    """Tell who calls; ``None`` without a token, where none is needed.

    Raises:
        UnauthenticatedError: The token is not good, or none came where one must.
        InvalidRequestError: The header can't be read.
        DependencyUnavailableError: Who would know did not answer; retryable.
    """
    try:
        found: Caller | CatalogError | None = request.scope["state"][_CALLER]
    except KeyError as exc:  # no gate stood before this address: let nobody in
        raise UnauthenticatedError("Nobody looked who calls.") from exc
    if isinstance(found, CatalogError):
        raise found
    return found


def note_user(user_id: str | None) -> None:
    """Remember in whose name it is asked, for the audit log."""
    state = _request_state.get()
    if state is not None:
        state[_USER] = user_id


def noted_user(scope: Scope) -> str | None:
    """Tell in whose name it was asked."""
    found: str | None = scope.get("state", {}).get(_USER)
    return found
