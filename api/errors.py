"""The one table from error class to HTTP status, and how errors are told."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.responses import ProblemResponse, problem, request_id
from catalog.errors import (
    AlreadyExistsError,
    CatalogError,
    ConflictError,
    DependencyError,
    DependencyRejectedError,
    DependencyUnavailableError,
    FencedError,
    FileMissingError,
    ForbiddenError,
    HistoryLostError,
    IdempotencyConflictError,
    InvalidLinkError,
    InvalidObjectKeyError,
    InvalidQueryError,
    InvalidRequestError,
    InvalidTagError,
    MalformedRecordError,
    NotFoundError,
    PasswordRequiredError,
    PreconditionFailedError,
    QuotaExceededError,
    StackError,
    TooManyAttemptsError,
    UnauthenticatedError,
    WrongPasswordError,
)

LOG = logging.getLogger(__name__)

STATUS: dict[type[CatalogError], int] = {
    CatalogError: 500,
    NotFoundError: 404,
    FileMissingError: 404,
    ConflictError: 409,
    PreconditionFailedError: 412,
    AlreadyExistsError: 409,
    FencedError: 409,
    IdempotencyConflictError: 409,
    QuotaExceededError: 429,
    TooManyAttemptsError: 429,
    UnauthenticatedError: 401,
    PasswordRequiredError: 401,
    WrongPasswordError: 401,
    ForbiddenError: 403,
    InvalidRequestError: 400,
    InvalidQueryError: 400,
    InvalidTagError: 400,
    InvalidObjectKeyError: 400,
    InvalidLinkError: 403,
    MalformedRecordError: 500,
    DependencyError: 502,
    DependencyUnavailableError: 503,
    DependencyRejectedError: 500,
    HistoryLostError: 503,
    StackError: 500,
}
"""Every class of ``catalog.errors``; a test fails when one is missing."""

_NAMES = {
    "mongodb": "MongoDB",
    "typesense": "Typesense",
    "storage": "The storage",
    "fal": "fal",
    "issuer": "The issuer of web tokens",
}

_HTTP_CODES = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    414: "address_too_long",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
}

_INTERNAL = "Something went wrong here; the request id finds it in the log."


def status_of(error: CatalogError) -> int:
    """Find the status of the nearest class that the table names."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(CatalogError, _on_catalog_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_catalog_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, CatalogError)  # noqa: S101  (registered for it)
    status = status_of(error)
    headers: dict[str, str] = {}
    if status >= 500:  # noqa: PLR2004  (server errors: the cause is for the log)
        _log(request, error, status)
    if status == 503:  # noqa: PLR2004
        headers["Retry-After"] = "1"
    if isinstance(error, TooManyAttemptsError):
        headers["Retry-After"] = str(error.seconds)
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = _challenge(request)
    field = error.field if isinstance(error, InvalidRequestError) else None
    facts = problem(
        request.scope, status, error.code, _detail(error, status), field=field
    )
    return ProblemResponse(facts, headers)


def _challenge(request: Request) -> str:
    """Ask for a token (RFC 6750, section 3); say so if the one that came is no good."""
    fault = ', error="invalid_token"' if "authorization" in request.headers else ""
    return f'Bearer realm="asset-catalog"{fault}'


def _detail(error: CatalogError, status: int) -> str:
    """Say what the caller may know: never what a server of ours answered."""
    if isinstance(error, DependencyError):
        name = _NAMES.get(error.dependency, error.dependency)
        if error.retryable or isinstance(error, HistoryLostError):
            return f"{name} is not available right now; try again shortly."
        return f"{name} did not accept what was asked; {_INTERNAL}"
    return _INTERNAL if status >= 500 else str(error)  # noqa: PLR2004


def _log(request: Request, error: CatalogError, status: int) -> None:
    LOG.error(
        "request failed",
        extra={
            "request_id": request_id(request.scope),
            "status": status,
            "code": error.code,
            "cause": str(error),
        },
        exc_info=None if error.retryable else error,
    )


async def _on_validation_error(request: Request, error: Exception) -> ProblemResponse:
    """Parameters answer 400, an unusable body 422; the first fault is told."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered)
    faults = error.errors()
    first: dict[str, Any] = dict(faults[0]) if faults else {"loc": (), "msg": "invalid"}
    where = [str(part) for part in first["loc"]]
    is_body = where[:1] == ["body"]
    field = ".".join(where[1:]) or ("body" if is_body else "request")
    detail = f"{field}: {_sentence(str(first['msg']))}"
    if len(faults) > 1:
        others = {".".join(str(p) for p in fault["loc"][1:]) for fault in faults[1:]}
        detail += f" Also at fault: {', '.join(sorted(others))}."
    status, code = (422, "invalid_body") if is_body else (400, "invalid_query")
    if first.get("type") == "json_invalid":
        status, code, field = 400, "invalid_json", "body"
    return ProblemResponse(problem(request.scope, status, code, detail, field=field))


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


async def _on_http_exception(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for it)
    status = error.status_code
    match status:
        case 404:
            detail = f"There is nothing at {request.url.path}; see /docs."
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            detail = f"{request.method} is not possible here; allowed: {allowed}."
        case _:
            detail = _sentence(str(error.detail))
    facts = problem(
        request.scope, status, _HTTP_CODES.get(status, "http_error"), detail
    )
    return ProblemResponse(facts, error.headers)
