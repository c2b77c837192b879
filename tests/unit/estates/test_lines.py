"""Lines of an export: every value of a record comes back with its type."""

from datetime import UTC, datetime
from uuid import UUID

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from bson.datetime_ms import DatetimeMS

from catalog.errors import InvalidRequestError
from catalog.repositories.mongo.client import connect
from catalog.repositories.mongo.estates import MongoEstateRecords

DATABASE = connect("mongodb://127.0.0.1:1", app_name="test")["x"]
RECORDS = MongoEstateRecords(DATABASE)


PLAIN = {"_id": "a", "n": 5, "at": datetime(2025, 5, 1, tzinfo=UTC)}


def test_a_plain_record_is_legible() -> None:
    line = RECORDS.to_line(PLAIN)

    assert line == '{"_id": "a", "n": 5, "at": {"$date": "2025-05-01T00:00:00Z"}}'
    assert RECORDS.from_line(line) == PLAIN


def test_every_value_comes_back_as_it_was() -> None:
    record = {
        "_id": UUID(int=7),
        "oid": ObjectId(),
        "int": 5,
        "long": Int64(5),
        "double": 5.0,
        "nan": float("inf"),
        "decimal": Decimal128("1.10"),
        "date": datetime(1969, 5, 1, 12, 0, 0, 123000, tzinfo=UTC),
        "far": DatetimeMS(2**52),
        "bytes": b"\x00\xff",
        "legacy": Binary(bytes(16), 3),
        "text": '\u2028 \x00 \n 🦁 "`$',
        "nested": {"$where": "1", "a.b": [None, {"$date": "no"}]},
    }
    line = RECORDS.to_line(record)

    assert "\n" not in line
    back = RECORDS.from_line(line + "\n")
    options = DATABASE.codec_options
    assert bson.encode(back, codec_options=options) == bson.encode(
        record, codec_options=options
    )


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", "7", '{"_id": {"$oid": "x"}}', "[" * 100_000]
)
def test_a_line_that_is_no_record_is_refused(line: str) -> None:
    with pytest.raises(InvalidRequestError):
        RECORDS.from_line(line)
