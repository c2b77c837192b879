"""Starts the whole stack the way a user does, and talks to it like a stranger."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

BUCKET_URL = "https://content-generation-assets.s3.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  (whatever the API answered)
        return json.loads(self.body)


def fetch(
    url: str,
    headers: dict[str, str] | None = None,
    data: bytes | None = None,
    method: str | None = None,
) -> Answer:
    request = urllib.request.Request(
        url, data=data, headers=headers or {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            lowered = {k.lower(): v for k, v in answer.headers.items()}
            return Answer(answer.status, lowered, answer.read())
    except urllib.error.HTTPError as error:
        lowered = {k.lower(): v for k, v in error.headers.items()}
        return Answer(error.code, lowered, error.read())


def eventually(
    look: Callable[[], Result | None], *, seconds: float = 20, what: str = "it"
) -> Result:
    """Look again until the result is truthy; the last error explains a failure."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            found = look()
            if found:
                return found
            last = found
        except (OSError, KeyError, IndexError, ValueError) as error:
            last = error
        time.sleep(0.05)  # noqa: TID251  (another process does the work)
    message = f"{what} did not happen within {seconds} s; last: {last!r}"
    raise AssertionError(message)


@dataclass(frozen=True, slots=True)
class Stack:
    """The ready line of ``catalog up --json``, and where it runs."""

    api: str
    mongo: str
    mongo_db: str
    typesense: str
    typesense_api_key: str
    storage: Path
    data_dir: Path
    process: subprocess.Popen[str] = field(repr=False)

    def get(self, path: str, **parameters: object) -> Answer:
        query = urllib.parse.urlencode(
            {name.rstrip("_"): str(value) for name, value in parameters.items()}
        )
        return fetch(f"{self.api}{path}" + (f"?{query}" if query else ""))

    def post(self, path: str, body: dict[str, Any]) -> Answer:
        headers = {"Content-Type": "application/json"}
        return fetch(self.api + path, headers, json.dumps(body).encode())

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send any request; a body goes as JSON."""
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        return fetch(self.api + path, kind | dict(headers or {}), data, method=method)

    def put_file(self, key: str, content: bytes) -> None:
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(content)
        partial.rename(path)


def catalog_command() -> list[str]:
    return [str(Path(sys.executable).parent / "catalog")]


@contextmanager
def running_stack(
    data_dir: Path, *options: str, settings: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """``catalog up --json`` until the block ends, then SIGTERM."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CATALOG_")}
    environment |= settings or {}
    log = (data_dir.parent / f"{data_dir.name}.log").open("w")
    process = subprocess.Popen(
        [
            *catalog_command(),
            *("up", "--json", "--data-dir", str(data_dir), "--port", "0", *options),
        ],
        stdout=subprocess.PIPE,
        stderr=log,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"no ready line:\n{Path(log.name).read_text()[-4000:]}"
        facts = json.loads(line)
        yield Stack(
            api=facts["api"].rstrip("/"),
            mongo=facts["mongo"],
            mongo_db=facts["mongoDb"],
            typesense=facts["typesense"],
            typesense_api_key=facts["typesenseApiKey"],
            storage=Path(
                urllib.parse.unquote(urllib.parse.urlsplit(facts["storage"]).path)
            ),
            data_dir=data_dir,
            process=process,
        )
    finally:
        if process.stdout is not None:
            process.stdout.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
