"""What was run: one JSON object a line, appended, so that days of runs add up.

A runner appends to a file of its own, which is not committed. With the table goes a
committed edition of it, in which runs that follow each other are one line: a machine
that has only the checkout goes on where others ended.
"""

import fcntl
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path

from tests.torture.rows import Row


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished run of one row, or several that follow each other.

    Attributes:
        row: Its name.
        seed: Of this run, or of the first.
        date: Day in UTC, ISO 8601.
        seconds: How long it took.
        count: Of what the row counts; 0 when it failed.
        settle_seconds: Worst of the run.
        commit: That was checked out.
        code: Names the content of what was tortured, uncommitted changes included.
        figures: What else was counted.
        failure: What was wrong, or ``None``.
        last_seed: Of the last run, where these are several.
    """

    row: str
    seed: int
    date: str
    seconds: float
    count: int
    settle_seconds: float
    commit: str = ""
    code: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None
    last_seed: int | None = None

    @property
    def seeds(self) -> range:
        """All of its runs' seeds."""
        last = self.seed if self.last_seed is None else self.last_seed
        return range(self.seed, last + 1)

    def has(self, other: "Entry") -> bool:
        """Whether another entry's runs are among this one's."""
        return (
            (self.row, self.code, self.commit, self.date, self.failure)
            == (other.row, other.code, other.commit, other.date, other.failure)
            and self.seed <= other.seeds[0]
            and other.seeds[-1] <= self.seeds[-1]
        )


class Ledger:
    """The file; several runners may append to it at once.

    Args:
        folder: Where the file is, or is to be.
        committed: Its committed edition, as of the last table.
    """

    def __init__(self, folder: Path, committed: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "ledger.jsonl"
        self._committed = committed

    def append(self, entry: Entry) -> None:
        line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
        with self._path.open("a", encoding="utf-8") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            out.write(line)

    def entries(self) -> list[Entry]:
        """All of them; a line that a crash cut off is passed over."""
        committed = _read(self._committed) if self._committed else []
        by_row: dict[str, list[Entry]] = {}
        for one in committed:
            by_row.setdefault(one.row, []).append(one)
        return committed + [
            one
            for one in _read(self._path)
            if not any(known.has(one) for known in by_row.get(one.row, ()))
        ]

    def commit(self) -> None:
        """Write the committed edition anew."""
        if self._committed is not None:
            by_row = sorted(self.entries(), key=lambda one: one.row)  # else in order
            lines = (json.dumps(_told(one)) + "\n" for one in folded(by_row))
            self._committed.write_text("".join(lines), encoding="utf-8")


def _read(path: Path) -> list[Entry]:
    found: list[Entry] = []
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Entry(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _told(entry: Entry) -> dict[str, object]:
    """Leave out what says nothing."""
    return {k: v for k, v in asdict(entry).items() if v not in (None, {})}


def folded(entries: Iterable[Entry]) -> list[Entry]:
    """Make one of entries that follow each other in seed and are of one state."""
    made: list[Entry] = []
    for one in entries:
        before = made[-1] if made else None
        if (
            before is None
            or before.failure is not None
            or not replace(before, last_seed=one.seeds[-1]).has(one)
            or one.seed != before.seeds[-1] + 1
        ):
            made.append(one)
            continue
        made[-1] = replace(
            before,
            seconds=round(before.seconds + one.seconds, 1),
            count=before.count + one.count,
            settle_seconds=max(before.settle_seconds, one.settle_seconds),
            figures=added([before.figures, one.figures]),
            last_seed=one.seeds[-1],
        )
    return made


def added(figures: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Add up what several runs counted; of rates the lowest counts."""
    sums: dict[str, float] = {}
    for name, value in chain.from_iterable(one.items() for one in figures):
        if "per second" in name:
            sums[name] = min(sums.get(name, value), value)
        else:
            sums[name] = round(sums.get(name, 0) + value, 6)
    return sums


def done_seeds(entries: Iterable[Entry], row: str, code: str) -> set[int]:
    """Seeds of a row that this code has run without a failure."""
    return {
        seed
        for one in entries
        if one.row == row and one.code == code and one.failure is None
        for seed in one.seeds
    }


_HEAD = """\
# Torture

<!-- Generated by `python -m tests.torture --table`; do not edit. -->

What `make torture` has run in full: own MongoDB and Typesense for every run, the
indexer as a process, a platform that writes while it is killed, and an oracle that
derives the index a second way. Nothing may be missing, a ghost or stale; facets,
content hashes and the read model must agree, and no document's `_seq` may ever go
down. *Settled* is the worst time from the moment at which the killed server takes
writes again to an index without any difference (10 s are allowed; where nothing is
killed the time is measured from the end of the trouble). *Done* and what stands right
of it is of the code as it is now (of every module that the indexer's process imports);
*ever* counts what older code has passed as well. *Failed* counts all runs that ever
failed, and how many of their seeds have not passed since.

A run is reproduced by `python -m tests.torture --again --rows ROW --seeds SEED`. Short
editions of all rows run in `make test`.

| row | what | ever | failed | wanted | done | settled | seeds | dates | commits |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def table(rows: Iterable[Row], entries: Iterable[Entry], code: str) -> str:
    """Write the page: one line per row, newest commits last."""
    rows, everything = list(rows), list(entries)
    lines = [
        _line(row, [e for e in everything if e.row == row.name], code) for row in rows
    ]
    passed = [e for e in everything if e.failure is None and e.code == code]
    return _HEAD + "\n".join(lines) + "\n" + _figures(rows, passed)


def _line(row: Row, entries: list[Entry], code: str) -> str:
    good = [one for one in entries if one.failure is None]
    now = [one for one in good if one.code == code]
    worst = max((one.settle_seconds for one in now), default=0.0)
    cells = (
        row.name,
        row.says,
        f"{sum(one.count for one in good):,}",
        f"{len(entries) - len(good)} ({len(open_seeds(entries))} open)",
        f"{row.wanted:,} {row.unit}",
        f"{sum(one.count for one in now):,}",
        f"{worst:.1f} s" if worst else "-",
        _ranges(sorted(set(chain.from_iterable(one.seeds for one in now)))),
        _span(sorted({one.date for one in now})),
        ", ".join(dict.fromkeys(one.commit for one in now)) or "-",
    )
    return "| " + " | ".join(cells) + " |"


def open_seeds(entries: Iterable[Entry]) -> list[int]:
    """Seeds of one row whose last run failed."""
    last = {seed: one for one in entries for seed in one.seeds}
    return sorted(seed for seed, one in last.items() if one.failure is not None)


def _figures(rows: Iterable[Row], passed: list[Entry]) -> str:
    text = "\n## Further figures\n\n"
    text += "Sums over all runs that this code passed; of rates the lowest.\n\n"
    for row in rows:
        sums = added(one.figures for one in passed if one.row == row.name)
        if sums:
            told = ", ".join(f"{name} {value:,.10g}" for name, value in sums.items())
            text += f"- **{row.name}**: {told}\n"
    return text


def _ranges(seeds: list[int]) -> str:
    """Write ``1..4, 7``; the first of each range and its last."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    told = [f"{a}..{b}" if a != b else str(a) for a, b in parts]
    return ", ".join(told) or "-"


def _span(dates: list[str]) -> str:
    if not dates:
        return "-"
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
