"""``catalog up`` as a user starts, hurts and stops it; nothing is replaced here."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pymongo
import pytest

from tests.e2e.stack import Stack, catalog_command, eventually, running_stack
from tests.integration.local.running import processes_of

CHILDREN = ("mongodb", "typesense", "indexer", "processors", "api")


def catalog(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*catalog_command(), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def status_of(data_dir: Path) -> dict[str, Any]:
    told = catalog("status", "--json", "--data-dir", str(data_dir))
    content: dict[str, Any] = json.loads(told.stdout)
    return content


def commit_lora(stack: Stack, name: str) -> str:
    """Write a finished job the way a foreign gateway does."""
    job_id = str(uuid4())
    job = {
        "jobId": job_id,
        "userId": "keeper",
        "type": "lora-training",
        "status": "completed",
        "createdAt": "2026-01-01T00:00:00Z",
        "config": {"loraName": name},
        "versions": [
            {
                "version": 1,
                "createdAt": "2026-01-01T00:10:00Z",
                "result": {"loraUrl": f"s3://content-generation-assets/{name}.bin"},
            }
        ],
    }
    with pymongo.MongoClient[dict[str, Any]](stack.mongo) as client:
        jobs = client[stack.mongo_db].get_collection(
            "jobs", write_concern=pymongo.WriteConcern("majority")
        )
        jobs.insert_one(job)
    return job_id


def await_found(stack: Stack, name: str, job_id: str) -> None:
    """Search until the index itself answers with the job, first."""

    def is_found() -> bool:
        answer = stack.get("/api/assets/search", userId="keeper", q=name).json
        if answer.get("degraded") or not answer["hits"]:
            return False
        first: str = answer["hits"][0]["jobId"]
        return first == job_id

    eventually(is_found, what=f"the search for {name}", seconds=40)


def close_pipe(stack: Stack) -> None:
    if stack.process.stdout is not None:
        stack.process.stdout.close()


def test_status_tells_that_all_is_up_and_how_far_the_index_is(stack: Stack) -> None:
    eventually(
        lambda: status_of(stack.data_dir)["index"]["documents"]["assets"] > 60,
        what="a count of the demo's documents",
    )

    told = catalog("status", "--data-dir", str(stack.data_dir))
    as_json = status_of(stack.data_dir)

    assert told.returncode == 0, told.stdout
    for word in (*CHILDREN, stack.api, "generation", "lag", "adminToken"):
        assert word in told.stdout
    assert as_json["allUp"] is True
    assert as_json["index"]["deadLetters"] == 0
    assert {process["name"] for process in as_json["processes"]} == set(CHILDREN)


def test_reindex_builds_a_new_generation_while_the_old_one_serves(
    stack: Stack,
) -> None:
    before = status_of(stack.data_dir)["index"]["generation"]

    asked = catalog("reindex", "--data-dir", str(stack.data_dir))

    assert asked.returncode == 0, asked.stderr
    eventually(
        lambda: status_of(stack.data_dir)["index"]["generation"] > before,
        what="a new generation",
        seconds=40,
    )
    assert stack.get("/api/assets/search", userId="user123").json["found"] > 0


def test_a_second_start_is_refused_and_harms_nothing(stack: Stack) -> None:
    second = catalog("up", "--json", "--port", "0", "--data-dir", str(stack.data_dir))

    assert second.returncode == 1
    assert f"(pid {stack.process.pid})" in second.stderr
    assert second.stdout == ""
    assert status_of(stack.data_dir)["allUp"] is True


@pytest.mark.timeout(240)
def test_whatever_is_killed_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    job_ids: dict[str, str] = {}

    with running_stack(data_dir) as stack:
        for child in CHILDREN:
            processes = status_of(data_dir)["processes"]
            pid = next(p["pid"] for p in processes if p["name"] == child)
            os.kill(pid, signal.SIGKILL)
            eventually(
                lambda: status_of(data_dir)["allUp"],
                what=f"the return of {child}",
                seconds=40,
            )
            job_ids[child] = commit_lora(stack, f"after_{child}")
            await_found(stack, f"after_{child}", job_ids[child])

        pids = [process["pid"] for process in status_of(data_dir)["processes"]]
        stack.process.kill()
        stack.process.wait()
        eventually(lambda: not any(map(psutil.pid_exists, pids)), what="the end of all")
        assert processes_of(data_dir) == []
        assert catalog("status", "--data-dir", str(data_dir)).returncode == 3
        close_pipe(stack)

    with running_stack(data_dir) as again:
        assert again.api == stack.api
        for child in CHILDREN:
            await_found(again, f"after_{child}", job_ids[child])
        late = commit_lora(again, "still_running")
        with urllib.request.urlopen(f"{again.api}/api/stream/job/{late}", timeout=10):
            began = time.monotonic()
            again.process.send_signal(signal.SIGTERM)
            again.process.wait(20)

            assert time.monotonic() - began < 10
        assert again.process.returncode == 0
        assert processes_of(data_dir) == []
        close_pipe(again)
