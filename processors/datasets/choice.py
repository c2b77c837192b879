"""Which of the pictures that somebody named are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
        source: Where it lies in our store, if it does.
    """

    path: Path
    sharpness: float
    perceptual_hash: str
    source: ObjectKey | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is kept, in the order in which it was named, and what is not."""

    pictures: tuple[Picture, ...]
    dropped: dict[str, int] = field(default_factory=dict)


def choose(pictures: Sequence[Picture]) -> Chosen:
    """Drop what is blurred, then what looks like another one that is kept."""
    sharp = [one for one in pictures if one.sharpness >= MIN_SHARPNESS]
    kept = list[Picture]()
    for picture in sharp:
        bits = int(picture.perceptual_hash, 16)
        if all(
            (bits ^ int(other.perceptual_hash, 16)).bit_count() >= MIN_DISTANCE
            for other in kept
        ):
            kept.append(picture)
    dropped = {
        "blurred": len(pictures) - len(sharp),
        "duplicate": len(sharp) - len(kept),
    }
    return Chosen(tuple(kept), dropped)
