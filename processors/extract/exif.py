"""What a camera or photo tool wrote into a picture: EXIF, XMP and IPTC.

Privacy: where a picture was taken is never handed on, only ``hasLocation``, and the raw
bytes, which hold the place, are not kept.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from processors.extract import versions
from processors.extract.exif_tags import PhotoTags, read_tags
from processors.extract.iptc import read_iptc
from processors.extract.picture import read_picture
from processors.extract.result import Extracted, Fact
from processors.extract.tag_suggestions import unique_tags
from processors.extract.values import as_int, as_text, clean, known
from processors.extract.xmp import read_xmp

EXTRACTOR: Final = versions.EXIF
VERSION: Final = versions.VERSIONS[EXTRACTOR]

_TIME = re.compile(
    r"\s*(\d{4})[:\-/](\d{2})[:\-/](\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?\s*\Z"
)
_OFFSET = re.compile(r"\s*([+-](?:0\d|1[0-4]):[0-5]\d|Z)\s*\Z")
_MAX_SHORT = 200
_MAX_ORIENTATION = 8
_WORKFLOW = re.compile(r"\s*(?:prompt|workflow)\s*:\s*\{", re.IGNORECASE)
_TIMES = (
    ("DateTimeOriginal", "OffsetTimeOriginal"),
    ("DateTimeDigitized", "OffsetTimeDigitized"),
    ("DateTime", "OffsetTime"),
)


def extract_exif(data: bytes) -> Extracted:
    """Read what a photo says of itself.

    Args:
        data: The whole file.

    Returns:
        Facts of ``photo``, see ``docs/extraction.md``; without raw input.

    Raises:
        ExtractError: It is no picture, or can't be opened.
    """
    blobs = read_picture(data)
    tags = read_tags(blobs)
    xmp, iptc = read_xmp(blobs), read_iptc(blobs.iptc)
    description = _short(tags, "ImageDescription", 10_000)
    facts: dict[str, Fact | None] = {
        "cameraMake": _short(tags, "Make"),
        "cameraModel": _short(tags, "Model"),
        "lens": _short(tags, "LensModel"),
        "software": _short(tags, "Software"),
        "takenAt": next(_times(tags), None),
        "orientation": _orientation(tags.main),
        "hasLocation": (
            tags.has_location or xmp.has_location if blobs.exif or blobs.xmp else None
        ),
        "title": xmp.title or iptc.title,
        "description": xmp.description or iptc.description or description,
        "artist": _short(tags, "Artist") or _joined(xmp.creators or iptc.creators),
        "copyright": _short(tags, "Copyright") or xmp.rights or iptc.rights,
        "tagSuggestions": unique_tags((*xmp.keywords, *iptc.keywords)),
    }
    return Extracted(
        kind="photo",
        extractor=EXTRACTOR,
        version=VERSION,
        facts=known(facts),
        problems=tuple(blobs.problems),
    )


def _short(tags: PhotoTags, name: str, limit: int = _MAX_SHORT) -> str | None:
    """Read a text tag; ComfyUI's graphs in camera tags are no camera."""
    value: Any = tags.detail.get(name, tags.main.get(name))
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode(errors="replace")
    text = as_text(value, limit)
    return None if text is None or _WORKFLOW.match(text) else text.strip("\0 ") or None


def _orientation(main: Mapping[str, Any]) -> int | None:
    number = as_int(main.get("Orientation"))
    return number if number is not None and 1 <= number <= _MAX_ORIENTATION else None


def _joined(names: tuple[str, ...]) -> str | None:
    return clean(", ".join(names), _MAX_SHORT) or None


def _times(tags: PhotoTags) -> Iterator[str]:
    """Give times in ISO 8601: with offset where the camera knew it, else local."""
    for name, offset_name in _TIMES:
        value, offset = _short(tags, name), _short(tags, offset_name)
        match = _TIME.match(value or "")
        if match is None:
            continue
        try:
            moment = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[arg-type,misc]  # six numbers
        except ValueError:
            continue
        local = moment.replace(tzinfo=None).isoformat()
        known_offset = _OFFSET.match(offset or "")
        yield local + (known_offset[1] if known_offset else "")
