"""What one worker process does, by its options and settings."""

import argparse
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from catalog.bootstrap import open_catalog
from catalog.config import Settings
from catalog.errors import InvalidRequestError
from processors.__main__ import EXIT_SETTINGS, main, parts_of


def parts(tmp_path: Path, only: str | None, *, at_once: int = 1) -> set[str]:
    settings = Settings(
        mongo_uri=SecretStr("mongodb://127.0.0.1:1"),
        typesense_url="http://127.0.0.1:1",
        typesense_api_key=SecretStr("key"),
        storage=(tmp_path / "store").as_uri(),
        objects_at_once=at_once,
    )
    catalog = open_catalog(settings, process="tests")
    try:
        options = argparse.Namespace(only=only, types=())
        return set(parts_of(catalog, options, tmp_path, threading.Event()))
    finally:
        catalog.close()


@pytest.mark.parametrize(
    ("only", "at_once", "wanted"),
    [
        (None, 1, {"jobs", "objects"}),
        (None, 0, {"jobs"}),
        ("jobs", 1, {"jobs"}),
        ("objects", 1, {"objects"}),
    ],
)
def test_a_worker_does_what_it_is_told_to(
    tmp_path: Path, only: str | None, at_once: int, wanted: set[str]
) -> None:
    assert parts(tmp_path, only, at_once=at_once) == wanted


def test_a_worker_without_anything_to_do_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="must be 1 or more") as caught:
        parts(tmp_path, "objects", at_once=0)
    assert caught.value.field == "CATALOG_OBJECTS_AT_ONCE"


def test_a_part_that_does_not_exist_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "everything"])
    assert ended.value.code == EXIT_SETTINGS
    assert "'jobs', 'objects'" in capsys.readouterr().err
