"""Builds the official clients and translates what they and httpx raise."""

import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from urllib.parse import urlsplit

import httpx
from typesense import Client
from typesense.configuration import NodeConfigDict
from typesense.exceptions import (
    HTTPStatus0Error,
    ObjectNotFound,
    ServerError,
    ServiceUnavailable,
    Timeout,
    TypesenseClientError,
)
from typesense.sync.collection import Collection

from catalog.errors import (
    CatalogError,
    DependencyRejectedError,
    DependencyUnavailableError,
    NotFoundError,
)
from catalog.search.base import Document

NAME = "typesense"

SAFE = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What may stand in a filter without any other meaning."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say nothing about what was sent."""

_OUT_OF = "running out of resource"
"""Part of the engine's 422 when disk or memory is short (source of 0.24.1)."""

_warnings_lock = threading.Lock()
_DEFAULT_PORTS = {"http": 80, "https": 443}


def open_client(url: str, api_key: str, *, timeout_seconds: float) -> Client:
    """Build a client that sends everything once: callers know what to repeat.

    The official default repeats a slow import three times.
    """
    parts = urlsplit(url)
    node: NodeConfigDict = {
        "protocol": parts.scheme,
        "host": parts.hostname or "",
        "port": parts.port or _DEFAULT_PORTS.get(parts.scheme, 80),
        "path": parts.path.rstrip("/"),
    }
    with _silenced():
        return Client(
            {
                "nodes": [node],
                "api_key": api_key,
                "connection_timeout_seconds": timeout_seconds,
                "num_retries": 0,
            }
        )


def close_clients(*clients: Client) -> None:
    """Give connections back; the owners of clients do so when they are forgotten."""
    for client in clients:
        client.api_call.close()


def index_of(client: Client, index: str) -> Collection[Document]:
    """Reach one physical index; the client remembers each name for ever."""
    known = client.collections.collections.get(index)
    if known is None:
        with _silenced():
            known = client.collections[index]
    return cast("Collection[Document]", known)


@contextmanager
def _silenced() -> Iterator[None]:
    # The client deprecates parts of itself while it builds them.
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def translated(index: str = "") -> Iterator[None]:
    """Turn vendor errors into ours; ``index`` is named when it does not exist."""
    try:
        yield
    except (TypesenseClientError, httpx.HTTPError) as exc:
        raise translate(exc, index) from exc


def translate(error: Exception, index: str = "") -> CatalogError:
    """Translate by the most specific match first."""
    detail = describe(error)
    match error:
        case ObjectNotFound() if not is_about_a_field(detail):
            return NotFoundError("index", index)
        case ServiceUnavailable() | ServerError() | HTTPStatus0Error() | Timeout():
            return DependencyUnavailableError(NAME, detail)
        case httpx.HTTPError():
            return DependencyUnavailableError(NAME, detail)
        case TypesenseClientError() if _is_passing(error):
            return DependencyUnavailableError(NAME, detail)
        case _:
            return DependencyRejectedError(NAME, detail)


def is_sent(error: BaseException | None) -> bool:
    """Whether the server may have got a request that failed so."""
    return isinstance(error, httpx.TransportError | Timeout) and not isinstance(
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
    )


def _is_passing(error: TypesenseClientError) -> bool:
    return bool(error.args) and (
        error.args[0] in _PASSING or _OUT_OF in str(error.args[-1]).lower()
    )


def is_about_a_field(detail: str) -> bool:
    """Tell a 404 for a field that is not in the schema from one for the index."""
    return " field " in detail


def describe(error: Exception) -> str:
    """Say what went wrong in one line; never empty."""
    text = " ".join(str(part) for part in error.args).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def check_safe(values: Sequence[str]) -> None:
    """Let nothing into a filter that could mean something there."""
    for value in values:
        if SAFE.fullmatch(value) is None:
            raise DependencyRejectedError(NAME, f"{value!r} is not a safe id")
