"""Takes over an estate that has job records: those as they are, objects by their keys.

The records come from a database or from an export; the objects lie in the catalog's
own store already, or are copied under the same keys.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from catalog.errors import (
    DependencyUnavailableError,
    InvalidObjectKeyError,
    NotFoundError,
)
from catalog.estates.copying import copy_file, digest_of, source_digest
from catalog.estates.files import SourceFile
from catalog.estates.importing import Outcome
from catalog.estates.naming import item_id, name_problem
from catalog.estates.planning import NEW, THERE, Plan, seconds_for
from catalog.estates.progress import HaltedError, Progress, Tell
from catalog.estates.scratch import Batched, Scratch
from catalog.estates.source import Obstacle, Source, modified_at
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.places import ParseUrl, named_keys
from catalog.repositories.estates import (
    EstateRecords,
    ForeignJob,
    ImportItem,
    ImportRepository,
    ItemState,
    Placing,
)
from catalog.storage.base import ObjectInfo, ObjectStore
from catalog.storage.keys import Area, check_key, parse_key

UNSURE = "unsure"
"""An object of the same size is in the store: its content decides."""

_MD5 = re.compile(r"[0-9a-f]{32}")
_BATCH = 500
_SAVE_EVERY = 50
_AREAS = sorted(area.value for area in Area if area is not Area.TEMP)
_OTHER_CONTENT = "the store holds another content under this key, which is kept"


@dataclass(frozen=True, slots=True)
class Belongings:
    """An estate with job records.

    Attributes:
        what: For a person.
        jobs: Reads its job records, as often as asked.
        source: Its files; ``None`` where they are in the catalog's store already.
        parse_url: Finds the key that a URL of its store names.
        user_id: Only this user's; ``None`` for everybody's.
        notes: Sentences for the plan.
    """

    what: str
    jobs: Callable[[], Iterator[ForeignJob]]
    source: Source | None
    parse_url: ParseUrl
    user_id: UserId | None = None
    notes: tuple[str, ...] = ()


class Taking:
    """Plans and carries out."""

    def __init__(
        self,
        estate: Belongings,
        ours: EstateRecords,
        store: ObjectStore,
        items: ImportRepository,
        scratch: Scratch,
        *,
        tell: Tell,
        is_move: bool = False,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Stand on an estate, our records and our store."""
        self._estate = estate
        self._ours = ours
        self._store = store
        self._items = items
        self._scratch = scratch
        self._tell = tell
        self._is_move = is_move
        self._is_stopped = is_stopped
        self._done = Outcome()

    def plan(self) -> Plan:
        """Compare records and objects with ours.

        Raises:
            HaltedError: It was told to stop.
            DependencyUnavailableError: A server did not answer.
        """
        placings: Counter[Placing] = Counter()
        for batch in self._batches(in_plan=True):
            placings.update(self._ours.compare(batch))
        source = self._estate.source
        if source is not None:
            self._list(source)
            self._compare(source)
        new = {"jobs": (placings[Placing.ADDED] + placings[Placing.UPDATED], 0)}
        there = {"jobs": (placings[Placing.SAME] + placings[Placing.KEPT], 0)}
        if source is not None:
            count, size = self._scratch.count_objects(NEW)
            unsure, unsure_size = self._scratch.count_objects(UNSURE)
            new["objects"] = (count + unsure, size + unsure_size)
            there["objects"] = self._scratch.count_objects(THERE)
        notes = list(self._estate.notes)
        if placings[Placing.UPDATED]:
            notes.append(f"{placings[Placing.UPDATED]:,} records of ours are older.")
        if placings[Placing.KEPT]:
            count = placings[Placing.KEPT]
            notes.append(f"{count:,} records of ours differ and are kept.")
        plan = Plan(
            what=self._estate.what,
            new=new,
            there=there,
            problems=self._scratch.problem_count(),
            notes=tuple(notes),
        )
        files, size = new.get("objects", (0, 0))
        return replace(plan, seconds=seconds_for(files + new["jobs"][0] // 20, size))

    def run(self, plan: Plan, progress: Progress) -> Outcome:
        """Copy the objects, then write the records; raises as ``plan``."""
        self._done = Outcome(problems=plan.problems)
        if self._estate.source is not None:
            for state in (NEW, UNSURE):
                self._copy_all(self._estate.source, state, progress)
        for batch in self._batches(in_plan=False):
            placings = self._ours.place(batch)
            done = sum(p in (Placing.ADDED, Placing.UPDATED) for p in placings)
            self._done.jobs += done
            progress.add(done, 0)
        if self._is_move and self._estate.source is not None:
            for file in self._scratch.objects():
                self._check_stop()
                self._remove(self._estate.source, file.path)
        return self._done

    # --- records -------------------------------------------------------------------

    def _batches(self, *, in_plan: bool) -> Iterator[list[ForeignJob]]:
        batch: list[ForeignJob] = []
        for foreign in self._estate.jobs():
            self._check_stop()
            if foreign.job is None:
                if in_plan:
                    problem = f"the job record can't be read: {foreign.problem}"
                    self._scratch.add_problems([Obstacle(foreign.name, problem)])
                continue
            if in_plan and self._estate.source is not None:
                self._note_named(self._estate.source, foreign)
            batch.append(foreign)
            if len(batch) >= _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _note_named(self, source: Source, foreign: ForeignJob) -> None:
        """Take note of what a record names outside the layout (recordings)."""
        if foreign.job is None:
            return
        for key in named_keys(foreign.job, self._estate.parse_url):
            if key.split("/", 1)[0] in _AREAS:
                continue
            try:
                self._scratch.add_objects([source.look(key)])
            except (NotFoundError, DependencyUnavailableError):
                continue  # a temporary one, or one that is not in this bucket

    # --- objects -------------------------------------------------------------------

    def _list(self, source: Source) -> None:
        objects = Batched(self._scratch.add_objects)
        problems = Batched(self._scratch.add_problems)
        for found in source.walk():
            self._check_stop()
            if isinstance(found, Obstacle):
                problems.add(found)
                continue
            if found.path.split("/", 1)[0] not in _AREAS:
                continue
            if problem := name_problem(found.path):
                problems.add(Obstacle(found.path, problem))
            elif self._is_wanted(found.path):
                try:
                    check_key(found.path)
                except InvalidObjectKeyError as exc:
                    problems.add(Obstacle(found.path, str(exc)))
                else:
                    objects.add(found)
        objects.flush()
        problems.flush()

    def _is_wanted(self, path: str) -> bool:
        if self._estate.user_id is None:
            return True
        parsed = parse_key(path)
        return parsed is not None and parsed.user_id == self._estate.user_id

    def _compare(self, source: Source) -> None:
        """Hold both listings, ordered alike, against one another."""
        states = Batched(self._scratch.set_object_states)
        unsure = Batched(partial(self._settle, source))
        problems = Batched(self._scratch.add_problems)
        listed = self._listed()
        ours = next(listed, None)
        for file in self._scratch.objects():
            self._check_stop()
            while ours is not None and ours.key.encode() < file.path.encode():
                ours = next(listed, None)
            known = ours if ours is not None and ours.key == file.path else None
            state = _state(file, known)
            (unsure.add(file) if state == UNSURE else states.add((file.path, state)))
            if state == "other":
                problems.add(Obstacle(file.path, _OTHER_CONTENT))
        states.flush()
        unsure.flush()
        problems.flush()

    def _settle(self, source: Source, files: list[SourceFile]) -> None:
        """Tell what an earlier run copied, or compared, from what it did not."""
        ids = {file.path: _item_id(source, file) for file in files}
        known = self._items.find(ids.values())
        self._scratch.set_object_states(
            (file.path, THERE if _is_known(known.get(ids[file.path]), file) else UNSURE)
            for file in files
        )

    def _listed(self) -> Iterator[ObjectInfo]:
        """List our store where objects of the estate may be, ordered by key."""
        prefixes = {_top(file.path) for file in self._scratch.objects()}
        for prefix in sorted(prefixes, key=str.encode):
            yield from self._store.list(prefix)

    def _copy_all(self, source: Source, state: str, progress: Progress) -> None:
        unsaved: list[ImportItem] = []
        try:
            for file in self._scratch.objects(state):
                self._check_stop()
                item = self._copied(source, file, state)
                progress.add(1, file.size_bytes)
                if item is None:
                    continue
                unsaved.append(item)
                if len(unsaved) >= _SAVE_EVERY:
                    self._items.save(unsaved)
                    unsaved = []
        finally:
            self._items.save(unsaved)

    def _copied(
        self, source: Source, file: SourceFile, state: str
    ) -> ImportItem | None:
        key = ObjectKey(file.path)
        try:
            if state == UNSURE:
                digest = source_digest(source, file.path)
                if digest_of(self._store, key) != digest:
                    self._problem(file.path, _OTHER_CONTENT)
                    return None
            else:
                digest = copy_file(source, file, self._store, key).digest
                self._done.files += 1
                self._done.size_bytes += file.size_bytes
        except (NotFoundError, InvalidObjectKeyError) as exc:
            self._problem(file.path, str(exc))
            return None
        except DependencyUnavailableError as exc:
            if exc.dependency != "source":
                raise
            self._problem(file.path, exc.detail)
            return None
        return self._item(source, file, key, digest)

    def _item(
        self, source: Source, file: SourceFile, key: ObjectKey, digest: str
    ) -> ImportItem:
        parsed = parse_key(key)
        return ImportItem(
            item_id=_item_id(source, file),
            user_id=(parsed.user_id if parsed else None) or UserId(""),
            source=source.address,
            path=file.path,
            kind="object",
            part="object",
            job_id=parsed.job_id if parsed else JobId(""),
            number=1,
            object_key=key,
            size_bytes=file.size_bytes,
            modified_at=modified_at(file),
            likeness="",
            digest=digest,
            state=ItemState.DONE,
        )

    def _remove(self, source: Source, path: str) -> None:
        """Remove a source file whose copy is, byte by byte, in the store."""
        try:
            theirs = source_digest(source, path)
            if digest_of(self._store, ObjectKey(path)) == theirs:
                source.remove(path)
                self._done.removed += 1
        except NotFoundError:
            return

    def _problem(self, path: str, reason: str) -> None:
        self._done.problems += 1
        self._tell({"event": "problem", "path": path, "reason": reason})

    def _check_stop(self) -> None:
        if self._is_stopped():
            raise HaltedError


def _state(file: SourceFile, known: ObjectInfo | None) -> str:
    if known is None:
        return NEW
    if known.size_bytes != file.size_bytes:
        return "other"
    if _MD5.fullmatch(known.etag) and _MD5.fullmatch(file.etag):
        return THERE if known.etag == file.etag else "other"
    return UNSURE


def _item_id(source: Source, file: SourceFile) -> str:
    return item_id(UserId(""), f"{source.address}/{file.path}")


def _is_known(item: ImportItem | None, file: SourceFile) -> bool:
    return item is not None and (item.size_bytes, item.modified_at) == (
        file.size_bytes,
        modified_at(file),
    )


def _top(path: str) -> str:
    """Prefix of the store under which a key is found among others."""
    first, slash, _ = path.partition("/")
    return first + slash
