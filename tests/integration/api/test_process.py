"""How the API process starts and ends."""

import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.integration.api.serving import ROOT, ApiProcess, settings


def _start(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_sigterm_ends_it_cleanly(api_process: ApiProcess) -> None:
    seconds = api_process.stop()

    assert seconds < 5
    assert api_process.process.returncode == 0


def test_a_taken_port_is_named(mongo_uri: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = _start(settings(mongo_uri, "unused", tmp_path, port))

    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "CATALOG_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"CATALOG_HOST": "0.0.0.0"}, "CATALOG_ALLOW_REMOTE"),
        ({"CATALOG_AUTH": "tokens"}, "auth"),
        ({"CATALOG_JWT_ISSUER": "https://id.example"}, "CATALOG_JWT_AUDIENCE"),
        ({"CATALOG_STORAGE": "ftp://somewhere"}, "CATALOG_STORAGE"),
        ({"CATALOG_PORT": "many"}, "port"),
    ],
)
def test_settings_that_cannot_be_served_are_refused_in_words(
    mongo_uri: str, tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    ended = _start(settings(mongo_uri, "unused", tmp_path, 0) | changes)

    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/jobs/\xff\xfe HTTP/1.1",
        b"GET /api/jobs?userId=\xff\xfe HTTP/1.1",
        b"GET /api/jobs/%FF%00 HTTP/1.1",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1",
        b"GET //////../.. HTTP/1.1",
        b"G\x00T / HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ],
)
def test_raw_garbage_gets_a_refusal_and_harms_nobody(
    api_process: ApiProcess, request_line: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", api_process.port), 10) as raw:
        raw.sendall(request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = raw.recv(1000)

    assert answer == b"" or answer.split()[1].startswith((b"2", b"4"))
    assert api_process.process.poll() is None


def test_without_typesense_it_is_ready_and_says_what_is_missing(
    api_process: ApiProcess,
) -> None:
    with urllib.request.urlopen(f"{api_process.url}/health/ready", timeout=5) as answer:
        facts = json.load(answer)

    assert facts["mongo"] == "up"
    assert facts["typesense"] == "away"
    codes = [one["code"] for one in facts["degraded"]]
    assert codes == ["typesense_away", "indexer_silent"]
