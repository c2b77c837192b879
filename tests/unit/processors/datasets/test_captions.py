"""Captions say what people said, and where that comes from."""

from typing import Any

import pytest

from catalog.models.generation import CaptionStyle, LoraTraining
from processors.datasets.captions import MAX_LENGTH, caption_of


def test_trigger_description_and_tags_make_a_caption() -> None:
    caption = caption_of(
        None,
        "jf",
        {
            "description": " A man\n at the sea. ",
            "tags": ["beach", " summer ", "beach"],
        },
    )

    assert caption.text == "jf, A man at the sea, beach, summer"
    assert caption.sources == ("trigger", "description", "tags")


def test_a_given_caption_stands_as_it_is_but_for_the_trigger() -> None:
    metadata = {"description": "never mind", "tags": ["neither"]}

    assert caption_of("A dog.", "jf", metadata).text == "jf, A dog."
    assert caption_of("JF and a dog.", "jf", metadata).text == "JF and a dog."
    assert caption_of("A dog.", None, metadata).sources == ("given",)
    assert caption_of("JF and a dog.", "jf", metadata).sources == ("given",)


@pytest.mark.parametrize(
    "metadata",
    [{}, {"tags": "sea", "description": 7}, {"tags": [1, "", None], "description": ""}],
)
def test_where_nobody_said_anything_the_trigger_stands_alone_or_nothing(
    metadata: dict[str, object],
) -> None:
    assert caption_of(None, "jf", metadata).text == "jf"
    assert caption_of("  ", None, metadata).text == ""
    assert caption_of("  ", None, metadata).sources == ()


SAID = {"description": "A man at the sea.", "tags": ["beach", "summer"]}


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (CaptionStyle.NATURAL, "jf, A man at the sea, beach, summer"),
        (CaptionStyle.SENTENCE, "jf, A man at the sea, beach, summer"),
        (CaptionStyle.DESCRIPTION, "jf, A man at the sea"),
        (CaptionStyle.TAGS, "jf, beach, summer"),
        (CaptionStyle.TRIGGER, "jf"),
    ],
)
def test_a_style_says_what_of_it_is_written_and_given_ones_stay(
    style: CaptionStyle, text: str
) -> None:
    assert caption_of(None, "jf", SAID, style).text == text
    assert caption_of("A dog.", "jf", SAID, style).text == "jf, A dog."


@pytest.mark.parametrize(
    ("given", "style"),
    [
        ({}, CaptionStyle.NATURAL),
        ({"captionStyle": "Tags"}, CaptionStyle.TAGS),
        ({"captionStyle": "sentence"}, CaptionStyle.SENTENCE),
        ({"captionStyle": "poetic"}, None),
    ],
)
def test_a_request_names_its_style_in_any_case(
    given: dict[str, Any], style: CaptionStyle | None
) -> None:
    asked = {"loraName": "x", "videoUrl": "https://x.test/v"} | given

    assert LoraTraining.model_validate(asked).style is style


def test_a_long_one_ends_at_a_word() -> None:
    caption = caption_of(None, "jf", {"description": "lighthouse " * 100})

    assert len(caption.text) <= MAX_LENGTH
    assert caption.text.endswith(" lighthouse")
    assert caption_of(None, None, {"description": "x" * 999}).text == "x" * MAX_LENGTH
