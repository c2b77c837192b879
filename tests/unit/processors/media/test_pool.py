import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from processors.media.errors import Cause, MediaError
from processors.media.limits import Limits
from processors.media.pool import Done, MediaPool
from processors.media.tasks import Task

NASTY = "tests.unit.processors.media.nasty"
TASKS = {
    name: Task(f"{NASTY}:{name}", (NASTY,))
    for name in (  # noqa: SIM905  (a list for people)
        "fine spin rest eat crash leave shout fill chatter look err"
    ).split()
}
LIMITS = Limits(wall_seconds=2.0, cpu_seconds=1, file_bytes=10_000_000)


@pytest.fixture(scope="module")
def pool() -> Iterator[MediaPool]:
    with MediaPool(1, LIMITS, TASKS) as pool:
        yield pool


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"some bytes and more")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_facts_and_files_come_back(pool: MediaPool, source: Path, folder: Path) -> None:
    done = pool.run("fine", source, folder, {"a": [1]})

    assert done.facts["options"] == {"a": [1]}
    assert [path.read_bytes() for path in done.files] == [b"some bytes"]
    assert 0 < done.usage.peak_rss_bytes < 512_000_000


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        ("spin", Cause.TIMEOUT),
        ("rest", Cause.TIMEOUT),
        ("eat", Cause.OUT_OF_MEMORY),
        ("crash", Cause.CRASHED),
        ("leave", Cause.CRASHED),
        ("fill", Cause.TOO_LARGE),
        ("chatter", Cause.CRASHED),
        ("err", Cause.CRASHED),
    ],
)
def test_whatever_a_file_does_has_a_cause_and_the_next_one_is_read(
    task: str, cause: Cause, pool: MediaPool, source: Path, folder: Path
) -> None:
    with pytest.raises(MediaError) as caught:
        pool.run(task, source, folder)

    assert caught.value.cause is cause
    assert caught.value.message
    assert caught.value.usage is not None
    assert caught.value.usage.seconds < LIMITS.wall_seconds + 1
    assert pool.run("fine", source, folder).facts["pid"] > 0


def test_a_file_of_no_rest_is_ended_by_processor_time(
    pool: MediaPool, source: Path, folder: Path
) -> None:
    patient = Limits(wall_seconds=20.0, cpu_seconds=1)

    with pytest.raises(MediaError) as caught:
        pool.run("spin", source, folder, limits=patient)

    assert caught.value.cause is Cause.TIMEOUT
    assert "SIGXCPU" in caught.value.message


def test_what_a_library_prints_is_no_answer(
    pool: MediaPool, source: Path, folder: Path
) -> None:
    assert pool.run("shout", source, folder).facts == {"is_forged": False}


def test_nothing_of_the_worker_is_handed_down(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_S3_SECRET_KEY", "secret")
    with source.open("rb") as inherited, MediaPool(1, LIMITS, TASKS) as pool:
        os.set_inheritable(inherited.fileno(), True)  # noqa: FBT003  (its signature)
        facts = pool.run("look", source, folder).facts

    assert facts["descriptors"] <= 6  # 0, 1, 2, two pipes, and the listing itself
    assert not [name for name in facts["environment"] if "SECRET" in name]
    assert facts["group"] != os.getpgid(0)


def test_files_share_a_process_only_up_to_a_number(source: Path, folder: Path) -> None:
    with MediaPool(1, LIMITS, TASKS, files_per_fork=2) as pool:
        pids = [pool.run("fine", source, folder).facts["pid"] for _ in range(4)]

    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_no_file_is_read_by_the_process_of_one_that_failed(
    pool: MediaPool, source: Path, folder: Path
) -> None:
    before = pool.run("fine", source, folder).facts["pid"]
    with pytest.raises(MediaError):
        pool.run("err", source, folder)

    assert pool.run("fine", source, folder).facts["pid"] != before


def test_a_child_that_was_killed_is_replaced(
    pool: MediaPool, source: Path, folder: Path
) -> None:
    group = pool.run("look", source, folder).facts["group"]
    os.killpg(group, 9)

    with pytest.raises(MediaError) as caught:
        pool.run("fine", source, folder)

    assert caught.value.cause is Cause.CRASHED
    assert pool.run("fine", source, folder).facts["pid"] > 0


def test_a_closed_pool_leaves_no_process(source: Path, folder: Path) -> None:
    with MediaPool(1, LIMITS, TASKS) as pool:
        facts = pool.run("look", source, folder).facts

    with pytest.raises(ProcessLookupError):
        os.killpg(facts["group"], 0)


def test_threads_share_the_children(source: Path, tmp_path: Path) -> None:
    def run(number: int, children: MediaPool) -> Done:
        folder = tmp_path / str(number)
        folder.mkdir()
        return children.run("fine", source, folder, {"number": number})

    with MediaPool(2, LIMITS, TASKS) as pool, ThreadPoolExecutor(6) as threads:
        done = list(threads.map(lambda number: run(number, pool), range(24)))

    assert [one.facts["options"]["number"] for one in done] == list(range(24))
