"""Starts ``fake_stack`` the way a shell would, and looks at what it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class RunningStack:
    process: subprocess.Popen[str]
    data_dir: Path
    facts: dict[str, str]
    log: Path

    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data_dir / "state.json").read_text())
        return content

    def pid_of(self, name: str) -> int:
        return int(self.state()["processes"][name]["pid"])

    def terminal(self) -> str:
        return self.log.read_text()

    def stop(self) -> float:
        """SIGTERM; returns the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        return time.monotonic() - began


def command(data_dir: Path, *options: str) -> list[str]:
    module = "tests.integration.local.fake_stack"
    return [sys.executable, "-m", module, "--data-dir", str(data_dir), *options]


@contextmanager
def running(data_dir: Path, *options: str) -> Iterator[RunningStack]:
    log = data_dir.parent / f"{data_dir.name}-terminal.log"
    with log.open("w") as terminal:
        process = subprocess.Popen(
            command(data_dir, *options),
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
            cwd=REPOSITORY,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"no ready line:\n{log.read_text()}"
        yield RunningStack(process, data_dir, json.loads(line), log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        process.stdout.close()


def attempt(data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Start where it must fail; waits for the end."""
    return subprocess.run(
        command(data_dir, *options),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
        check=False,
    )


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Every process that has to do with the data directory, by command or settings."""
    wanted, found = str(data_dir), []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(wanted in word for word in words):
            found.append(process)
    return found


def eventually(
    look: Callable[[], bool], what: Callable[[], str], seconds: float = 20
) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if look():
            return
        time.sleep(0.05)  # noqa: TID251  (another process does the work)
    raise AssertionError(what())
