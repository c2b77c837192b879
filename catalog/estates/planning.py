"""The plan of an import of files without job records: shown before anything is done."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from catalog.estates.files import Kind, SourceFile, Unit, UnitKind, kind_of, units_of
from catalog.estates.inspection import Inspector, Seen
from catalog.estates.naming import item_id, name_problem
from catalog.estates.progress import HaltedError
from catalog.estates.scratch import Batched, Planned, Scratch
from catalog.estates.source import Obstacle, Source, likeness, modified_at
from catalog.models.ids import JobId, UserId
from catalog.repositories.estates import ImportItem, ImportRepository, ItemState

NEW, THERE, BEGUN, DUPLICATE = "new", "there", "begun", "duplicate"
"""What a unit is to the plan."""

_BATCH = 500
_ENDINGS = 200
_SECONDS_A_FILE = 0.02
_BYTES_A_SECOND = 60e6
"""Of a local copy with a flush a file; a guess that the running import replaces."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for.

    Attributes:
        user_id: Whose everything becomes.
        kinds: What is taken over.
        tags: For every job.
        has_folder_tags: Whether the names of folders are tags, too.
        is_move: Whether a source file goes once its copy is verified.
        keeps_duplicates: Whether files of one content are all taken over.
        most_bytes: Of a model or a recording.
        job_images: Images in one job at most.
    """

    user_id: UserId
    kinds: frozenset[UnitKind] = frozenset(UnitKind)
    tags: tuple[str, ...] = ()
    has_folder_tags: bool = False
    is_move: bool = False
    keeps_duplicates: bool = False
    most_bytes: int = 5 * 1024**3
    job_images: int = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would do.

    Attributes:
        what: The estate, for a person.
        new: By kind: how many, and their bytes.
        there: By kind, likewise: taken over before.
        begun: Jobs that an earlier run left unfinished.
        passed_over: Files that become no asset, by ending.
        problems: How many files can't be taken over; the reasons are apart.
        notes: Sentences that a person should read.
        seconds: How long it takes, about.
    """

    what: str
    new: dict[str, tuple[int, int]] = field(default_factory=dict)
    there: dict[str, tuple[int, int]] = field(default_factory=dict)
    begun: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)
    problems: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def files(self) -> int:
        """How many there are to do."""
        return sum(count for count, _ in self.new.values())

    @property
    def size_bytes(self) -> int:
        """Of what there is to do."""
        return sum(size for _, size in self.new.values())


def seconds_for(files: int, size_bytes: int) -> float:
    """Guess how long copying takes."""
    return round(files * _SECONDS_A_FILE + size_bytes / _BYTES_A_SECOND, 1)


class BarePlanner:
    """Finds out what there is to take over."""

    def __init__(
        self,
        source: Source,
        items: ImportRepository,
        scratch: Scratch,
        wishes: Wishes,
        *,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Stand on a source and the book of what was taken over."""
        self._source = source
        self._items = items
        self._scratch = scratch
        self._wishes = wishes
        self._is_stopped = is_stopped
        self._inspector = Inspector(source, most_bytes=wishes.most_bytes)
        self._others: Counter[str] = Counter()

    def plan(self) -> Plan:
        """Walk the source and decide on every file.

        Raises:
            HaltedError: It was told to stop.
            DependencyUnavailableError: The source or MongoDB did not answer.
        """
        self._walk()
        self._decide()
        if not self._wishes.keeps_duplicates:
            self._find_duplicates()
        new = self._scratch.count(NEW)
        files = sum(count for count, _ in new.values())
        size = sum(size for _, size in new.values())
        begun = self._items.open_jobs(self._wishes.user_id, self._source.address)
        notes = () if self._source.is_local else (_BUCKET_NOTE,)
        return Plan(
            what=f"the files of {self._source.address}",
            new=new,
            there=self._scratch.count(THERE),
            begun=len(begun),
            passed_over=dict(self._others.most_common()),
            problems=self._scratch.problem_count(),
            notes=notes,
            seconds=seconds_for(files, size),
        )

    def _walk(self) -> None:
        files = Batched(self._scratch.add_files)
        problems = Batched(self._scratch.add_problems)
        for found in self._source.walk():
            self._check_stop()
            if isinstance(found, Obstacle):
                problems.add(found)
            elif problem := name_problem(found.path):
                problems.add(Obstacle(found.path, problem))
            elif kind_of(found.name) is Kind.OTHER:
                self._pass_over(found)
            else:
                files.add(found)
        files.flush()
        problems.flush()

    def _decide(self) -> None:
        units: list[Seen] = []
        for family in self._scratch.families():
            self._check_stop()
            found, others = units_of(family)
            for file in others:
                self._pass_over(file)
            for unit in found:
                if unit.kind not in self._wishes.kinds:
                    self._pass_over(unit.main)
                else:
                    units.append(Seen(unit))
            if len(units) >= _BATCH:
                self._settle(units)
                units = []
        self._settle(units)

    def _settle(self, units: Sequence[Seen]) -> None:
        """Decide on some units: there already, or to be looked into."""
        if not units:
            return
        ids = {seen.unit.main.path: self._item_id(seen.unit) for seen in units}
        known = self._items.find(ids.values())
        living = self._items.living(item.job_id for item in known.values())
        rows: list[tuple[Unit, str, str]] = []
        problems: list[Obstacle] = []
        for seen in units:
            unit = seen.unit
            state = self._state(unit, known.get(ids[unit.main.path]), living)
            ending = ""
            if state == NEW:
                looked = self._look(unit)
                if looked.is_other:
                    self._pass_over(unit.main)
                    continue
                if looked.problem is not None:
                    problems.append(Obstacle(unit.main.path, looked.problem))
                    continue
                unit, ending = looked.unit, looked.ending
            rows.append((unit, ending, state))
        self._scratch.add_units(rows)
        self._scratch.add_problems(problems)

    def _look(self, unit: Unit) -> Seen:
        if self._source.is_local:
            return self._inspector.look(unit)
        return Seen(unit, problem=self._inspector.by_size(unit))

    def _state(
        self, unit: Unit, item: ImportItem | None, living: frozenset[JobId]
    ) -> str:
        if item is None:
            return NEW
        if item.state is not ItemState.DONE:
            # What was begun from another root, above or below, is begun anew.
            return BEGUN if item.source == self._source.address else NEW
        if item.job_id not in living or item.size_bytes != unit.main.size_bytes:
            return NEW
        if item.modified_at == modified_at(unit.main):
            return THERE
        return THERE if item.likeness == likeness(self._source, unit.main) else NEW

    def _find_duplicates(self) -> None:
        """Of files with one content only the first is taken over."""
        for group in self._scratch.same_size(NEW, THERE):
            first: dict[str, Planned] = {}
            later: list[tuple[Planned, Planned]] = []
            for planned in group:
                self._check_stop()
                alike = likeness(self._source, planned.unit.main)
                known = first.setdefault(alike, planned)
                if known is planned or planned.state != NEW:
                    continue
                if self._is_same(known.unit, planned.unit):
                    later.append((planned, known))
            self._scratch.set_state((one.number for one, _ in later), NEW, DUPLICATE)
            self._scratch.add_problems(
                Obstacle(one.unit.main.path, duplicate_of(known.unit.main.path))
                for one, known in later
            )

    def _is_same(self, one: Unit, other: Unit) -> bool:
        if one.main.etag:
            return True
        digests = {self._inspector.digest(unit.main) for unit in (one, other)}
        return len(digests) == 1

    def _pass_over(self, file: SourceFile) -> None:
        ending = file.name.rpartition(".")[2].lower() if "." in file.name else "none"
        if ending not in self._others and len(self._others) >= _ENDINGS:
            ending = "more"
        self._others[ending] += 1

    def _item_id(self, unit: Unit) -> str:
        address = f"{self._source.address}/{unit.main.path}"
        return item_id(self._wishes.user_id, address)

    def _check_stop(self) -> None:
        if self._is_stopped():
            raise HaltedError


def duplicate_of(path: str) -> str:
    """Say that a file's content is taken over already."""
    return f"is a duplicate: the content of {path} is the same"


_BUCKET_NOTE = (
    "The files of a bucket are looked into when their turn comes; some may turn out "
    "not to be what their names say."
)
