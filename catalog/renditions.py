"""What renditions are named, so that none is ever taken for a source. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from catalog.errors import InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.storage.keys import check_key

RENDITIONS = "renditions"
"""Name of the task that makes them, by which its results are asked for."""

THUMB_ENDING = "_thumb.png"
"""The seed's: ``image_1.png`` has ``image_1_thumb.png`` beside it."""

SMALL_ENDING = "_256_thumb.webp"
LARGE_ENDING = "_512_thumb.webp"
POSTER_ENDING = "_poster_thumb.jpg"
WAVEFORM_ENDING = "_waveform_thumb.png"
PEAKS_ENDING = "_waveform.json"

_THUMB_STEM = "_thumb"


class RenditionKind(StrEnum):
    """What a rendition is."""

    THUMBNAIL = "thumbnail"
    """PNG that fits 256 pixels."""
    SMALL = "small"
    """WebP that fits 256 pixels, and moves where the picture does."""
    LARGE = "large"
    """WebP that fits 512 pixels."""
    POSTER = "poster"
    """JPEG of a video's frame, 1280 pixels at most."""
    WAVEFORM = "waveform"
    """PNG of a recording's loudness, 800 by 120 pixels."""
    PEAKS = "peaks"
    """The numbers of that drawing, JSON."""
    PREVIEW = "preview"
    """Example picture of a LoRA; a picture in its own right, with renditions."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A derived file in the store.

    Attributes:
        key: Where.
        kind: What it is.
        content_type: As stored.
        size_bytes: Of the file.
        width: In pixels, as ``height``; ``None`` for what is no picture.
        height: See ``width``.
    """

    key: ObjectKey
    kind: RenditionKind
    content_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None


def rendition_keys(source: ObjectKey, ending: str) -> tuple[ObjectKey, ...]:
    """Name a rendition, best name first.

    ``a.jpg`` has ``a_thumb.png``, and, where that is another's (``a.png`` lies beside
    it, or somebody else wrote one), ``a.jpg_thumb.png``.

    Returns:
        Those that are no longer than a key may be.
    """
    stem = source.removesuffix(_dotted(source))
    found = dict.fromkeys((f"{stem}{ending}", f"{source}{ending}"))
    return tuple(ObjectKey(name) for name in found if _is_key(name))


def is_rendition(key: str) -> bool:
    """Tell from its name alone whether a file was derived from another."""
    name = key.rpartition("/")[2]
    stem = name.removesuffix(_dotted(name))
    return name.endswith(PEAKS_ENDING) or stem.endswith(_THUMB_STEM)


def _dotted(key: str) -> str:
    """Tell the ending of a file with its dot; empty where there is none."""
    stem, dot, ending = key.rpartition("/")[2].rpartition(".")
    return f"{dot}{ending}" if stem and dot else ""


def _is_key(name: str) -> bool:
    try:
        check_key(name)
    except InvalidObjectKeyError:
        return False
    return True
