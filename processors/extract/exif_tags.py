"""Reads EXIF into tags, and the one tag whose encoding is its own: ``UserComment``.

Standard: CIPA DC-008 (Exif 3.0). GPS tags are never handed on, only whether there are
any.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image

from processors.extract.containers import EXIF_MARK, Blobs
from processors.extract.picture import PARSER_ERRORS, warnings_as_problems
from processors.extract.tiff_guard import why_unsafe
from processors.extract.values import MAX_TEXT, clean

_MAIN = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Orientation,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.UserComment,
)
_PREFIX = 8
_SAMPLE = 4_096
_MOST = 0.7


@dataclass(frozen=True, slots=True)
class PhotoTags:
    """EXIF tags of a picture.

    Attributes:
        main: Of the first directory, by name, such as ``Make``.
        detail: Of the EXIF directory, such as ``DateTimeOriginal``.
        has_location: Whether there is a latitude or a longitude.
    """

    main: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    has_location: bool = False


def read_tags(blobs: Blobs) -> PhotoTags:
    """Read the EXIF of a picture; what is broken is noted in ``blobs``."""
    if not blobs.exif:
        return PhotoTags()
    if reason := why_unsafe(blobs.exif.removeprefix(EXIF_MARK)):
        blobs.note(f"The EXIF is not read. {reason}")
        return PhotoTags()
    exif = Image.Exif()
    with warnings_as_problems(blobs):
        try:
            exif.load(blobs.exif)
        except PARSER_ERRORS as exc:
            blobs.note(f"The EXIF can't be read: {exc}.")
            return PhotoTags()
        gps = _directory(exif, ExifTags.IFD.GPSInfo, blobs)
        return PhotoTags(
            main=_named(dict(_items(exif, blobs))),
            detail=_named(_directory(exif, ExifTags.IFD.Exif, blobs)),
            has_location=any(
                gps.get(tag) is not None
                for tag in (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude)
            ),
        )


def user_comment(tags: PhotoTags) -> str | None:
    """Decode the ``UserComment``, in which web UIs write how an image was made."""
    value = tags.detail.get("UserComment", tags.main.get("UserComment"))
    if isinstance(value, str):
        return clean(value, MAX_TEXT * 10) or None
    if not isinstance(value, bytes) or not value:
        return None
    return clean(decoded_comment(value), MAX_TEXT * 10) or None


def decoded_comment(value: bytes) -> str:
    r"""Decode a ``UserComment`` by its eight bytes of prefix.

    After ``UNICODE\0`` come UTF-16 of either byte order (Exif says that of the file;
    writers differ, so the likelier one is taken) and sometimes UTF-8.
    """
    prefix, body = value[:_PREFIX], value[_PREFIX:]
    if prefix == b"UNICODE\0":
        return _utf_16(body)
    if prefix == b"JIS\0\0\0\0\0":
        return body.decode("iso2022_jp", errors="replace")
    if prefix not in {b"ASCII\0\0\0", b"\0" * _PREFIX}:
        body = value
    return body.rstrip(b"\0 ").decode(errors="replace")


def _utf_16(body: bytes) -> str:
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return body.decode("utf-16", errors="replace")
    sample = body[: _SAMPLE - _SAMPLE % 2]
    if sample and 0 not in sample and _latin_share(sample.decode("latin-1")) > _MOST:
        return body.decode(errors="replace")
    big = sample.decode("utf-16-be", errors="replace")
    little = sample.decode("utf-16-le", errors="replace")
    is_little = _latin_share(little) > _latin_share(big)
    return body.decode("utf-16-le" if is_little else "utf-16-be", errors="replace")


def _latin_share(text: str) -> float:
    return sum(c.isascii() and (c.isprintable() or c in "\r\n\t") for c in text) / max(
        len(text), 1
    )


def _items(exif: Image.Exif, blobs: Blobs) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for tag in _MAIN:
        try:
            if tag not in exif:
                continue
            found.append((tag, exif[tag]))
        except PARSER_ERRORS as exc:
            blobs.note(f"The EXIF tag {tag} can't be read: {exc}.")
    return found


def _directory(exif: Image.Exif, tag: int, blobs: Blobs) -> dict[int, Any]:
    try:
        return dict(exif.get_ifd(tag))
    except PARSER_ERRORS as exc:
        blobs.note(f"The EXIF directory {tag} can't be read: {exc}.")
        return {}


def _named(tags: Mapping[int, Any]) -> dict[str, Any]:
    return {
        ExifTags.TAGS[tag]: value for tag, value in tags.items() if tag in ExifTags.TAGS
    }
