"""The harness sees what is wrong: a judge that can't convict proves nothing."""

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import exported
from tests.torture.faults import running_proxy
from tests.torture.outcome import Violation, pause
from tests.torture.proxy import Fault
from tests.torture.watching import Searcher, SequenceWatcher
from tests.torture.world import PREFIX, World, running_world


@pytest.mark.timeout(200)
def test_the_judge_sees_each_kind_of_damage(seed: int, folder: Path) -> None:
    with running_world(World(folder, seed)) as world:
        world.begin(200)
        world.indexer.stop()
        index, segments = world.physical("assets")[0], world.physical("segments")[0]
        asset = _documents(world, index)[0]
        segment = _documents(world, segments)[0]
        job = world.gateway.jobs.find_one({"jobId": asset["view"]["jobId"]})
        assert job is not None

        damages = (
            ("missing", index, asset, None),
            ("ghosts", index, None, asset | {"id": "l" + "0" * 24}),
            ("stale", index, asset, asset | {"acl": ["pub"]}),
            ("facets", index, asset, asset | {"status": "forgotten"}),
            ("torn", index, asset, asset | {"_hash": "0" * 32}),
            ("stale", segments, segment, segment | {"text": "something else"}),
            ("ghosts", segments, None, segment | {"id": segment["id"] + "0000"}),
            ("missing", segments, segment, None),
        )
        for expected, where, before, after in damages:
            _replace(world, where, before, after)
            assert expected in json.dumps(_lasting(world.judge())), expected
            _replace(world, where, after, before)
            assert world.judge() == {}


def test_a_sequence_that_goes_down_is_seen(seed: int, folder: Path) -> None:
    with running_world(World(folder, seed)) as world:
        world.begin(50)
        world.indexer.stop()
        watcher = SequenceWatcher(world.engine, world.physical)
        watcher.start()
        index = world.physical("assets")[0]
        document = _documents(world, index)[0]
        while not watcher.samples:
            pause(0.1)

        _replace(world, index, None, document | {"_seq": document["_seq"] - 1})
        seen = watcher.samples
        while watcher.samples < seen + 2:
            pause(0.1)
        watcher.stop()

        with pytest.raises(Violation, match="_seq of"):
            watcher.check()
        with pytest.raises(Violation, match="_seq of"):
            world.sequences.check()
        world.sequences.violations.clear()


def test_a_search_that_fails_or_lacks_something_is_seen(
    seed: int, folder: Path
) -> None:
    with running_world(World(folder, seed)) as world:
        world.begin(50)
        parameters = {"q": "*", "include_fields": "id", "per_page": "250"}
        lacking = Searcher(world.engine, f"{PREFIX}assets", parameters, {"nobody"})
        failing = Searcher(world.engine, f"{PREFIX}elsewhere", parameters, set())

        for searcher in (lacking, failing):
            searcher.start()
        while not (lacking.searches and failing.searches):
            pause(0.05)
        for searcher in (lacking, failing):
            searcher.stop()

        with pytest.raises(Violation, match="lacks"):
            lacking.check()
        with pytest.raises(Violation, match="failed"):
            failing.check()


@pytest.mark.parametrize("fault", list(Fault))
def test_each_fault_does_what_its_name_says(fault: Fault) -> None:
    with _echoing() as port, running_proxy(port, 1) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as caller:
            caller.sendall(b"before")
            assert caller.recv(100) == b"before"

            assert proxy.strike(fault, longest_seconds=0.3)
            told = _ask(caller)

        expected = {
            Fault.RESET: "reset",
            Fault.HALF_CLOSE: "end",
            Fault.STALL: "late",
            Fault.DELAY: "late",
            Fault.ANSWER_LOST: "reset",
        }
        assert told == expected[fault]
        assert proxy.counts == {fault: 1}


def _ask(caller: socket.socket) -> str:
    caller.settimeout(0.015)
    try:
        caller.sendall(b"after")
        answer = caller.recv(100)
    except TimeoutError:
        caller.settimeout(5)
        try:
            return "late" if caller.recv(100) == b"after" else "end"
        except OSError:
            return "reset"
    except OSError:
        return "reset"
    return "answered" if answer else "end"


@contextmanager
def _echoing() -> Iterator[int]:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while data := connection.recv(100):
                    connection.sendall(data)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port: int = listener.getsockname()[1]
        yield port
        thread.join(5)


def _documents(world: World, index: str) -> list[dict[str, Any]]:
    return exported(world.engine.url, world.engine.api_key, index)


def _replace(
    world: World,
    index: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    if before is not None and after is None:
        world.call("DELETE", f"/collections/{index}/documents/{before['id']}")
    elif after is not None and (before is None or before["id"] == after["id"]):
        request = urllib.request.Request(
            f"{world.engine.url}/collections/{index}/documents?action=upsert",
            data=json.dumps(after).encode(),
            headers={"X-TYPESENSE-API-KEY": world.engine.api_key},
        )
        urllib.request.urlopen(request, timeout=10).close()


def _lasting(found: object) -> object:
    """Drop what is empty: ``{"missing": [], "ghosts": ["a"]}`` names ghosts alone."""
    if isinstance(found, dict):
        kept = {name: _lasting(value) for name, value in found.items()}
        return {name: value for name, value in kept.items() if value}
    return found
