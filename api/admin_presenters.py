"""From what the indexer writes about itself to what goes over the wire.

The shapes are documented in ``api.schemas.admin``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic.alias_generators import to_camel

from catalog.models.page import Page
from catalog.repositories.index_control import ReconcileReport, SweepRecord
from catalog.repositories.index_state import (
    BUILDING,
    DeadLetter,
    Generation,
    GenerationState,
    IndexRequest,
    IndexStatus,
)
from catalog.search.view import iso_time
from catalog.services.administration import IndexReport

Wire = dict[str, Any]
"""JSON-ready data in camelCase."""

SILENT_SECONDS = 10.0
"""Age of the heartbeat (about one a second) that means: no indexer runs."""


def request(found: IndexRequest) -> Wire:
    """Show one request."""
    return {
        "requestId": found.request_id,
        "action": found.action,
        "arguments": {to_camel(name): value for name, value in found.arguments.items()},
        "state": found.state.value,
        "outcome": found.outcome,
        "createdAt": iso_time(found.created_at),
        "startedAt": _time(found.started_at),
        "finishedAt": _time(found.finished_at),
    }


def generations(found: tuple[Generation, ...], status: IndexStatus | None) -> Wire:
    """Show all generations, the newest first."""
    serving = [g.number for g in found if g.state is GenerationState.SERVING]
    building = [g.number for g in found if g.state in BUILDING]
    return {
        "serving": serving[-1] if serving else None,
        "building": building[-1] if building else None,
        "generations": [_generation(one, status) for one in reversed(found)],
    }


def _generation(found: Generation, status: IndexStatus | None) -> Wire:
    # The heartbeat knows the pace of the one that is built, of no other.
    is_paced = status is not None and status.building == found.number
    position = found.position
    return {
        "generation": found.number,
        "state": found.state.value,
        "reason": found.reason,
        "requestId": found.request_id,
        "isDegraded": found.is_degraded,
        "schemaHash": found.schema_hash,
        "refusedSchema": found.refused_schema,
        "done": found.done,
        "total": found.total,
        "rate": status.rate if is_paced and status else None,
        "etaSeconds": status.eta_seconds if is_paced and status else None,
        "positionAt": cluster_time(position.cluster_time if position else 0),
        "settledAt": cluster_time(found.settled_time),
        "startedAt": _time(found.started_at),
        "servedAt": _time(found.served_at),
        "retireAt": _time(found.retire_at),
        "updatedAt": _time(found.updated_at),
        "epoch": found.epoch,
    }


def report(found: IndexReport) -> Wire:
    """Show how the index is, as ``catalog status`` does."""
    silence = found.silent_seconds
    facts: Wire = {
        "isRunning": silence is not None and silence <= SILENT_SECONDS,
        "silentSeconds": None if silence is None else round(silence, 1),
        "openRequests": found.open_requests,
        "generations": [_generation(one, found.status) for one in found.generations],
    }
    return facts | _heartbeat(found.status)


def _heartbeat(status: IndexStatus | None) -> Wire:
    if status is None:
        return {
            "generation": 0,
            "state": "unknown",
            "problem": "No indexer ever ran here.",
        }
    return {
        "generation": status.generation,
        "building": status.building,
        "state": status.state,
        "leader": status.leader,
        "epoch": status.epoch,
        "lagMs": status.lag_ms,
        "headroom": status.headroom,
        "isDegraded": status.is_degraded,
        "problem": status.problem,
        "drift": status.drift,
        "driftTotal": status.drift_total,
        "deadLetters": status.dead_letters,
        "dirty": status.dirty,
        "spilled": status.spilled,
        "applied": status.applied,
        "done": status.done,
        "total": status.total,
        "rate": status.rate,
        "etaSeconds": status.eta_seconds,
        "documents": dict(status.documents),
        "beatAt": iso_time(status.beat_at),
    }


def sweep(found: SweepRecord) -> Wire:
    """Show one row of the schedule."""
    return {
        "name": found.name,
        "description": found.description,
        "everySeconds": found.every_seconds,
        "lastStartedAt": _time(found.last_started_at),
        "lastFinishedAt": _time(found.last_finished_at),
        "outcome": found.outcome.value if found.outcome else None,
        "detail": found.detail,
        "nextRunAt": _time(found.next_run_at),
        "isRunning": found.is_running,
        "runs": found.runs,
    }


def reconcile(found: ReconcileReport) -> Wire:
    """Show one report."""
    return {
        "reportId": found.report_id,
        "kind": found.kind,
        "startedAt": iso_time(found.started_at),
        "finishedAt": _time(found.finished_at),
        "checked": found.checked,
        "drift": found.drift,
        "differences": dict(found.differences),
        "repaired": found.repaired,
        "refused": list(found.refused),
        "samples": list(found.samples),
    }


def letter(found: DeadLetter, jsonable: Callable[[Any], Any]) -> Wire:
    """Show one dead letter; ``jsonable`` makes the root's ``_id`` fit for JSON."""
    return {
        "letterId": found.letter_id,
        "root": jsonable(found.root),
        "stage": found.stage,
        "error": found.error,
        "attempts": found.attempts,
        "jobId": found.job_id,
        "documentId": found.document_id,
        "firstSeenAt": iso_time(found.first_seen_at),
        "lastSeenAt": iso_time(found.last_seen_at),
        "details": jsonable(dict(found.details)),
    }


def letters(page: Page[DeadLetter], jsonable: Callable[[Any], Any]) -> Wire:
    """Show one page of dead letters."""
    return {
        "deadLetters": [letter(one, jsonable) for one in page.items],
        "total": page.total,
        "nextPageToken": page.next_token,
    }


def cluster_time(value: int) -> str | None:
    """Write a cluster time (seconds << 32 | increment) as the second it lies in."""
    seconds = value >> 32
    return iso_time(datetime.fromtimestamp(seconds, UTC)) if seconds else None


def _time(value: datetime | None) -> str | None:
    return None if value is None else iso_time(value)
