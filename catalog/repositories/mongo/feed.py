"""``ChangeFeed`` over MongoDB: where to begin, and the resume ladder.

The stream itself is ``catalog.repositories.mongo.feed_stream``.
"""

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from catalog.clock import Clock, SystemClock
from catalog.errors import HistoryLostError
from catalog.repositories.index_state import ChangeStream, FeedPosition
from catalog.repositories.mongo.client import (
    DEPENDENCY,
    Record,
    as_integer,
    as_timestamp,
    translate,
    translated,
)
from catalog.repositories.mongo.feed_stream import (
    HISTORY_LOST_CODES,
    PIPELINE_HASH,
    MongoChangeStream,
    OpenCursor,
    token_time,
)

BAD_TOKEN_CODES = frozenset({260, 280, 9, 50811, 40649})
"""What the server says of a token that it can't use (measured on 6.0.5)."""


class MongoChangeFeed:
    """Keys-only change streams over one database."""

    def __init__(
        self, database: Database[Record], *, clock: Clock | None = None
    ) -> None:
        """Stand on a database of a replica set or sharded cluster."""
        self._database = database
        self._clock = clock or SystemClock()

    def current(self) -> FeedPosition:
        """See ``ChangeFeed.current``."""
        with translated():
            return FeedPosition(
                # The token of a stream from now lies one tick in the future, which
                # is what `open` must refuse; the time says the same, inclusively.
                token=None,
                cluster_time=self._server_time(),
                pipeline_hash=PIPELINE_HASH,
                replica_set=self._replica_set_id(),
            )

    def oldest(self) -> int:
        """See ``ChangeFeed.oldest``."""
        oplog = self._database.client["local"]["oplog.rs"]
        with translated():
            try:
                first = oplog.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
            except OperationFailure as exc:
                if translate(exc).retryable:
                    raise
                return 0  # no privilege, or a router of a sharded cluster
        return as_integer(first["ts"]) if first else 0

    def open(self, position: FeedPosition) -> ChangeStream:
        """See ``ChangeFeed.open``."""
        with translated():
            self._check(position)
            cursor = self._resume(position)
            replica_set = self._replica_set_id() or position.replica_set
        return MongoChangeStream(
            cursor,
            FeedPosition(
                token=position.token if cursor.is_from_token else None,
                cluster_time=position.cluster_time,
                pipeline_hash=PIPELINE_HASH,
                replica_set=replica_set,
            ),
            clock=self._clock,
            reopen=self._resume,
        )

    def _check(self, position: FeedPosition) -> None:
        """Refuse a position that the server would accept and stay silent about."""
        replica_set = self._replica_set_id()
        known = replica_set and position.replica_set
        if known and replica_set != position.replica_set:
            problem = f"the position is of another replica set ({position.replica_set})"
            raise HistoryLostError(DEPENDENCY, problem)
        reached = self._server_time()
        newest = max(position.cluster_time, token_time(position.token) or 0)
        if newest > reached:
            raise HistoryLostError(DEPENDENCY, "the position is in the server's future")

    def _resume(self, position: FeedPosition) -> OpenCursor:
        """Climb the ladder: token, cluster time; never "from now"."""
        if position.token is not None and position.pipeline_hash == PIPELINE_HASH:
            try:
                # Unlike resumeAfter this also takes the token of an invalidation.
                options = {"startAfter": dict(position.token)}
                return OpenCursor(self._database, options, is_from_token=True)
            except OperationFailure as exc:
                # One of BAD_TOKEN_CODES as a rule; a token of another form altogether
                # has further codes. To go on by time repeats some, and loses nothing.
                if exc.code in HISTORY_LOST_CODES or translate(exc).retryable:
                    raise _lost_or_same(exc) from exc
        try:
            at = as_timestamp(position.cluster_time)
            return OpenCursor(self._database, {"startAtOperationTime": at})
        except OperationFailure as exc:
            raise _lost_or_same(exc) from exc

    def _server_time(self) -> int:
        return as_integer(self._database.command("ping")["operationTime"])

    def _replica_set_id(self) -> str:
        """Id of the replica set; empty where we may not know.

        Asked anew each time: another server may answer at the same address.
        """
        try:
            answer = self._database.client.admin.command("replSetGetConfig")
        except OperationFailure as exc:
            if translate(exc).retryable:
                raise
            return ""  # no privilege (clusterMonitor), or a router of a cluster
        settings = answer["config"].get("settings", {})
        return str(settings.get("replicaSetId", ""))


def _lost_or_same(exc: OperationFailure) -> PyMongoError | HistoryLostError:
    if exc.code in HISTORY_LOST_CODES:
        return HistoryLostError(DEPENDENCY, str(exc)[:300])
    return exc
