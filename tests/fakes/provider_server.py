"""A small HTTP server whose routes can fail in every way that a test asks for."""

import json
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer; ``cut_at`` bytes of its body are sent although all are announced."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None


def answer(status: int, facts: object, **headers: str) -> Reply:
    """Make a JSON answer; ``_`` in header names stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["content-type"] = "application/json"
    return Reply(status, json.dumps(facts).encode(), named)


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of, or around, what should.

    Attributes:
        drop: ``before`` the request counts, or ``after`` it was carried out, the
            connection ends without an answer.
        reply: Sent instead of carrying it out.
        seconds: Of silence first.
    """

    drop: str | None = None
    reply: Reply | None = None
    seconds: float = 0.0


DROP_BEFORE, DROP_AFTER = Fault(drop="before"), Fault(drop="after")

Handle = Callable[[Seen, re.Match[str]], Reply]


@dataclass(frozen=True)
class Route:
    """A documented route; ``name`` is what faults are asked for by."""

    name: str
    method: str
    pattern: re.Pattern[str]
    handle: Handle


class FakeServer(AbstractContextManager["FakeServer"]):
    """Serves routes on 127.0.0.1, in threads, until the context ends."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.routes: list[Route] = []
        self.requests: list[tuple[str, Seen]] = []
        self.lock = threading.RLock()
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._stop = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        name = "127.0.0.1" if self._scheme == "http" else "localhost"
        return f"{self._scheme}://{name}:{self.port}"

    def add(self, name: str, method: str, pattern: str, handle: Handle) -> None:
        self.routes.append(Route(name, method, re.compile(pattern + r"\Z"), handle))

    def fail(self, route: str, *faults: Fault) -> None:
        """Let the next requests of a route fail like this, one each."""
        self._faults[route].extend(faults)

    def forgive(self) -> None:
        """Let nothing fail any more that has not failed yet."""
        self._faults.clear()

    def count(self, route: str) -> int:
        """Tell how many requests of a route arrived, whatever became of them."""
        return sum(name == route for name, _ in self.requests)

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, seen: Seen) -> Reply | None:
        """Carry out one request; ``None`` drops the connection."""
        for route in self.routes:
            found = route.pattern.match(seen.path)
            if found is None or route.method != seen.method:
                continue
            with self.lock:
                self.requests.append((route.name, seen))
                waiting = self._faults[route.name]
                fault = waiting.popleft() if waiting else Fault()
            self._stop.wait(fault.seconds)
            if fault.drop == "before":
                return None
            with self.lock:
                reply = fault.reply or route.handle(seen, found)
            return None if fault.drop == "after" else reply
        return answer(404, {"detail": f"no such route: {seen.method} {seen.path}"})


def deliver(address: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post a webhook as a provider does; returns the status that it was answered."""
    request = urllib.request.Request(
        address, body, {**headers, "content-type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=15) as answered:
            status: int = answered.status
            return status
    except urllib.error.HTTPError as exc:
        exc.close()
        return exc.code


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the test."""


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            parts = urlsplit(self.path)
            seen = Seen(
                self.command,
                parts.path,
                {name: values[-1] for name, values in parse_qs(parts.query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            reply = server.serve(seen)
            if reply is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut_at])
            if reply.cut_at is not None:
                self.close_connection = True

        do_GET = do_POST = do_PUT = _serve  # noqa: N815  (the library's names)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """The test looks at ``requests`` instead."""

    return Handler
