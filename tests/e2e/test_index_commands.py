"""What the commands ask of the indexer, on the whole stack."""

import json
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo.database import Database

from tests.e2e.stack import Stack, catalog_command, eventually


def catalog(
    stack: Stack, command: str, *options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*catalog_command(), command, "--data-dir", str(stack.data_dir), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(stack: Stack, command: str, *options: str) -> Any:  # noqa: ANN401
    """Run it with ``--json``; the answer is one line."""
    done = catalog(stack, command, "--json", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1
    return json.loads(done.stdout)


def serving(stack: Stack) -> int:
    generations = told(stack, "status")["generations"]
    states: dict[str, int] = {g["state"]: g["generation"] for g in generations}
    return states["serving"]


def test_a_reindex_is_waited_for_kept_to_go_back_to_and_gone_back_from(
    stack: Stack,
) -> None:
    before = serving(stack)
    found = stack.get("/api/assets/search", userId="user123").json["found"]

    built = told(stack, "reindex", "--wait")

    assert built["state"] == "done"
    after = serving(stack)
    assert after > before
    assert built["outcome"] == f"Generation {after} serves."
    status = catalog(stack, "status")
    assert f"generation {before}, retiring: can be gone back to until" in status.stdout

    back = catalog(stack, "rollback", "--wait")

    assert back.returncode == 0
    assert back.stdout.strip() == (
        f"Generation {before} serves again instead of {after}."
    )
    assert serving(stack) == before
    assert stack.get("/api/assets/search", userId="user123").json["found"] == found


def test_reconciling_compares_everything_and_finds_no_drift(stack: Stack) -> None:
    done = told(stack, "reconcile", "--wait")

    assert done["state"] == "done"
    for kind in ("index: ", "record: ", "storage: "):
        assert kind in done["outcome"]
    assert done["outcome"].count("no difference") == 3
    assert told(stack, "status")["index"]["drift"] == 0


def test_only_the_kinds_that_are_named_are_compared(stack: Stack) -> None:
    done = catalog(stack, "reconcile", "--wait", "--kinds", "record")

    assert done.returncode == 0
    assert done.stdout.startswith("record: ")
    assert "index: " not in done.stdout


def test_a_kind_that_is_none_is_a_misuse(stack: Stack) -> None:
    done = catalog(stack, "reconcile", "--kinds", "disk")

    assert done.returncode == 2
    assert "'disk' is not one of index, record, storage" in done.stderr


def test_the_schedule_is_shown_and_a_sweep_run_now(stack: Stack) -> None:
    before = {sweep["name"]: sweep for sweep in told(stack, "schedule")}

    ran = told(stack, "schedule", "--run", "forget-tombstones", "--wait")

    after = {sweep["name"]: sweep for sweep in told(stack, "schedule")}
    name = "forget-tombstones"
    assert {"rescan", "reconcile-index", "reconcile-record", "redrive"} <= set(before)
    assert before["reindex"]["nextRunAt"] is None
    assert ran["state"] == "done"
    assert "tombstones were forgotten" in ran["outcome"]
    assert after[name]["runs"] == before[name]["runs"] + 1
    assert after[name]["outcome"] == "done"
    assert name in catalog(stack, "schedule").stdout


def test_a_sweep_that_is_none_is_named(stack: Stack) -> None:
    done = catalog(stack, "schedule", "--run", "dust")

    assert done.returncode == 1
    assert "no sweep 'dust'" in done.stderr


@pytest.fixture
def broken(stack: Stack, gateway: Database[dict[str, Any]]) -> Any:  # noqa: ANN401
    """A job record that can't be read as it is; it is healed by the test."""
    job_id = str(uuid4())
    gateway["jobs"].insert_one(
        {"jobId": job_id, "userId": 7.5, "type": "lora-training"}
    )
    yield eventually(
        lambda: next(
            (o for o in told(stack, "dead-letters") if "userId" in o["error"]), None
        ),
        what="a dead letter",
    )
    gateway["jobs"].delete_one({"jobId": job_id})
    eventually(lambda: not told(stack, "dead-letters"), what="no dead letter")


def test_dead_letters_are_shown_and_looked_at_again(
    stack: Stack, broken: dict[str, Any]
) -> None:
    assert broken["stage"] == "read"
    assert "userId" in broken["error"]
    shown = catalog(stack, "dead-letters", "--stage", "read").stdout
    assert broken["letterId"] in shown
    assert told(stack, "dead-letters", "--stage", "extract") == []

    one = told(stack, "dead-letters", "--redrive", broken["letterId"], "--wait")
    every = told(stack, "dead-letters", "--all", "--wait")

    assert one["outcome"] == every["outcome"] == "1 roots are looked at again."
    eventually(
        lambda: told(stack, "dead-letters")[0]["attempts"] > broken["attempts"],
        what="another attempt",
    )


def test_a_dead_letter_that_is_none_is_named(stack: Stack) -> None:
    done = catalog(stack, "dead-letters", "--redrive", "00" * 16, "--wait")

    assert done.returncode == 1
    assert "dead letter" in done.stderr


def test_a_command_on_no_stack_asks_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*catalog_command(), "reindex", "--wait", "--data-dir", str(tmp_path / "d")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 3
    assert "catalog up" in done.stderr
    assert not (tmp_path / "d").exists()
