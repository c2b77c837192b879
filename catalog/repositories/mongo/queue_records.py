"""Records of ``queue``: their fields, and what both sides of the queue do to them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from pymongo.client_session import ClientSession
from pymongo.database import Database

from catalog.models.job import JobType
from catalog.repositories.mongo.client import Record, translated
from catalog.repositories.queue import OPEN_STATES, QueueState

Result = TypeVar("Result")

OPEN = [state.value for state in OPEN_STATES]

FRESH: Record = {
    "state": QueueState.WAITING.value,
    "attempt": 0,
    "isResumed": False,
    "isCancelled": False,
    "step": {},
    "told": {},
    "dueAt": None,
    "claim": None,
    "worker": None,
    "leaseUntil": None,
    "error": None,
}
"""A job that nobody has begun with."""

TOLD: Record = {"$ifNull": ["$told", {"$literal": {}}]}
"""What a webhook has said, in a pipeline."""

UNCLAIMED: Record = {"claim": None, "worker": None, "leaseUntil": None}


def step_set(step: Mapping[str, Any]) -> Record:
    """Write a step, in a pipeline; what was told of an earlier nonce goes with it."""
    nonce = step.get("nonce")
    is_same = {"$eq": [{"$ifNull": ["$step.nonce", None]}, {"$literal": nonce}]}
    return {
        "step": {"$literal": dict(step)},
        "told": {"$cond": [is_same, TOLD, {"$literal": {}}]},
    }


def in_transaction(
    database: Database[Record], work: Callable[[ClientSession], Result]
) -> Result:
    """Do something as a whole or not at all, acknowledged by a majority.

    Repeated by the driver where another transaction was first.
    """
    with translated(), database.client.start_session() as session:
        return session.with_transaction(work)


def server_time(database: Database[Record]) -> datetime:
    """Ask for MongoDB's time, in milliseconds; aware."""
    now: datetime = database.command("hello")["localTime"]
    return now


def next_version(record: Mapping[str, Any]) -> int:
    """Number of the version that comes after those of a job record."""
    versions = record.get("versions")
    numbers = [
        one["version"]
        for one in (versions if isinstance(versions, list) else ())
        if isinstance(one, Mapping) and isinstance(one.get("version"), int)
    ]
    return max(numbers, default=0) + 1


class Turns:
    """Fair turns: start-time fair queueing, one clock for each type of job.

    A job's turn comes one after its user's last, but not before the clock, which is
    the turn of the job that was claimed last. So a user's 10,000 jobs lie 10,000 turns
    ahead, and another user's first job comes next.
    """

    def __init__(self, database: Database[Record]) -> None:
        """Keep users' last turns and the clocks in ``queue_turns``."""
        self._records = database["queue_turns"]

    def lock(self, user_id: str, session: ClientSession) -> None:
        """Let other transactions of this user wait: their jobs can be counted then."""
        self._records.update_one(
            {"_id": {"user": user_id}},
            {"$inc": {"revision": 1}},
            upsert=True,
            session=session,
        )

    def take(self, user_id: str, type_: JobType, session: ClientSession) -> int:
        """Give a user the next turn of a type; after ``lock``."""
        clock = self._records.find_one({"_id": {"type": type_.value}}, session=session)
        user = self._records.find_one({"_id": {"user": user_id}}, session=session) or {}
        last = user.get("turns", {}).get(type_.value, 0)
        turn = max(clock["turn"] if clock else 0, last) + 1
        self._records.update_one(
            {"_id": {"user": user_id}},
            {"$set": {f"turns.{type_.value}": turn}},
            session=session,
        )
        return int(turn)

    def pass_on(self, type_: str, turn: int) -> None:
        """Move a type's clock on to a turn that was claimed."""
        self._records.update_one(
            {"_id": {"type": type_}}, {"$max": {"turn": turn}}, upsert=True
        )
