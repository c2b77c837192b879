"""Sources are fetched over https from public addresses only, and within limits.

A server of our own answers; the fake resolver gives it a public address, which the
fake dialler connects to this machine: everything between is the real thing.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from typing_extensions import override

from catalog.models.ids import ObjectKey
from catalog.storage.directory import DirectoryObjectStore
from processors.engine import CancelledError, EngineError
from processors.fetch import Fetcher, FetchLimits
from processors.public_addresses import Resolve, is_public, resolve

PUBLIC = "93.184.216.34"
HOST = "media.test"
CONTENT = b"sound " * 50_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: C901  (one line for each address)
        match self.path:
            case "/talk.wav":
                self._send(200, CONTENT)
            case "/gone":
                self._send(404)
            case "/later":
                self._send(503)
            case "/forbidden":
                self._send(403)
            case "/loop":
                self._send(302, location="/loop")
            case "/moved":
                self._send(301, location="talk.wav")
            case path if path.startswith("/to?"):
                self._send(307, location=path[4:])
            case "/huge":
                self._send(200, length=5 * 1024**3 + 1)
            case "/short":
                self._send(200, b"half", length=1000)
            case "/endless":
                self._endless()
            case "/trickle":
                self._trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
            case _:
                self._trickle(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self.close_connection = True

    def _send(
        self,
        status: int,
        content: bytes = b"",
        *,
        location: str | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header(
            "Content-Length", str(len(content) if length is None else length)
        )
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
        except OSError:
            return

    def _trickle(self, head: bytes) -> None:
        self.wfile.write(head)
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)  # noqa: TID251  (a slow server)
        except OSError:
            return

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: callers who hang up are what is tested."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def port(authority: trustme.CA) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path: Path) -> DirectoryObjectStore:
    return DirectoryObjectStore(tmp_path / "store", buckets=("ours",))


def _public(host: str, port: int) -> Sequence[str]:
    del host, port
    return [PUBLIC]


@pytest.fixture
def fetcher(
    authority: trustme.CA, port: int, store: DirectoryObjectStore
) -> Callable[..., Fetcher]:
    tls = ssl.create_default_context()
    authority.configure_trust(tls)

    def dial_up(address: str, wanted: int, seconds: float | None) -> socket.socket:
        del wanted
        assert address == PUBLIC, "nothing else may be dialled"
        return socket.create_connection(("127.0.0.1", port), seconds)

    def make(
        *, resolve_name: Resolve = _public, limits: FetchLimits | None = None
    ) -> Fetcher:
        return Fetcher(
            store, limits, tls=tls, resolve_name=resolve_name, dial_up=dial_up
        )

    return make


def _go_on() -> None:
    pass


def _fails(fetcher: Fetcher, location: str, path: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        fetcher.fetch(location, path, _go_on)
    assert not path.exists()
    return caught.value


@pytest.mark.parametrize("name", ["talk.wav", "moved", "talk.wav#at-the-end"])
def test_a_source_arrives_whole_also_after_a_redirect(
    tmp_path: Path, fetcher: Callable[..., Fetcher], name: str
) -> None:
    path = fetcher().fetch(f"https://{HOST}/{name}", tmp_path / "file", _go_on)

    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "code", "is_retryable"),
    [
        ("gone", "source_missing", False),
        ("forbidden", "source_unreadable", False),
        ("later", "source_unreadable", True),
        ("short", "source_unreadable", True),
        ("loop", "source_unreadable", False),
        ("huge", "out_of_limits", False),
        ("to?http://media.test/talk.wav", "invalid_input", False),
        ("to?file:///etc/passwd", "invalid_input", False),
        ("to?https://user:word@media.test/talk.wav", "invalid_input", False),
    ],
)
def test_what_goes_wrong_at_the_server_is_told(
    tmp_path: Path,
    fetcher: Callable[..., Fetcher],
    name: str,
    code: str,
    *,
    is_retryable: bool,
) -> None:
    error = _fails(fetcher(), f"https://{HOST}/{name}", tmp_path / "file")

    assert (error.code, error.is_retryable) == (code, is_retryable)


@pytest.mark.parametrize(
    "location",
    [
        f"http://{HOST}/talk.wav",
        f"ftp://{HOST}/talk.wav",
        "file:///etc/passwd",
        "s3://not-ours/loras/a.safetensors",
        f"https://user@{HOST}/talk.wav",
        f"https://user:word@{HOST}/talk.wav",
        f"https://{HOST}:99999/talk.wav",
        "https:///talk.wav",
        "https://[::1/talk.wav",
        "https://a b.test/",
        "talk.wav",
        "",
    ],
)
def test_what_is_no_plain_https_address_is_refused(
    tmp_path: Path, fetcher: Callable[..., Fetcher], location: str
) -> None:
    assert _fails(fetcher(), location, tmp_path / "file").code == "invalid_input"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[fe80::1]",
        "169.254.169.254",
        "10.0.0.1",
        "0",
    ],
)
def test_no_spelling_of_a_private_address_is_dialled(
    tmp_path: Path, store: DirectoryObjectStore, host: str
) -> None:
    def dial_up(address: str, port: int, seconds: float | None) -> socket.socket:
        raise AssertionError((address, port, seconds))

    fetcher = Fetcher(store, dial_up=dial_up)

    assert (
        _fails(fetcher, f"https://{host}/", tmp_path / "file").code == "invalid_input"
    )


@pytest.mark.parametrize("target", ["127.0.0.1", "[::1]", "inside.test"])
def test_a_redirect_inwards_is_refused_at_its_second_connection(
    tmp_path: Path, fetcher: Callable[..., Fetcher], target: str
) -> None:
    def resolve_name(host: str, port: int) -> Sequence[str]:
        del port
        return {HOST: [PUBLIC], "inside.test": ["10.1.2.3"]}.get(
            host, [host.strip("[]")]
        )

    location = f"https://{HOST}/to?https://{target}/talk.wav"
    error = _fails(fetcher(resolve_name=resolve_name), location, tmp_path / "file")

    assert error.code == "invalid_input"
    assert "10.1.2.3" not in str(error)


def test_a_name_that_turns_inwards_between_two_requests_is_refused(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])

    def resolve_name(host: str, port: int) -> Sequence[str]:
        del host, port
        return next(answers)

    rebound = fetcher(resolve_name=resolve_name)
    rebound.fetch(f"https://{HOST}/talk.wav", tmp_path / "first", _go_on)

    error = _fails(rebound, f"https://{HOST}/talk.wav", tmp_path / "second")

    assert error.code == "invalid_input"


def test_a_name_with_one_private_address_among_others_is_refused(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    mixed = fetcher(resolve_name=lambda *_: [PUBLIC, "192.168.0.1"])

    error = _fails(mixed, f"https://{HOST}/talk.wav", tmp_path / "file")

    assert error.code == "invalid_input"


def test_a_name_is_resolved_once_for_a_connection_and_that_answer_is_dialled(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    asked: list[str] = []

    def resolve_name(host: str, port: int) -> Sequence[str]:
        del port
        asked.append(host)
        return [PUBLIC]

    fetcher(resolve_name=resolve_name).fetch(
        f"https://{HOST}/talk.wav", tmp_path / "file", _go_on
    )

    assert asked == [HOST]


def test_a_server_that_nobody_vouches_for_is_not_believed(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    error = _fails(fetcher(), "https://other.test/talk.wav", tmp_path / "file")

    assert (error.code, error.is_retryable) == ("source_unreadable", False)
    assert "certificate" in str(error)


def test_a_name_that_does_not_exist_may_do_so_later(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    def resolve_name(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(host, port)

    error = _fails(
        fetcher(resolve_name=resolve_name), f"https://{HOST}/", tmp_path / "file"
    )

    assert (error.code, error.is_retryable) == ("source_unreadable", True)


def test_an_endless_body_ends_at_the_limit(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    limits = FetchLimits(size_bytes=1_000_000)

    error = _fails(fetcher(limits=limits), f"https://{HOST}/endless", tmp_path / "file")

    assert error.code == "out_of_limits"


@pytest.mark.parametrize("name", ["trickle", "trickled-header"])
def test_a_trickle_ends_with_its_time_though_every_pause_is_short(
    tmp_path: Path, fetcher: Callable[..., Fetcher], name: str
) -> None:
    limits = FetchLimits(seconds=1.0, pause_seconds=5.0)
    start = time.monotonic()

    error = _fails(fetcher(limits=limits), f"https://{HOST}/{name}", tmp_path / "file")

    assert (error.code, error.is_retryable) == ("out_of_limits", True)
    assert time.monotonic() - start < 4.0


def test_a_silent_server_is_given_up(
    tmp_path: Path, store: DirectoryObjectStore
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fetcher = Fetcher(
            store,
            FetchLimits(pause_seconds=0.5),
            resolve_name=_public,
            dial_up=lambda _, __, seconds: socket.create_connection(
                ("127.0.0.1", port), seconds
            ),
        )

        error = _fails(fetcher, f"https://{HOST}/", tmp_path / "file")

    assert (error.code, error.is_retryable) == ("source_unreadable", True)


def test_cancelling_ends_a_fetch_and_leaves_no_file(
    tmp_path: Path, fetcher: Callable[..., Fetcher]
) -> None:
    calls: list[None] = []

    def check() -> None:
        calls.append(None)
        if len(calls) > 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        fetcher().fetch(f"https://{HOST}/endless", tmp_path / "file", check)

    assert not (tmp_path / "file").exists()


def test_an_object_of_our_store_is_read_from_it_within_the_same_limit(
    tmp_path: Path, fetcher: Callable[..., Fetcher], store: DirectoryObjectStore
) -> None:
    store.write(ObjectKey("temp/job-1/talk.wav"), CONTENT)
    small = fetcher(limits=FetchLimits(size_bytes=10))

    path = fetcher().fetch("s3://ours/temp/job-1/talk.wav", tmp_path / "a", _go_on)

    assert path.read_bytes() == CONTENT
    missing = _fails(fetcher(), "s3://ours/temp/job-1/none.wav", tmp_path / "b")
    assert missing.code == "source_missing"
    large = _fails(small, "s3://ours/temp/job-1/talk.wav", tmp_path / "c")
    assert large.code == "out_of_limits"


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "::1", "::ffff:7f00:1"],
)
def test_a_literal_is_judged_by_what_it_means_however_it_is_written(host: str) -> None:
    addresses = resolve(host, 443)

    assert addresses
    assert not any(map(is_public, addresses))
