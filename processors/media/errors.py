"""Why nothing could be made of a file: a small set, so that it can be a facet."""

from dataclasses import dataclass
from enum import StrEnum

from catalog.errors import CatalogError


class Cause(StrEnum):
    """What is the matter with a file, or what it did to the process that read it."""

    CORRUPT = "corrupt"
    """Its bytes are not what its first bytes promise: broken, cut off, or forged."""

    EMPTY = "empty"
    """It has no bytes, or nothing to see or hear in them."""

    TOO_MANY_PIXELS = "too_many_pixels"
    """Its header tells more pixels than are ever decoded."""

    TOO_LARGE = "too_large"
    """It, or what would be made of it, has too many bytes."""

    TIMEOUT = "timeout"
    """It took more time than a file may."""

    OUT_OF_MEMORY = "out_of_memory"
    """It needs more memory than a file may."""

    UNSUPPORTED = "unsupported"
    """It is of a kind that nothing is made of here."""

    CRASHED = "crashed"
    """Reading it ended the process: a defect of a decoder, or ours."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one file cost.

    Attributes:
        peak_rss_bytes: Highest resident memory of the process that read it.
        cpu_seconds: Its processor time.
        seconds: Its time on the clock.
    """

    peak_rss_bytes: int
    cpu_seconds: float
    seconds: float


class MediaError(CatalogError):
    """Nothing can be made of a file.

    Attributes:
        cause: For programs, and as a facet.
        usage: What trying it cost; ``None`` where no process tried, or none could tell.
    """

    code = "media_error"

    def __init__(self, cause: Cause, message: str, usage: Usage | None = None) -> None:
        """Say what is wrong, for a person who has only the file."""
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.usage = usage
