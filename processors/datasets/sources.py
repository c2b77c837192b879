"""Brings what a training names to this machine; failures name it as the caller did."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from catalog.services.locations import Located
from catalog.storage.urls import stored_url
from processors.engine import EngineError

_SHOWN_LENGTH = 200


class Fetch(Protocol):
    """Brings bytes to this machine, within limits; see ``processors.fetch``."""

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        """Read a source into a new file, whole or not at all.

        Raises:
            EngineError: It can't be had.
        """
        ...


def bring(
    fetch: Fetch,
    store_url: str,
    source: tuple[str, Located],
    path: Path,
    check: Callable[[], None],
) -> Path:
    """Fetch one of the sources of a job.

    Args:
        fetch: Does it.
        store_url: Of our store.
        source: Field of the request, and location.
        path: Of the file; must not exist.
        check: Raises once the job is not wanted any more.

    Returns:
        ``path``.

    Raises:
        EngineError: As ``fetch`` says; the message names field and address.
    """
    field, located = source
    key = located.key
    location = stored_url(store_url, key) if key else located.url or ""
    try:
        return fetch.fetch(location, path, check)
    except EngineError as exc:
        raise EngineError(
            exc.code,
            f"{field} ({_shown(located)}): {exc}",
            is_retryable=exc.is_retryable,
            is_final=exc.is_final,
        ) from exc


def _shown(located: Located) -> str:
    """Write an address without what may be a secret: user, query, fragment.

    Of our own store the key: where it lies on this machine is nobody's business.
    """
    if located.key is not None:
        shown: str = located.key
    else:
        parts = urlsplit(located.url or "")
        host = parts.netloc.rpartition("@")[2]
        shown = f"{parts.scheme}://{host}{parts.path}"
    return shown if len(shown) <= _SHOWN_LENGTH else shown[:_SHOWN_LENGTH] + "…"
