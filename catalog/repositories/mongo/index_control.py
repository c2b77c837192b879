"""What steers the indexers in MongoDB: the lease, the schedule, reports on drift."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from catalog.errors import FencedError
from catalog.repositories.index_control import (
    Lease,
    ReconcileReport,
    SweepOutcome,
    SweepRecord,
)
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.mongo.codec_stored import without_surrogates

_LEASE_ID = "indexer"
_KEPT_REPORTS = 500
_TOTALS_ID = "totals"


class MongoLeaseRepository:
    """See ``LeaseRepository``; every time in it is ``$$NOW``, the server's."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the one record in ``index_lease``."""
        self._records = database["index_lease"]
        self._generations = database["index_generations"]

    def acquire(self, owner: str, ttl: timedelta) -> Lease | None:
        """See ``LeaseRepository.acquire``."""
        with translated():
            # `$expr` together with an upsert is refused (224): it must be there.
            if self._records.find_one({"_id": _LEASE_ID}, {"_id": 1}) is None:
                first = {"epoch": self._last_epoch(), "owner": "", "expiresAt": None}
                self._records.update_one(
                    {"_id": _LEASE_ID}, {"$setOnInsert": first}, upsert=True
                )
            is_free = {"$lte": [{"$ifNull": ["$expiresAt", "$$NOW"]}, "$$NOW"]}
            is_ours = {"$eq": ["$owner", owner]}
            found = self._records.find_one_and_update(
                {"_id": _LEASE_ID, "$expr": {"$or": [is_free, is_ours]}},
                [
                    {
                        "$set": {
                            "epoch": {
                                "$cond": [is_ours, "$epoch", {"$add": ["$epoch", 1]}]
                            },
                            "owner": {"$literal": owner},
                            "expiresAt": _in(ttl),
                        }
                    }
                ],
                return_document=ReturnDocument.AFTER,
            )
        return None if found is None else _lease(found)

    def _last_epoch(self) -> int:
        """The epoch to go on from, also where the lease's record was lost."""
        last = self._generations.find_one(
            {"epoch": {"$exists": True}}, {"epoch": 1}, sort=[("epoch", DESCENDING)]
        )
        return int(last["epoch"]) if last else 0

    def renew(self, lease: Lease, ttl: timedelta) -> Lease | None:
        """See ``LeaseRepository.renew``."""
        with translated():
            found = self._records.find_one_and_update(
                _same(lease),
                [{"$set": {"expiresAt": _in(ttl)}}],
                return_document=ReturnDocument.AFTER,
            )
        return None if found is None else _lease(found)

    def release(self, lease: Lease) -> None:
        """See ``LeaseRepository.release``."""
        with translated():
            # The owner goes too: whoever comes next begins an epoch of its own.
            self._records.update_one(
                _same(lease), [{"$set": {"owner": "", "expiresAt": "$$NOW"}}]
            )

    def read(self) -> Lease | None:
        """See ``LeaseRepository.read``."""
        with translated():
            found = self._records.find_one({"_id": _LEASE_ID, "epoch": {"$gt": 0}})
        return None if found is None else _lease(found)


def _in(ttl: timedelta) -> Record:
    return {"$add": ["$$NOW", round(ttl.total_seconds() * 1000)]}


def _same(lease: Lease) -> Record:
    return {"_id": _LEASE_ID, "owner": lease.owner, "epoch": lease.epoch}


def _lease(record: Mapping[str, Any]) -> Lease:
    return Lease(record["epoch"], record["owner"], record["expiresAt"])


class MongoScheduleRepository:
    """See ``ScheduleRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_schedule``."""
        self._records = database["index_schedule"]

    def all(self) -> tuple[SweepRecord, ...]:
        """See ``ScheduleRepository.all``."""
        with translated():
            return tuple(map(_sweep, self._records.find(sort=[("_id", ASCENDING)])))

    def save(self, sweep: SweepRecord) -> None:
        """See ``ScheduleRepository.save``."""
        record = {
            "everySeconds": sweep.every_seconds,
            "description": sweep.description,
            "nextRunAt": sweep.next_run_at,
            "lastStartedAt": sweep.last_started_at,
            "lastFinishedAt": sweep.last_finished_at,
            "outcome": sweep.outcome.value if sweep.outcome else None,
            "detail": without_surrogates(sweep.detail),
            "isRunning": sweep.is_running,
            "runs": sweep.runs,
            "epoch": sweep.epoch,
        }
        wanted = {"_id": sweep.name, "epoch": {"$not": {"$gt": sweep.epoch}}}
        with translated():
            try:
                self._records.replace_one(wanted, record, upsert=True)
            except DuplicateKeyError as exc:
                message = f"sweep {sweep.name}: a later leader has written it"
                raise FencedError(message) from exc

    def keep_only(self, names: Sequence[str]) -> None:
        """See ``ScheduleRepository.keep_only``."""
        with translated():
            self._records.delete_many({"_id": {"$nin": list(names)}})


def _sweep(record: Mapping[str, Any]) -> SweepRecord:
    outcome = record["outcome"]
    return SweepRecord(
        name=record["_id"],
        every_seconds=record["everySeconds"],
        description=record["description"],
        next_run_at=record["nextRunAt"],
        last_started_at=record["lastStartedAt"],
        last_finished_at=record["lastFinishedAt"],
        outcome=SweepOutcome(outcome) if outcome else None,
        detail=record["detail"],
        is_running=record["isRunning"],
        runs=record["runs"],
        epoch=record["epoch"],
    )


class MongoReconcileRepository:
    """See ``ReconcileRepository``."""

    def __init__(self, database: Database[Record]) -> None:
        """Keep the records in ``index_reconciles``."""
        self._records = database["index_reconciles"]

    def save(self, report: ReconcileReport) -> None:
        """See ``ReconcileRepository.save``."""
        record = {
            "kind": report.kind,
            "startedAt": report.started_at,
            "finishedAt": report.finished_at,
            "checked": report.checked,
            "differences": dict(report.differences),
            "repaired": report.repaired,
            # Names of files are quoted here, which need not be Unicode.
            "refused": without_surrogates(report.refused),
            "samples": without_surrogates(report.samples),
        }
        with translated():
            before = self._records.find_one_and_replace(
                {"_id": report.report_id}, record, upsert=True
            )
            if report.kind != "storage":
                counted = sum(before["differences"].values()) if before else 0
                self._records.update_one(
                    {"_id": _TOTALS_ID},
                    {"$inc": {"drift": report.drift - counted}},
                    upsert=True,
                )
            if before is None:
                self._trim()

    def page(self, limit: int) -> tuple[ReconcileReport, ...]:
        """See ``ReconcileRepository.page``."""
        with translated():
            found = self._records.find(
                {"startedAt": {"$exists": True}},
                sort=[("startedAt", DESCENDING)],
                limit=limit,
            )
            return tuple(map(_report, found))

    def drift_total(self) -> int:
        """See ``ReconcileRepository.drift_total``."""
        with translated():
            found = self._records.find_one({"_id": _TOTALS_ID})
        return int(found["drift"]) if found else 0

    def _trim(self) -> None:
        oldest_kept = self._records.find_one(
            {"startedAt": {"$exists": True}},
            {"startedAt": 1},
            sort=[("startedAt", DESCENDING)],
            skip=_KEPT_REPORTS - 1,
        )
        if oldest_kept is not None:
            self._records.delete_many({"startedAt": {"$lt": oldest_kept["startedAt"]}})


def _report(record: Mapping[str, Any]) -> ReconcileReport:
    return ReconcileReport(
        report_id=record["_id"],
        kind=record["kind"],
        started_at=record["startedAt"],
        finished_at=record["finishedAt"],
        checked=record["checked"],
        differences=record["differences"],
        repaired=record["repaired"],
        refused=tuple(record["refused"]),
        samples=tuple(record["samples"]),
    )
