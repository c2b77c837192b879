"""Whether the API can serve, and what is degraded."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from catalog.errors import CatalogError, DependencyUnavailableError
from catalog.graph import Catalog
from catalog.repositories.index_state import IndexStatus
from catalog.search.view import iso_time

CHECK_SECONDS = 2.0
"""How long a server may take to prove that it is there."""

SILENT_SECONDS = 10.0
"""Age of the indexer's heartbeat (about one a second) that means: it is away."""

LEAST_HEADROOM = 0.5
"""Share of the oplog's window below which there is reason to worry."""

SPILLING_HEADROOM = 0.25
"""Share below which the indexer notes changes down before it applies them."""

_THREADS = 3
"""Checks of one server at once."""

Answer = TypeVar("Answer")


class Examiner:
    """Asks the servers, with threads of its own.

    A server that hangs keeps its checks hanging; they must neither use up the threads
    that serve requests nor those of the other server's checks.
    """

    def __init__(self, catalog: Catalog) -> None:
        """Stand on the catalog; nothing is asked yet."""
        self._catalog = catalog
        self._threads: dict[str, anyio.CapacityLimiter] = {}

    async def examine(self) -> tuple[bool, dict[str, Any]]:
        """Ask all servers, at once, and never longer than ``CHECK_SECONDS`` each.

        Returns:
            Whether MongoDB is there, and the facts as ``api.schemas.jobs.Readiness``
            documents them.
        """
        status: IndexStatus | None = None
        has_mongo = has_engine = False

        async def check_mongo() -> None:
            nonlocal has_mongo, status
            try:
                await self._ask("mongodb", self._catalog.ping_mongo)
                status = await self._ask("mongodb", self._catalog.index_status.read)
                has_mongo = True
            except CatalogError:
                has_mongo = False

        async def check_engine() -> None:
            nonlocal has_engine
            try:
                await self._ask("typesense", self._catalog.index_admin.engine_version)
                has_engine = True
            except CatalogError:
                has_engine = False

        async with anyio.create_task_group() as checks:
            checks.start_soon(check_mongo)
            checks.start_soon(check_engine)
        now = self._catalog.clock.now()
        return has_mongo, _verdict(
            status, now, has_mongo=has_mongo, has_engine=has_engine
        )

    async def _ask(self, server: str, question: Callable[[], Answer]) -> Answer:
        """Ask in a thread, but don't wait longer than a health check may.

        Raises:
            DependencyUnavailableError: No answer in time; the thread is left alone.
        """
        if server not in self._threads:
            self._threads[server] = anyio.CapacityLimiter(_THREADS)
        with anyio.move_on_after(CHECK_SECONDS):
            return await anyio.to_thread.run_sync(
                question, abandon_on_cancel=True, limiter=self._threads[server]
            )
        raise DependencyUnavailableError(server, f"no answer in {CHECK_SECONDS} s")


def _verdict(
    status: IndexStatus | None, now: datetime, *, has_mongo: bool, has_engine: bool
) -> dict[str, Any]:
    degraded: list[dict[str, str]] = []
    if not has_mongo:
        degraded.append(_because("mongo_away", "MongoDB does not answer."))
    if not has_engine:
        degraded.append(
            _because(
                "typesense_away",
                "Typesense does not answer; MongoDB answers searches in its stead.",
            )
        )
    if has_mongo:
        degraded.extend(_index_troubles(status, now))
    verdict = "degraded" if degraded else "ready"
    return {
        "status": verdict if has_mongo else "unavailable",
        "mongo": "up" if has_mongo else "away",
        "typesense": "up" if has_engine else "away",
        "index": None if status is None else _index_facts(status),
        "degraded": degraded,
    }


def _because(code: str, detail: str) -> dict[str, str]:
    return {"code": code, "detail": detail}


def _index_troubles(status: IndexStatus | None, now: datetime) -> list[dict[str, str]]:
    if status is None:
        detail = "No indexer ever ran here; searches are answered by MongoDB."
        return [_because("indexer_silent", detail)]
    troubles: list[dict[str, str]] = []
    silence = (now - status.beat_at).total_seconds()
    if silence > SILENT_SECONDS:
        detail = f"The indexer has been silent for {silence:.0f} s; changes may wait."
        troubles.append(_because("indexer_silent", detail))
    # A rebuild beside a generation that serves takes nothing from anybody.
    if status.generation == 0:
        detail = f"The index is being built: {status.done} of {status.total} jobs."
        troubles.append(_because("index_building", detail))
    if status.is_degraded:
        detail = "Changes were missed; everything is being looked at again."
        troubles.append(_because("history_lost", detail))
    if status.drift > 0:
        detail = (
            f"Reconciling found {status.drift} differences between record and index; "
            "they are being repaired. There should be none: see the reports."
        )
        troubles.append(_because("drift", detail))
    if status.headroom is not None and status.headroom < LEAST_HEADROOM:
        troubles.append(_because("oplog_headroom", _headroom(status.headroom)))
    if status.problem:
        troubles.append(_because("indexer_problem", status.problem))
    return troubles


def _headroom(share: float) -> str:
    detail = (
        f"Of MongoDB's memory of changes (the oplog) {share:.0%} are left before the "
        "indexer's position falls off"
    )
    if share < SPILLING_HEADROOM:
        return f"{detail}: changes are noted down first and applied when there is time."
    return f"{detail}: it can't keep up, or the oplog is small."


def _index_facts(status: IndexStatus) -> dict[str, Any]:
    return {
        "generation": status.generation,
        "state": status.state,
        "lagMs": status.lag_ms,
        "done": status.done,
        "total": status.total,
        "dirty": status.dirty,
        "deadLetters": status.dead_letters,
        "drift": status.drift,
        "headroom": status.headroom,
        "building": status.building,
        "epoch": status.epoch,
        "documents": dict(status.documents),
        "beatAt": iso_time(status.beat_at),
    }
