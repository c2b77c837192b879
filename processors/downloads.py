"""Fetches what a provider has made, at once: its addresses expire."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from catalog.clock import Clock
from processors.engine import EngineError
from processors.fetch import Fetcher, FetchLimits
from processors.http import HttpLimits, client
from processors.patience import Patience

_REDIRECTS = 5
_OK, _GONE = 200, (404, 410)


class Fetch(Protocol):
    """Brings the bytes behind an address onto this machine."""

    def __call__(
        self, url: str, target: Path, *, limit_bytes: int, check: Callable[[], None]
    ) -> None:
        """Write the whole content into a file, which is replaced.

        Args:
            url: Public; no credential is sent.
            target: Where to.
            limit_bytes: More is refused.
            check: Called often; raises when the job is to end.

        Raises:
            EngineError: ``provider_unavailable`` (retryable), ``provider_rejected``,
                ``out_of_limits``.
        """
        ...


class _BrokenOffError(Exception):
    """A transfer may succeed when it is repeated."""


class HttpFetch:
    """See ``Fetch``: of the provider's own configured host, or of public addresses.

    An answer of a provider is no reason to read from inside our network: whatever is
    not on the configured host is fetched as a job's sources are. Repeats broken and
    cut-off transfers from their start; a body shorter than its ``Content-Length``
    never counts.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        trusted_url: str,
        patience: Patience | None = None,
        limits: HttpLimits | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            clock: For time limits and pauses.
            trusted_url: Its host may be anywhere, and serve plain http.
            patience: With broken transfers.
            limits: Of each transfer; ``body_bytes`` is not looked at.
            transport: Instead of the network.
        """
        self._clock = clock
        self._trusted = httpx.URL(trusted_url)
        self._patience = patience or Patience(clock)
        self._limits = limits or HttpLimits(total_seconds=900.0)
        self._client = client(self._limits, transport)

    def __call__(
        self, url: str, target: Path, *, limit_bytes: int, check: Callable[[], None]
    ) -> None:
        """See ``Fetch``."""
        attempt = 0
        while True:
            attempt += 1
            retry_after, cause = None, None
            try:
                status, retry_after = self._transfer(url, target, limit_bytes, check)
                if status == _OK:
                    return
                if status in _GONE:
                    raise _rejected(f"answers {status}; it has expired")
                if status < 500 and status != 429:  # noqa: PLR2004
                    raise _rejected(f"answers {status}")
                reason = f"HTTP {status}"
            except (httpx.RequestError, TimeoutError, _BrokenOffError) as exc:
                reason, cause = type(exc).__name__, exc
            except httpx.InvalidURL as exc:
                raise _rejected("is none") from exc
            if not self._patience.wait(attempt, check, retry_after=retry_after):
                raise EngineError(
                    "provider_unavailable",
                    f"A result can't be fetched right now ({reason}).",
                    is_retryable=True,
                ) from cause

    def _transfer(
        self, url: str, target: Path, limit_bytes: int, check: Callable[[], None]
    ) -> tuple[int, str | None]:
        deadline = self._clock.monotonic() + self._limits.total_seconds
        current = httpx.URL(url)
        for _ in range(_REDIRECTS):
            if not self._is_trusted(current):
                self._fetch_public(current, target, limit_bytes, check)
                return _OK, None
            with self._client.stream("GET", current) as response:
                if response.next_request is not None:
                    current = response.next_request.url
                    continue
                if response.status_code != _OK:
                    return response.status_code, response.headers.get("retry-after")
                with target.open("wb") as file:
                    size = 0
                    for chunk in response.iter_bytes():
                        check()
                        size += len(chunk)
                        if size > limit_bytes:
                            raise EngineError(
                                "out_of_limits",
                                f"A result is larger than {limit_bytes} bytes.",
                                is_retryable=False,
                            )
                        if self._clock.monotonic() > deadline:
                            raise TimeoutError
                        file.write(chunk)
                return _OK, None
        raise _rejected(f"redirects more than {_REDIRECTS} times")

    def _fetch_public(
        self,
        url: httpx.URL,
        target: Path,
        limit_bytes: int,
        check: Callable[[], None],
    ) -> None:
        limits = FetchLimits(limit_bytes, self._limits.total_seconds)
        target.unlink(missing_ok=True)
        try:
            Fetcher(None, limits).fetch(str(url), target, check)
        except EngineError as exc:
            if exc.code == "out_of_limits":
                raise
            if exc.is_retryable:
                raise _BrokenOffError(str(exc)) from exc
            raise _rejected(f"can't be read: {exc}") from exc

    def _is_trusted(self, url: httpx.URL) -> bool:
        trusted = self._trusted
        return (url.scheme, url.host, url.port) == (
            trusted.scheme,
            trusted.host,
            trusted.port,
        )


def _rejected(problem: str) -> EngineError:
    message = f"The address of a result {problem}."
    return EngineError("provider_rejected", message, is_retryable=False)
