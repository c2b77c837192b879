"""Opens the MongoDB client and translates the driver's exceptions; no queries."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from bson.errors import BSONError
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from catalog.errors import (
    DependencyError,
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidRequestError,
)

Record = dict[str, Any]
"""A MongoDB document, as the driver gives it."""

DEPENDENCY = "mongodb"

_TIMEOUTS = {
    "serverselectiontimeoutms": 5_000,
    "connecttimeoutms": 5_000,
    "sockettimeoutms": 60_000,
    "waitqueuetimeoutms": 10_000,
    "wtimeoutms": 15_000,
}
"""Milliseconds; what the address itself says wins."""

_UNAVAILABLE_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        43,  # CursorNotFound: the server restarted
        46,  # LockBusy
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        134,  # ReadConcernMajorityNotAvailableYet
        189,  # PrimarySteppedDown
        237,  # CursorKilled
        239,  # SnapshotTooOld: it was read for longer than the server remembers
        246,  # SnapshotUnavailable: an index is being made; a later one will do
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        14031,  # OutOfDiskSpace
    }
)
"""Server errors that pass by themselves (MongoDB's ``error_codes.yml``)."""

_TRANSIENT_LABELS = ("RetryableWriteError", "TransientTransactionError")

_DETAIL_LENGTH = 500


def connect(uri: str, *, app_name: str) -> MongoClient[Record]:
    """Make a client; it connects at first use.

    Reads tolerate what other writers did: dates beyond the years 1 to 9999 stay
    numbers, broken UTF-8 becomes U+FFFD. Writes are acknowledged by a majority.

    Args:
        uri: ``mongodb://`` or ``mongodb+srv://``; its time-outs win over ours.
        app_name: Shown in the server's logs.

    Raises:
        InvalidRequestError: The address is malformed.
    """
    named = {name.lower() for name, _ in parse_qsl(uri.partition("?")[2])}
    options: dict[str, Any] = {k: v for k, v in _TIMEOUTS.items() if k not in named}
    try:
        return MongoClient(
            uri,
            appname=app_name,
            connect=False,
            tz_aware=True,
            uuidRepresentation="standard",
            unicode_decode_error_handler="replace",
            datetime_conversion="DATETIME_AUTO",
            w="majority",
            retryWrites=True,
            retryReads=True,
            **options,
        )
    except (ConfigurationError, ValueError, TypeError) as exc:
        raise InvalidRequestError("CATALOG_MONGO_URI", str(exc)) from exc


def ping(client: MongoClient[Record]) -> None:
    """Ask the server whether it is there.

    Raises:
        DependencyUnavailableError: It did not answer; retryable.
    """
    with translated():
        client.admin.command("ping")


@contextmanager
def translated() -> Iterator[None]:
    """Let no exception of the driver out; see ``translate``."""
    try:
        yield
    except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError) as exc:
        raise translate(exc) from exc


def translate(exc: Exception) -> DependencyError:
    """Find our error for one of the driver's, most specific match first."""
    detail = str(exc)[:_DETAIL_LENGTH]
    match exc:
        case BulkWriteError():
            is_passing = _bulk_passes(exc.details)
        case WriteConcernError():
            is_passing = True
        case OperationFailure():
            is_passing = (
                exc.code in _UNAVAILABLE_CODES
                or exc.timeout
                or any(map(exc.has_error_label, _TRANSIENT_LABELS))
            )
        case ConnectionFailure() | InvalidOperation():
            is_passing = True  # InvalidOperation: the client was closed meanwhile
        case ConfigurationError():
            # What a server that is just starting seems not to know (seen after kills).
            is_passing = "Sessions are not supported" in detail
        case PyMongoError():
            is_passing = exc.timeout
        case _:
            is_passing = False  # it could not be written as BSON
    kind = DependencyUnavailableError if is_passing else DependencyRejectedError
    return kind(DEPENDENCY, f"{type(exc).__name__}: {detail}")


def _bulk_passes(details: Mapping[str, Any] | None) -> bool:
    errors = (details or {}).get("writeErrors", ())
    return all(error.get("code") in _UNAVAILABLE_CODES for error in errors)


def as_integer(time: Timestamp) -> int:
    """Write a cluster time as one integer: seconds << 32 | increment."""
    return time.time << 32 | time.inc


def as_timestamp(cluster_time: int) -> Timestamp:
    """Undo ``as_integer``."""
    return Timestamp(cluster_time >> 32, cluster_time & 0xFFFFFFFF)
