import json
import os
import stat
from pathlib import Path

import pytest

from catalog.clock import SystemClock
from catalog.errors import StackError
from catalog.local.data_directory import DataDirectory, ProcessState, StackState


def directory_at(path: Path) -> DataDirectory:
    directory = DataDirectory(path)
    directory.create()
    return directory


def test_the_secrets_are_made_once_and_are_the_owners_alone(tmp_path: Path) -> None:
    made = directory_at(tmp_path / "data").secrets()

    again = directory_at(tmp_path / "data").secrets()

    assert again == made
    assert len({made.admin_token, made.link_secret, made.typesense_api_key}) == 3
    kept = tmp_path / "data" / "secrets.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    state = StackState(
        ports={"mongo": 20001},
        pid=7,
        phase="ready",
        facts={"api": "http://127.0.0.1:5000"},
        processes={"api": ProcessState(pid=8, started_at=1.5, port=5000)},
    )

    directory.write_state(state)

    assert directory.read_state() == state


@pytest.mark.parametrize("content", ["", "{", "[]", '{"processes": {"api": {"x": 1}}}'])
def test_a_broken_state_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    directory = directory_at(tmp_path)
    (tmp_path / "state.json").write_text(content)

    assert directory.read_state() == StackState()


def test_facts_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    (tmp_path / "state.json").write_text(json.dumps({"ports": {"a": 1}, "new": True}))

    assert directory.read_state().ports == {"a": 1}


def test_the_lock_names_its_holder_to_whoever_comes_second(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)

    with directory.locked(SystemClock()):
        assert directory.holder() == os.getpid()
        with (
            pytest.raises(StackError, match=rf"already runs .* \(pid {os.getpid()}\)"),
            directory_at(tmp_path).locked(SystemClock()),
        ):
            pass

    assert directory.holder() is None


def test_a_lock_file_that_nobody_holds_is_no_lock(tmp_path: Path) -> None:
    directory = directory_at(tmp_path)
    (tmp_path / "lock").write_text("99999")

    assert directory.holder() is None
    with directory.locked(SystemClock()):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_directory_that_does_not_exist_has_no_holder(tmp_path: Path) -> None:
    assert DataDirectory(tmp_path / "never").holder() is None
    assert not (tmp_path / "never").exists()


def test_a_directory_that_cannot_be_made_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StackError, match="--data-dir"):
        DataDirectory(tmp_path / "file" / "data").create()
