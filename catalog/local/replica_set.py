"""Speaks to a MongoDB server about its replica set; the one use of pymongo here.

The driver is used directly because the server is not yet a database that the
repositories could open: it has no primary.
"""

from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from catalog.errors import StackError

NAME = "catalog"
_NOT_YET_INITIALIZED = 94
_INVALID_CONFIG = 93
_PATIENCE_MS = 1000
_CONFIRMED_FROM = 7
"""From this release on, feature versions are raised on confirmation only."""


def uri_of(port: int) -> str:
    """Address of the bundled server on ``port``, as a driver wants it."""
    return f"mongodb://127.0.0.1:{port}/?replicaSet={NAME}&directConnection=true"


def is_primary(port: int) -> bool:
    """Bring the bundled server on ``port`` to be primary, one step at a call.

    Initiates a new replica set; a server that came back on another port is told so
    (forced, since a one-node set without its node has no primary to ask).

    Returns:
        Whether it takes writes now.
    """
    try:
        with _connect(f"mongodb://127.0.0.1:{port}/?directConnection=true") as client:
            if client.admin.command("hello").get("isWritablePrimary"):
                return True
            _repair(client, f"127.0.0.1:{port}")
            return bool(client.admin.command("hello").get("isWritablePrimary"))
    except PyMongoError:
        return False  # still starting, or between two states: asked again soon


def raise_feature_version(uri: str, version: str) -> None:
    """Let MongoDB write what the release before can't read; idempotent.

    Raises:
        StackError: It refuses.
    """
    command: dict[str, Any] = {"setFeatureCompatibilityVersion": version}
    if int(version.partition(".")[0]) >= _CONFIRMED_FROM:
        command["confirm"] = True
    try:
        with _connect(uri, patience_ms=30_000) as client:
            client.admin.command(command)
    except PyMongoError as exc:
        raise StackError(
            f"MongoDB does not take feature version {version}: {exc}"
        ) from exc


def answers(uri: str) -> bool:
    """Tell whether a primary answers at ``uri``."""
    try:
        with _connect(uri) as client:
            client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def check(uri: str) -> None:
    """Refuse a given server that cannot serve the catalog.

    Raises:
        StackError: It does not answer, or has no change streams.
    """
    try:
        with _connect(uri, patience_ms=5000) as client:
            hello = client.admin.command("hello")
    except ConfigurationError as exc:
        raise StackError(f"CATALOG_MONGO_URI cannot be used: {exc}") from exc
    except OperationFailure as exc:
        raise StackError(
            f"MongoDB at CATALOG_MONGO_URI refuses us: {exc.details or exc}"
        ) from exc
    except PyMongoError as exc:
        raise StackError(
            f"No MongoDB answers at CATALOG_MONGO_URI ({exc}). Unset it, and "
            "`catalog up` starts the bundled server."
        ) from exc
    if not hello.get("setName") and hello.get("msg") != "isdbgrid":
        raise StackError(
            "The MongoDB at CATALOG_MONGO_URI is not a replica set, so it has no "
            "change streams. Start it with --replSet and run rs.initiate() once."
        )


def _repair(client: MongoClient[dict[str, Any]], host: str) -> None:
    try:
        client.admin.command("replSetGetStatus")
    except OperationFailure as exc:
        if exc.code == _NOT_YET_INITIALIZED:
            members = [{"_id": 0, "host": host}]
            client.admin.command("replSetInitiate", {"_id": NAME, "members": members})
        elif exc.code == _INVALID_CONFIG:
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"] = [config["members"][0] | {"host": host}]
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)
        else:
            raise


def _connect(
    uri: str, *, patience_ms: int = _PATIENCE_MS
) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        uri,
        serverSelectionTimeoutMS=patience_ms,
        connectTimeoutMS=patience_ms,
        socketTimeoutMS=max(patience_ms, 5000),
        appname="asset-catalog-up",
    )
