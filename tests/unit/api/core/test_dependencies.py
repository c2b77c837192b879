from datetime import UTC, datetime

import pytest
from pydantic_core import PydanticCustomError

from api.dependencies import (
    job_type_named,
    parse_asset_types,
    parse_since,
    parse_until,
    split_commas,
)
from catalog.models.asset import AssetType


def test_a_date_as_end_means_all_of_that_day() -> None:
    found = parse_until("2025-12-31")

    assert found == datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def test_a_second_as_end_means_all_of_that_second() -> None:
    assert parse_until("2025-12-31T18:00:00Z") == datetime(
        2025, 12, 31, 18, 0, 0, 999_999, tzinfo=UTC
    )
    assert parse_until("2025-12-31T18:00:00.250Z") == datetime(
        2025, 12, 31, 18, 0, 0, 250_000, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-01", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01T02:00:00Z", datetime(2025, 1, 1, 2, tzinfo=UTC)),
        ("2025-01-01T02:00:00", datetime(2025, 1, 1, 2, tzinfo=UTC)),
        ("2025-01-01T02:00:00+02:00", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01T02:00:00 02:00", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01 02:00", datetime(2025, 1, 1, 2, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_as_utc_unless_they_say_otherwise(
    text: str | None, expected: datetime | None
) -> None:
    assert parse_since(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2025-13-01",
        "2025-02-30",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "\u0662\u0660\u0662\u0665-01-01",
        "1" * 600,
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="not a date"):
        parse_since(text)


def test_lists_are_split_by_commas_and_repetition_without_doubles() -> None:
    assert split_commas(["a,b", " c ,", "a"]) == ("a", "b", "c")


def test_a_list_too_long_is_refused() -> None:
    with pytest.raises(PydanticCustomError, match="more than"):
        split_commas([",".join(str(number) for number in range(200))])


def test_job_types_name_the_assets_they_make() -> None:
    assert parse_asset_types(["lora-training,image", "transcription"]) == (
        AssetType.LORA,
        AssetType.IMAGE,
        AssetType.TRANSCRIPT,
    )
    with pytest.raises(PydanticCustomError, match="dataset"):
        parse_asset_types(["film"])


def test_asset_types_name_the_jobs_that_make_them() -> None:
    assert job_type_named("lora") == "lora-training"
    assert job_type_named("transcript") == "transcription"
    assert job_type_named("image-generation") == "image-generation"
    assert job_type_named("film-making") == "film-making"
