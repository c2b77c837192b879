import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from catalog.clock import ManualClock
from catalog.local.data_directory import DataDirectory, ProcessState, StackState
from catalog.local.status import ProcessReport, StatusReport, gather, render
from catalog.local.status_index import IndexBooks
from catalog.repositories.index_control import SweepOutcome, SweepRecord
from catalog.repositories.index_state import (
    Generation,
    GenerationState,
    IndexRequest,
    RequestState,
)
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

BOOKS = IndexBooks(
    (
        Generation(
            3,
            "schema",
            GenerationState.RETIRING,
            retire_at=NOW + timedelta(hours=1),
        ),
        Generation(4, "schema", GenerationState.SERVING, served_at=NOW),
        Generation(5, "schema", GenerationState.BACKFILLING, reason="asked", done=7),
    ),
    (IndexRequest("r1", "reindex", NOW, state=RequestState.RUNNING),),
    (
        SweepRecord(
            "reconcile-index",
            3600,
            "",
            next_run_at=NOW + timedelta(minutes=40),
            last_finished_at=NOW,
            outcome=SweepOutcome.DONE,
        ),
        SweepRecord(
            "rescan",
            1200,
            "",
            last_finished_at=NOW,
            outcome=SweepOutcome.FAILED,
            detail="The store [s3] does not answer.",
        ),
        SweepRecord("redrive", 3600, ""),
        SweepRecord("reindex", 0, "", is_running=True),
    ),
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


def test_what_is_beside_the_serving_generation_is_told() -> None:
    text = shown(replace(REPORT, books=BOOKS))

    assert (
        "generation 3, retiring: can be gone back to until 2026-01-01T01:00:00Z" in text
    )
    assert "generation 5, backfilling (asked)" in text
    assert "generation 4" not in text
    assert "reindex running, asked for at 2026-01-01T00:00:00Z" in text
    assert (
        "sweep rescan failed at 2026-01-01T00:00:00Z: The store [s3] does not answer."
    ) in text
    assert "sweep reconcile-index" not in text
    assert "sweep redrive" not in text


def test_every_sweep_tells_how_it_went_and_when_it_is_next() -> None:
    lines = shown(replace(REPORT, books=BOOKS)).splitlines()

    (first,) = (n for n, line in enumerate(lines) if line.startswith("  sweeps "))
    assert [" ".join(line.split()) for line in lines[first : first + 4]] == [
        "sweeps reconcile-index done 2026-01-01T00:00:00Z, next 2026-01-01T00:40:00Z",
        "rescan failed 2026-01-01T00:00:00Z",
        "redrive not run yet",
        "reindex running",
    ]
    assert "sweeps " not in shown(REPORT)


def test_the_json_tells_it_too() -> None:
    told = json.loads(json.dumps(replace(REPORT, books=BOOKS).as_json()))

    assert [one["state"] for one in told["generations"]] == [
        *("retiring", "serving", "backfilling")
    ]
    assert told["generations"][0]["retireAt"] == "2026-01-01T01:00:00Z"
    assert told["openRequests"] == [
        {
            "requestId": "r1",
            "action": "reindex",
            "state": "running",
            "createdAt": "2026-01-01T00:00:00Z",
        }
    ]
    assert [one["name"] for one in told["failedSweeps"]] == ["rescan"]
    assert told["sweeps"][0] == {
        "name": "reconcile-index",
        "isRunning": False,
        "outcome": "done",
        "detail": "",
        "lastFinishedAt": "2026-01-01T00:00:00Z",
        "nextRunAt": "2026-01-01T00:40:00Z",
    }
    assert len(told["sweeps"]) == 4
    assert REPORT.as_json()["sweeps"] == []
    assert REPORT.as_json()["failedSweeps"] == []


def test_a_build_drift_and_a_short_oplog_are_told() -> None:
    index = replace(
        heartbeat(),
        leader="host:7",
        epoch=3,
        building=2,
        done=10,
        total=4000,
        eta_seconds=75.2,
        drift=4,
        spilled=1200,
        headroom=0.2,
    )

    text = shown(replace(REPORT, index=index))

    for line in (
        "led by host:7, epoch 3",
        "building generation 2: 10 of 4,000, 75 s left",
        "drift: 4 not mended yet",
        "1,200 changes noted, to be applied",
        "the oplog runs short: 20% left",
    ):
        assert line in text
