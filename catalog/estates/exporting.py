"""Writes everything that a user owns into a folder; resumable, every byte summed."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from catalog.clock import Clock
from catalog.errors import (
    InvalidObjectKeyError,
    NotFoundError,
    StackError,
)
from catalog.estates import exports
from catalog.estates.exports import Listed, Manifest, listed_of, summed, write_whole
from catalog.estates.files import SourceFile
from catalog.estates.planning import Plan, seconds_for
from catalog.estates.progress import HaltedError, Progress, Tell
from catalog.estates.scratch import Batched, Scratch
from catalog.models.ids import JobId, ObjectKey, UserId
from catalog.places import named_keys
from catalog.repositories.estates import EstateRecords, ForeignJob
from catalog.storage.base import ObjectInfo, ObjectStore
from catalog.storage.keys import Area, job_prefixes, parse_key


class Exporter:
    """Exports one user's estate into one folder."""

    def __init__(
        self,
        user_id: UserId,
        folder: Path,
        records: EstateRecords,
        store: ObjectStore,
        scratch: Scratch,
        clock: Clock,
        *,
        tell: Tell,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Stand on the records and the store."""
        self._user_id = user_id
        self._folder = folder
        self._records = records
        self._store = store
        self._scratch = scratch
        self._clock = clock
        self._tell = tell
        self._is_stopped = is_stopped
        self._missing = 0

    def plan(self) -> Plan:
        """Find out what there is.

        Raises:
            StackError: The folder holds something else.
            DependencyUnavailableError: A server did not answer.
        """
        self._check_folder()
        objects = Batched(self._scratch.add_objects)
        jobs = 0
        for foreign in self._records.jobs(self._user_id):
            self._check_stop()
            jobs += 1
            for info in self._objects_of(foreign):
                objects.add(_file(info))
        objects.flush()
        count, size = self._scratch.count_objects("")
        return Plan(
            what=f"everything of {self._user_id!r} into {self._folder}",
            new={"jobs": (jobs, 0), "files": (count, size)},
            problems=self._scratch.problem_count(),
            seconds=seconds_for(count, size),
        )

    def run(self, progress: Progress) -> Manifest:
        """Write the export; what an earlier run wrote and still holds is kept.

        Raises:
            HaltedError: It was told to stop; running it again goes on.
            StackError: The folder can't be written to.
            DependencyUnavailableError: A server did not answer.
        """
        try:
            (self._folder / exports.FILES).mkdir(parents=True, exist_ok=True)
            (self._folder / exports.MANIFEST).unlink(missing_ok=True)
        except OSError as exc:
            raise StackError(f"{self._folder} can't be written to: {exc}.") from exc
        files, size = self._write_files(progress)
        counts = {exports.FILES: files}
        counts["jobs"] = self._write_list(exports.JOBS, self._jobs())
        ids = (JobId(foreign.name) for foreign in self._readable())
        counts["annotations"] = self._write_list(
            exports.ANNOTATIONS, self._records.annotations(ids)
        )
        for name in exports.OTHERS:
            found = self._write_list(
                f"{name}.jsonl", self._records.others(name, self._user_id)
            )
            if found:
                counts[name] = found
            else:
                (self._folder / f"{name}.jsonl").unlink(missing_ok=True)
        lists = {
            path.name: summed(path) for path in sorted(self._folder.glob("*.jsonl"))
        }
        now = self._clock.now().isoformat(timespec="seconds")
        manifest = Manifest(self._user_id, now, counts, size, lists, self._missing)
        manifest.write(self._folder)
        return manifest

    # --- what there is -------------------------------------------------------------

    def _check_folder(self) -> None:
        if not self._folder.exists():
            return
        if exports.is_export(self._folder):
            manifest = exports.read_manifest(self._folder)
            if manifest.user_id != self._user_id:
                whose = f"an export of {manifest.user_id!r}"
                raise StackError(f"{self._folder} holds {whose}: choose another --to.")
            return
        try:
            names = {path.name for path in self._folder.iterdir()}
        except OSError as exc:
            raise StackError(f"{self._folder} can't be listed: {exc}.") from exc
        if names and exports.FILES not in names:
            raise StackError(f"{self._folder} is not empty: choose another --to.")

    def _readable(self) -> Iterator[ForeignJob]:
        for foreign in self._records.jobs(self._user_id):
            self._check_stop()
            if foreign.job is not None:
                yield foreign

    def _jobs(self) -> Iterator[object]:
        for foreign in self._records.jobs(self._user_id):
            self._check_stop()
            yield foreign.raw

    def _objects_of(self, foreign: ForeignJob) -> Iterator[ObjectInfo]:
        """Find the objects under a job's prefixes, and those that it names."""
        if foreign.job is None:
            return
        with suppress(InvalidObjectKeyError):
            for prefix in job_prefixes(self._user_id, foreign.job.job_id):
                yield from self._store.list(prefix)
        for key in named_keys(foreign.job, self._store.parse_url):
            if self._may_have(key, foreign.job.job_id):
                with suppress(NotFoundError, InvalidObjectKeyError):
                    yield self._store.head(key)

    def _may_have(self, key: ObjectKey, job_id: JobId) -> bool:
        """Whether a named object is not listed yet, and not somebody else's."""
        parsed = parse_key(key)
        if parsed is None:
            return True
        if parsed.area is Area.TEMP or parsed.user_id != self._user_id:
            return False
        return parsed.job_id != job_id

    # --- files ---------------------------------------------------------------------

    def _write_files(self, progress: Progress) -> tuple[int, int]:
        """Copy all objects; the list grows as they are done, so that it tells."""
        path = self._folder / exports.LIST
        growing = path.with_name(path.name + ".growing")
        self._recall((path, growing))
        files = size = 0
        try:
            with growing.open("a", encoding="utf-8", newline="\n") as out:
                out.write("\n")  # ends a line that a kill left unfinished
                for file in self._scratch.objects(""):
                    self._check_stop()
                    self._write_file(file, out)
                    progress.add(1, file.size_bytes)
        except OSError as exc:
            raise StackError(f"{self._folder} can't be written to: {exc}.") from exc
        files = write_whole(path, self._final_list(growing))
        for one in map(listed_of, exports.lines(path)):
            size += one.size_bytes if one is not None else 0
        growing.unlink(missing_ok=True)
        return files, size

    def _recall(self, paths: Iterable[Path]) -> None:
        """Find out what an earlier run wrote: of the same state, and still whole."""
        for path in paths:
            for listed in map(listed_of, exports.lines(path)):
                if listed is None or not listed.etag:
                    continue
                with suppress(OSError):
                    kept = self._path(listed.key)
                    if kept.stat().st_size == listed.size_bytes:
                        self._scratch.recall(listed.key, listed.etag, listed.digest)

    def _write_file(self, file: SourceFile, out: TextIO) -> None:
        known = self._scratch.recalled(file.path, file.etag)
        listed = Listed(file.path, file.size_bytes, known, file.etag) if known else None
        if listed is None:
            try:
                listed = self._fetch(file)
            except (NotFoundError, InvalidObjectKeyError) as exc:
                self._missing += 1
                self._tell({"event": "problem", "path": file.path, "reason": str(exc)})
                return
        out.write(listed.line())
        out.flush()

    def _fetch(self, file: SourceFile) -> Listed:
        target = self._path(file.path)
        partial = target.with_name(f".{target.name[:80]}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        found, size = hashlib.sha256(), 0
        pieces = self._store.stream(ObjectKey(file.path))
        with partial.open("wb") as out:
            for piece in pieces:
                self._check_stop()
                out.write(piece)
                found.update(piece)
                size += len(piece)
            out.flush()
            os.fsync(out.fileno())
        partial.replace(target)
        stamp = (file.modified_ns, file.modified_ns)
        os.utime(target, ns=stamp)
        digest = found.hexdigest()
        if summed(target) != (size, digest):
            raise StackError(f"{target} does not hold what was written: a bad disk?")
        return Listed(file.path, size, digest, file.etag)

    def _final_list(self, growing: Path) -> Iterator[str]:
        """Write each file once, as it was listed last, in the order of keys."""
        batch = Batched(self._scratch.note_lists)
        for listed in map(listed_of, exports.lines(growing)):
            if listed is not None:
                batch.add((listed.key, listed.line()))
        batch.flush()
        return self._scratch.final_lines()

    def _write_list(self, name: str, raws: Iterable[object]) -> int:
        return write_whole(
            self._folder / name, (self._records.to_line(raw) + "\n" for raw in raws)
        )

    def _path(self, key: str) -> Path:
        return self._folder / exports.FILES / key

    def _check_stop(self) -> None:
        if self._is_stopped():
            raise HaltedError


def _file(info: ObjectInfo) -> SourceFile:
    modified_ns = int(info.modified_at.timestamp() * 1_000_000_000)
    return SourceFile(info.key, info.size_bytes, modified_ns, info.etag)
