"""What files say of themselves, read in a fork: all extractors of one kind of file.

Each task answers ``{"extracted": [{"extractor", "facts", "problems"} or {"extractor",
"cause", "message"}]}`` and writes the raw input of an extractor to ``{extractor}.raw``.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import ExifTags

from processors.extract.exif import extract_exif
from processors.extract.generation.detect import extract_generation
from processors.extract.result import MAX_RAW, Cause, Extracted, ExtractError
from processors.extract.safetensors import extract_safetensors
from processors.extract.transcript_facts import (
    extract_transcript,
    extract_transcript_text,
)
from processors.extract.versions import (
    EXIF,
    GENERATION,
    PICTURE,
    SAFETENSORS,
    TRANSCRIPT_FACTS,
    VERSIONS,
)
from processors.media.errors import MediaError
from processors.media.pixels import opened

MAX_FACTS_BYTES = 1_000_000
"""Of one extractor's facts as JSON; three of them fit into an answer."""

_TURNED = {5, 6, 7, 8}
"""Orientations that swap width and height."""

Answer = dict[str, Any]


def weights(source: Path, folder: Path, options: Mapping[str, Any]) -> Answer:
    """Read a safetensors header.

    Args:
        source: The file's beginning, with the whole header.
        folder: For raw input.
        options: ``size_bytes`` of the whole file.
    """

    def read(start: int, length: int) -> bytes:
        with source.open("rb") as file:
            file.seek(start)
            return file.read(length)

    size_bytes = int(options["size_bytes"])
    done = _tried(SAFETENSORS, lambda: extract_safetensors(read, size_bytes), folder)
    return {"extracted": [done]}


def picture(source: Path, folder: Path, options: Mapping[str, Any]) -> Answer:
    """Read a picture's size and all that was written beside its pixels."""
    del options
    data = source.read_bytes()
    return {
        "extracted": [
            _tried(PICTURE, lambda: _size_of(source), folder),
            _tried(GENERATION, lambda: extract_generation(data), folder),
            _tried(EXIF, lambda: extract_exif(data), folder),
        ]
    }


def transcript(source: Path, folder: Path, options: Mapping[str, Any]) -> Answer:
    """Read a transcript's facts; ``is_json`` in the options says what it is."""
    read = extract_transcript if options["is_json"] else extract_transcript_text
    done = _tried(TRANSCRIPT_FACTS, lambda: read(source.read_bytes()), folder)
    return {"extracted": [done]}


def _tried(extractor: str, read: Callable[[], Extracted], folder: Path) -> Answer:
    try:
        extracted = read()
    except (ExtractError, MediaError) as exc:
        message = getattr(exc, "message", str(exc))
        return _failed(extractor, exc.cause.value, message)
    if len(json.dumps(extracted.facts)) > MAX_FACTS_BYTES:
        message = "It says more of itself than is kept."
        return _failed(extractor, Cause.TOO_LARGE.value, message)
    raw = extracted.raw
    if raw:
        data = raw.encode("utf-8", "replace") if isinstance(raw, str) else raw
        (folder / f"{extractor}.raw").write_bytes(data[:MAX_RAW])
    return {
        "extractor": extractor,
        "facts": extracted.facts,
        "problems": extracted.problems,
    }


def _failed(extractor: str, cause: str, message: str) -> Answer:
    return {"extractor": extractor, "cause": cause, "message": message}


def _size_of(source: Path) -> Extracted:
    """Read the size of a picture as it is shown; no pixel is decoded."""
    with opened(source) as (image, kind):
        width, height = image.size
        if image.getexif().get(ExifTags.Base.Orientation) in _TURNED:
            width, height = height, width
    return Extracted(
        kind="picture",
        extractor=PICTURE,
        version=VERSIONS[PICTURE],
        facts={"format": kind.value, "width": width, "height": height},
    )
