"""Reads an XMP packet: XML in which anybody may have written anything.

Standard: ISO 16684-1. Entities and external references are refused by ``defusedxml``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from processors.extract.containers import Blobs
from processors.extract.picture import PARSER_ERRORS
from processors.extract.values import clean

MAX_XMP: Final = 1_048_576
"""Bytes of XML that are read; an extended packet can be longer, and is left."""

MAX_VALUES: Final = 500

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_MAX_VALUE = 10_000


@dataclass(frozen=True, slots=True)
class Xmp:
    """What a packet says that is of use here; tuples are empty where it is silent."""

    title: str | None = None
    description: str | None = None
    creators: tuple[str, ...] = ()
    rights: str | None = None
    keywords: tuple[str, ...] = ()
    user_comment: str | None = None
    has_location: bool = False


def read_xmp(blobs: Blobs) -> Xmp:
    """Read the packet of a picture; what is broken is noted in ``blobs``."""
    packet = (blobs.xmp or b"").strip(b"\0 \r\n\t")
    if not packet:
        return Xmp()
    if len(packet) > MAX_XMP:
        blobs.note(f"The XMP has more than {MAX_XMP} bytes; it was not read.")
        return Xmp()
    try:
        root = fromstring(packet, forbid_dtd=True)
    except PARSER_ERRORS as exc:
        blobs.note(f"The XMP can't be read: {exc}.")
        return Xmp()
    return _read(root)


def _read(root: Element) -> Xmp:
    found: dict[str, list[str]] = {}
    has_location = False
    for name, value in _properties(root):
        if name in {f"{_EXIF}GPSLatitude", f"{_EXIF}GPSLongitude"}:
            has_location = True
        elif value and len(values := found.setdefault(name, [])) < MAX_VALUES:
            values.append(value)

    def first(name: str) -> str | None:
        return next(iter(found.get(name, ())), None)

    return Xmp(
        title=first(f"{_DC}title"),
        description=first(f"{_DC}description"),
        creators=tuple(found.get(f"{_DC}creator", ())),
        rights=first(f"{_DC}rights"),
        keywords=tuple(found.get(f"{_DC}subject", ())),
        user_comment=first(f"{_EXIF}UserComment"),
        has_location=has_location,
    )


def _properties(root: Element) -> Iterator[tuple[str, str]]:
    """Give properties, written as attributes, as text, or as a list."""
    for description in root.iter(f"{_RDF}Description"):
        for name, value in description.attrib.items():
            yield name, clean(value, _MAX_VALUE)
        for child in description:
            items = list(child.iter(f"{_RDF}li"))
            for element in items or [child]:
                yield child.tag, clean(element.text or "", _MAX_VALUE)
