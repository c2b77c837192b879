"""The keys that fence, held to by the real engine; and the writer that bears them."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typing_extensions import override

from catalog.clock import ManualClock, SystemClock
from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    FencedError,
)
from catalog.models.ids import RootKey
from catalog.search.base import Document, IndexAdmin, IndexKeys, IndexName, IndexWriter
from catalog.search.generation import alias_name, physical_name
from catalog.search.projection import documents_of
from catalog.search.schema import schema_hash
from catalog.search.typesense.admin import TypesenseIndexAdmin
from catalog.search.typesense.keys import TypesenseIndexKeys
from catalog.search.typesense.writer import TypesenseIndexWriter
from tests.servers import TypesenseServer, free_port
from tests.torture.proxy import Fault, Proxy
from tests.unit.search.assets import an_image

pytestmark = pytest.mark.usefixtures("socket_enabled")  # fixtures connect too
MINUTE = timedelta(seconds=60)
ROOT = RootKey("a" * 24)


def a_document(number: int) -> Document:
    projected = documents_of(
        an_image(f"job-{number}-1"), root_key=ROOT, sequence=1, generation=1
    )
    assert projected.document is not None
    return projected.document


def keys_of(server: TypesenseServer, prefix: str) -> IndexKeys:
    return TypesenseIndexKeys(server.url, server.api_key, prefix, clock=SystemClock())


@pytest.fixture
def admin(typesense_server: TypesenseServer, index_prefix: str) -> IndexAdmin:
    return TypesenseIndexAdmin(
        typesense_server.url, typesense_server.api_key, index_prefix
    )


@pytest.fixture
def keys(typesense_server: TypesenseServer, index_prefix: str) -> Iterator[IndexKeys]:
    keys = keys_of(typesense_server, index_prefix)
    yield keys
    keys.revoke(before_epoch=10**6)


@pytest.fixture
def writer(typesense_server: TypesenseServer, index_prefix: str) -> IndexWriter:
    """One without a key that the engine would take."""
    return TypesenseIndexWriter(typesense_server.url, "no key", index_prefix)


@pytest.fixture
def index(admin: IndexAdmin, index_prefix: str) -> str:
    name = physical_name(index_prefix, IndexName.ASSETS, 1, schema_hash())
    admin.create(name, IndexName.ASSETS)
    return name


def call(
    server: TypesenseServer, key: str, method: str, path: str, body: object = None
) -> int:
    """Send one request; returns the status."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        server.url + path,
        method=method,
        data=data,
        headers={"X-TYPESENSE-API-KEY": key, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as exc:
        return exc.code


def acts(writer: IndexWriter, index: str) -> dict[str, Callable[[], object]]:
    return {
        "upsert": lambda: writer.upsert(index, [a_document(1)]),
        "delete": lambda: writer.delete(index, ["a"]),
        "delete_older": lambda: writer.delete_older(index, [ROOT], 1),
        "count_of_roots": lambda: writer.count_of_roots([index], [ROOT]),
        "barrier": lambda: writer.barrier(index),
    }


# --- what a key opens ----------------------------------------------------------------


@pytest.mark.parametrize("kind", IndexName)
def test_a_key_is_all_that_a_writer_needs(
    admin: IndexAdmin,
    writer: IndexWriter,
    keys: IndexKeys,
    index_prefix: str,
    kind: IndexName,
) -> None:
    name = physical_name(index_prefix, kind, 12, schema_hash())
    admin.create(name, kind)

    writer.use_key(keys.mint(1, MINUTE))

    writer.barrier(name)
    writer.delete(name, ["a"])
    if kind is not IndexName.TAGS:  # they belong to no root
        assert writer.delete_older(name, [ROOT], 5) == 0
        assert writer.count_of_roots([name], [ROOT]) == [0]


def test_a_key_writes_and_counts_documents(
    admin: IndexAdmin, writer: IndexWriter, keys: IndexKeys, index: str
) -> None:
    writer.use_key(keys.mint(1, MINUTE))

    (result,) = writer.upsert(index, [a_document(1)])

    assert result.error is None
    assert writer.count_of_roots([index], [ROOT]) == [1]
    assert writer.delete_older(index, [ROOT], 2) == 1
    assert admin.count(index) == 0


def test_a_key_opens_no_document_but_those_of_our_physical_indexes(
    admin: IndexAdmin,
    keys: IndexKeys,
    typesense_server: TypesenseServer,
    index: str,
    index_prefix: str,
) -> None:
    admin.point(IndexName.ASSETS, index)
    alias = alias_name(index_prefix, IndexName.ASSETS)
    names = [alias, f"{index}z", f"x{index}", f"{index_prefix}assets__gx_00000000"]
    for prefix in (f"x{index_prefix}", f"{index_prefix}x_"):
        other = TypesenseIndexAdmin(
            typesense_server.url, typesense_server.api_key, prefix
        )
        names.append(physical_name(prefix, IndexName.ASSETS, 1, schema_hash()))
        other.create(names[-1], IndexName.ASSETS)
    key = keys.mint(1, MINUTE)

    def statuses(name: str) -> set[int]:
        at = f"/collections/{name}/documents"
        search = {"searches": [{"collection": name, "q": "*", "per_page": 0}]}
        return {
            call(typesense_server, key, "POST", f"{at}/import", a_document(1)),
            call(typesense_server, key, "POST", at, a_document(2)),
            call(typesense_server, key, "GET", f"{at}/export"),
            call(typesense_server, key, "GET", f"{at}/search?q=*"),
            call(typesense_server, key, "DELETE", f"{at}?filter_by=id:=zz"),
            call(typesense_server, key, "POST", "/multi_search", search),
        }

    assert {name: statuses(name) for name in names} == {n: {401} for n in names}
    assert admin.count(index) == 0
    assert statuses(index) == {200, 201}
    call(
        typesense_server, typesense_server.api_key, "DELETE", f"/collections/{names[4]}"
    )


def test_a_key_opens_nothing_but_documents(
    admin: IndexAdmin,
    keys: IndexKeys,
    typesense_server: TypesenseServer,
    index: str,
    index_prefix: str,
) -> None:
    admin.point(IndexName.ASSETS, index)
    alias = alias_name(index_prefix, IndexName.ASSETS)
    ours = physical_name(index_prefix, IndexName.ASSETS, 2, "0" * 8)
    field = {"name": "more", "type": "string", "optional": True}
    refused: list[tuple[str, str, object]] = [
        ("POST", "/collections", {"name": ours, "fields": [field]}),
        ("GET", "/collections", None),
        ("GET", f"/collections/{index}", None),
        ("PATCH", f"/collections/{index}", {"fields": [field]}),
        ("DELETE", f"/collections/{index}", None),
        ("DELETE", f"/collections/{alias}", None),
        ("GET", "/aliases", None),
        ("PUT", f"/aliases/{alias}", {"collection_name": index}),
        ("DELETE", f"/aliases/{alias}", None),
        ("GET", "/keys", None),
        ("GET", "/keys/1", None),
        ("DELETE", "/keys/1", None),
        ("POST", "/keys", {"description": "", "actions": ["*"], "collections": [".*"]}),
        ("GET", f"/collections/{index}/overrides", None),
        ("PUT", f"/collections/{index}/synonyms/a", {"synonyms": ["a", "b"]}),
        ("GET", "/debug", None),
        ("GET", "/metrics.json", None),
        ("POST", "/operations/vote", {}),
    ]
    key = keys.mint(1, MINUTE)

    statuses = {
        f"{method} {path}": call(typesense_server, key, method, path, body)
        for method, path, body in refused
    }

    assert set(statuses.values()) == {401}, statuses
    assert admin.resolve(IndexName.ASSETS) == index
    assert admin.physical() == (index,)


def test_without_a_prefix_a_key_opens_no_index_of_another_catalog(
    typesense_server: TypesenseServer, index: str
) -> None:
    keys = keys_of(typesense_server, "")
    key = keys.mint(1, MINUTE)

    path = f"/collections/{index}/documents/search?q=*"

    assert call(typesense_server, key, "GET", path) == 401
    assert keys.revoke(before_epoch=2) == 1


# --- how long ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act", ["upsert", "delete", "delete_older", "count_of_roots", "barrier"]
)
def test_a_revoked_key_is_refused_at_once(
    admin: IndexAdmin, writer: IndexWriter, keys: IndexKeys, index: str, act: str
) -> None:
    writer.use_key(keys.mint(1, MINUTE))
    acts(writer, index)[act]()
    before = admin.count(index)

    assert keys.revoke(before_epoch=2) == 1

    with pytest.raises(FencedError):
        acts(writer, index)[act]()
    assert admin.count(index) == before


@pytest.mark.parametrize(
    "act", ["upsert", "delete", "delete_older", "count_of_roots", "barrier"]
)
def test_an_expired_key_is_refused(
    writer: IndexWriter,
    typesense_server: TypesenseServer,
    index_prefix: str,
    index: str,
    act: str,
) -> None:
    an_hour_ago = ManualClock(SystemClock().now() - timedelta(hours=1))
    keys = TypesenseIndexKeys(
        typesense_server.url, typesense_server.api_key, index_prefix, clock=an_hour_ago
    )
    writer.use_key(keys.mint(1, timedelta(minutes=62)))
    acts(writer, index)[act]()

    writer.use_key(keys.mint(1, timedelta(minutes=58)))

    with pytest.raises(FencedError):
        acts(writer, index)[act]()
    assert keys.revoke(before_epoch=2) == 2


def test_only_keys_of_older_epochs_are_revoked(
    writer: IndexWriter, keys: IndexKeys, index: str
) -> None:
    made = {epoch: keys.mint(epoch, MINUTE) for epoch in (1, 2, 3, 4, 10)}

    assert keys.revoke(before_epoch=3) == 2
    assert keys.revoke(before_epoch=3) == 0

    good = set()
    for epoch, key in made.items():
        writer.use_key(key)
        try:
            writer.barrier(index)
        except FencedError:
            continue
        good.add(epoch)
    assert good == {3, 4, 10}


def test_the_key_in_use_outlives_those_before_it(
    writer: IndexWriter, keys: IndexKeys, index: str
) -> None:
    first, second, third = (keys.mint(7, MINUTE) for _ in range(3))
    of_another = keys.mint(8, MINUTE)

    assert keys.revoke_superseded(7, second) == 2

    for gone in (first, third):
        writer.use_key(gone)
        with pytest.raises(FencedError):
            writer.barrier(index)
    for kept in (second, of_another):
        writer.use_key(kept)
        writer.barrier(index)


def test_keys_of_others_are_left_alone(
    keys: IndexKeys, typesense_server: TypesenseServer, index_prefix: str
) -> None:
    other = keys_of(typesense_server, f"{index_prefix}x_")
    theirs = other.mint(1, MINUTE)
    foreign: list[dict[str, Any]] = [
        {"description": text, "actions": ["documents:search"], "collections": [".*"]}
        for text in ["", "a shop", "epoch 1", f"asset catalog, prefix '{index_prefix}'"]
        * 30
    ]
    for key in foreign:
        assert call(
            typesense_server, typesense_server.api_key, "POST", "/keys", key
        ) in {200, 201}
    mine = keys.mint(1, MINUTE)

    assert keys.revoke_superseded(1, mine) == 0
    assert keys.revoke(before_epoch=10**6) == 1

    assert other.revoke(before_epoch=2) == 1
    assert theirs != mine
    listed = _listed(typesense_server)
    assert len([k for k in listed if k["collections"] == [".*"]]) == len(foreign)
    for key in listed:
        path = f"/keys/{key['id']}"
        call(typesense_server, typesense_server.api_key, "DELETE", path)


def _listed(server: TypesenseServer) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{server.url}/keys", headers={"X-TYPESENSE-API-KEY": server.api_key}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        keys: list[dict[str, Any]] = json.load(answer)["keys"]
        return keys


# --- changing keys -------------------------------------------------------------------


class _Gate:
    """An engine that holds a request up, and then takes one key only."""

    def __init__(self, good: str) -> None:
        self.good = good
        self.seen: list[str] = []
        self.on_request: Callable[[], None] = lambda: None

    @contextmanager
    def serving(self) -> Iterator[str]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers["X-TYPESENSE-API-KEY"]
                gate.seen.append(key)
                gate.on_request()
                body = b'{"success":true}' if key == gate.good else b'{"message":"no"}'
                self.send_response(200 if key == gate.good else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


def test_a_request_overtaken_by_a_change_of_keys_is_sent_again() -> None:
    gate = _Gate(good="second")
    with gate.serving() as url:
        writer = TypesenseIndexWriter(url, "first", "p_")
        gate.on_request = lambda: writer.use_key("second")

        (result,) = writer.upsert("p_assets__g1_00000000", [a_document(1)])

    assert result.error is None
    assert gate.seen == ["first", "second"]


def test_a_refused_request_is_sent_once_while_no_other_key_is_there() -> None:
    gate = _Gate(good="none")
    with gate.serving() as url:
        writer = TypesenseIndexWriter(url, "first", "p_")

        with pytest.raises(FencedError):
            writer.upsert("p_assets__g1_00000000", [a_document(1)])

    assert gate.seen == ["first"]


def test_two_refused_keys_are_a_fence_too() -> None:
    gate = _Gate(good="none")
    with gate.serving() as url:
        writer = TypesenseIndexWriter(url, "0", "p_")
        gate.on_request = lambda: writer.use_key(str(len(gate.seen)))

        with pytest.raises(FencedError):
            writer.upsert("p_assets__g1_00000000", [a_document(1)])

    assert gate.seen == ["0", "1"]


# --- what comes late -----------------------------------------------------------------


@contextmanager
def held_up(server: TypesenseServer) -> Iterator[Proxy]:
    """A way to the engine on which a stall lasts 1.5 s."""
    proxy = Proxy(int(server.url.rpartition(":")[2]), seed=8)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


@pytest.mark.parametrize("kept", ["new", "old"])
def test_a_write_that_broke_off_lands_over_a_newer_one_unless_its_key_is_revoked(
    typesense_server: TypesenseServer,
    admin: IndexAdmin,
    keys: IndexKeys,
    index: str,
    index_prefix: str,
    kept: str,
) -> None:
    key = keys.mint(1, MINUTE)
    with held_up(typesense_server) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        writer = TypesenseIndexWriter(
            url, key, index_prefix, import_timeout_seconds=0.5
        )
        writer.upsert(index, [a_document(1)])
        assert writer.uncertain_writes == 0
        assert proxy.strike(Fault.STALL)
        with pytest.raises(DependencyUnavailableError):
            writer.upsert(index, [a_document(1) | {"name": "old"}])
        assert writer.uncertain_writes == 1
        if kept == "new":
            key = keys.mint(1, MINUTE)
            keys.revoke_superseded(1, key)
            writer.use_key(key)

        writer.upsert(index, [a_document(1) | {"name": "new"}])
        assert proxy.counts[Fault.STALL] == 1
        threading.Event().wait(2.5)

    (held,) = admin.export(index, ["name"])
    assert held["name"] == kept


def test_a_write_that_never_left_is_not_uncertain() -> None:
    gate = _Gate(good="none")
    with gate.serving() as url:
        writer = TypesenseIndexWriter(url, "first", "p_")
        with pytest.raises(FencedError):
            writer.upsert("p_assets__g1_00000000", [a_document(1)])
    with pytest.raises(DependencyUnavailableError):
        writer.upsert("p_assets__g1_00000000", [a_document(1)])

    assert writer.uncertain_writes == 0


# --- trouble -------------------------------------------------------------------------


def test_a_wrong_admin_key_is_a_mistake_and_no_fence(
    typesense_server: TypesenseServer, index: str, index_prefix: str
) -> None:
    keys = TypesenseIndexKeys(
        typesense_server.url, "wrong", index_prefix, clock=SystemClock()
    )
    admin = TypesenseIndexAdmin(typesense_server.url, "wrong", index_prefix)

    for act in (
        lambda: keys.mint(1, MINUTE),
        lambda: keys.revoke(before_epoch=1),
        admin.physical,
        lambda: admin.export(index, []),
    ):
        with pytest.raises(DependencyRejectedError):
            act()


def test_an_engine_that_is_away_is_unavailable(index_prefix: str) -> None:
    keys = TypesenseIndexKeys(
        f"http://127.0.0.1:{free_port()}", "key", index_prefix, clock=SystemClock()
    )

    for act in (
        lambda: keys.mint(1, MINUTE),
        lambda: keys.revoke(before_epoch=1),
        lambda: keys.revoke_superseded(1, "key"),
    ):
        with pytest.raises(DependencyUnavailableError):
            act()
