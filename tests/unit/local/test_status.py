import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from catalog.clock import ManualClock
from catalog.local.data_directory import DataDirectory, ProcessState, StackState
from catalog.local.status import ProcessReport, StatusReport, gather, render
from tests.unit.local.fakes import NOW, heartbeat

STATE = StackState(
    ports={"mongo": 20001},
    pid=100,
    phase="ready",
    started_at="2026-01-01T00:00:00+00:00",
    facts={"api": "http://127.0.0.1:5000", "mongo": "mongodb://127.0.0.1:20001/"},
    admin_token="token-of-the-admin",
    processes={"api": ProcessState(pid=101, started_at=1.0, port=5000)},
)
API = ProcessReport(
    name="api",
    pid=101,
    port=5000,
    is_running=True,
    memory_bytes=90 * 1024 * 1024,
    restarts=2,
)
REPORT = StatusReport(
    data_dir=Path("data"),
    pid=100,
    state=STATE,
    processes=(API,),
    servers={"api": True, "mongodb": True, "typesense": True},
    index=heartbeat(lag_ms=7, dirty=3),
    index_age_seconds=0.4,
    free_bytes=5_000_000_000,
)


def shown(report: StatusReport) -> str:
    out = io.StringIO()
    render(report, Console(file=out, width=100))
    return out.getvalue()


def test_the_table_tells_processes_addresses_and_the_index() -> None:
    text = shown(REPORT)

    assert "catalog up (pid 100), ready" in text
    assert ["api", "101", "5000", "90", "MB", "2"] in [
        line.split() for line in text.splitlines()
    ]
    assert "mongodb://127.0.0.1:20001/ (answers)" in text
    assert "token-of-the-admin" in text
    assert "generation 1, serving, lag 7 ms, 3 dirty, 0 dead letters" in text
    assert "12 assets, 340 segments" in text


def test_all_is_up_only_when_everything_answers_and_the_heart_beats() -> None:
    gone = replace(API, is_running=False)

    assert REPORT.is_all_up
    assert not replace(REPORT, servers={"api": False}).is_all_up
    assert not replace(REPORT, processes=(gone,)).is_all_up
    assert not replace(REPORT, index_age_seconds=11.0).is_all_up
    assert not replace(REPORT, index=None, index_age_seconds=None).is_all_up


def test_troubles_are_told() -> None:
    text = shown(
        replace(
            REPORT,
            servers={"api": False, "mongodb": True},
            index=replace(heartbeat(), is_degraded=True, problem="Typesense is away."),
            index_age_seconds=75.0,
            free_bytes=1_000_000,
        )
    )

    assert "http://127.0.0.1:5000 (no answer)" in text
    assert "silent for 75 s" in text
    assert "history was lost" in text
    assert "full: 1 MB left" in text
    assert "Typesense is away." in text


def test_the_json_is_one_object_in_camel_case() -> None:
    told = json.loads(json.dumps(REPORT.as_json()))

    assert told["running"] is True
    assert told["allUp"] is True
    assert told["api"] == "http://127.0.0.1:5000"
    assert told["index"]["lagMs"] == 7
    assert told["index"]["deadLetters"] == 0
    assert told["processes"][0]["memoryBytes"] == 90 * 1024 * 1024


def test_where_nothing_runs_that_is_said(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "never")

    report = gather(directory, lambda: None, ManualClock(NOW))

    assert not report.is_running
    assert not report.is_all_up
    assert report.as_json()["phase"] == "stopped"
    assert "Nothing runs on" in shown(report)
    assert not (tmp_path / "never").exists()
