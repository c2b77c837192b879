"""Brings a source onto this machine: from our own store, or over https.

What a job names is somebody else's idea. So a remote source is read from public
addresses only (checked when connecting, after redirects too), and no more of it, nor
for longer, than is allowed. Whose a key of our store is, is the caller's to check.
"""

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from catalog.errors import (
    DependencyError,
    InvalidObjectKeyError,
    NotFoundError,
)
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectStore
from processors.engine import EngineError
from processors.public_addresses import Dial, PublicNetwork, Resolve, dial, resolve

MAX_REDIRECTS: Final = 5
SOURCE_BYTES = 5 * 1024**3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_LATER = frozenset({408, 425, 429, *range(500, 600)})
_OK = 200
_PORT = 443
_HEADERS = (
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
    ("User-Agent", "catalog"),
)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one source may take.

    Attributes:
        size_bytes: Its size.
        seconds: From the first connection to the last byte, redirects included.
        pause_seconds: Between two signs of life of the other side.
    """

    size_bytes: int = SOURCE_BYTES
    seconds: float = 3600.0
    pause_seconds: float = 20.0


class Fetcher:
    """Reads sources into files. Thread-safe."""

    def __init__(
        self,
        store: ObjectStore | None,
        limits: FetchLimits | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        resolve_name: Resolve = resolve,
        dial_up: Dial = dial,
    ) -> None:
        """Connect to nothing yet.

        Args:
            store: Ours; what its ``parse_url`` knows is read from it. ``None`` where
                nothing of ours is meant by an address.
            limits: For each source.
            tls: Whom to trust; the system's authorities by default.
            resolve_name: Finds the addresses of a host.
            dial_up: Connects to a public address.
        """
        self._store = store
        self._limits = limits or FetchLimits()
        self._tls = tls or ssl.create_default_context()
        self._resolve = resolve_name
        self._dial = dial_up

    def fetch(self, location: str, path: Path, check: Callable[[], None]) -> Path:
        """Read a source into a file, whole or not at all.

        Args:
            location: ``https://…``, or an address of our store in any form.
            path: The file; must not exist.
            check: Is called with every piece; what it raises is let through.

        Returns:
            ``path``.

        Raises:
            EngineError: ``source_missing`` (there is none), ``source_unreadable``
                (refused, broken off, or not now), ``out_of_limits``,
                ``invalid_input`` (not an address that may be read).
        """
        try:
            key = self._key(location)
            if self._store is not None and key is not None:
                self._write(self._stored(self._store, key), path, check)
            else:
                self._remote(location, path, check)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _key(self, location: str) -> ObjectKey | None:
        try:
            return self._store.parse_url(location) if self._store else None
        except InvalidObjectKeyError as exc:
            raise _invalid(exc.problem) from exc

    def _stored(self, store: ObjectStore, key: ObjectKey) -> Iterator[bytes]:
        try:
            info = store.head(key)
            self._check_size(info.size_bytes)
            yield from store.stream(key)
        except NotFoundError as exc:
            raise _missing() from exc
        except InvalidObjectKeyError as exc:
            raise _invalid(exc.problem) from exc
        except DependencyError as exc:
            raise EngineError(
                "source_unreadable",
                "The store did not give the source; try again later.",
                is_retryable=exc.retryable,
            ) from exc

    def _remote(self, location: str, path: Path, check: Callable[[], None]) -> None:
        network = PublicNetwork(self._resolve, self._dial)
        with ExitStack() as stack:
            stack.callback(network.close)
            pool = httpcore.ConnectionPool(
                ssl_context=self._tls, network_backend=network, max_connections=1
            )
            stack.enter_context(closing(pool))
            watch = threading.Timer(self._limits.seconds, network.cut)
            watch.daemon = True
            watch.start()
            stack.callback(watch.cancel)
            with self._translated(network):
                self._follow(pool, location, path, check)

    def _follow(
        self,
        pool: httpcore.ConnectionPool,
        location: str,
        path: Path,
        check: Callable[[], None],
    ) -> None:
        pause = self._limits.pause_seconds
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), pause)
        for _ in range(MAX_REDIRECTS + 1):
            check()
            address = _checked(location)
            with pool.stream(
                "GET", address, headers=_HEADERS, extensions={"timeout": timeouts}
            ) as answer:
                headers = {
                    name.lower(): value.decode("latin-1")
                    for name, value in answer.headers
                }
                if answer.status not in _REDIRECTS:
                    _check_status(answer.status)
                    length = headers.get(b"content-length", "")
                    self._check_size(int(length) if length.isdecimal() else 0)
                    self._write(answer.iter_stream(), path, check)
                    return
                location = urljoin(location, headers.get(b"location", ""))
        raise EngineError(
            "source_unreadable",
            f"The address of the source redirects more than {MAX_REDIRECTS} times.",
            is_retryable=False,
        )

    @contextmanager
    def _translated(self, network: PublicNetwork) -> Iterator[None]:
        try:
            yield
        except (httpcore.NetworkError, httpcore.TimeoutException) as exc:
            self._raise_if_late(network, exc)
            is_distrusted = isinstance(exc.__context__, ssl.SSLCertVerificationError)
            message = (
                "The certificate of the source's server is not to be trusted."
                if is_distrusted
                else "The source's server did not answer or broke off; try again."
            )
            raise EngineError(
                "source_unreadable", message, is_retryable=not is_distrusted
            ) from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            self._raise_if_late(network, exc)
            raise EngineError(
                "source_unreadable",
                "The source's server broke off, or does not speak HTTP.",
                is_retryable=True,
            ) from exc

    def _raise_if_late(self, network: PublicNetwork, cause: Exception) -> None:
        if network.is_cut:
            raise EngineError(
                "out_of_limits",
                f"The source did not arrive within {self._limits.seconds:g} seconds; "
                "put it on a faster server, or upload it.",
                is_retryable=True,
            ) from cause

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._limits.size_bytes:
            raise EngineError(
                "out_of_limits",
                f"The source is larger than {self._limits.size_bytes} bytes.",
                is_retryable=False,
            )

    def _write(
        self, pieces: Iterable[bytes], path: Path, check: Callable[[], None]
    ) -> None:
        written = 0
        with path.open("xb") as file:
            for piece in pieces:
                check()
                written += len(piece)
                self._check_size(written)
                file.write(piece)


def _checked(location: str) -> str:
    """Make sure that an address is one of https, and without a password."""
    try:
        address = urlsplit(location)
        port = address.port
    except ValueError as exc:
        raise _invalid("The address of the source can't be read.") from exc
    if address.scheme != "https" or not address.hostname:
        raise _invalid(
            "The source must be an https address, or one of our own store (`s3://…`)."
        )
    if address.username is not None or address.password is not None:
        raise _invalid("The address of the source must not hold a name or password.")
    return _written(address, port)


def _written(address: SplitResult, port: int | None) -> str:
    """Write it in ASCII, without a fragment."""
    host = address.hostname or ""
    try:
        name = f"[{host}]" if ":" in host else host.encode("idna").decode()
        url = address._replace(netloc=f"{name}:{port or _PORT}", fragment="").geturl()
        return _ascii(url)
    except (UnicodeError, ValueError) as exc:
        raise _invalid("The address of the source can't be read.") from exc


def _ascii(url: str) -> str:
    """Percent-encode what is not ASCII, as browsers do; refuse control characters."""
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(url)
    return "".join(
        character
        if character.isascii()
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in url
    )


def _check_status(status: int) -> None:
    if status in _GONE:
        raise _missing()
    if status != _OK:
        raise EngineError(
            "source_unreadable",
            f"The source's server answered {status}.",
            is_retryable=status in _LATER,
        )


def _missing() -> EngineError:
    return EngineError(
        "source_missing", "There is nothing at this address.", is_retryable=False
    )


def _invalid(message: str) -> EngineError:
    return EngineError("invalid_input", message, is_retryable=False)
