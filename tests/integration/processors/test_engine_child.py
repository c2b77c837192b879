"""A child of an engine ends with its work, its limits, its job or its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from processors.engine import CancelledError, EngineError
from processors.engines.child import ChildLimits, run_child

CHILD = "tests.fakes.engine_child"
MIB = 1024 * 1024


def _limits(**changes: float) -> ChildLimits:
    values: dict[str, Any] = {
        "memory_bytes": 512 * MIB,
        "file_bytes": MIB,
        "cpu_seconds": 30,
        "cpu_seconds_per_unit": 0.0,
        "wall_seconds": 60,
        "wall_seconds_per_unit": 0.0,
        "most_units": 10,
    }
    return ChildLimits(**(values | changes))


def _run(
    folder: Path,
    does: str,
    limits: ChildLimits | None = None,
    *,
    report: Callable[[int], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    task = {"does": does, "says": "hello"}
    return run_child(
        CHILD,
        task,
        limits or _limits(),
        folder=folder,
        report=report,
        check=check,
        environment={"EXTRA": "1"},
    )


def _pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def _are_gone(pids: list[int], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        alive = [p for p in pids if psutil.pid_exists(p) and not _is_zombie(p)]
        if not alive:
            return True
        time.sleep(0.02)  # noqa: TID251  (another process is waited for)
    return False


def _is_zombie(pid: int) -> bool:
    try:
        return str(psutil.Process(pid).status()) == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_a_child_makes_comes_back_whatever_else_is_printed(tmp_path: Path) -> None:
    seen: list[int] = []

    made = _run(tmp_path, "echo", report=seen.append)

    assert made["said"] == "hello"
    assert seen == [41]


def test_a_child_knows_none_of_the_workers_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_FAL_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    environment = _run(tmp_path, "echo")["environment"]

    assert "secret" not in environment.values()
    assert environment["EXTRA"] == "1"
    assert environment["OMP_NUM_THREADS"] == "1"


def test_modules_are_not_looked_for_among_a_users_files(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')\n")

    assert _run(tmp_path, "echo")["said"] == "hello"


def test_what_a_child_says_about_a_source_becomes_the_jobs_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(EngineError, match="not what it seems") as caught:
        _run(tmp_path, "fail")

    assert caught.value.code == "source_unreadable"
    assert not caught.value.is_retryable


@pytest.mark.parametrize(
    ("does", "limits", "code", "is_retryable"),
    [
        ("burn", _limits(cpu_seconds=1), "out_of_limits", False),
        ("eat", _limits(), "out_of_limits", False),
        ("hang", _limits(wall_seconds=1), "out_of_limits", True),
        ("crash", _limits(), "engine_failed", False),
        ("raise", _limits(), "engine_failed", False),
        ("flood", _limits(), "engine_failed", False),
        ("fill", _limits(), "engine_failed", False),
    ],
)
def test_a_child_that_misbehaves_is_ended_and_its_job_told_why(
    tmp_path: Path, does: str, limits: ChildLimits, code: str, *, is_retryable: bool
) -> None:
    with pytest.raises(EngineError) as caught:
        _run(tmp_path, does, limits)

    assert (caught.value.code, caught.value.is_retryable) == (code, is_retryable)


def test_work_that_is_done_allows_more_time(tmp_path: Path) -> None:
    limits = _limits(wall_seconds=0.0, wall_seconds_per_unit=0.0)
    with pytest.raises(EngineError, match="after 0 seconds"):
        _run(tmp_path, "hang", limits)

    patient = _limits(wall_seconds=1.0, wall_seconds_per_unit=2.0)
    start = time.monotonic()
    with pytest.raises(EngineError, match="after 3 seconds"):
        _run(tmp_path, "hang", patient)

    assert time.monotonic() - start >= 3.0


def test_cancelling_ends_a_child_and_its_children_within_a_second(
    tmp_path: Path,
) -> None:
    started: list[int] = []
    asked_at: list[float] = []

    def check() -> None:
        if started:
            asked_at.append(time.monotonic())
            raise CancelledError

    with pytest.raises(CancelledError):
        _run(tmp_path, "hang", report=started.append, check=check)

    assert _are_gone(_pids(tmp_path), 1.0)
    assert time.monotonic() - asked_at[0] < 1.0


def test_a_killed_parent_leaves_no_child_behind(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; "
        "from tests.integration.processors.test_engine_child import _run; "
        "_run(Path(sys.argv[1]), 'hang', "
        "report=lambda _: print('started', flush=True))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    child, grandchild = _pids(tmp_path)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert _are_gone([child])
    os.kill(grandchild, signal.SIGKILL)
