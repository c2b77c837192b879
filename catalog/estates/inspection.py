"""Looks into files before they are taken over: are they what their names say?"""

import hashlib
import json
from dataclasses import dataclass

from catalog.errors import CatalogError, DependencyUnavailableError, NotFoundError
from catalog.estates import contents
from catalog.estates.files import (
    MAX_IMAGE_BYTES,
    MAX_TRANSCRIPT_BYTES,
    Part,
    SourceFile,
    Unit,
    UnitKind,
    ending_of,
)
from catalog.estates.source import Source

_TEXT_HEAD = 4096
_MAX_CONFIG = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look into a unit showed.

    Attributes:
        unit: Without the parts that are not what they seem.
        ending: True ending of an image, else empty.
        problem: Why it can't be taken over.
        is_other: It is something else, nothing is wrong with it.
    """

    unit: Unit
    ending: str = ""
    problem: str | None = None
    is_other: bool = False


class Inspector:
    """Looks into units of one source."""

    def __init__(self, source: Source, *, most_bytes: int) -> None:
        """Stand on a source; ``most_bytes`` bounds weights and recordings."""
        self._source = source
        self._most_bytes = most_bytes

    def by_size(self, unit: Unit) -> str | None:
        """Say why a unit can't be taken over, without reading it."""
        main = unit.main
        if main.size_bytes == 0:
            return "is empty"
        most = {
            UnitKind.IMAGE: MAX_IMAGE_BYTES,
            UnitKind.TRANSCRIPT: MAX_TRANSCRIPT_BYTES,
            UnitKind.LORA: self._most_bytes,
        }[unit.kind]
        if main.size_bytes > most:
            return f"is too large: {main.size_bytes:,} bytes, {most:,} at most"
        return None

    def look(self, unit: Unit) -> Seen:
        """Look into a unit; a file that can't be read is a problem, no error."""
        if problem := self.by_size(unit):
            return Seen(unit, problem=problem)
        try:
            match unit.kind:
                case UnitKind.IMAGE:
                    return self._image(unit)
                case UnitKind.LORA:
                    return self._lora(unit)
                case UnitKind.TRANSCRIPT:
                    return self._transcript(unit)
        except NotFoundError:
            return Seen(unit, problem="is gone")
        except DependencyUnavailableError as exc:
            if exc.dependency != "source":
                raise
            return Seen(unit, problem=f"can't be read: {exc.detail}")

    def info(self, file: SourceFile | None) -> contents.ModelInfo:
        """Read what stands beside a LoRA; empty where it can't be read."""
        if file is None or file.size_bytes > contents.MAX_INFO_BYTES:
            return contents.ModelInfo()
        try:
            raw = self._source.read(file.path, length=contents.MAX_INFO_BYTES)
        except CatalogError:
            return contents.ModelInfo()
        return contents.read_info(raw)

    def digest(self, file: SourceFile) -> str:
        """Read a whole file for its SHA-256."""
        found = hashlib.sha256()
        for piece in self._source.stream(file.path):
            found.update(piece)
        return found.hexdigest()

    def _image(self, unit: Unit) -> Seen:
        head = self._source.read(unit.main.path, length=contents.HEAD_BYTES)
        ending = contents.image_ending(head)
        if ending is None:
            return Seen(unit, problem="is no image: its first bytes say otherwise")
        named = ending_of(unit.main.name)
        return Seen(unit, named if contents.is_ending(named, ending) else ending)

    def _lora(self, unit: Unit) -> Seen:
        head = self._source.read(unit.main.path, length=contents.HEADER_BYTES)
        problem = contents.weights_problem(head, unit.main.size_bytes)
        if problem is not None:
            return Seen(unit, problem=problem)
        others = dict(unit.others)
        preview = others.get(Part.PREVIEW)
        if preview is not None:
            head = self._source.read(preview.path, length=contents.HEAD_BYTES)
            if contents.image_ending(head) is None:
                del others[Part.PREVIEW]
        config = others.get(Part.CONFIG)
        if config is not None and not self._is_object(config):
            del others[Part.CONFIG]
        return Seen(Unit(unit.kind, unit.main, others))

    def _transcript(self, unit: Unit) -> Seen:
        main = unit.main
        if ending_of(main.name) == "json":
            raw = self._source.read(main.path, length=MAX_TRANSCRIPT_BYTES)
            problem = contents.transcript_problem(raw)
            return Seen(unit, is_other=problem is not None)
        head = self._source.read(main.path, length=_TEXT_HEAD)
        is_utf_16 = head[:2] in (b"\xff\xfe", b"\xfe\xff")
        if b"\x00" in head and not is_utf_16:
            return Seen(unit, problem="is no text: it holds null bytes")
        if not head.strip():
            return Seen(unit, problem="holds no text")
        recording = unit.others.get(Part.RECORDING)
        if recording is not None and recording.size_bytes > self._most_bytes:
            others = dict(unit.others)
            del others[Part.RECORDING]
            unit = Unit(unit.kind, main, others)
        return Seen(unit)

    def _is_object(self, file: SourceFile) -> bool:
        if file.size_bytes > _MAX_CONFIG:
            return False
        try:
            found = json.loads(self._source.read(file.path, length=_MAX_CONFIG))
        except (ValueError, RecursionError):
            return False
        return isinstance(found, dict)
