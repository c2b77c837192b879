"""What the ``catalog`` command asks of the indexer, and how it shows the answer.

Every such command inserts a request record that the leading indexer executes; with
``--wait`` it follows the request until its outcome is known.
"""

import argparse
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from catalog.clock import Clock
from catalog.errors import CatalogError
from catalog.graph import Catalog
from catalog.repositories.index_control import SweepRecord
from catalog.repositories.index_state import (
    DeadLetter,
    IndexRequest,
    IndexStatus,
    LetterQuery,
    RequestState,
)
from catalog.services.administration import RECONCILE_KINDS, Administration

SILENT_SECONDS = 10.0
"""Age of the indexer's heartbeat that means: nobody will do it now."""

_LOOK_SECONDS = 0.2


class NobodyLeadsError(CatalogError):
    """No indexer's heart beats: a request would wait for ever."""

    code = "nobody_leads"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and what came of it if that was waited for."""

    request: IndexRequest

    def as_json(self) -> dict[str, Any]:
        """Spell it for ``--json``."""
        return {
            "requestId": self.request.request_id,
            "action": self.request.action,
            "state": self.request.state.value,
            "outcome": self.request.outcome,
        }

    @property
    def has_failed(self) -> bool:
        """Whether it was tried in vain."""
        return self.request.state is RequestState.FAILED


Question = Callable[[Administration], IndexRequest]
"""Asks for something; says which request it is."""


def kinds(text: str) -> tuple[str, ...]:
    """Read what is to be compared.

    Raises:
        ArgumentTypeError: One is unknown.
    """
    chosen = tuple(one.strip() for one in text.split(",") if one.strip())
    for one in chosen:
        if one not in RECONCILE_KINDS:
            known = ", ".join(RECONCILE_KINDS)
            message = f"{one!r} is not one of {known}"
            raise argparse.ArgumentTypeError(message)
    return chosen or RECONCILE_KINDS


def ask(
    catalog: Catalog, question: Question, *, wait: bool, tell: Callable[[str], None]
) -> Asked:
    """Ask the indexer for something.

    Args:
        catalog: Of the running stack.
        question: What; asked for already, it is the same request.
        wait: Until the outcome is known.
        tell: Told how far it is, now and then.

    Raises:
        NobodyLeadsError: It was to be waited for, and no indexer runs.
        CatalogError: It can't be asked for (there is no such sweep, letter or earlier
            generation), or MongoDB does not answer.
    """
    administration = Administration(
        requests=catalog.index_requests,
        generations=catalog.generations,
        statuses=catalog.index_status,
        letters=catalog.dead_letters,
        sweeps=catalog.sweeps,
        reconciles=catalog.reconciles,
        clock=catalog.clock,
    )
    request = question(administration)
    if wait:
        request = _followed(catalog, administration, request.request_id, tell)
    return Asked(request)


def _followed(
    catalog: Catalog,
    administration: Administration,
    request_id: str,
    tell: Callable[[str], None],
) -> IndexRequest:
    never = threading.Event()
    shown = ""
    while True:
        found = administration.request(request_id)
        if found.outcome is not None:
            return found
        status = catalog.index_status.read()
        if is_silent(status, catalog.clock):
            message = (
                "No indexer leads, so nobody does it now; it is done once one runs. "
                "`catalog status` tells more."
            )
            raise NobodyLeadsError(message)
        text = progress(status) if status else ""
        if text and text != shown:
            tell(text)
            shown = text
        catalog.clock.wait(never, _LOOK_SECONDS)


def is_silent(status: IndexStatus | None, clock: Clock) -> bool:
    """Whether no indexer's heart has beaten lately."""
    if status is None:
        return True
    return (clock.now() - status.beat_at).total_seconds() > SILENT_SECONDS


def progress(status: IndexStatus) -> str:
    """Say how far a build is; empty while none runs."""
    if not status.building:
        return ""
    text = f"generation {status.building}: {status.done:,} of {status.total:,} jobs"
    if status.rate:
        text += f", {status.rate:,.0f}/s"
    if status.eta_seconds is not None:
        text += f", {status.eta_seconds:,.0f} s left"
    return text


# --- the schedule ------------------------------------------------------------------


def sweep_json(sweep: SweepRecord) -> dict[str, Any]:
    """Spell a sweep for ``--json``."""
    return {
        "name": sweep.name,
        "everySeconds": sweep.every_seconds,
        "description": sweep.description,
        "nextRunAt": _time(sweep.next_run_at),
        "lastStartedAt": _time(sweep.last_started_at),
        "lastFinishedAt": _time(sweep.last_finished_at),
        "outcome": sweep.outcome.value if sweep.outcome else None,
        "detail": sweep.detail,
        "isRunning": sweep.is_running,
        "runs": sweep.runs,
    }


def render_schedule(sweeps: tuple[SweepRecord, ...], console: Console) -> None:
    """Print the schedule for people."""
    table = Table(box=None)
    for title in ("sweep", "every", "last (UTC)", "next (UTC)", "outcome"):
        table.add_column(title, no_wrap=title != "outcome", overflow="fold")
    for sweep in sweeps:
        outcome = "running" if sweep.is_running else str(sweep.outcome or "")
        table.add_row(
            sweep.name,
            _period(sweep.every_seconds),
            _short_time(sweep.last_started_at),
            _short_time(sweep.next_run_at),
            # What others wrote is no markup.
            Text(f"{outcome}: {sweep.detail}" if sweep.detail else outcome),
        )
    console.print(table)


def _period(seconds: float) -> str:
    if not seconds:
        return "asked for"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:,.0f} s"


def _short_time(time: datetime | None) -> str:
    return f"{time.astimezone(UTC):%m-%d %H:%M:%S}" if time else ""


# --- dead letters ------------------------------------------------------------------


def letters(catalog: Catalog, stage: str | None, limit: int) -> tuple[DeadLetter, ...]:
    """Read the newest dead letters."""
    return catalog.dead_letters.page(limit, LetterQuery(stage=stage)).items


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """Spell a dead letter for ``--json``."""
    return {
        "letterId": letter.letter_id,
        "jobId": letter.job_id,
        "stage": letter.stage,
        "error": letter.error,
        "attempts": letter.attempts,
        "firstSeenAt": _time(letter.first_seen_at),
        "lastSeenAt": _time(letter.last_seen_at),
    }


def render_letters(found: tuple[DeadLetter, ...], console: Console) -> None:
    """Print dead letters for people."""
    if not found:
        console.print("No dead letters.")
        return
    table = Table(box=None)
    table.add_column("letter", no_wrap=True)  # to be copied
    for title in ("job", "stage", "tried", "error"):
        table.add_column(title, overflow="fold")
    for letter in found:
        table.add_row(
            letter.letter_id,
            Text(letter.job_id or ""),  # what others wrote is no markup
            letter.stage,
            str(letter.attempts),
            Text(letter.error),
        )
    console.print(table)


def _time(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z") if time else None
