import os
from pathlib import Path

import pytest

from catalog.local.logs import LogPump, RotatingLog, says_disk_full


def test_a_log_is_rotated_and_only_so_many_are_kept(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "api.log", max_bytes=100, backups=2)

    for number in range(50):
        log.write(f"line {number:04}\n".encode())
    log.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("api.log", "api.log.1", "api.log.2")
    ]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert (tmp_path / "api.log").read_text().endswith("line 0049\n")


def test_a_log_is_continued_after_a_restart(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        log = RotatingLog(tmp_path / "api.log", max_bytes=10)
        log.write(text)
        log.close()

    assert (tmp_path / "api.log").read_text() == "second\n"
    assert (tmp_path / "api.log.1").read_text() == "first\n"


def test_a_log_that_cannot_be_written_loses_lines_and_nothing_else(
    tmp_path: Path,
) -> None:
    log = RotatingLog(tmp_path / "away" / "api.log")

    log.write(b"lost\n")
    (tmp_path / "away").mkdir()
    log.write(b"kept\n")
    log.close()

    assert log.lost_bytes == 5
    assert (tmp_path / "away" / "api.log").read_text() == "kept\n"


def test_a_pump_moves_everything_and_remembers_the_last_lines(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    pump = LogPump(
        os.fdopen(reading, "rb"), RotatingLog(tmp_path / "log"), name="worker"
    )

    with os.fdopen(writing, "wb") as out:
        out.write(b"".join(b"line %d\n" % n for n in range(1000)) + b"no newline")
    pump.finish()

    assert len((tmp_path / "log").read_bytes().splitlines()) == 1001
    assert pump.tail.splitlines()[-2:] == ["line 999", "no newline"]
    assert len(pump.tail.splitlines()) < 100


@pytest.mark.parametrize(
    "words",
    [
        "IO error: No space left on device: while appending",
        '{"msg":"WiredTiger error","attr":{"error":28,"message":"errno: 28"}}',
        "OSError: [Errno 28] something",
    ],
)
def test_the_words_of_a_server_that_dies_of_a_full_disk_are_known(words: str) -> None:
    assert says_disk_full(words)


def test_other_numbers_are_not_taken_for_a_full_disk() -> None:
    assert not says_disk_full("errno 281; listening on port 28; error 2")
