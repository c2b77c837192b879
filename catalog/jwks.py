"""Fetches public keys: those of fal.ai's webhooks, and those of web tokens."""

import logging
import threading
from collections.abc import Mapping
from math import inf
from typing import Any

import httpx
import orjson

from catalog.clock import Clock
from catalog.errors import DependencyUnavailableError
from catalog.web_tokens import SigningKey, keys_of_set
from catalog.webhooks import Keys, fal_keys

LOG = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600
"""As long as fal allows keys to be kept; of issuers, while they are away."""

ISSUER = "issuer"
"""How the issuer of web tokens is called among the servers that we depend on."""

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
        keys = fal_keys(_fetched(self._url, "fal", self._transport))
        if not keys:
            raise DependencyUnavailableError("fal", "no Ed25519 key in the key set")
        return keys


class HttpSigningKeys:
    """See ``SigningKeys``; renewed every ten minutes, thread-safe.

    While the issuer is away what is known is used for a day, and nobody waits for it
    but the first who asks.
    """

    RENEWED_SECONDS = 600.0
    RETRY_SECONDS = 30.0
    """Also how often tokens that no key fits make us look for new keys at most."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Fetch nothing yet; see ``HttpPublicKeys``."""
        self._url = url
        self._clock = clock
        self._transport = transport
        self._fetching = threading.Lock()
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched_at = -inf
        self._tried_at = -inf

    def get(self, *, renew: bool = False) -> tuple[SigningKey, ...]:
        """See ``SigningKeys.get``."""
        if self._is_due(renew=renew):
            is_usable = self._age(self._fetched_at) < KEPT_SECONDS
            # Who has no key at hand, or none that fits, waits for whoever fetches.
            if self._fetching.acquire(blocking=renew or not is_usable):
                try:
                    if self._is_due(renew=renew):
                        self._renew()
                finally:
                    self._fetching.release()
        if self._age(self._fetched_at) >= KEPT_SECONDS:
            raise DependencyUnavailableError(ISSUER, "its keys can't be fetched")
        return self._keys

    def _is_due(self, *, renew: bool) -> bool:
        if self._age(self._tried_at) < self.RETRY_SECONDS:
            return False
        return renew or self._age(self._fetched_at) >= self.RENEWED_SECONDS

    def _age(self, moment: float) -> float:
        return self._clock.monotonic() - moment

    def _renew(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            found = keys_of_set(_fetched(self._url, ISSUER, self._transport))
        except DependencyUnavailableError as error:
            LOG.warning("no keys of the issuer", extra={"cause": str(error)})
            return
        if not found:
            LOG.warning("no key in the issuer's key set can be used")
            return
        self._keys, self._fetched_at = found, self._tried_at


def _fetched(
    url: str, dependency: str, transport: httpx.BaseTransport | None
) -> Mapping[str, Any]:
    """Fetch a key set.

    Raises:
        DependencyUnavailableError: It can't be had; retryable.
    """
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=_TIMEOUT_SECONDS, transport=transport) as client,
            client.stream("GET", url) as response,
        ):
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_BYTES:
                    problem = "the key set is too large"
                    raise DependencyUnavailableError(dependency, problem)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise DependencyUnavailableError(dependency, type(exc).__name__) from exc
    if response.status_code != _OK:
        raise DependencyUnavailableError(dependency, f"HTTP {response.status_code}")
    return _object(bytes(body))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
