"""Which of the pictures that somebody named are trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.models.ids import ObjectKey

MIN_DISTANCE = 6
"""Bits of 64 in which the perceptual hashes of two kept pictures differ at least, as
in frames of a video."""

MIN_SHARPNESS = 5.0
"""Variance of the Laplacian; an even or badly blurred picture has less."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One of them, brought here.

    Attributes:
        path: JPEG, upright, sRGB.
        sharpness: See ``MIN_SHARPNESS``.
        perceptual_hash: 16 hex digits.
        place: In the list of those that are named, from 0.
        source: Where it lies in our store, if it does.
    """

    path: Path
    sharpness: float
    perceptual_hash: str
    place: int = 0
    source: ObjectKey | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is kept, in the order in which it was named, and what is not.

    Attributes:
        pictures: To train on.
        dropped: Places of the others, by reason: ``blurred duplicate``.
    """

    pictures: tuple[Picture, ...]
    dropped: Mapping[str, Sequence[int]]


def choose(pictures: Sequence[Picture]) -> Chosen:
    """Drop what is blurred, then what looks like another one that is kept."""
    kept = list[Picture]()
    dropped: dict[str, list[int]] = {"blurred": [], "duplicate": []}
    for picture in pictures:
        if picture.sharpness < MIN_SHARPNESS:
            dropped["blurred"].append(picture.place)
        elif any(_is_alike(picture, other) for other in kept):
            dropped["duplicate"].append(picture.place)
        else:
            kept.append(picture)
    return Chosen(tuple(kept), dropped)


def _is_alike(one: Picture, other: Picture) -> bool:
    bits = int(one.perceptual_hash, 16) ^ int(other.perceptual_hash, 16)
    return bits.bit_count() < MIN_DISTANCE
