"""What a plan is made of while it is made: on disk, so that memory stays bounded.

An SQLite database without a name: its file is unlinked as soon as it is opened, so
nothing is left behind, whatever ends the process.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from catalog.estates.files import Part, SourceFile, Unit, UnitKind, stem_of
from catalog.estates.source import Obstacle

_BATCH = 1000
_TABLES = """
CREATE TABLE files (
  folder TEXT, stem TEXT, path TEXT, size INTEGER, modified INTEGER, etag TEXT,
  PRIMARY KEY (folder, stem, path)
) WITHOUT ROWID;
CREATE TABLE units (
  id INTEGER PRIMARY KEY, kind TEXT, folder TEXT, size INTEGER, state TEXT, parts TEXT
);
CREATE TABLE objects (
  path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, etag TEXT, state TEXT
) WITHOUT ROWID;
CREATE TABLE recalled (path TEXT, etag TEXT, digest TEXT, PRIMARY KEY (path, etag));
CREATE TABLE lists (path TEXT PRIMARY KEY, line TEXT) WITHOUT ROWID;
CREATE TABLE problems (id INTEGER PRIMARY KEY, path TEXT, reason TEXT);
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """A unit of the plan.

    Attributes:
        number: Its place in the plan.
        unit: What it is.
        ending: True ending of an image, else empty.
        state: What it is to the plan.
    """

    number: int
    unit: Unit
    ending: str
    state: str


class Scratch:
    """Files, units and problems of one plan."""

    def __init__(self) -> None:
        """Open a private database on disk."""
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES)

    def add_files(self, files: Iterable[SourceFile]) -> None:
        """Take note of what was found."""
        rows = (
            (f.folder, stem_of(f.name), f.path, f.size_bytes, f.modified_ns, f.etag)
            for f in files
        )
        self._many("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?)", rows)

    def add_problems(self, problems: Iterable[Obstacle]) -> None:
        """Take note of what is passed over."""
        rows = ((_text(one.path), one.reason) for one in problems)
        self._many("INSERT INTO problems (path, reason) VALUES (?,?)", rows)

    def families(self) -> Iterator[list[SourceFile]]:
        """Read files of one folder and stem together, ordered."""
        rows = self._database.execute(
            "SELECT folder, stem, path, size, modified, etag FROM files "
            "ORDER BY folder, stem, path"
        )
        for _, family in groupby(rows, key=lambda row: row[:2]):
            yield [SourceFile(*row[2:]) for row in family]

    def add_units(self, units: Iterable[tuple[Unit, str, str]]) -> None:
        """Take note of units, in order, each with its true ending and its state."""
        rows = (
            (
                unit.kind.value,
                unit.main.folder,
                unit.main.size_bytes,
                state,
                _packed(unit, ending),
            )
            for unit, ending, state in units
        )
        statement = "INSERT INTO units (kind, folder, size, state, parts) "
        self._many(statement + "VALUES (?,?,?,?,?)", rows)

    def units(self, state: str) -> Iterator[Planned]:
        """Read the units in a state, by folder; those may be changed meanwhile."""
        last = 0
        while True:
            rows = self._database.execute(
                "SELECT id, kind, parts, state FROM units WHERE state = ? AND id > ? "
                "ORDER BY id LIMIT ?",
                (state, last, _BATCH),
            ).fetchall()
            yield from (_unpacked(*row) for row in rows)
            if len(rows) < _BATCH:
                return
            last = rows[-1][0]

    def set_state(self, numbers: Iterable[int], before: str, after: str) -> None:
        """Move units from one state to another."""
        rows = ((after, number, before) for number in numbers)
        self._many("UPDATE units SET state = ? WHERE id = ? AND state = ?", rows)

    def same_size(self, state: str, known: str) -> Iterator[list[Planned]]:
        """Read groups of units whose main files have one size, and one kind.

        Args:
            state: At least one of each group is in it.
            known: Others may be in this one, and then come first.
        """
        self._database.execute(
            "CREATE INDEX IF NOT EXISTS by_size ON units (kind, size, id)"
        )
        # Kept aside, since the states of units change while this is read.
        self._database.execute("DROP TABLE IF EXISTS sizes")
        self._database.execute(
            "CREATE TABLE sizes AS SELECT kind, size FROM units WHERE state IN (?, ?) "
            "GROUP BY kind, size HAVING count(*) > 1 AND max(state = ?)",
            (state, known, state),
        )
        for kind, size in self._database.execute("SELECT kind, size FROM sizes"):
            found = self._database.execute(
                "SELECT id, kind, parts, state FROM units WHERE kind = ? AND size = ? "
                "AND state IN (?, ?) ORDER BY state = ?, id",
                (kind, size, state, known, state),
            )
            yield [_unpacked(*row) for row in found]

    def count(self, state: str) -> dict[str, tuple[int, int]]:
        """Count units by kind: how many, and the bytes of their main files."""
        rows = self._database.execute(
            "SELECT kind, count(*), sum(size) FROM units WHERE state = ? GROUP BY kind",
            (state,),
        )
        return {kind: (units, size) for kind, units, size in rows}

    def add_objects(self, files: Iterable[SourceFile]) -> None:
        """Take note of objects that keep their keys."""
        rows = ((f.path, f.size_bytes, f.modified_ns, f.etag) for f in files)
        self._many("INSERT OR REPLACE INTO objects VALUES (?,?,?,?,'')", rows)

    def objects(self, state: str | None = None) -> Iterator[SourceFile]:
        """Read objects ordered by the bytes of their keys; states may change."""
        last = ""
        while True:
            rows = self._database.execute(
                "SELECT path, size, modified, etag FROM objects "
                "WHERE path > ? AND (? IS NULL OR state = ?) ORDER BY path LIMIT ?",
                (last, state, state, _BATCH),
            ).fetchall()
            yield from (SourceFile(*row) for row in rows)
            if len(rows) < _BATCH:
                return
            last = rows[-1][0]

    def set_object_states(self, states: Iterable[tuple[str, str]]) -> None:
        """Move objects (path, state) to other states."""
        rows = ((state, path) for path, state in states)
        self._many("UPDATE objects SET state = ? WHERE path = ?", rows)

    def count_objects(self, state: str) -> tuple[int, int]:
        """Count objects in a state, and their bytes."""
        found = self._database.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM objects WHERE state = ?",
            (state,),
        ).fetchone()
        return int(found[0]), int(found[1])

    def recall(self, path: str, etag: str, digest: str) -> None:
        """Take note of what an earlier run wrote."""
        rows = [(path, etag, digest)]
        self._many("INSERT OR REPLACE INTO recalled VALUES (?,?,?)", rows)

    def recalled(self, path: str, etag: str) -> str:
        """Tell the digest of what an earlier run wrote; empty where it did not."""
        found = self._database.execute(
            "SELECT digest FROM recalled WHERE path = ? AND etag = ?", (path, etag)
        ).fetchone()
        return found[0] if found else ""

    def note_lists(self, lines: Iterable[tuple[str, str]]) -> None:
        """Take note of lines, by path; the last of a path counts."""
        self._many("INSERT OR REPLACE INTO lists VALUES (?,?)", lines)

    def final_lines(self) -> Iterator[str]:
        """Read the lines by path, of objects that there are."""
        rows = self._database.execute(
            "SELECT line FROM lists JOIN objects USING (path) ORDER BY path"
        )
        return (line for (line,) in rows)

    def problems(self, limit: int = -1) -> Iterator[Obstacle]:
        """Read what is passed over; a negative limit means all."""
        rows = self._database.execute(
            "SELECT path, reason FROM problems ORDER BY id LIMIT ?", (limit,)
        )
        return (Obstacle(*row) for row in rows)

    def problem_count(self) -> int:
        """Count what is passed over."""
        found = self._database.execute("SELECT count(*) FROM problems").fetchone()
        return int(found[0])

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(statement, rows)
        self._database.execute("COMMIT")


class Batched:
    """Collects things and hands them on in batches."""

    def __init__(self, give: Callable[[list[Any]], None], size: int = _BATCH) -> None:
        """Hand on to ``give``."""
        self._give = give
        self._size = size
        self._held: list[Any] = []

    def add(self, one: object) -> None:
        """Take one."""
        self._held.append(one)
        if len(self._held) >= self._size:
            self.flush()

    def flush(self) -> None:
        """Hand on what there is."""
        held, self._held = self._held, []
        if held:
            self._give(held)


def _text(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _packed(unit: Unit, ending: str) -> str:
    parts = [
        (part.value, file.path, file.size_bytes, file.modified_ns, file.etag)
        for part, file in unit.parts()
    ]
    return json.dumps([ending, parts])


def _unpacked(number: int, kind: str, packed: str, state: str) -> Planned:
    ending, parts = json.loads(packed)
    files = {Part(part): SourceFile(*rest) for part, *rest in parts}
    main = files.pop(Part.MAIN)
    return Planned(number, Unit(UnitKind(kind), main, files), ending, state)
