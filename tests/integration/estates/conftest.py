"""A catalog of real records and a store of its own."""

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.integration.estates.here import Here


@pytest.fixture
def here(
    mongo_uri: str,
    mongo_database: Database[Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Here:
    return Here(mongo_uri, mongo_database, tmp_path / "store", capsys, monkeypatch)
