"""Ports are kept, and replaced only when somebody else took them."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_socket import enable_socket

from catalog.errors import StackError
from catalog.local.data_directory import DataDirectory
from catalog.local.engines import api_port, find_typesense, kept_port
from catalog.local.options import StackOptions
from tests.unit.local.fakes import Notes

OPTIONS = StackOptions(
    data_dir=Path("data"),
    host="127.0.0.1",
    port=0,
    mongo_uri=None,
    mongo_db="catalog",
    typesense_url=None,
    typesense_api_key=None,
    storage=None,
    admin_token=None,
    link_secret=None,
    with_demo=False,
    environment={},
)


@pytest.fixture(autouse=True)
def _loopback() -> None:
    enable_socket()  # a port is probed by binding to it; nothing is called


def test_a_port_is_chosen_once_and_kept() -> None:
    ports: dict[str, int] = {}

    chosen = kept_port(ports, "mongo", Notes())

    assert kept_port(ports, "mongo", Notes()) == chosen
    assert ports == {"mongo": chosen}


def test_a_taken_port_is_replaced_and_its_holder_named() -> None:
    notes = Notes()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        ports = {"mongo": port}

        chosen = kept_port(ports, "mongo", notes)

    assert chosen != port
    assert ports == {"mongo": chosen}
    assert f"Port {port} (mongo) is taken by" in notes.warnings[0]
    assert f"using {chosen} from now on" in notes.warnings[0]


def test_port_zero_keeps_the_port_it_picked_before() -> None:
    ports: dict[str, int] = {}

    picked = api_port(OPTIONS, ports)

    assert api_port(OPTIONS, ports) == picked


def test_a_wanted_port_that_is_taken_is_refused_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])

        with pytest.raises(StackError, match=rf"Port {port} .* --port 0"):
            api_port(replace(OPTIONS, port=port), {})


def test_a_given_typesense_needs_its_key() -> None:
    options = replace(OPTIONS, typesense_url="http://127.0.0.1:1")

    with pytest.raises(StackError, match="set CATALOG_TYPESENSE_API_KEY too"):
        find_typesense(options, DataDirectory(Path("data")), {}, Notes())
