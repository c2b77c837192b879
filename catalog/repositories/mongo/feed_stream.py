"""One open change stream, read command by command.

The driver's own ``ChangeStream`` waits the same time for every read; here the first
read of a batch may wait a second and the later ones only what is left to linger.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from bson.int64 import Int64
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from catalog.clock import Clock
from catalog.errors import DependencyUnavailableError, HistoryLostError
from catalog.repositories.index_state import Change, ChangeKind, FeedPosition
from catalog.repositories.mongo.client import DEPENDENCY, Record, as_integer, translated

WATCHED = ("jobs", "annotations", "objects", "extractions", "collection_members")

PIPELINE: list[Record] = [
    {
        "$match": {
            "$or": [
                {"ns.coll": {"$in": list(WATCHED)}},
                {"to.coll": {"$in": list(WATCHED)}},
                {"operationType": {"$in": ["dropDatabase", "invalidate"]}},
            ]
        }
    },
    # Keys only: an event stays at some 250 bytes, whatever the record's size. To
    # project `_id`, the token, away would be fatal (280).
    {
        "$project": {
            "fullDocument": 0,
            "fullDocumentBeforeChange": 0,
            "updateDescription": 0,
            "lsid": 0,
            "txnNumber": 0,
            "wallTime": 0,
        }
    },
]

PIPELINE_HASH = blake2b(repr(PIPELINE).encode(), digest_size=8).hexdigest()

HISTORY_LOST_CODES = frozenset({286, 10334})
"""ChangeStreamHistoryLost; BSONObjectTooLarge (the good events before it are lost)."""

_POSITION_LOST = 136
"""CappedPositionLost: an open, slow cursor fell off the oplog."""

_FIRST_WAIT_MS = 1000
_FIRST_BATCH = 500

_RECORD_OPERATIONS = frozenset({"insert", "update", "replace", "delete"})
_TOKEN_TIME = re.compile(r"82([0-9A-Fa-f]{16})")


def token_time(token: Mapping[str, Any] | None) -> int | None:
    """Read the cluster time out of a resume token, if its format is the known one.

    The format is no public interface (``reliability.md`` 2: hex 2 to 18).
    """
    data = (token or {}).get("_data")
    found = _TOKEN_TIME.match(data) if isinstance(data, str) else None
    return int(found[1], 16) if found else None


class OpenCursor:
    """The server's cursor of a change stream."""

    def __init__(
        self,
        database: Database[Record],
        start: Mapping[str, Any],
        *,
        is_from_token: bool = False,
    ) -> None:
        """Open it; nothing is waited for.

        Args:
            database: To watch.
            start: ``startAfter``, ``startAtOperationTime``, or nothing for now.
            is_from_token: Remembered for the caller.

        Raises:
            OperationFailure: The server does not start there.
        """
        self._database = database
        self.is_from_token = is_from_token
        # A cursor can be read in the session that made it only.
        self._session = database.client.start_session(causal_consistency=False)
        try:
            answer = database.command(
                "aggregate",
                1,
                pipeline=[{"$changeStream": dict(start)}, *PIPELINE],
                cursor={"batchSize": _FIRST_BATCH},
                codec_options=database.codec_options,
                session=self._session,
            )
        except BaseException:
            self._session.end_session()
            raise
        self._id: int = answer["cursor"]["id"]
        self.first: list[Record] = answer["cursor"]["firstBatch"]
        self.is_full = len(self.first) >= _FIRST_BATCH
        """The last answer was as long as it may be: more may be there already."""
        self.token: Mapping[str, Any] | None = answer["cursor"].get(
            "postBatchResumeToken"
        )

    @property
    def is_alive(self) -> bool:
        """Whether there is more to come."""
        return self._id != 0

    def more(self, most: int, wait_ms: int) -> list[Record]:
        """Read on, waiting for the first event at most ``wait_ms``."""
        try:
            answer = self._database.command(
                "getMore",
                Int64(self._id),
                collection="$cmd.aggregate",
                batchSize=most,
                maxTimeMS=wait_ms,
                codec_options=self._database.codec_options,
                session=self._session,
            )
        except PyMongoError:
            self._id = 0  # gone already, or its server is: closing must not wait
            raise
        self._id = answer["cursor"]["id"]
        self.token = answer["cursor"].get("postBatchResumeToken", self.token)
        events: list[Record] = answer["cursor"]["nextBatch"]
        self.is_full = len(events) >= most
        return events

    def close(self) -> None:
        """Give it back; the server forgets it by itself if that fails."""
        cursor_id, self._id = self._id, 0
        try:
            if cursor_id:
                self._database.command(
                    "killCursors",
                    "$cmd.aggregate",
                    cursors=[Int64(cursor_id)],
                    session=self._session,
                )
        except PyMongoError:
            return
        finally:
            self._session.end_session()


@dataclass(frozen=True, slots=True)
class _Event:
    """An event of the server, cut down to what counts."""

    token: Mapping[str, Any]
    changes: tuple[Change, ...]
    cluster_time: int


class MongoChangeStream:
    """An open change stream; used by one thread."""

    def __init__(
        self,
        cursor: OpenCursor,
        position: FeedPosition,
        *,
        clock: Clock,
        reopen: Callable[[FeedPosition], OpenCursor],
    ) -> None:
        """Go on from an open cursor.

        Args:
            cursor: As the feed has opened it.
            position: Where that is.
            clock: Measures the lingering.
            reopen: Climbs the resume ladder anew.
        """
        self._cursor = cursor
        self._position = position
        self._clock = clock
        self._reopen = reopen
        self._events = deque(map(_event, cursor.first))
        self._is_closed = False

    @property
    def position(self) -> FeedPosition:
        """See ``ChangeStream.position``."""
        return self._position

    def next_batch(self, *, max_changes: int, linger_seconds: float) -> list[Change]:
        """See ``ChangeStream.next_batch``."""
        changes: list[Change] = []
        with translated():
            changes += self._take(max_changes)
            if not changes:
                self._read(max_changes, _FIRST_WAIT_MS)
                changes += self._take(max_changes)
            deadline = self._clock.monotonic() + linger_seconds
            while changes and len(changes) < max_changes and self._cursor.is_alive:
                left_ms = int((deadline - self._clock.monotonic()) * 1000)
                if left_ms <= 0:
                    break
                self._read(max_changes - len(changes), left_ms)
                changes += self._take(max_changes - len(changes))
        return changes

    def close(self) -> None:
        """See ``ChangeStream.close``."""
        self._is_closed = True
        self._events.clear()
        self._cursor.close()

    def _read(self, most: int, wait_ms: int) -> None:
        if self._is_closed or not self._cursor.is_alive:
            raise DependencyUnavailableError(DEPENDENCY, "the change stream has ended")
        try:
            self._events.extend(map(_event, self._cursor.more(most, wait_ms)))
        except OperationFailure as exc:
            if exc.code in HISTORY_LOST_CODES:
                raise HistoryLostError(DEPENDENCY, str(exc)[:300]) from exc
            if exc.code != _POSITION_LOST:
                # Whatever ended it: if it lasts, reopening will say so.
                raise DependencyUnavailableError(DEPENDENCY, str(exc)[:300]) from exc
            # The position after the last event may still be in the oplog.
            self._cursor.close()
            self._cursor = self._reopen(self._position)
            self._events.extend(map(_event, self._cursor.first))

    def _take(self, most: int) -> Iterator[Change]:
        """Hand out what was read; the position moves with it."""
        count = 0
        while self._events and count < most:
            event = self._events.popleft()
            count += len(event.changes)
            is_last = (
                self._events[0].cluster_time > event.cluster_time
                if self._events
                else not self._cursor.is_full
            )
            self._move(event.token, event.cluster_time, is_last=is_last)
            yield from event.changes
        if not self._events and self._cursor.token is not None:
            self._move(self._cursor.token, None, is_last=not self._cursor.is_full)

    def _move(
        self, token: Mapping[str, Any], cluster_time: int | None, *, is_last: bool
    ) -> None:
        """Go on; a moment is reached with the last event of it.

        Those of a transaction share one moment, and whoever waits for it (freshness
        tokens, a catching-up generation) waits for all of them.
        """
        reached = token_time(token) or cluster_time or 0
        if not is_last:
            reached -= 1
        self._position = replace(
            self._position,
            token=token,
            cluster_time=max(reached, self._position.cluster_time),
        )


def _event(raw: Mapping[str, Any]) -> _Event:
    operation = raw["operationType"]
    time = as_integer(raw["clusterTime"])
    collection = raw.get("ns", {}).get("coll")
    if operation in _RECORD_OPERATIONS:
        key = raw["documentKey"]["_id"]
        change = Change(ChangeKind.RECORD, collection, key, time)
        return _Event(raw["_id"], (change,), time)
    if collection is None:  # the whole database, or the stream itself
        touched = set(WATCHED)
    else:
        touched = {collection, raw.get("to", {}).get("coll")} & set(WATCHED)
    changes = tuple(
        Change(ChangeKind.STRUCTURE, name, None, time)
        for name in WATCHED
        if name in touched
    )
    return _Event(raw["_id"], changes, time)
