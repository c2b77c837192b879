"""Captions of training images, from what people said: nothing here looks at them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.models.generation import CaptionStyle

MAX_LENGTH = 300
"""Characters; the text encoders of today's models read some 77 tokens."""

_MOST_TAGS = 20

_PARTS = {
    CaptionStyle.NATURAL: ("description", "tags"),
    CaptionStyle.SENTENCE: ("description", "tags"),
    CaptionStyle.DESCRIPTION: ("description",),
    CaptionStyle.TAGS: ("tags",),
    CaptionStyle.TRIGGER: (),
}


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, and what it was written from.

    Attributes:
        text: One line; empty where nobody said anything.
        sources: Out of ``given trigger description tags``.
    """

    text: str
    sources: tuple[str, ...]


def caption_of(
    given: str | None,
    trigger: str | None,
    metadata: Mapping[str, Any],
    style: CaptionStyle = CaptionStyle.NATURAL,
) -> Caption:
    """Write the caption of an image.

    Args:
        given: That came with the image. It stands as it is, but for the trigger.
        trigger: Of the LoRA; stands first where nothing else names it.
        metadata: Of the job's record: ``description tags``, read tolerantly.
        style: Which of these two are written, where none is given.

    Returns:
        Trigger, and what the style names, parted by commas, where none is given.
    """
    if said := _line(given):
        return _with_trigger(said, ("given",), trigger)
    tags = metadata.get("tags")
    parts = {
        "description": _line(metadata.get("description")).rstrip(".,;: "),
        "tags": ", ".join(_unique(tags if isinstance(tags, list | tuple) else ())),
    }
    found = {name: parts[name] for name in _PARTS[style] if parts[name]}
    return _with_trigger(", ".join(found.values()), tuple(found), trigger)


def _with_trigger(text: str, sources: tuple[str, ...], trigger: str | None) -> Caption:
    word = _line(trigger)
    if word and word.casefold() not in text.casefold():
        text = f"{word}, {text}" if text else word
        sources = ("trigger", *sources)
    return Caption(_cut(text), sources)


def _cut(text: str) -> str:
    """End at a word where it is too long."""
    if len(text) <= MAX_LENGTH:
        return text
    whole, _, _ = text[: MAX_LENGTH + 1].rpartition(" ")
    return (whole or text[:MAX_LENGTH]).rstrip(",;: ")


def _unique(tags: Iterable[object]) -> list[str]:
    lines = (_line(tag) for tag in tags)
    return list(dict.fromkeys(line for line in lines if line))[:_MOST_TAGS]


def _line(text: object) -> str:
    return " ".join(text.split()) if isinstance(text, str) else ""
