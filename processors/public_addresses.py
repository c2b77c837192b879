"""Connections to the public internet only, decided on the address that is dialled.

A name may mean something else each time it is asked for, so what counts is checked
between resolving and connecting, in one place, for every connection.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any

import httpcore
from typing_extensions import override

from processors.engine import EngineError

Resolve = Callable[[str, int], Sequence[str]]
"""All addresses of a host name (or of a literal, however it is written)."""

Dial = Callable[[str, int, float | None], socket.socket]
"""Connects to an address (never a name) and port within so many seconds."""

_NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
"""IANA's special-purpose registry, and multicast and reserved addresses."""

_PUBLIC_6 = IPv6Network("2000::/3")
"""All that is given out: mapped, compatible, NAT64, local, multicast lie outside."""

_NOT_PUBLIC_6 = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
"""Tunnels (Teredo, 6to4) lead to any IPv4 address; the rest is for documents."""


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet's; IPv4 or IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_4)
    return parsed in _PUBLIC_6 and not any(parsed in n for n in _NOT_PUBLIC_6)


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system; see ``Resolve``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def dial(address: str, port: int, seconds: float | None) -> socket.socket:
    """Connect; see ``Dial``."""
    return socket.create_connection((address, port), seconds)


class PublicNetwork(httpcore.NetworkBackend):
    """Connects to public addresses, and can cut all its connections."""

    def __init__(self, resolve_name: Resolve = resolve, dial_up: Dial = dial) -> None:
        """Connect to nothing yet."""
        self._resolve = resolve_name
        self._dial = dial_up
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.is_cut = False

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check all that was found, connect to the first that answers.

        Raises:
            EngineError: One of the addresses is not public.
        """
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        if not addresses or not all(map(is_public, addresses)):
            raise EngineError(
                "invalid_input",
                "The address of the source does not lead to the public internet; "
                "send a public https address, or one of our own store.",
                is_retryable=False,
            )
        for address in addresses:
            with suppress(OSError):
                return self._stream(self._dial(address, port, timeout))
        raise httpcore.ConnectError("no address answered")

    @override
    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Refuse: nothing public is reached so."""
        raise httpcore.ConnectError("not public")

    def cut(self) -> None:
        """End every connection, also while a handshake or a header trickles in."""
        with self._lock:
            self.is_cut = True
            for connected in self._sockets:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)

    def _stream(self, connected: socket.socket) -> httpcore.NetworkStream:
        # A second descriptor: TLS takes the first one over.
        with self._lock:
            if self.is_cut:
                connected.close()
                raise httpcore.ConnectTimeout
            self._sockets.append(connected.dup())
        return _Stream(connected)

    def close(self) -> None:
        """Forget the connections; the pool has closed them."""
        with self._lock:
            for connected in self._sockets:
                connected.close()
            self._sockets.clear()


class _Stream(httpcore.NetworkStream):
    """One connection, plain or under TLS."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)

    @override
    def close(self) -> None:
        self._socket.close()

    @override
    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(timeout)
                secured = ssl_context.wrap_socket(
                    self._socket, server_hostname=server_hostname
                )
        except BaseException:
            self._socket.close()
            raise
        return _Stream(secured)

    @override
    def get_extra_info(self, info: str) -> Any:
        return None


@contextmanager
def _translated(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise late from exc
    except OSError as exc:  # TLS errors are such, too
        raise broken from exc
