"""Opens a picture's metadata, whatever its format, without looking at its pixels."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from PIL import Image, UnidentifiedImageError

from processors.extract.containers import (
    Blobs,
    iptc_of_resources,
    read_jpeg,
    read_webp,
)
from processors.extract.png_chunks import SIGNATURE, read_png
from processors.extract.result import Cause, ExtractError
from processors.extract.tiff_guard import BIG_TIFF, why_unsafe

PARSER_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow and XML parsers are known to raise on broken input."""

_XMP_TAG = 700
_IPTC_TAG = 33_723
_RESOURCES_TAG = 34_377
_MAGICS = (
    b"BM",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\0\0\1\0",
    b"\0\0\0\x0cjP  ",
    b"\xff\x4f\xff\x51",
    b"8BPS",
    b"qoif",
)
_BRANDS = (b"avif", b"avis", b"mif1", b"heic", b"heix", b"msf1")
_WINDOW = 32


def read_picture(data: bytes) -> Blobs:
    """Read the pieces of metadata of a picture.

    Args:
        data: The whole file.

    Returns:
        The pieces; a PNG, JPEG or WebP that is cut off gives those before the cut.

    Raises:
        ExtractError: ``empty``; ``unsupported`` when it is none that we know;
            ``corrupt`` when it should be one but can't be opened; ``too_large`` when
            it claims more pixels than Pillow allows.
    """
    if not data:
        raise ExtractError(Cause.EMPTY, "The file is empty.")
    if data.startswith(SIGNATURE):
        if data[12:16] != b"IHDR":
            raise ExtractError(Cause.CORRUPT, "The PNG has no header.")
        return read_png(data)
    if data.startswith(b"\xff\xd8"):
        if data[2:3] != b"\xff":
            raise ExtractError(Cause.CORRUPT, "The JPEG has no header.")
        return read_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp(data)
    return _by_pillow(data)


@contextmanager
def warnings_as_problems(blobs: Blobs) -> Iterator[None]:
    """Turn Pillow's warnings about broken metadata into problems."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        blobs.note(" ".join(str(warning.message).split())[:200])


def _by_pillow(data: bytes) -> Blobs:
    blobs = Blobs("unknown")
    if reason := why_unsafe(data):
        cause = Cause.UNSUPPORTED if data[:4] in BIG_TIFF else Cause.CORRUPT
        raise ExtractError(cause, f"The TIFF is not read. {reason}")
    with warnings_as_problems(blobs):
        try:
            with Image.open(BytesIO(data)) as image:
                _fill(blobs, image, data)
        except Image.DecompressionBombError as exc:
            raise ExtractError(Cause.TOO_LARGE, str(exc)) from exc
        except UnidentifiedImageError as exc:
            raise _unidentified(data) from exc
        except (*PARSER_ERRORS, MemoryError) as exc:
            message = f"The picture can't be opened: {exc}."
            raise ExtractError(Cause.CORRUPT, message) from exc
    return blobs


def _fill(blobs: Blobs, image: Image.Image, data: bytes) -> None:
    blobs.format = (image.format or "unknown").lower()
    tags = getattr(image, "tag_v2", {})
    if exif := image.info.get("exif"):
        blobs.exif = exif if isinstance(exif, bytes) else None
    elif tags:
        blobs.exif = data  # a TIFF is what EXIF is made of
    xmp = image.info.get("xmp") or tags.get(_XMP_TAG)
    blobs.xmp = xmp if isinstance(xmp, bytes) else None
    iptc, resources = tags.get(_IPTC_TAG), tags.get(_RESOURCES_TAG)
    if isinstance(iptc, bytes):
        blobs.iptc = iptc
    elif isinstance(resources, bytes):
        blobs.iptc = iptc_of_resources(resources)
    comment = image.info.get("comment")
    if isinstance(comment, bytes) and comment:
        blobs.texts["Comment"] = comment.decode("latin-1")


def _unidentified(data: bytes) -> ExtractError:
    head = data[:_WINDOW]
    if head.startswith(_MAGICS) or (head[4:8] == b"ftyp" and head[8:12] in _BRANDS):
        return ExtractError(Cause.CORRUPT, "The picture is broken beyond reading.")
    return ExtractError(Cause.UNSUPPORTED, "This is no picture that can be read here.")
