"""One API process: settings, logging, signals, exit codes.

Exit codes: 0 after SIGTERM or SIGINT, 1 when it can't listen, 2 when a setting is
missing or refused.
"""

import asyncio
import ipaddress
import logging
import signal
import socket
import sys

import uvicorn
from pydantic import ValidationError
from typing_extensions import override

from api.app import create_app
from api.streams import JobStreams
from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.errors import InvalidRequestError
from catalog.telemetry import configure_logging

LOG = logging.getLogger("api")

GRACE_SECONDS = 5
"""How long answers under way may take after SIGTERM; event streams end at once."""

_BACKLOG = 2048


def refusal(settings: Settings) -> str | None:
    """Say why these settings must not be served, if so."""
    if settings.auth == "token":
        return None
    if not settings.allow_remote and not _is_loopback(settings.host):
        return (
            f"CATALOG_HOST={settings.host} is not a loopback address, and with "
            "CATALOG_AUTH=open anybody who reaches it could read everything. Bind to "
            "127.0.0.1, or set CATALOG_ALLOW_REMOTE=true if something else guards it."
        )
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(uvicorn.Server):
    """Ends the event streams first: uvicorn waits for open connections."""

    def __init__(self, config: uvicorn.Config, streams: JobStreams) -> None:
        super().__init__(config)
        self._streams = streams

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.close()
        await super().shutdown(sockets)


def main() -> int:
    """Serve until told to stop."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.write(f"The settings cannot be used:\n{error}\n")
        return 2
    configure_logging(settings.log_level, settings.log_format)
    reason = refusal(settings)
    if reason is not None:
        LOG.error(reason)
        return 2
    try:
        catalog = open_catalog(settings, process="api")
    except InvalidRequestError as error:
        LOG.error("%s: %s", error.field, error.problem)  # noqa: TRY400  (no traceback)
        return 2
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        LOG.error(  # noqa: TRY400  (no traceback: the reason says it all)
            "cannot listen on %s port %d: %s; is another API running there? "
            "CATALOG_PORT chooses another port",
            settings.host,
            settings.port,
            error.strerror,
        )
        catalog.close()
        return 1
    app = create_app(catalog)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        backlog=_BACKLOG,
    )
    host, port = listener.getsockname()[:2]
    LOG.info("serving", extra={"host": host, "port": port})
    # uvicorn raises the signal again after its clean end; here that means success
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        _Server(config, app.state.streams).run(sockets=[listener])
    except asyncio.CancelledError:
        LOG.warning("stopped before all answers were out")
    finally:
        catalog.close()
    LOG.info("stopped")
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    listener.set_inheritable(False)
    return listener


if __name__ == "__main__":
    sys.exit(main())
