"""The queue of the store's notifications as an SQS queue, over boto3."""

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from catalog.errors import (
    DependencyError,
    DependencyRejectedError,
    DependencyUnavailableError,
)
from catalog.storage.base import QueuedMessage

log = logging.getLogger(__name__)

QUEUE = "queue"
_MOST = 10
"""Messages in one request (Amazon SQS API reference)."""

_OUR_MISTAKES = (
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
_REFUSALS = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidAddress",
    }
)


class SqsClient(Protocol):
    """What we call of boto3's SQS client; the stubs exist only where tests run."""

    def receive_message(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401, D102
        ...

    def delete_message_batch(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401, D102
        ...

    def change_message_visibility_batch(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401, D102
        ...


def connect_sqs(endpoint_url: str | None, region: str) -> SqsClient:
    """Make a client; opens no connection yet. Credentials come from boto3's chain.

    Args:
        endpoint_url: Endpoint other than AWS.
        region: Region of the queue.

    Returns:
        A thread-safe client whose read time-out lets a long poll end.
    """
    config = Config(
        connect_timeout=5,
        read_timeout=30,
        # A request is tried once: the loop waits between attempts and says so.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=16,
    )
    client = boto3.session.Session().client(
        "sqs", endpoint_url=endpoint_url, region_name=region, config=config
    )
    return cast("SqsClient", client)


class SqsEventQueue:
    """``ObjectEventQueue`` over one SQS queue."""

    def __init__(self, queue_url: str, *, client: SqsClient) -> None:
        """Look at a queue through a client.

        Args:
            queue_url: Its address, as SQS names it.
            client: See ``connect_sqs``.
        """
        self._queue_url = queue_url
        self._client = client

    def receive(
        self, *, limit: int, wait_seconds: float, visibility_seconds: float
    ) -> Sequence[QueuedMessage]:
        """See ``ObjectEventQueue.receive``."""
        try:
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=min(limit, _MOST),
                WaitTimeSeconds=round(wait_seconds),
                VisibilityTimeout=round(visibility_seconds),
                AttributeNames=["ApproximateReceiveCount"],
            )
        except (ClientError, BotoCoreError) as exc:
            raise _translated(exc) from exc
        return tuple(
            QueuedMessage(
                message_id=raw["MessageId"],
                receipt=raw["ReceiptHandle"],
                body=raw["Body"],
                receives=int(
                    raw.get("Attributes", {}).get("ApproximateReceiveCount", 1)
                ),
            )
            for raw in answer.get("Messages", ())
        )

    def hold(
        self, messages: Sequence[QueuedMessage], visibility_seconds: float
    ) -> None:
        """See ``ObjectEventQueue.hold``."""
        for entries in _entries(messages):
            timed = [
                e | {"VisibilityTimeout": round(visibility_seconds)} for e in entries
            ]
            try:
                answer = self._client.change_message_visibility_batch(
                    QueueUrl=self._queue_url, Entries=timed
                )
            except (ClientError, BotoCoreError) as exc:
                raise _translated(exc) from exc
            _tell_failed("hold", answer)

    def delete(self, messages: Sequence[QueuedMessage]) -> None:
        """See ``ObjectEventQueue.delete``."""
        for entries in _entries(messages):
            try:
                answer = self._client.delete_message_batch(
                    QueueUrl=self._queue_url, Entries=entries
                )
            except (ClientError, BotoCoreError) as exc:
                raise _translated(exc) from exc
            _tell_failed("delete", answer)


def _entries(messages: Sequence[QueuedMessage]) -> Iterator[list[dict[str, Any]]]:
    rest = iter(messages)
    while part := list(islice(rest, _MOST)):
        yield [
            {"Id": str(place), "ReceiptHandle": message.receipt}
            for place, message in enumerate(part)
        ]


def _tell_failed(what: str, answer: dict[str, Any]) -> None:
    failed = answer.get("Failed", ())
    if failed:
        codes = sorted({str(entry.get("Code")) for entry in failed})
        log.info("messages not done", extra={"what": what, "codes": codes})


def _translated(exc: Exception) -> DependencyError:
    """The one table from what boto3 raises to what the port promises."""
    if not isinstance(exc, ClientError):
        is_ours = isinstance(exc, _OUR_MISTAKES)
    else:
        is_ours = str(exc.response.get("Error", {}).get("Code", "")) in _REFUSALS
    kind = DependencyRejectedError if is_ours else DependencyUnavailableError
    return kind(QUEUE, str(exc))
