"""The supervisor on real servers; our own processes are stand-ins."""

import os
import signal
import socket
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pymongo
import pytest
from pytest_socket import enable_socket

from catalog.local.data_directory import DataDirectory, ProcessState
from catalog.local.leftovers import end_leftovers
from tests.integration.local.running import (
    RunningStack,
    attempt,
    eventually,
    processes_of,
    running,
)
from tests.servers import TypesenseServer
from tests.unit.local.fakes import Notes

CHILDREN = {"mongodb", "typesense", "api", "indexer"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for the tests that leave it as it was."""
    enable_socket()
    with running(tmp_path_factory.mktemp("one") / "data", "--demo") as started:
        yield started


def test_the_ready_line_has_exactly_the_promised_facts(stack: RunningStack) -> None:
    assert list(stack.facts) == [
        *("api", "mongo", "mongoDb", "typesense", "typesenseApiKey", "storage")
    ]
    assert stack.facts["storage"] == (stack.data_dir / "storage").as_uri()


def test_the_demo_has_run_before_the_ready_line(stack: RunningStack) -> None:
    assert (stack.data_dir / "demo").read_text() == "made"


def test_mongodb_is_a_replica_set_that_takes_writes(stack: RunningStack) -> None:
    with (
        pymongo.MongoClient[dict[str, Any]](stack.facts["mongo"]) as client,
        client["probe"].watch(max_await_time_ms=2000) as changes,
    ):
        client["probe"]["jobs"].insert_one({"jobId": "a"})
        change = changes.try_next()

    assert change is not None
    assert change["operationType"] == "insert"


def test_all_servers_listen_on_loopback_only(stack: RunningStack) -> None:
    for name in CHILDREN - {"indexer"}:
        assert _listening(stack.pid_of(name)) == {"127.0.0.1"}, name


def _listening(pid: int) -> set[str]:
    """Tell its addresses.

    The kernel's list is read in pieces, and may lack a socket when others come and go
    between two of them: an empty one proves nothing.
    """
    found = set[str]()

    def look() -> bool:
        connections = psutil.Process(pid).net_connections("tcp")
        found.update(c.laddr[0] for c in connections if c.status == psutil.CONN_LISTEN)
        return bool(found)

    eventually(look, lambda: f"process {pid} listens nowhere")
    return found


def test_no_secret_is_on_a_command_line(stack: RunningStack) -> None:
    secrets = (stack.data_dir / "secrets.json").read_text().split('"')[3::4]
    lines = [" ".join(process.cmdline()) for process in processes_of(stack.data_dir)]

    assert len(secrets) == 3
    assert len(lines) >= 5
    assert not [line for line in lines for secret in secrets if secret in line]


def test_what_holds_secrets_is_readable_by_its_owner_alone(stack: RunningStack) -> None:
    for name in ("secrets.json", "state.json", "typesense/typesense.ini", "."):
        mode = stat.S_IMODE((stack.data_dir / name).stat().st_mode)

        assert mode & 0o077 == 0, name


def test_a_second_start_on_the_directory_is_refused_naming_the_process(
    stack: RunningStack,
) -> None:
    second = attempt(stack.data_dir)

    assert second.returncode == 1
    assert f"already runs on {stack.data_dir} (pid {stack.process.pid})" in (
        second.stderr
    )
    assert second.stdout == ""


def test_a_taken_api_port_is_named_with_its_holder(
    stack: RunningStack, tmp_path: Path
) -> None:
    port = stack.facts["api"].rpartition(":")[2]

    refused = attempt(tmp_path / "data", "--port", port)

    assert refused.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken by" in refused.stderr
    assert f"(pid {stack.pid_of('api')})" in refused.stderr
    assert "--port" in refused.stderr


def test_a_child_that_dies_is_started_again_and_that_is_said(
    stack: RunningStack,
) -> None:
    before = {name: stack.pid_of(name) for name in CHILDREN}
    restarts = {n: stack.state()["processes"][n]["restarts"] for n in CHILDREN}

    for name in ("indexer", "api"):
        os.kill(before[name], signal.SIGKILL)
    eventually(
        lambda: all(
            stack.state()["processes"].get(name, {}).get("restarts")
            == restarts[name] + 1
            for name in ("indexer", "api")
        ),
        stack.terminal,
    )

    assert stack.pid_of("mongodb") == before["mongodb"]
    assert f"api (pid {before['api']}) ended with SIGKILL" in stack.terminal()
    assert "indexer started again" in stack.terminal()
    assert "indexer started again" in (stack.data_dir / "logs/up.log").read_text()


def test_a_given_mongodb_and_typesense_are_used_as_they_are(
    tmp_path: Path, mongo_uri: str, typesense_server: TypesenseServer
) -> None:
    given = (
        *("--mongo-uri", mongo_uri, "--typesense-url", typesense_server.url),
        *("--typesense-api-key", typesense_server.api_key),
    )

    with running(tmp_path / "data", *given) as stack:
        assert set(stack.state()["processes"]) == {"api", "indexer"}
        assert stack.facts["mongo"] == mongo_uri
        assert stack.facts["typesenseApiKey"] == typesense_server.api_key


def test_a_given_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    refused = attempt(tmp_path / "data", "--mongo-uri", "mongodb://127.0.0.1:9/")

    assert refused.returncode == 1
    assert "No MongoDB answers at CATALOG_MONGO_URI" in refused.stderr


def test_what_an_interrupted_restore_left_behind_is_not_started(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    with pytest.raises(KeyboardInterrupt), directory.filling():
        raise KeyboardInterrupt

    refused = attempt(directory.path)

    assert refused.returncode == 1
    assert "was interrupted" in refused.stderr
    assert "catalog restore" in refused.stderr
    assert not any(directory.mongo.iterdir())


def test_a_refused_key_is_named(
    tmp_path: Path, mongo_uri: str, typesense_server: TypesenseServer
) -> None:
    refused = attempt(
        tmp_path / "data",
        *("--mongo-uri", mongo_uri, "--typesense-url", typesense_server.url),
        *("--typesense-api-key", "wrong"),
    )

    assert refused.returncode == 1
    assert "refuses the key in CATALOG_TYPESENSE_API_KEY" in refused.stderr


def test_data_survives_a_clean_stop_a_kill_and_taken_ports(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"

    with running(data_dir) as stack:
        _write(stack, "before the stop")
        took = stack.stop()
        assert took < 10
        assert processes_of(data_dir) == []
        assert stack.process.returncode == 0

    with running(data_dir) as again:
        assert again.facts == stack.facts  # ports and keys are kept
        _write(again, "before the kill")
        pids = [again.pid_of(name) for name in CHILDREN]
        again.process.kill()
        again.process.wait()
        eventually(lambda: not any(map(psutil.pid_exists, pids)), lambda: str(pids))
        assert processes_of(data_dir) == []

    ports = again.state()["ports"]
    with (
        socket.create_server(("127.0.0.1", ports["mongo"])),
        running(data_dir) as third,
    ):
        assert _written(third) == {"before the stop", "before the kill"}
        assert f"Port {ports['mongo']} (mongo) is taken by" in third.terminal()
        assert third.state()["ports"]["mongo"] != ports["mongo"]
        _write(third, "on another port")
        assert _indexes(third) == b"[]"


def test_a_child_that_ignores_sigterm_is_killed_within_ten_seconds(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "data", "--stubborn") as stack:
        took = stack.stop()

        assert took < 10
        assert "indexer had to be killed" in stack.terminal()
        assert processes_of(tmp_path / "data") == []


def test_children_of_an_earlier_start_that_outlived_it_are_ended(
    stack: RunningStack,
) -> None:
    """As if the kernel had not ended them with their parent."""
    indexer = stack.state()["processes"]["indexer"]
    other = ProcessState(pid=os.getpid(), started_at=0.0)  # the id was used again

    end_leftovers({"indexer": ProcessState(**indexer), "api": other}, Notes())

    assert not psutil.pid_exists(indexer["pid"])
    eventually(
        lambda: stack.state()["processes"].get("indexer", indexer) != indexer,
        stack.terminal,
    )


def _write(stack: RunningStack, text: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](stack.facts["mongo"]) as client:
        client["probe"].get_collection(
            "notes", write_concern=pymongo.WriteConcern("majority")
        ).insert_one({"text": text})


def _written(stack: RunningStack) -> set[str]:
    with pymongo.MongoClient[dict[str, Any]](stack.facts["mongo"]) as client:
        return {note["text"] for note in client["probe"]["notes"].find()}


def _indexes(stack: RunningStack) -> bytes:
    request = urllib.request.Request(
        stack.facts["typesense"] + "/collections",
        headers={"X-TYPESENSE-API-KEY": stack.facts["typesenseApiKey"]},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: bytes = answer.read()
        return content
