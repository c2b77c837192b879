import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.cli import main, stack_options
from catalog.cli_common import facts_of, settings_for
from catalog.config import Settings
from catalog.errors import StackError
from catalog.local.data_directory import DataDirectory, StackState
from catalog.local.options import Facts

FACTS = Facts(
    api="http://127.0.0.1:5000",
    mongo="mongodb://127.0.0.1:20001/",
    mongo_db="other",
    typesense="http://127.0.0.1:20002",
    typesense_api_key="key",
    storage="file:///data/storage",
)


def test_help_shows_every_command_and_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    assert caught.value.code == 0
    text = capsys.readouterr().out
    for word in ("up ", "status ", "reindex ", "catalog up --demo", "CATALOG_"):
        assert word in text


def test_an_unknown_command_is_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dance"])

    assert caught.value.code == 2
    assert "dance" in capsys.readouterr().err


def test_a_setting_that_cannot_be_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_PORT", "many")

    assert main(["status"]) == 2

    assert "CATALOG_PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["status", "reindex", "reconcile", "rollback", "schedule", "dead-letters"],
)
def test_where_nothing_runs_the_exit_code_is_three(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--data-dir", str(tmp_path / "never")]) == 3

    told = "".join(capsys.readouterr())
    assert "Nothing runs on" in told
    assert "catalog up" in told


def test_status_in_json_is_one_line_even_where_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json", "--data-dir", str(tmp_path)]) == 3

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["running"] is False


def test_an_open_api_is_not_put_on_the_network_by_accident(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--data-dir", str(tmp_path / "d"), "--host", "0.0.0.0"]) == 1

    assert "CATALOG_ALLOW_REMOTE" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_options_beat_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_PORT", "7000")

    options = stack_options(Settings(port=7001), with_demo=True)

    assert options.port == 7001
    assert options.with_demo
    assert options.mongo_uri is None


def test_settings_are_pointed_at_a_running_stack() -> None:
    settings = settings_for(Settings(link_seconds=77), FACTS)

    assert settings.mongo_uri == SecretStr(FACTS.mongo)
    assert settings.typesense_api_key == SecretStr("key")
    assert settings.storage == FACTS.storage
    assert settings.link_seconds == 77


def test_facts_are_read_from_the_state(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.write_state(StackState(facts=FACTS.as_json()))

    assert facts_of(directory) == FACTS


def test_a_stack_that_is_only_just_starting_has_no_facts(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="only just starting"):
        facts_of(DataDirectory(tmp_path))
