"""Files without job records, on a real MongoDB: taken over once, whatever happens."""

import json
import signal
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.estates.here import Here
from tests.unit.estates.estate import WHEN, make_estate, png, put


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    make_estate(tmp_path / "estate")
    return tmp_path / "estate"


def _snapshot(root: Path) -> Mapping[str, object]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in root.rglob("*")
    }


def test_files_become_jobs_in_the_seeds_layout_once(here: Here, estate: Path) -> None:
    before = _snapshot(estate)

    code, said = here.take(estate, "--folder-tags", "--tag", "old")

    assert code == 4, "some files can't be taken over"
    assert _snapshot(estate) == before, "the source is as it was"
    plan = said[0]
    assert {kind: one["count"] for kind, one in plan["new"].items()} == {
        "image": 7,
        "lora": 1,
        "transcript": 2,
    }
    problems = {one["path"]: one["reason"] for one in said if one["event"] == "problem"}
    assert set(problems) == {
        "bad.png",
        "empty.png",
        "passwd.png",
        "away",
        "txt2img/2023-11-14/00000-7.png",
    }
    assert "duplicate" in problems["txt2img/2023-11-14/00000-7.png"]
    jobs = {job["metadata"]["name"]: job for job in here.jobs()}
    assert set(jobs) == {
        "2023-11-14",
        "2023-11-15",
        "estate",
        "Foggy mornings",
        "ice",
        "note",
    }
    images = jobs["2023-11-14"]
    assert images["userId"] == "ann"
    assert images["status"] == "completed"
    assert images["metadata"]["tags"] == ["old", "txt2img", "2023-11-14"]
    assert images["createdAt"] == datetime.fromtimestamp(WHEN + 60, UTC)
    keys = [version["images"][0]["s3Key"] for version in images["versions"]]
    assert [key.rpartition("/")[2] for key in keys] == [
        f"0000{number}-7.png" for number in range(1, 5)
    ]
    assert jobs["Foggy mornings"]["config"] == {
        "loraName": "Foggy mornings",
        "trigger": "fggy",
        "baseModel": "SD 1.5",
    }
    assert jobs["ice"]["sourceVideo"]["filename"] == "ice.mp3"
    assert here.database["queue"].count_documents({}) == 0, "nothing is ever run"
    files = here.files()
    assert len(files) == 7 + 2 + 3
    assert files[keys[0]] == (estate / "txt2img/2023-11-14/00001-7.png").read_bytes()

    records = here.jobs()
    code, said = here.take(estate, "--folder-tags", "--tag", "old")

    assert said[0]["new"] == {}
    assert said[-1]["jobs"] == 0
    assert here.jobs() == records
    assert here.files() == files


def test_new_files_go_into_a_job_of_their_own(here: Here, estate: Path) -> None:
    here.take(estate)
    before = {job["jobId"]: job for job in here.jobs()}
    put(estate, "txt2img/2023-11-14/00000-0.png", png("a new one", 50))

    here.take(estate)

    after = {job["jobId"]: job for job in here.jobs()}
    added = [job for job_id, job in after.items() if job_id not in before]
    assert [len(job["versions"]) for job in added] == [1]
    assert {job_id: after[job_id] for job_id in before} == before


def test_a_killed_import_goes_on_where_it_ended(here: Here, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(400):
        put(root, f"f{number % 3}/{number}.png", png(f"image {number}", number), number)
    known = ("import", "--directory", str(root), "--user", "ann", "--yes")
    process = here.start(*known)
    deadline = time.monotonic() + 60
    while len(here.files()) < 60:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)  # noqa: TID251  (another process does the work)
    process.kill()
    process.communicate()
    assert 0 < len(here.files()) < 400, "it was killed in the middle"

    code, said = here.run(*known)

    assert code == 0, said
    jobs = here.jobs()
    assert len(jobs) == 3
    keys = [
        image["s3Key"]
        for job in jobs
        for version in job["versions"]
        for image in version["images"]
    ]
    files = here.files()
    kept = {key: files[key] for key in files if ".catalog-tmp" not in key}
    assert sorted(keys) == sorted(kept), "nothing is lost, nothing lies about"
    assert sorted(kept.values()) == sorted(p.read_bytes() for p in root.rglob("*.png"))
    states = here.database["import_items"].distinct("state")
    assert states == ["done"]


def test_an_interrupted_import_says_how_to_go_on(here: Here, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for number in range(300):
        put(root, f"{number}.png", png(f"image {number}", number))
    process = here.start("import", "--directory", str(root), "--user", "a", "--yes")
    deadline = time.monotonic() + 60
    while len(here.files()) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # noqa: TID251
    process.send_signal(signal.SIGINT)

    answer, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "the same command goes on" in said
    assert json.loads(answer.splitlines()[-1]) == {"event": "interrupted"}


def test_a_move_removes_what_is_verified_and_nothing_else(
    here: Here, estate: Path
) -> None:
    here.take(estate)

    code, said = here.take(estate, "--move")

    assert code == 4
    left = {p.relative_to(estate).as_posix() for p in estate.rglob("*.*")}
    assert "txt2img/2023-11-14/00001-7.png" not in left
    assert "talks/ice.mp3" not in left
    assert {"bad.png", "empty.png", "loras/foggy.civitai.info", "notes.pdf"} <= left
    assert said[-1]["removed"] == 12


def test_without_a_yes_and_with_plan_nothing_is_written(
    here: Here, estate: Path
) -> None:
    known = ("import", "--directory", str(estate), "--user", "ann")

    assert here.run(*known)[0] == 2
    assert here.run(*known, "--plan")[0] == 0

    assert here.jobs() == []
    assert here.files() == {}
    assert "import_items" not in here.database.list_collection_names()
