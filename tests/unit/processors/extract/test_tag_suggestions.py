import pytest

from processors.extract.tag_suggestions import (
    MAX_SUGGESTIONS,
    cleaned_tag,
    suggested_tags,
    unique_tags,
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Long_Hair", "long hair"),
        ("  blue   eyes, ", "blue eyes"),
        ("(masterpiece:1.2)", "masterpiece"),
        ("((sea))", "sea"),
        (r"saber \(fate\)", "saber (fate)"),
        ("1girl", "1girl"),
        ("街", "街"),
        ("^_^", ""),
        ("...", ""),
        ("", ""),
        ("a sentence that somebody wrote as the caption of one whole picture", ""),
        ("x" * 10_000, ""),
        ("nul\0", "nul\ufffd"),
    ],
)
def test_a_tag_is_written_as_a_person_would(written: str, meant: str) -> None:
    assert cleaned_tag(written) == meant


def test_at_most_fifty_are_suggested() -> None:
    counts = {f"tag {number:03}": number + 1 for number in range(200)}

    suggested = suggested_tags([counts])

    assert len(suggested) == MAX_SUGGESTIONS
    assert suggested[0] == "tag 199"


def test_counts_that_are_no_numbers_are_passed_over() -> None:
    assert suggested_tags([{"a": None, "b": -1, "c": [2], "d": "3", "e": 10**30}]) == (
        "d",
    )


def test_tags_without_counts_keep_their_order() -> None:
    assert unique_tags(["Sea", "sky", "sea "]) == ("sea", "sky")
