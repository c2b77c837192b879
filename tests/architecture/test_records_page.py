"""``docs/records.md`` must say what the code does."""

from pathlib import Path

import pytest

from catalog.repositories.mongo import records_page
from catalog.repositories.mongo.feed_stream import WATCHED
from catalog.repositories.mongo.indexes import INDEXES

DOCUMENTED = {name for name, *_ in records_page.RECORDS}


def test_the_records_page_is_what_the_code_says() -> None:
    assert records_page.PAGE.read_text(encoding="utf-8") == records_page.page()


def test_all_records_that_are_watched_or_indexed_are_described() -> None:
    assert set(WATCHED) <= DOCUMENTED
    assert {index.collection for index in INDEXES} <= DOCUMENTED


def test_the_command_tells_whether_the_page_is_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(records_page, "PAGE", tmp_path / "records.md")

    assert records_page.main(["--check"]) == 1
    assert "--write" in capsys.readouterr().err
    assert records_page.main(["--write"]) == 0
    assert records_page.main([]) == 0
