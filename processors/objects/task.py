"""What a thing to be done with objects looks like to the loop that does it.

The loop (``processors.objects.loop``) knows when: whenever an object appears or has
changed, and again for all of them once a task's version was raised. A task knows what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from catalog.models.ids import ObjectKey
from catalog.models.stored import StoredObject
from catalog.renditions import RenditionKind


@dataclass(frozen=True, slots=True)
class MadeRendition:
    """A file that a task made, to be stored beside its source.

    Attributes:
        path: In the folder that the task was given.
        keys: Where to, in order of preference: the first that is free, or that was
            made for this same object before, is taken.
        kind: What it is.
        content_type: As stored.
        width: In pixels, as ``height``; ``None`` for what is no picture.
        height: See ``width``.
    """

    path: Path
    keys: tuple[ObjectKey, ...]
    kind: RenditionKind
    content_type: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of one object; the loop keeps it in the object's work record.

    Attributes:
        facts: Plain JSON values, as the task names them; at most some kilobytes.
        renditions: What was made; stored by the loop, before the record says so. What
            an earlier run of this task made for the object and this one did not, is
            removed.
        problems: What a person should know, one sentence each; the rest is good.
        again_after: Do it once more after this time, whatever the object does: what
            it takes is not there yet. Doubles each time, up to an hour.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    renditions: tuple[MadeRendition, ...] = ()
    problems: tuple[str, ...] = ()
    again_after: timedelta | None = None


class ObjectTask(Protocol):
    """Something that is done once for each state of an object and each version of it.

    Used by several threads at once. A work record is kept under ``name`` and the
    object, and holds etag, version, attempts, and what came of it.
    """

    @property
    def name(self) -> str:
        """``renditions``, ``metadata`` …: part of the work record's key."""
        ...

    @property
    def version(self) -> int:
        """Raised when the same file would give another result: all is done again."""
        ...

    def wants(self, found: StoredObject) -> bool:
        """Tell whether there is anything to do for an object, from its key alone.

        Pure and quick: asked for every object of the store in each sweep. Always
        ``False`` for what a task made itself (``catalog.renditions``).
        """
        ...

    def run(self, found: StoredObject, folder: Path) -> TaskResult:
        """Do it.

        Args:
            found: Present; as the store has just described it.
            folder: For files of this run; removed afterwards.

        Raises:
            MediaError: Nothing can be made of this file; its cause is kept, and it is
                not tried again but for causes that another time may pass.
            NotFoundError: It is not in the store any more.
            DependencyError: A server is away; it is tried again, as often as it takes.
        """
        ...
