"""From files that a task made to objects, of which only it replaces and removes any."""

from collections.abc import Sequence
from pathlib import Path

from catalog.clock import Clock
from catalog.errors import NotFoundError
from catalog.models.ids import ObjectKey
from catalog.renditions import Rendition
from catalog.repositories.base import ObjectRepository
from catalog.repositories.object_work import ObjectWorkRepository, WorkClaim
from catalog.repositories.sightings import Sighting
from catalog.storage.base import ObjectStore
from catalog.storage.seen import look_at
from processors.objects.task import MadeRendition


class RenditionStore:
    """Stores and removes renditions; used by several threads."""

    def __init__(
        self,
        store: ObjectStore,
        work: ObjectWorkRepository,
        objects: ObjectRepository,
        clock: Clock,
    ) -> None:
        """Store nothing yet.

        Args:
            store: Where to.
            work: Knows which keys belong to which work.
            objects: Told of what was stored, so that nobody has to list for it.
            clock: Tells when.
        """
        self._store = store
        self._work = work
        self._objects = objects
        self._clock = clock

    def put(
        self, claim: WorkClaim, made: Sequence[MadeRendition]
    ) -> tuple[tuple[Rendition, ...], tuple[str, ...]]:
        """Store all; what earlier work on the object made and is not among them, goes.

        Returns:
            What is stored, and problems: of what has no free name.

        Raises:
            FencedError: The claim is lost.
            DependencyError: A server is away; what is stored is overwritten next time.
        """
        self._work.check(claim)
        problems = list[str]()
        chosen = list[tuple[ObjectKey, MadeRendition]]()
        for one in made:
            key = self._place(claim, one)
            if key is None:
                problems.append(f"{one.kind}: another file has its name")
            else:
                chosen.append((key, one))
        kept = {key for key, _ in chosen}
        gone = [key for key in claim.reserved if key not in kept]
        known = self._objects.recorded(self._store.store_id, [*kept, *gone])
        stored = tuple(self._write(key, one) for key, one in chosen)
        for key in gone:
            self._store.delete(key)
        now = self._clock.now()
        self._objects.settle(
            Sighting(look_at(self._store, key, now), known.get(key))
            for key in (*kept, *gone)
        )
        return stored, tuple(problems)

    def _place(self, claim: WorkClaim, made: MadeRendition) -> ObjectKey | None:
        """Find a key that is ours: made before for this object, or free until now."""
        for key in made.keys:
            if key in claim.reserved:
                return key
        for key in made.keys:
            if self._is_free(key, made.path) and self._work.reserve(claim, key):
                return key
        return None

    def _is_free(self, key: ObjectKey, path: Path) -> bool:
        """Tell whether writing a file overwrites nothing that somebody else wrote.

        The very same bytes are ours, of a time that no record tells of any more.
        """
        try:
            if self._store.head(key).size_bytes != path.stat().st_size:
                return False
            return self._store.read(key) == path.read_bytes()
        except NotFoundError:
            return True

    def _write(self, key: ObjectKey, made: MadeRendition) -> Rendition:
        with made.path.open("rb") as content:
            stored = self._store.write(key, content, content_type=made.content_type)
        return Rendition(
            key=key,
            kind=made.kind,
            content_type=made.content_type,
            size_bytes=stored.size_bytes,
            width=made.width,
            height=made.height,
        )
