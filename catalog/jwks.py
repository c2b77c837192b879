"""Fetches the public keys that fal.ai signs its webhooks with."""

import threading
from collections.abc import Mapping
from math import inf
from typing import Any

import httpx
import orjson

from catalog.clock import Clock
from catalog.errors import DependencyUnavailableError
from catalog.webhooks import Keys, fal_keys

KEPT_SECONDS = 24 * 3600
"""As long as fal allows keys to be kept."""

_RENEWED_SECONDS = 300
"""A signature that no key fits makes us look for new keys this often at most."""

_TIMEOUT_SECONDS = 5.0
"""fal gives a webhook 15 seconds in all."""

_MAX_BYTES = 256 * 1024
_OK = 200


class HttpPublicKeys:
    """See ``PublicKeys``; kept for a day, thread-safe."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Fetch nothing yet.

        Args:
            url: Of a JSON Web Key Set.
            clock: For the age of what is kept.
            transport: Instead of the network.
        """
        self._url = url
        self._clock = clock
        self._transport = transport
        self._lock = threading.Lock()
        self._keys: Keys = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def get(self, *, renew: bool = False) -> Keys:
        """See ``PublicKeys.get``."""
        with self._lock:
            is_old = self._since(self._fetched_at) >= KEPT_SECONDS
            if is_old or (renew and self._since(self._tried_at) >= _RENEWED_SECONDS):
                self._tried_at = self._clock.monotonic()
                try:
                    self._keys = self._fetch()
                    self._fetched_at = self._tried_at
                except DependencyUnavailableError:
                    if is_old:
                        raise
            return self._keys

    def _since(self, moment: float | None) -> float:
        return inf if moment is None else self._clock.monotonic() - moment

    def _fetch(self) -> Keys:
        body = bytearray()
        try:
            with (
                httpx.Client(
                    timeout=_TIMEOUT_SECONDS, transport=self._transport
                ) as client,
                client.stream("GET", self._url) as response,
            ):
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > _MAX_BYTES:
                        raise _unavailable("the key set is too large")
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise _unavailable(type(exc).__name__) from exc
        if response.status_code != _OK:
            raise _unavailable(f"HTTP {response.status_code}")
        keys = fal_keys(_object(bytes(body)))
        if not keys:
            raise _unavailable("the key set holds no Ed25519 key")
        return keys


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _unavailable(detail: str) -> DependencyUnavailableError:
    return DependencyUnavailableError("fal", detail)
