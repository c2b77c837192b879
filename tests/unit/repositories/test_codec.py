"""What other programs write is read as far as it goes, and never breaks a reader."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import orjson
import pytest
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import MalformedRecordError
from catalog.models.job import Job
from catalog.repositories.mongo.codec import UNKNOWN_STATUS, job_from_record
from catalog.repositories.mongo.codec_values import MAX_PROBLEMS, identity_forms
from catalog.repositories.mongo.jsonable import MAX_DEPTH, to_jsonable
from tests.unit.repositories.poison import (
    NOW,
    ODD_VALUES,
    corpus,
    job,
    nested,
    unidentified,
)


def test_a_record_as_the_seed_writes_it_is_read_without_a_problem() -> None:
    record = {
        "_id": ObjectId(),
        "jobId": "6a7f",
        "userId": "user-123",
        "type": "lora-training",
        "sourceVideo": {
            "url": "s3://b/video.mp4",
            "filename": "video.mp4",
            "sizeBytes": 150000000,
        },
        "config": {"loraName": "jesse_avatar", "trigger": "jf"},
        "versions": [
            {"version": 1, "modelUrl": "https://s3/model", "createdAt": NOW},
            {
                "version": 2,
                "images": [{"url": "u", "s3Key": "k", "width": 1024, "height": 768}],
                "transcriptUrl": "t",
                "textUrl": "x",
                "createdAt": NOW,
            },
        ],
        "metadata": {"tags": ["avatar", "headshot"], "isPublic": True},
        "status": "completed",
        "progress": 100,
        "createdAt": NOW,
        "completedAt": NOW,
        "extra": {"kept": "elsewhere"},
    }

    read = job_from_record(record)

    assert read.problems == ()
    assert read.source_video is not None
    assert read.source_video.size_bytes == 150000000
    assert [version.version for version in read.versions] == [1, 2]
    assert read.versions[0].model_url == "https://s3/model"
    assert read.versions[1].images[0].width_px == 1024
    assert read.versions[1].transcript_url == "t"
    assert read.metadata.tags == ("avatar", "headshot")
    assert read.metadata.is_public
    assert read.progress == 100.0
    assert read.created_at == NOW


@pytest.mark.parametrize(
    "record",
    [pytest.param(one, id=f"record {n}") for n, one in enumerate(unidentified())],
)
def test_a_record_without_identity_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        job_from_record(record)

    assert caught.value.field in ("jobId", "userId", "type")


def test_nothing_else_stops_a_record_from_being_read() -> None:
    records = corpus()

    read = [job_from_record(record) for record in records]

    assert len(read) > 600
    assert [one.job_id for one in read] == [record["jobId"] for record in records]


def test_every_poisoned_record_can_be_shown_as_json() -> None:
    for record in corpus():
        orjson.dumps(to_jsonable(record))
        orjson.dumps(dict(job_from_record(record).config))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("abc", "abc"),
        (17, "17"),
        (Int64(2**40), "1099511627776"),
        (ObjectId("0123456789abcdef01234567"), "0123456789abcdef01234567"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_ids_of_other_types_count_as_what_they_look_like(
    written: object, read: str
) -> None:
    found = job_from_record(job(written, userId=written))

    assert (found.job_id, found.user_id) == (read, read)
    assert written in identity_forms(read)


def test_a_wrong_type_is_named_with_its_path_and_counts_as_absent() -> None:
    record = job(
        versions=[
            {"version": 1},
            {"version": 2, "images": [{"width": "wide", "url": ["u"]}], "modelUrl": 3},
            "junk",
        ],
        metadata={"isPublic": "yes", "tags": ["a", 5]},
        createdAt="yesterday",
    )

    read = job_from_record(record)

    assert read.problems == (
        "versions[1].modelUrl: expected a text, found int",
        "versions[1].images[0].url: expected a text, found list",
        "versions[1].images[0].width: expected a number, found str",
        "versions[2]: expected an object, found str",
        "metadata.tags[1]: expected a text, found int",
        "metadata.isPublic: expected true or false, found str",
        "createdAt: expected a date, found 'yesterday'",
    )
    assert read.created_at is None
    assert not read.metadata.is_public
    assert read.metadata.tags == ("a",)


def test_a_record_full_of_junk_names_its_first_problems_only() -> None:
    read = job_from_record(job(versions=["junk"] * 1000))

    assert len(read.problems) == MAX_PROBLEMS + 1
    assert read.problems[-1] == f"and {1000 - MAX_PROBLEMS} more problems"


def test_versions_are_numbered_by_position_where_they_bear_no_number() -> None:
    read = job_from_record(job(versions=[{"modelUrl": "a"}, {"modelUrl": "b"}]))

    assert [(v.version, v.model_url) for v in read.versions] == [(1, "a"), (2, "b")]


def test_versions_ascend_and_of_equal_numbers_the_last_counts() -> None:
    record = job(
        versions=[
            {"version": 2, "modelUrl": "old"},
            {"version": 1, "modelUrl": "first"},
            {"version": 2, "modelUrl": "new"},
        ]
    )

    read = job_from_record(record)

    assert [(v.version, v.model_url) for v in read.versions] == [
        (1, "first"),
        (2, "new"),
    ]
    assert read.problems == ("versions[2].version: 2 occurs twice, the last counts",)


@pytest.mark.parametrize(
    "written",
    [
        NOW,
        NOW.replace(tzinfo=None),
        NOW.astimezone(timezone(timedelta(hours=5))),
        "2025-11-27T20:00:00Z",
        "2025-11-27T21:00:00.000+01:00",
        "2025-11-27T20:00:00",
        int(NOW.timestamp() * 1000),
        Int64(int(NOW.timestamp() * 1000)),
        NOW.timestamp() * 1000,
    ],
    ids=lambda written: f"{type(written).__name__} {written!r}",
)
def test_dates_are_read_in_whatever_form_they_were_written(written: object) -> None:
    assert job_from_record(job(createdAt=written)).created_at == NOW


@pytest.mark.parametrize(
    "written",
    [1024, 1024.0, Int64(1024), Decimal128("1024"), "1024", " 1024 "],
    ids=lambda written: f"{type(written).__name__} {written!r}",
)
def test_sizes_are_read_from_any_number(written: object) -> None:
    read = job_from_record(job(sourceVideo={"sizeBytes": written}))

    assert read.source_video is not None
    assert read.source_video.size_bytes == 1024
    assert read.problems == ()


@pytest.mark.parametrize("written", ["a, b ,,c", ["a", "b", "c", " "]])
def test_tags_are_a_list_or_one_text_with_commas(written: object) -> None:
    read = job_from_record(job(metadata={"tags": written}))

    assert read.metadata.tags == ("a", "b", "c")


def test_a_record_without_a_status_says_so() -> None:
    record = job()
    del record["status"]

    assert job_from_record(record).status == UNKNOWN_STATUS


def test_records_are_shown_as_written_but_for_what_json_cannot_say() -> None:
    identifier = ObjectId()
    record = {
        "_id": identifier,
        "ref": identifier,
        "at": datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        "exactly": datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "whole": Decimal128("12"),
        "part": Decimal128("0.1"),
        "long": Decimal128("0.1234567890123456789"),
        "bytes": b"\x00\x01",
        "nan": float("nan"),
        5: {"deep": [Int64(3), UUID(int=1)]},
    }

    shown = to_jsonable(record)

    assert shown == {
        "ref": str(identifier),
        "at": "2025-01-02T03:04:05Z",
        "exactly": "2025-01-02T03:04:05.678Z",
        "whole": 12,
        "part": 0.1,
        "long": "0.1234567890123456789",
        "bytes": "AAE=",
        "nan": None,
        "5": {"deep": [3, "00000000-0000-0000-0000-000000000001"]},
    }


def test_nesting_ends_where_json_writers_would_give_up() -> None:
    shown = json.dumps(to_jsonable({"config": nested(900)}))

    assert shown.count("{") == MAX_DEPTH + 1
    assert orjson.loads(shown)


_VALUES = st.recursive(
    st.sampled_from(ODD_VALUES)
    | st.text()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.decimals()
    | st.datetimes()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["versions", "images", "version", "createdAt", "metadata", "tags", "config"]
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, max_size=5), _VALUES)
def test_any_garbage_is_a_job_with_problems(
    fields: dict[str, Any], version: object
) -> None:
    record = {**fields, **job(versions=[version, {"images": version}])}

    read = job_from_record(record)

    assert isinstance(read, Job)
    orjson.dumps(to_jsonable(record), option=orjson.OPT_NON_STR_KEYS, default=str)
