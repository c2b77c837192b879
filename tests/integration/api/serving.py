"""The API as a process of its own, as it is deployed."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port

ROOT = Path(__file__).parents[3]


class ApiProcess:
    """A running ``python -m api``."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def stop(self, timeout_seconds: float = 10) -> float:
        """Send SIGTERM; returns how many seconds the end took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout_seconds)
        return time.monotonic() - started


def settings(mongo_uri: str, database: str, folder: Path, port: int) -> dict[str, str]:
    """Environment of an API whose search engine is away."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CATALOG_")}
    return inherited | {
        "CATALOG_MONGO_URI": mongo_uri,
        "CATALOG_MONGO_DB": database,
        "CATALOG_TYPESENSE_URL": "http://127.0.0.1:9",
        "CATALOG_TYPESENSE_API_KEY": "nobody",
        "CATALOG_STORAGE": folder.as_uri(),
        "CATALOG_PORT": str(port),
        "CATALOG_LOG_LEVEL": "WARNING",
    }


@contextmanager
def running_api(mongo_uri: str, database: str, folder: Path) -> Iterator[ApiProcess]:
    """Start an API and wait until it answers."""
    port = free_port()
    log = folder / "api.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"],
            cwd=ROOT,
            env=settings(mongo_uri, database, folder, port),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    api = ApiProcess(process, port)
    try:
        _await(api, log)
        yield api
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _await(api: ApiProcess, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and api.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{api.url}/health/live", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)  # noqa: TID251  (another process starts)
    message = f"the API did not start:\n{log.read_text(errors='replace')[-3000:]}"
    raise RuntimeError(message)
