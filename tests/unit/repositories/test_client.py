"""No exception of the driver crosses a port, and only passing trouble is retried."""

from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidRequestError,
)
from catalog.repositories.mongo.client import (
    as_integer,
    as_timestamp,
    connect,
    translated,
)

PASSING: tuple[Exception, ...] = (
    AutoReconnect("gone"),
    NetworkTimeout("slow"),
    ServerSelectionTimeoutError("nobody"),
    NotPrimaryError("elsewhere"),
    ExecutionTimeout("slow", 50),
    WTimeoutError("slow", 64),
    OperationFailure("shutting down", 11600),
    OperationFailure("snapshot too old", 239),
    OperationFailure("snapshot unavailable", 246),
    OperationFailure("retry", 1, {"errorLabels": ["RetryableWriteError"]}),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
    InvalidOperation("client closed"),
    ConfigurationError("Sessions are not supported by this MongoDB deployment"),
)
LASTING: tuple[Exception, ...] = (
    OperationFailure("unauthorized", 13),
    OperationFailure("bad value", 2),
    BulkWriteError({"writeErrors": [{"code": 11000}]}),
    DocumentTooLarge("17 MB"),
    ConfigurationError("no such option"),
    InvalidDocument("no such type"),
    OverflowError("more than 64 bits"),
)


def named(error: Exception) -> str:
    return f"{type(error).__name__} {error}"


@pytest.mark.parametrize("error", PASSING, ids=named)
def test_trouble_that_passes_is_retryable(error: Exception) -> None:
    with pytest.raises(DependencyUnavailableError) as caught, translated():
        raise error

    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", LASTING, ids=named)
def test_our_own_mistakes_are_not_retried(error: Exception) -> None:
    with pytest.raises(DependencyRejectedError) as caught, translated():
        raise error

    assert caught.value.dependency == "mongodb"


@pytest.mark.parametrize("uri", ["", "http://x", "mongodb://"])
def test_a_malformed_address_is_named(uri: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        connect(uri, app_name="tests")

    assert caught.value.field == "CATALOG_MONGO_URI"


def test_the_addresses_own_time_outs_win() -> None:
    uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=70"

    with connect(uri, app_name="tests") as client:
        options: Any = client.options

        assert options.server_selection_timeout == pytest.approx(0.07)
        assert client.write_concern.document["w"] == "majority"
        assert client.codec_options.tz_aware


def test_cluster_times_survive_as_integers() -> None:
    time = as_timestamp(1795387772 << 32 | 7)

    assert (time.time, time.inc) == (1795387772, 7)
    assert as_integer(time) == 1795387772 << 32 | 7
