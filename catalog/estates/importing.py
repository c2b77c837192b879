"""Takes over files that no job record tells of: resumable, and the same when repeated.

What belongs to a job is written down before the first byte is copied, the job record
after the last: whatever ends the process, the next run goes on where it ended.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from catalog.errors import (
    AlreadyExistsError,
    DependencyUnavailableError,
    InvalidObjectKeyError,
    NotFoundError,
)
from catalog.estates.copying import copy_file, digest_of, is_there, source_digest
from catalog.estates.files import Part, SourceFile, Unit, UnitKind
from catalog.estates.inspection import Inspector
from catalog.estates.naming import (
    folder_tags,
    image_keys,
    item_id,
    job_id_of,
    part_key,
)
from catalog.estates.planning import NEW, THERE, Plan, Wishes, duplicate_of
from catalog.estates.progress import HaltedError, Progress, Tell
from catalog.estates.records import record_of
from catalog.estates.scratch import Planned, Scratch
from catalog.estates.source import Source, likeness, modified_at
from catalog.models.ids import JobId, ObjectKey
from catalog.repositories.base import JobRepository
from catalog.repositories.estates import ImportItem, ImportRepository, ItemState
from catalog.storage.base import ObjectStore
from catalog.storage.urls import stored_url

_SAVE_EVERY = 50


@dataclass(slots=True)
class Outcome:
    """What a run did."""

    jobs: int = 0
    files: int = 0
    size_bytes: int = 0
    problems: int = 0
    removed: int = 0


class BareImporter:
    """Carries a plan out."""

    def __init__(
        self,
        source: Source,
        store: ObjectStore,
        jobs: JobRepository,
        items: ImportRepository,
        wishes: Wishes,
        *,
        tell: Tell,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Stand on a source, the store and the records."""
        self._source = source
        self._store = store
        self._jobs = jobs
        self._items = items
        self._wishes = wishes
        self._tell = tell
        self._is_stopped = is_stopped
        self._inspector = Inspector(source, most_bytes=wishes.most_bytes)
        self._done = Outcome()
        self._root_name = source.address.rstrip("/").rpartition("/")[2]

    def run(self, plan: Plan, scratch: Scratch, progress: Progress) -> Outcome:
        """Take everything over that is planned, and what was begun before.

        Raises:
            HaltedError: It was told to stop; running it again goes on.
            DependencyUnavailableError: Likewise, for another reason.
        """
        self._done = Outcome(problems=plan.problems)
        for job_id in self._items.open_jobs(self._wishes.user_id, self._source.address):
            self._finish(job_id, self._items.of_job(job_id), progress)
        for units in self._groups(scratch.units(NEW)):
            self._take(units, progress)
        if self._wishes.is_move:
            for planned in scratch.units(THERE):
                self._check_stop()
                self._remove(self._items_there(planned.unit))
        return self._done

    def _items_there(self, unit: Unit) -> tuple[ImportItem, ...]:
        """Read what was taken over before, paths as they are in this source."""
        ids = {self._item_id(file): file.path for _, file in unit.parts()}
        found = self._items.find(ids)
        return tuple(replace(i, path=ids[i.item_id]) for i in found.values())

    def _groups(self, units: Iterator[Planned]) -> Iterator[list[Planned]]:
        """Images of one folder together, everything else by itself."""
        images: list[Planned] = []
        for planned in units:
            self._check_stop()
            if planned.unit.kind is not UnitKind.IMAGE:
                yield [planned]
                continue
            if images and (
                images[0].unit.main.folder != planned.unit.main.folder
                or len(images) >= self._wishes.job_images
            ):
                yield images
                images = []
            images.append(planned)
        if images:
            yield images

    # --- one job -------------------------------------------------------------------

    def _take(self, group: Sequence[Planned], progress: Progress) -> None:
        """Decide what belongs to a job, write that down, and carry it out."""
        chosen: list[tuple[Unit, str, str]] = []
        for planned in self._looked(group):
            try:
                alike = likeness(self._source, planned.unit.main)
            except NotFoundError:
                self._problem(planned.unit.main.path, "is gone")
                continue
            chosen.append((planned.unit, planned.ending, alike))
        chosen = list(self._unknown(chosen))
        if not chosen:
            return
        try:
            items = self._items_of(chosen)
        except InvalidObjectKeyError as exc:
            for unit, _, _ in chosen:
                self._problem(unit.main.path, str(exc))
            return
        self._items.save(items)
        self._finish(items[0].job_id, items, progress)

    def _looked(self, group: Sequence[Planned]) -> Iterator[Planned]:
        """Look into files that the plan did not look into."""
        for planned in group:
            if self._source.is_local:
                yield planned
                continue
            seen = self._inspector.look(planned.unit)
            if seen.problem is not None:
                self._problem(planned.unit.main.path, seen.problem)
            elif not seen.is_other:
                yield replace(planned, unit=seen.unit, ending=seen.ending)

    def _unknown(
        self, chosen: Sequence[tuple[Unit, str, str]]
    ) -> Iterator[tuple[Unit, str, str]]:
        """Leave out what was taken over from elsewhere."""
        if self._wishes.keeps_duplicates:
            yield from chosen
            return
        likenesses = [alike for _, _, alike in chosen]
        known = self._items.alike(self._wishes.user_id, likenesses)
        living = self._items.living(item.job_id for item in known.values())
        for unit, ending, alike in chosen:
            item = known.get(alike)
            own = item is not None and item.item_id == self._item_id(unit.main)
            if (
                item is None
                or own
                or item.job_id not in living
                or (item.digest and item.digest != self._inspector.digest(unit.main))
            ):
                yield unit, ending, alike
            else:
                other = f"{item.source}/{item.path}"
                self._problem(unit.main.path, duplicate_of(other))

    def _items_of(self, chosen: Sequence[tuple[Unit, str, str]]) -> list[ImportItem]:
        kind = chosen[0][0].kind
        user_id = self._wishes.user_id
        members = [
            (f"{self._source.address}/{unit.main.path}", alike)
            for unit, _, alike in chosen
        ]
        job_id = job_id_of(kind, user_id, members)
        if kind is UnitKind.IMAGE:
            names = [(unit.main.name, ending) for unit, ending, _ in chosen]
            keys = image_keys(user_id, job_id, names)
            return [
                self._item(kind, Part.MAIN, unit.main, job_id, number, key, alike)
                for number, ((unit, _, alike), key) in enumerate(
                    zip(chosen, keys, strict=True), 1
                )
            ]
        unit, _, alike = chosen[0]
        return [
            self._item(
                kind,
                part,
                file,
                job_id,
                1,
                part_key(kind, part, user_id, job_id, file),
                alike if part is Part.MAIN else "",
            )
            for part, file in unit.parts()
        ]

    def _item(
        self,
        kind: UnitKind,
        part: Part,
        file: SourceFile,
        job_id: JobId,
        number: int,
        key: ObjectKey | None,
        alike: str,
    ) -> ImportItem:
        tags = self._wishes.tags
        if self._wishes.has_folder_tags:
            tags = tuple(dict.fromkeys((*tags, *folder_tags(file.folder))))
        return ImportItem(
            item_id=self._item_id(file),
            user_id=self._wishes.user_id,
            source=self._source.address,
            path=file.path,
            kind=kind.value,
            part=part.value,
            job_id=job_id,
            number=number,
            object_key=key,
            size_bytes=file.size_bytes,
            modified_at=modified_at(file),
            likeness=alike,
            tags=tags,
        )

    def _finish(
        self, job_id: JobId, items: Sequence[ImportItem], progress: Progress
    ) -> None:
        """Copy what is not there yet, then write the job record."""
        copied: list[ImportItem] = []
        lost: list[ImportItem] = []
        unsaved: list[ImportItem] = []
        try:
            for item in items:
                self._check_stop()
                arrived = self._arrived(item)
                (copied if arrived else lost).append(arrived or item)
                if arrived is not None and arrived != item:
                    unsaved.append(arrived)
                progress.add(item.part == Part.MAIN, item.size_bytes)
                if len(unsaved) >= _SAVE_EVERY:
                    self._items.save(unsaved)
                    unsaved = []
        finally:
            with suppress(DependencyUnavailableError):
                self._items.save(unsaved)
        if lost:
            self._items.forget([item.item_id for item in lost])
        if not any(item.part == Part.MAIN for item in copied):
            self._items.forget([item.item_id for item in copied])
            return
        self._write_record(copied)
        self._items.finish(job_id)
        self._done.jobs += 1
        self._done.files += len(copied)
        self._done.size_bytes += sum(item.size_bytes for item in copied)
        if self._wishes.is_move:
            self._remove(copied)

    def _arrived(self, item: ImportItem) -> ImportItem | None:
        """Make sure that a file is in the store; ``None`` where it can't be."""
        key = item.object_key
        if key is None:
            return item
        if item.state is not ItemState.OPEN and is_there(
            self._store, key, item.size_bytes
        ):
            return item
        try:
            file = self._source.look(item.path)
            if file.size_bytes != item.size_bytes or modified_at(file) != (
                item.modified_at
            ):
                self._problem(item.path, "changed since it was planned: run it again")
                return None
            copied = copy_file(self._source, file, self._store, key)
        except (NotFoundError, InvalidObjectKeyError) as exc:
            self._problem(item.path, str(exc))
            return None
        except DependencyUnavailableError as exc:
            if exc.dependency != "source":
                raise
            self._problem(item.path, exc.detail)
            return None
        return replace(item, state=ItemState.COPIED, digest=copied.digest)

    def _write_record(self, items: Sequence[ImportItem]) -> None:
        info = next((item for item in items if item.part == Part.INFO), None)
        found = None
        if info is not None:
            found = self._inspector.info(SourceFile(info.path, info.size_bytes, 0))
        record = record_of(
            items,
            root_name=self._root_name,
            url_of=lambda key: stored_url(self._store.url, key),
            info=found,
        )
        with suppress(AlreadyExistsError):  # the same content, recorded before
            self._jobs.insert(record)

    # --- moving, and what goes wrong -----------------------------------------------

    def _remove(self, items: Sequence[ImportItem]) -> None:
        """Remove source files whose copies are, byte by byte, in the store."""
        for item in items:
            if item.object_key is None or item.part == Part.INFO:
                continue
            with suppress(NotFoundError):
                theirs = source_digest(self._source, item.path)
                if digest_of(self._store, item.object_key) != theirs:
                    self._problem(item.path, "is kept: its copy is not the same")
                    continue
                self._source.remove(item.path)
                self._done.removed += 1

    def _problem(self, path: str, reason: str) -> None:
        self._done.problems += 1
        self._tell({"event": "problem", "path": path, "reason": reason})

    def _item_id(self, file: SourceFile) -> str:
        return item_id(self._wishes.user_id, f"{self._source.address}/{file.path}")

    def _check_stop(self) -> None:
        if self._is_stopped():
            raise HaltedError
