"""``catalog backup`` and ``catalog restore`` as a user runs them, and upgrades."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest

from tests.e2e.stack import Stack, catalog_command, eventually, running_stack

KEY = "trained-loras/wildfires.bin"
OWNER = "archivist"


def catalog(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*catalog_command(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def told(*arguments: object) -> dict[str, Any]:
    done = catalog(*arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def records(uri: str, database: str) -> dict[str, dict[str, Any]]:
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        return {
            name: {str(one["_id"]): one for one in client[database][name].find()}
            for name in ("jobs", "annotations", "objects", "extractions")
        }


def await_wildfires(stack: Stack) -> None:
    def is_found() -> bool:
        answer = stack.get("/api/assets/search", userId=OWNER, q="wildfires").json
        return not answer.get("degraded") and answer["found"] == 1

    eventually(is_found, what="the search for wildfires", seconds=60)


@pytest.fixture(scope="module")
def filled(stack: Stack) -> Iterator[Stack]:
    """The stack of all tests, with one asset more."""
    job_id = str(uuid4())
    job = {
        "jobId": job_id,
        "userId": OWNER,
        "type": "lora-training",
        "status": "completed",
        "createdAt": "2026-01-01T00:00:00Z",
        "config": {"loraName": "wildfires"},
        "versions": [
            {
                "version": 1,
                "createdAt": "2026-01-01T00:10:00Z",
                "result": {"loraUrl": f"s3://content-generation-assets/{KEY}"},
            }
        ],
    }
    stack.put_file(KEY, b"weights")
    with pymongo.MongoClient[dict[str, Any]](stack.mongo) as client:
        jobs = client[stack.mongo_db]["jobs"]
        jobs.insert_one(job)
        await_wildfires(stack)
        yield stack
        jobs.delete_one({"jobId": job_id})


@pytest.fixture(scope="module")
def made(filled: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that was made while everything ran."""
    target = tmp_path_factory.mktemp("backups") / "first"
    answer = told("backup", "--to", target, "--data-dir", filled.data_dir)
    assert answer["path"] == str(target)
    assert answer["storage"] == "copied"
    assert answer["changed"] == []
    return target


def test_a_backup_of_the_running_stack_is_complete(filled: Stack, made: Path) -> None:
    answer = told("backup", "--verify", made)

    found = records(filled.mongo, filled.mongo_db)
    assert answer["records"] >= sum(map(len, found.values())) - 5  # objects come
    assert (made / "storage" / KEY).read_bytes() == b"weights"
    assert filled.get("/health/ready").status == 200


@pytest.mark.timeout(240)
def test_a_backup_becomes_a_stack_that_finds_everything(
    filled: Stack, made: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    answer = told("restore", "--from", made, "--data-dir", new)
    assert answer["path"] == str(new)

    with running_stack(new) as again:
        await_wildfires(again)
        found = records(again.mongo, again.mongo_db)
        before = records(filled.mongo, filled.mongo_db)
        assert found["jobs"] == before["jobs"]
        assert found["annotations"] == before["annotations"]
        assert (again.storage / KEY).read_bytes() == b"weights"
        assert len(again.get("/api/loras", userId=OWNER).json) == 1
        generation = told("status", "--data-dir", new)["index"]["generation"]

    # Stopped, it is backed up all the same; both hold the same.
    second = tmp_path / "second"
    told("backup", "--to", second, "--data-dir", new)
    jobs = Path("records") / "jobs.bson"
    assert (second / jobs).read_bytes() == (made / jobs).read_bytes()
    assert (second / "secrets.json").read_bytes() == (
        made / "secrets.json"
    ).read_bytes()

    # As if another Typesense came with the installation.
    manifest = json.loads((second / "manifest.json").read_text())
    versions = new / "versions.json"
    kept = json.loads(versions.read_text())
    assert kept["mongod"] == manifest["versions"]["mongod"]
    versions.write_text(json.dumps(kept | {"typesense": "0.0.1"}))
    with running_stack(new) as upgraded:
        await_wildfires(upgraded)
        now = told("status", "--data-dir", new)["index"]["generation"]
        assert now > generation  # built anew
        assert records(upgraded.mongo, upgraded.mongo_db)["jobs"] == before["jobs"]
    assert json.loads(versions.read_text()) == kept
    assert "built anew" in (new / "logs" / "up.log").read_text()


def test_a_flipped_byte_is_refused_and_nothing_is_changed(
    made: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    subprocess.run(["cp", "-a", str(made), str(damaged)], check=True)
    path = damaged / "records" / "jobs.bson"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letter").write_text("dear")

    refused = catalog(
        "restore", "--from", damaged, "--data-dir", tmp_path / "data", "--force"
    )

    assert refused.returncode == 1
    assert "records/jobs.bson is not what was written" in refused.stderr
    assert catalog("backup", "--verify", damaged).returncode == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["letter"]


def test_what_is_in_the_way_is_refused_or_moved_aside(
    made: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "letter").write_text("dear")

    refused = catalog("restore", "--from", made, "--data-dir", data)
    forced = catalog("restore", "--from", made, "--data-dir", data, "--force")

    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert forced.returncode == 0, forced.stderr
    (aside,) = tmp_path.glob("data.before-restore-*")
    assert (aside / "letter").read_text() == "dear"
    assert (data / "storage" / KEY).exists()


def test_a_running_stack_is_not_restored_over(filled: Stack, made: Path) -> None:
    refused = catalog(
        "restore", "--from", made, "--data-dir", filled.data_dir, "--force"
    )

    assert refused.returncode == 1
    assert "stop it first" in refused.stderr
    assert filled.get("/health/ready").status == 200


def test_where_there_is_nothing_to_back_up_that_is_said(tmp_path: Path) -> None:
    done = catalog("backup", "--data-dir", tmp_path / "never", "--to", tmp_path / "b")

    assert done.returncode == 3
    assert "nothing to back up" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_writing_and_verifying_at_once_is_a_misuse(tmp_path: Path) -> None:
    done = catalog("backup", "--to", tmp_path / "a", "--verify", tmp_path / "b")

    assert done.returncode == 2
