"""fal.ai's two forms of error, in our words.

A model's: ``{"detail": [{"loc", "msg", "type"}, …]}``, mostly 422. The
infrastructure's: ``{"detail": "text", "error_type": "…"}``, and in a status that says
``COMPLETED``: ``error`` and ``error_type``.
"""

import re
from collections.abc import Mapping
from typing import Any

from processors.engine import EngineError
from processors.http import Answer

_RETRYABLE_HEADERS = ("x-fal-retryable", "x-fal-needs-retry")
_TYPE_HEADER = "x-fal-error-type"
_PASSING = re.compile(r"timeout|runner_|startup_|scheduling|unavailable")
"""Kinds of failure that are the machine's and not the request's."""

_UNREADABLE = frozenset(
    {"file_download_error", "image_load_error", "video_load_error", "audio_load_error"}
)
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_MAX_LENGTH = 500

_UNAUTHORIZED = (401, 403)
_NOT_FOUND, _TOO_MANY, _UNPROCESSABLE, _SERVER_ERROR = 404, 429, 422, 500


def is_verdict(answer: Answer) -> bool:
    """Whether an error answer is about the request, not about the road to it."""
    return answer.status != _TOO_MANY and (
        answer.status < _SERVER_ERROR
        or _TYPE_HEADER in answer.headers
        or any(name in answer.headers for name in _RETRYABLE_HEADERS)
        or bool(answer.json_object().get("error_type"))
    )


def refusal(answer: Answer, endpoint: str) -> EngineError:
    """Say why a request was not accepted, or failed.

    Args:
        answer: With an error status.
        endpoint: Which was asked.
    """
    body = answer.json_object()
    text, kinds = _detail(body)
    kinds |= {answer.headers.get(_TYPE_HEADER, ""), str(body.get("error_type") or "")}
    if answer.status in _UNAUTHORIZED:
        return EngineError(
            "not_configured",
            _sentence(f"fal refused the key (CATALOG_FAL_KEY): {text}"),
            is_retryable=True,
            is_final=True,
        )
    if answer.status == _NOT_FOUND:
        return EngineError(
            "not_configured",
            _sentence(f"fal knows no {endpoint}; look at CATALOG_FAL_MODELS: {text}"),
            is_retryable=True,
            is_final=True,
        )
    declared = _declared(answer.headers)
    is_passing = answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR
    return _error(
        text or f"HTTP {answer.status}",
        kinds,
        is_retryable=is_passing if declared is None else declared,
        is_input=answer.status == _UNPROCESSABLE,
    )


def failure(status: Mapping[str, Any]) -> EngineError | None:
    """Read a status that says ``COMPLETED``; ``None`` when there is a result."""
    error, kind = status.get("error"), str(status.get("error_type") or "")
    if not error and not kind:
        return None
    text, kinds = _detail({"detail": error})
    return _error(
        text or kind,
        kinds | {kind},
        is_retryable=bool(_PASSING.search(kind)),
        is_input=isinstance(error, list),
    )


def _error(
    text: str, kinds: set[str], *, is_retryable: bool, is_input: bool
) -> EngineError:
    if kinds & _UNREADABLE:
        code = "source_unreadable"
    elif is_input:
        code = "invalid_input"
    else:
        code = "provider_unavailable" if is_retryable else "provider_rejected"
    return EngineError(code, _sentence(f"fal: {text}"), is_retryable=is_retryable)


def _declared(headers: Mapping[str, str]) -> bool | None:
    for name in _RETRYABLE_HEADERS:
        if name in headers:
            return headers[name].strip().lower() in {"1", "true", "yes"}
    return None


def _detail(body: Mapping[str, Any]) -> tuple[str, set[str]]:
    """Read either form: the words, and the types that are named."""
    detail = body.get("detail") or body.get("error") or body.get("message")
    if not isinstance(detail, list):
        return (detail if isinstance(detail, str) else ""), set()
    faults = [fault for fault in detail if isinstance(fault, Mapping)]
    words = [_fault(fault) for fault in faults]
    return "; ".join(filter(None, words)), {str(f.get("type", "")) for f in faults}


def _fault(fault: Mapping[str, Any]) -> str:
    places = fault.get("loc")
    where = ".".join(
        str(place)
        for place in (places if isinstance(places, list) else ())
        if place != "body"
    )
    what = str(fault.get("msg") or fault.get("type") or "")
    return f"{where}: {what}" if where else what


def _sentence(text: str) -> str:
    """Keep it short, and signatures of addresses out of it."""
    text = _QUERY.sub(r"\1?…", text).strip().rstrip(":").strip()
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
