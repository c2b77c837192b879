"""The one door to a provider's API: limits, patience, and errors in our words.

The provider's key goes to the configured host and nowhere else, and into no message.
A request that costs something (``post_once``) is sent once, whatever happens; reads are
repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from catalog.clock import Clock
from processors.engine import EngineError
from processors.patience import Patience

_SERVER_ERROR = 500
_TOO_MANY = 429
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Failures before the first byte went out: each request has a new connection."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, complete."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json_object(self) -> Mapping[str, Any]:
        """Read the body as a JSON object; an empty one where it is something else."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly never arrived."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The request may have arrived and been accepted; nobody knows."""

    reason: str


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one exchange.

    Attributes:
        connect_seconds: Until there is a connection.
        silence_seconds: Between two signs of life.
        total_seconds: From the first to the last byte.
        body_bytes: Of an answer, unpacked.
    """

    connect_seconds: float = 10.0
    silence_seconds: float = 30.0
    total_seconds: float = 120.0
    body_bytes: int = 256 * 1024 * 1024


class _OversizedError(Exception):
    """An answer is larger than any sane one."""


class ProviderHttp:
    """One provider's API; used by several threads."""

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        headers: Mapping[str, str],
        clock: Clock,
        patience: Patience | None = None,
        limits: HttpLimits | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            provider: Name for messages.
            base_url: The only host that ``headers`` are sent to.
            headers: Bear the key.
            clock: For time limits and pauses.
            patience: With reads.
            limits: Of each exchange.
            transport: Instead of the network.
        """
        self._provider = provider
        self._base = httpx.URL(base_url.rstrip("/") + "/")
        self._headers = dict(headers)
        self._clock = clock
        self._patience = patience or Patience(clock)
        self._limits = limits or HttpLimits()
        self._client = client(self._limits, transport)

    def owns(self, url: str) -> bool:
        """Whether an address is on the configured host."""
        try:
            return _origin(httpx.URL(url)) == _origin(self._base)
        except httpx.InvalidURL:
            return False

    def url(self, path: str) -> str:
        """Make the address of a path below the base."""
        return str(self._base.join(path.lstrip("/")))

    def get(
        self,
        url: str,
        check: Callable[[], None],
        *,
        params: Mapping[str, str] | None = None,
        is_settled: Callable[[Answer], bool] = lambda _: False,
    ) -> Answer:
        """Read something; 429, 5xx and broken connections are tried again.

        Args:
            url: On the configured host.
            check: Called between tries; raises when the job is to end.
            params: Query, added to the address.
            is_settled: Whether a 5xx that stays the same is an answer about the job,
                not a failure of the server: it is returned then.

        Returns:
            The answer; its status may be a 4xx.

        Raises:
            EngineError: ``provider_unavailable``, or the address is on another host.
        """
        attempt = 0
        while True:
            attempt += 1
            retry_after: str | None = None
            cause: Exception | None = None
            settled: Answer | None = None
            try:
                answer = self._exchange("GET", url, params=params)
            except (httpx.RequestError, TimeoutError) as exc:
                reason, cause = _words(exc), exc
            except _OversizedError as exc:
                raise self._oversized() from exc
            else:
                is_away = answer.status >= _SERVER_ERROR or answer.status == _TOO_MANY
                if not is_away:
                    return answer
                settled = answer if is_settled(answer) else None
                reason = f"HTTP {answer.status}"
                retry_after = answer.headers.get("retry-after")
            if not self._patience.wait(attempt, check, retry_after=retry_after):
                if settled is not None:
                    return settled
                raise self._unavailable(reason) from cause

    def post_once(
        self, url: str, payload: object, *, params: Mapping[str, str] | None = None
    ) -> Answer | NotSent | Lost:
        """Send JSON once and never again, and tell its fate.

        A refusal (4xx) counts as soon as its status is known.

        Raises:
            EngineError: The address is on another host; nothing was sent.
        """
        seen: list[int] = []
        try:
            return self._exchange(
                "POST", url, params=params, content=orjson.dumps(payload), seen=seen
            )
        except _NEVER_SENT as exc:
            return NotSent(_words(exc))
        except (httpx.RequestError, TimeoutError, _OversizedError) as exc:
            if seen and 400 <= seen[0] < _SERVER_ERROR:  # noqa: PLR2004
                return Answer(seen[0], {}, b"")
            return Lost(_words(exc))

    def put(self, url: str) -> Answer:
        """Ask for something that may be asked for twice, once.

        Raises:
            EngineError: It was not answered, or the address is on another host.
        """
        try:
            return self._exchange("PUT", url)
        except (httpx.RequestError, TimeoutError, _OversizedError) as exc:
            raise self._unavailable(_words(exc)) from exc

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        seen: list[int] | None = None,
    ) -> Answer:
        if not self.owns(url):
            raise EngineError(
                "provider_rejected",
                f"{self._provider} gave an address on another host than the one that "
                "is configured; the key is not sent there.",
                is_retryable=False,
            )
        headers = dict(self._headers)
        if content is not None:
            headers["content-type"] = "application/json"
        deadline = self._clock.monotonic() + self._limits.total_seconds
        target = httpx.URL(url)
        with self._client.stream(
            method,
            target.copy_merge_params(dict(params)) if params else target,
            headers=headers,
            content=content,
        ) as response:
            if seen is not None:
                seen.append(response.status_code)
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > self._limits.body_bytes:
                    raise _OversizedError
                if self._clock.monotonic() > deadline:
                    raise TimeoutError
            return Answer(
                response.status_code,
                {name.lower(): value for name, value in response.headers.items()},
                bytes(body),
            )

    def _oversized(self) -> EngineError:
        return EngineError(
            "provider_rejected",
            f"{self._provider} answered with more than {self._limits.body_bytes} "
            "bytes.",
            is_retryable=False,
        )

    def _unavailable(self, reason: str) -> EngineError:
        return EngineError(
            "provider_unavailable",
            f"{self._provider} is not available right now ({reason}).",
            is_retryable=True,
        )


def client(
    limits: HttpLimits, transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """Open a client that follows no redirect and keeps no connection.

    A kept connection that the server has closed meanwhile looks like a lost submit.
    """
    return httpx.Client(
        timeout=httpx.Timeout(limits.silence_seconds, connect=limits.connect_seconds),
        limits=httpx.Limits(max_keepalive_connections=0),
        follow_redirects=False,
        headers={"user-agent": "asset-catalog", "accept-encoding": "identity"},
        transport=transport,
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _words(exc: Exception) -> str:
    """Name a failure without its address, which may carry a signature."""
    return type(exc).__name__.lstrip("_")
