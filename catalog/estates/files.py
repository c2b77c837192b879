"""What lies in an estate: its files, what they are, and which belong together. Pure.

An estate is what somebody has already: a bucket or folder, with or without a database.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from catalog.storage.keys import IMAGE_ENDINGS

MAX_IMAGE_BYTES = 256 * 1024**2
MAX_TRANSCRIPT_BYTES = 64 * 1024**2
"""The indexer reads no larger ones (``indexer.stored``)."""

_PICTURES = IMAGE_ENDINGS - {"svg"}  # a drawing that may hold scripts is no photograph
_RECORDINGS = frozenset(
    "aac avi flac m4a m4v mkv mov mp3 mp4 mpeg mpg oga ogg opus wav webm wma".split()  # noqa: SIM905
)
_CAPTIONS = frozenset({"srt", "vtt"})
_INFO = (".civitai.info", ".metadata.json")
_PREVIEW = ".preview"
_NO_TRANSCRIPT = frozenset(
    "changelog copying licence license notice readme requirements todo".split()  # noqa: SIM905
)


class Kind(StrEnum):
    """What a file seems to be, by its name."""

    IMAGE = "image"
    WEIGHTS = "weights"
    JSON = "json"
    TEXT = "text"
    CAPTIONS = "captions"
    RECORDING = "recording"
    INFO = "info"
    OTHER = "other"


class UnitKind(StrEnum):
    """What becomes of files that belong together."""

    IMAGE = "image"
    LORA = "lora"
    TRANSCRIPT = "transcript"


class Part(StrEnum):
    """What a file is to its unit."""

    MAIN = "main"
    PREVIEW = "preview"
    CONFIG = "config"
    INFO = "info"
    """Read for the job record, not kept as a file."""
    TEXT = "text"
    CAPTIONS = "captions"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of an estate.

    Attributes:
        path: Below the estate's root, parts joined by ``/``.
        size_bytes: Of its content.
        modified_ns: Nanoseconds since 1970.
        etag: As a bucket tells it; empty in a folder.
    """

    path: str
    size_bytes: int
    modified_ns: int
    etag: str = ""

    @property
    def folder(self) -> str:
        """Path of its folder; empty for the root."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that become one asset."""

    kind: UnitKind
    main: SourceFile
    others: Mapping[Part, SourceFile] = field(default_factory=dict)

    def parts(self) -> Iterable[tuple[Part, SourceFile]]:
        """All files, the main one first."""
        yield Part.MAIN, self.main
        yield from self.others.items()


def ending_of(name: str) -> str:
    """Ending in small letters, without its dot; empty where there is none."""
    stem, _, ending = name.rpartition(".")
    return ending.lower() if stem else ""


def kind_of(name: str) -> Kind:
    """Tell what a file seems to be."""
    if name.lower().endswith(_INFO):
        return Kind.INFO
    ending = ending_of(name)
    if ending in _PICTURES:
        return Kind.IMAGE
    if ending in _RECORDINGS:
        return Kind.RECORDING
    if ending in _CAPTIONS:
        return Kind.CAPTIONS
    exact = {"safetensors": Kind.WEIGHTS, "json": Kind.JSON, "txt": Kind.TEXT}
    return exact.get(ending, Kind.OTHER)


def stem_of(name: str) -> str:
    """What files that belong together have in common: the name without endings."""
    lowered = name.lower()
    for ending in _INFO:
        if lowered.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    stem = name.rpartition(".")[0] or name
    if kind_of(name) is Kind.IMAGE and stem.lower().endswith(_PREVIEW):
        return stem[: -len(_PREVIEW)] or stem
    return stem


def units_of(
    family: Sequence[SourceFile],
) -> tuple[tuple[Unit, ...], tuple[SourceFile, ...]]:
    """Make assets out of the files of one folder that share a stem.

    Returns:
        The units, and the files that become no asset.
    """
    left: dict[Kind, list[SourceFile]] = defaultdict(list)
    for file in sorted(family, key=lambda file: file.path):
        left[kind_of(file.name)].append(file)
    if left[Kind.WEIGHTS]:
        units = _loras(left)
    elif _is_transcript(left):
        units = [_transcript(left)]
    else:
        units = []
    units += [Unit(UnitKind.IMAGE, file) for file in left.pop(Kind.IMAGE, ())]
    return tuple(units), tuple(file for files in left.values() for file in files)


def _loras(left: dict[Kind, list[SourceFile]]) -> list[Unit]:
    first, *rest = left.pop(Kind.WEIGHTS)
    others: dict[Part, SourceFile] = {}
    previews = sorted(
        left[Kind.IMAGE], key=lambda f: f"{_PREVIEW}." not in f.name.lower()
    )
    if previews:
        others[Part.PREVIEW] = previews[0]
        left[Kind.IMAGE].remove(previews[0])
    for part, kind in ((Part.CONFIG, Kind.JSON), (Part.INFO, Kind.INFO)):
        if left[kind]:
            others[part] = left[kind].pop(0)
    return [
        Unit(UnitKind.LORA, first, others),
        *(Unit(UnitKind.LORA, file) for file in rest),
    ]


def _is_transcript(left: Mapping[Kind, Sequence[SourceFile]]) -> bool:
    words = [*left[Kind.JSON], *left[Kind.TEXT]]
    if not words:
        return False
    if left[Kind.IMAGE] and not left[Kind.RECORDING]:
        return False  # a caption or the parameters of the picture
    return stem_of(words[0].name).lower() not in _NO_TRANSCRIPT


def _transcript(left: dict[Kind, list[SourceFile]]) -> Unit:
    main = left[Kind.JSON].pop(0) if left[Kind.JSON] else left[Kind.TEXT].pop(0)
    others: dict[Part, SourceFile] = {}
    for part, kind in (
        (Part.TEXT, Kind.TEXT),
        (Part.CAPTIONS, Kind.CAPTIONS),
        (Part.RECORDING, Kind.RECORDING),
    ):
        if left[kind]:
            others[part] = left[kind].pop(0)
    return Unit(UnitKind.TRANSCRIPT, main, others)
