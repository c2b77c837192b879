"""The parts of a run: what each stands on, and which ones somebody asks for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "media": (),
    "transcription": (),
    "build": (),
    "search": ("build",),
    "streams": ("build",),
    "mongo": ("build",),
    "queue": (),
    "freshness": ("build",),
    "repair": ("build",),
    "rollback": ("build", "repair"),
    "owners": (),
}
"""All sections in the order in which they run, and those whose work each goes on from:
an index that serves, a rebuild after which the generation before is kept in step."""

WITHOUT_SERVERS: Final = frozenset({"media", "transcription"})


class UnknownSectionError(ValueError):
    """There is no section of this name."""


def sections(asked: str | None) -> tuple[str, ...]:
    """Tell what is to run.

    Args:
        asked: Names with commas between; ``None`` for a whole run.

    Returns:
        The sections that are asked for and those that they stand on, in the order in
        which they run, each once.

    Raises:
        UnknownSectionError: A name is none, or there is no name; tells all there are.
    """
    if asked is None:
        return tuple(NEEDS)
    names = {name.strip() for name in asked.split(",")} - {""}
    if unknown := sorted(names - NEEDS.keys()):
        message = f"no section {', '.join(unknown)}; there are {', '.join(NEEDS)}"
        raise UnknownSectionError(message)
    if not names:
        message = f"no section is named; there are {', '.join(NEEDS)}"
        raise UnknownSectionError(message)
    wanted = names.union(*(NEEDS[name] for name in names))
    return tuple(name for name in NEEDS if name in wanted)


def result_file(asked: str | None) -> Path:
    """Tell where results go, so that a part never takes the place of a whole run.

    Args:
        asked: As ``sections`` is given it.
    """
    return Path("bench/results") / ("latest.json" if asked is None else "only.json")
