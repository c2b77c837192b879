"""Job records as nobody should write them; each with a jobId that still identifies."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

NOW = datetime(2025, 11, 27, 20, 0, tzinfo=UTC)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    Int64(2**62),
    1.5,
    float("nan"),
    float("inf"),
    "",
    "text",
    "12",
    "9" * 5000,
    [],
    {},
    [None, 1, "x", [[]], {"a": 1}],
    {"": 1, "a.b": 2, "$c": 3},
    ObjectId(),
    UUID(int=7),
    Decimal128("NaN"),
    Decimal128("1E+6000"),
    Decimal128("12.5"),
    Binary(b"\x00\xff", 5),
    b"bytes",
    Regex("a.*", "i"),
    Code("function () {}"),
    Timestamp(1, 2),
    MinKey(),
    MaxKey(),
    DatetimeMS(2**62),
    DatetimeMS(-(2**62)),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
    nested(90),
)

FIELDS = (
    "status",
    "progress",
    "config",
    "sourceVideo",
    "versions",
    "metadata",
    "createdAt",
    "updatedAt",
    "completedAt",
)

INSIDE = (
    ("sourceVideo", ("url", "filename", "sizeBytes")),
    ("metadata", ("name", "tags", "description", "isPublic")),
)

VERSION_FIELDS = (
    "version",
    "modelUrl",
    "configUrl",
    "images",
    "transcriptUrl",
    "textUrl",
    "createdAt",
)


def job(job_id: Any = "job-1", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    record: dict[str, Any] = {
        "jobId": job_id,
        "userId": "user123",
        "type": "image-generation",
        "status": "completed",
        "createdAt": NOW,
    }
    return record | fields


def corpus() -> list[dict[str, Any]]:
    """Every odd value in every place: some 700 records, numbered."""
    records = [{name: value} for name in FIELDS for value in ODD_VALUES]
    records += [
        {outer: {name: value}}
        for outer, names in INSIDE
        for name in names
        for value in ODD_VALUES
    ]
    records += [
        {"versions": [{"version": 1}, {name: value}]}
        for name in VERSION_FIELDS
        for value in ODD_VALUES
    ]
    records += [
        {"versions": [{"images": [{name: value}, value]}]}
        for name in ("url", "s3Key", "width", "height", "seed")
        for value in ODD_VALUES
    ]
    return [job(f"poison-{n}", **fields) for n, fields in enumerate(records)]


def unidentified() -> list[dict[str, Any]]:
    """Records of which nobody can say what or whose they are."""
    records: list[dict[str, Any]] = [{}, {"jobId": "x"}, {"userId": "x", "type": "y"}]
    for name in ("jobId", "userId", "type"):
        records.append({k: v for k, v in job().items() if k != name})
        records += [
            job() | {name: value}
            for value in (None, "", True, 1.5, [], ["a"], {}, {"a": 1}, NOW, b"x")
        ]
    return records
