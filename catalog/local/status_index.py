"""The part of ``catalog status`` that tells of the index."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from catalog.repositories.index_control import SweepOutcome, SweepRecord
from catalog.repositories.index_state import (
    BUILDING,
    Generation,
    GenerationState,
    IndexRequest,
    IndexStatus,
)

STALE_BEAT_SECONDS = 10.0
"""Age of the indexer's heartbeat that means: it is away."""

_SHORT = 0.5
_INDENT = "\n                   "


@dataclass(frozen=True, slots=True)
class IndexBooks:
    """What the indexer has written down beside its heartbeat.

    Attributes:
        generations: All but the dropped ones, by number.
        requests: Those that wait or run, oldest first.
        sweeps: The schedule.
    """

    generations: tuple[Generation, ...] = ()
    requests: tuple[IndexRequest, ...] = ()
    sweeps: tuple[SweepRecord, ...] = ()

    @property
    def beside(self) -> tuple[Generation, ...]:
        """Generations that are kept beside the one that serves."""
        wanted = BUILDING | {GenerationState.RETIRING}
        return tuple(one for one in self.generations if one.state in wanted)

    @property
    def failures(self) -> tuple[SweepRecord, ...]:
        """Sweeps whose last run did not end well."""
        well = {None, SweepOutcome.DONE}
        return tuple(one for one in self.sweeps if one.outcome not in well)

    def as_json(self) -> dict[str, Any]:
        """Spell it for ``--json``."""
        return {
            "generations": [
                {
                    "generation": one.number,
                    "state": one.state.value,
                    "reason": one.reason,
                    "done": one.done,
                    "total": one.total,
                    "servedAt": _time(one.served_at),
                    "retireAt": _time(one.retire_at),
                }
                for one in self.generations
            ],
            "openRequests": [
                {
                    "requestId": one.request_id,
                    "action": one.action,
                    "state": one.state.value,
                    "createdAt": _time(one.created_at),
                }
                for one in self.requests
            ],
            "sweeps": [_sweep_json(one) for one in self.sweeps],
            "failedSweeps": [_sweep_json(one) for one in self.failures],
        }


def _sweep_json(sweep: SweepRecord) -> dict[str, Any]:
    return {
        "name": sweep.name,
        "isRunning": sweep.is_running,
        "outcome": sweep.outcome.value if sweep.outcome else None,
        "detail": sweep.detail,
        "lastFinishedAt": _time(sweep.last_finished_at),
        "nextRunAt": _time(sweep.next_run_at),
    }


def status_json(index: IndexStatus) -> dict[str, Any]:
    """Spell the heartbeat for ``--json``."""
    facts = asdict(index)
    facts["beat_at"] = index.beat_at.isoformat(timespec="milliseconds")
    return {_camel(name): value for name, value in facts.items()}


def index_text(
    index: IndexStatus | None, age_seconds: float, books: IndexBooks | None
) -> str:
    """Tell people of the index, a fact a line."""
    if index is None:
        return "  index            no heartbeat of an indexer yet"
    lines = [_first_line(index), *_troubles(index, age_seconds)]
    if books is not None:
        lines += _beside(books)
    return _INDENT.join(lines)


def sweeps_text(sweeps: tuple[SweepRecord, ...]) -> str:
    """Tell people how each sweep went and when it is next; empty without any."""
    lines = []
    for one in sweeps:
        last = f"{one.outcome} {_time(one.last_finished_at)}" if one.outcome else ""
        now = "running" if one.is_running else last or "not run yet"
        coming = _time(one.next_run_at)
        after = f", next {coming}" if coming else ""
        lines.append(f"{one.name:<18} {now}{after}")
    return f"  {'sweeps':<16} " + _INDENT.join(lines) if lines else ""


def _first_line(index: IndexStatus) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in index.documents.items())
    return (
        f"  index            generation {index.generation}, {index.state}, "
        f"lag {index.lag_ms} ms, {index.dirty} dirty, "
        f"{index.dead_letters} dead letters; {counts or 'no documents'}"
    )


def _troubles(index: IndexStatus, age_seconds: float) -> list[str]:
    lines = []
    if age_seconds >= STALE_BEAT_SECONDS:
        lines.append(f"the indexer has been silent for {age_seconds:,.0f} s")
    if index.leader:
        lines.append(f"led by {index.leader}, epoch {index.epoch}")
    if building := _building(index):
        lines.append(building)
    if index.drift:
        lines.append(f"drift: {index.drift} not mended yet")
    if index.spilled:
        lines.append(f"{index.spilled:,} changes noted, to be applied")
    if index.headroom is not None and index.headroom < _SHORT:
        lines.append(f"the oplog runs short: {index.headroom:.0%} left")
    if index.is_degraded:
        lines.append("degraded: history was lost, repair goes on")
    if index.problem:
        lines.append(index.problem)
    return lines


def _building(index: IndexStatus) -> str:
    if not index.building:
        return ""
    text = f"building generation {index.building}: {index.done:,} of {index.total:,}"
    if index.eta_seconds is not None:
        text += f", {index.eta_seconds:,.0f} s left"
    return text


def _beside(books: IndexBooks) -> list[str]:
    lines = []
    for one in books.beside:
        text = f"generation {one.number}, {one.state.value}"
        if one.retire_at is not None:
            text += f": can be gone back to until {_time(one.retire_at)}"
        elif one.reason:
            text += f" ({one.reason})"
        lines.append(text)
    lines += [
        f"{one.action} {one.state.value}, asked for at {_time(one.created_at)}"
        for one in books.requests
    ]
    lines += [
        f"sweep {one.name} {one.outcome} at {_time(one.last_finished_at)}: {one.detail}"
        for one in books.failures
    ]
    return lines


def _time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
