"""Ports of this machine: which are free, who holds one."""

import secrets
import socket
from collections.abc import Collection

import psutil

from catalog.errors import StackError

LOOPBACK = "127.0.0.1"
_FIRST, _COUNT, _ATTEMPTS = 20_000, 12_000, 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could listen on ``host:port`` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def free_port(host: str = LOOPBACK, *, other_than: Collection[int] = ()) -> int:
    """Find a port that nothing listens on.

    Below the range from which Linux takes the ports of outgoing connections: one of
    those could sit on a server's port at the moment that it is started again.

    Args:
        host: Address to listen on.
        other_than: Ports that are spoken for already.

    Raises:
        StackError: None was found.
    """
    for _ in range(_ATTEMPTS):
        port = _FIRST + secrets.randbelow(_COUNT)
        if port not in other_than and is_free(port, host):
            return port
    raise StackError(f"No free port was found on {host}.")


def holder(port: int) -> str | None:
    """Name the process that listens on ``port``, such as ``nginx (pid 812)``.

    Returns:
        ``None`` where this user may not see it.
    """
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return None
    for connection in connections:
        is_listener = connection.status == psutil.CONN_LISTEN
        if is_listener and connection.laddr and connection.laddr[1] == port:
            return _named(connection.pid)
    return None


def _named(pid: int | None) -> str | None:
    if pid is None:
        return None
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
