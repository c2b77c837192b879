"""Rows that arrive late: from a leader that slept until another one led."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from catalog.errors import FencedError
from catalog.models.asset import AssetRow
from catalog.repositories.base import RowRepository
from catalog.repositories.mongo.indexes import ensure_indexes
from catalog.repositories.mongo.rows import MongoRowRepository
from tests.integration.repositories.rows import row

Mongo = Database[dict[str, Any]]


@pytest.fixture
def kept(database: Mongo) -> RowRepository:
    ensure_indexes(database)
    return MongoRowRepository(database)


@pytest.fixture
def now(database: Mongo) -> datetime:
    """By the server's clock, which is the only one that counts."""
    told: datetime = database.client.admin.command("hello")["localTime"]
    return told


def written(number: int, sequence: int, words: str = "one") -> AssetRow:
    return replace(
        row(f"a{number}", root=number), sequence=sequence, document_hash=words
    )


def rows_of(kept: RowRepository, *rows: AssetRow) -> tuple[AssetRow, ...]:
    found = kept.read_rows([one.document_id for one in rows])
    return tuple(sorted(found, key=lambda one: one.document_id))


def test_within_the_lease_rows_are_written_as_they_are(
    kept: RowRepository, now: datetime
) -> None:
    first = written(1, 5)
    odd: Any = {"$a": {"b.c": [{"$date": 1}, None]}, "": "$$NOW"}
    view: Any = {**first.view, "odd": odd}
    first = replace(first, view=view)
    second = replace(first, document_hash="two", sequence=6)
    until = now + timedelta(minutes=1)

    assert kept.replace([first], not_after=5, until=until) == 0
    assert rows_of(kept, first) == (first,)
    assert kept.replace([second], not_after=6, until=until) == 0
    assert rows_of(kept, first) == (second,)


def test_after_the_lease_no_row_is_put_back_and_none_is_changed(
    kept: RowRepository, now: datetime
) -> None:
    removed, there = written(1, 5), written(2, 5)
    kept.replace([there])
    late = [removed, replace(there, document_hash="two", sequence=6)]

    with pytest.raises(FencedError):
        kept.replace(late, not_after=6, until=now - timedelta(milliseconds=1))

    assert rows_of(kept, removed, there) == (there,)


def test_rows_of_a_later_pass_are_left_alone_and_told(
    kept: RowRepository, now: datetime
) -> None:
    later, free = written(1, 9, "two"), written(2, 5)
    kept.replace([later])

    found = kept.replace(
        [written(1, 5), free], not_after=5, until=now + timedelta(minutes=1)
    )

    assert found == 9
    assert rows_of(kept, later, free) == (later, free)
