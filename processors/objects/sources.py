"""What an object is by its key, and from it to a file that can be read here."""

from pathlib import Path

from catalog.models.stored import StoredObject
from catalog.storage.base import ObjectStore
from catalog.storage.keys import Area
from processors.media.errors import Cause, MediaError

RECORDING_ENDINGS = frozenset(
    "aac flac m4a m4v mkv mov mp3 mp4 oga ogg ogv opus wav webm".split()  # noqa: SIM905
)
UNTOUCHED = frozenset({Area.DATASETS.value, Area.TEMP.value})
"""Nothing is put among the files of a training, nor beside what passes."""


def ending_of(key: str) -> str:
    """Tell the ending of a file, in lower case and without its dot."""
    return key.rpartition("/")[2].rpartition(".")[2].lower()


def fetch(
    store: ObjectStore, found: StoredObject, path: Path, *, most_bytes: int
) -> None:
    """Copy an object to a file.

    Raises:
        MediaError: ``too_large``, before or while it is copied.
        NotFoundError: It is not in the store any more.
        DependencyError: The store did not answer.
    """
    if (found.size_bytes or 0) > most_bytes:
        raise _too_large(most_bytes)
    count = 0
    with path.open("wb") as file:
        for piece in store.stream(found.key):
            count += file.write(piece)
            if count > most_bytes:  # it grows while it is read
                raise _too_large(most_bytes)


def _too_large(most_bytes: int) -> MediaError:
    message = f"it has more than {most_bytes:,} bytes"
    return MediaError(Cause.TOO_LARGE, message)
