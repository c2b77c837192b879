"""Fetches what a provider has made, at once: its addresses expire."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from catalog.clock import Clock
from processors.engine import EngineError
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


class HttpFetch:
    """See ``Fetch``: https only, but for the provider's own configured host.

    Repeats broken and cut-off transfers from their start; a body shorter than its
    ``Content-Length`` never counts.
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
            trusted_url: Its host may also serve plain http.
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
            except (httpx.RequestError, TimeoutError) as exc:
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
            self._refuse_unsafe(current)
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

    def _refuse_unsafe(self, url: httpx.URL) -> None:
        trusted = self._trusted
        is_trusted = (url.scheme, url.host, url.port) == (
            trusted.scheme,
            trusted.host,
            trusted.port,
        )
        if url.scheme != "https" and not is_trusted:
            raise _rejected("is not https")


def _rejected(problem: str) -> EngineError:
    message = f"The address of a result {problem}."
    return EngineError("provider_rejected", message, is_retryable=False)
