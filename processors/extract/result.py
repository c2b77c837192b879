"""What an extractor hands back, and why it could not.

Facts are for MongoDB as they are: texts without NUL and surrogates, whole numbers of
64 bits, finite floats, booleans, tuples and mappings of these. A fact that is not known
is absent, never ``None``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, Union

from catalog.errors import CatalogError

Fact: TypeAlias = Union[  # noqa: UP007  (names itself, so it must be text)
    str, int, float, bool, tuple["Fact", ...], Mapping[str, "Fact"]
]

MAX_RAW = 1_048_576
"""Bytes (or characters) of raw input that are kept; MongoDB takes 16 MiB a record."""


class Cause(StrEnum):
    """Why nothing could be read out of a file; few, because people filter by them."""

    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    EMPTY = "empty"


class ExtractError(CatalogError):
    """Nothing could be read out of the file, and trying again won't help.

    Attributes:
        cause: Which kind of reason.
    """

    code = "extract_failed"

    def __init__(self, cause: Cause, message: str) -> None:
        """Say what is wrong with the file, as one sentence for its owner."""
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Extracted:
    """What one extractor read out of one state of a file.

    Attributes:
        kind: What the facts are about: ``weights``, ``generation``, ``photo`` or
            ``transcript``.
        extractor: Its name. With ``version`` it says which rules made the facts.
        version: Raised whenever the same file would give other facts.
        facts: By camelCase name, see ``docs/extraction.md``; empty when the file says
            nothing.
        raw: What the facts were read out of, so that better rules need no file;
            at most ``MAX_RAW``. ``None`` where keeping it would give something away.
        problems: What was wrong with the file although facts could be read, one
            sentence each.
    """

    kind: str
    extractor: str
    version: int
    facts: Mapping[str, Fact]
    raw: bytes | str | None = None
    problems: tuple[str, ...] = ()


def bounded_raw(raw: bytes) -> bytes:
    """Cut raw input to what is kept."""
    return raw[:MAX_RAW]


def bounded_raw_text(raw: str) -> str:
    """Cut raw text to what is kept."""
    return raw[:MAX_RAW]
