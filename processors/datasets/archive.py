"""A dataset as one file: a zip, as trainers take it (``0001.jpg`` beside ``0001.txt``).

Its facts stand in the comment of the zip, so that image, caption and facts are stored
together or not at all, and a trainer finds nothing that it does not expect.
"""

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from processors.engine import Dataset

CONTENT_TYPE = "application/zip"

_NAME = re.compile(r"[0-9]{4,9}\.(jpg|txt)")
_FOLDERS = {"jpg": "images", "txt": "captions"}
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""Of all entries: the same dataset makes the same bytes."""

_PIECE_BYTES = 1024 * 1024
_MAX_ENTRY_BYTES = 64 * 1024 * 1024


class BrokenArchiveError(Exception):
    """What lies there was not made by ``pack``, or is damaged."""


def image_name(number: int) -> str:
    """Name an image of a dataset."""
    return f"images/{number:04d}.jpg"


def caption_name(number: int) -> str:
    """Name the caption of an image."""
    return f"captions/{number:04d}.txt"


def pack(dataset: Dataset, path: Path) -> None:
    """Write a dataset into a zip.

    Args:
        dataset: Complete.
        path: Is replaced.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(1, dataset.count + 1):
            for name in (image_name(number), caption_name(number)):
                entry = zipfile.ZipInfo(Path(name).name, date_time=_LONG_AGO)
                archive.writestr(entry, (dataset.folder / name).read_bytes())
        facts = {"isStored": dataset.is_stored, "facts": dict(dataset.facts)}
        archive.comment = json.dumps(facts).encode()


def unpack(path: Path, folder: Path, check: Callable[[], None]) -> Dataset:
    """Lay a dataset out again; the other half of ``pack``.

    Args:
        path: The zip.
        folder: Is made.
        check: Is called with every file; what it raises is let through.

    Raises:
        BrokenArchiveError: It is not what ``pack`` wrote.
    """
    for name in _FOLDERS.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            told = json.loads(archive.comment)
            for entry in entries:
                check()
                _unpack_one(archive, entry, folder)
        count = len(entries) // 2
        if not count or not _is_whole(folder, count):
            raise BrokenArchiveError(path.name)
        return Dataset(folder, count, bool(told["isStored"]), _facts(told))
    except (zipfile.BadZipFile, ValueError, LookupError, TypeError, EOFError) as exc:
        raise BrokenArchiveError(path.name) from exc


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    if not _NAME.fullmatch(entry.filename) or entry.file_size > _MAX_ENTRY_BYTES:
        raise BrokenArchiveError(entry.filename)
    ending = entry.filename.rpartition(".")[2]
    target = folder / _FOLDERS[ending] / entry.filename
    with archive.open(entry) as read, target.open("wb") as written:
        while piece := read.read(_PIECE_BYTES):
            written.write(piece)


def _is_whole(folder: Path, count: int) -> bool:
    return all(
        (folder / name(number)).is_file()
        for number in range(1, count + 1)
        for name in (image_name, caption_name)
    )


def _facts(told: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict(told["facts"])
