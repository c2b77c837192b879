"""The contract of ``ObjectEventQueue``, and what a bucket really sends into one."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer
from pytest_socket import enable_socket

from catalog.errors import DependencyRejectedError, DependencyUnavailableError
from catalog.storage.base import ObjectEventQueue, QueuedMessage
from catalog.storage.events import parse_notification
from catalog.storage.sqs import SqsEventQueue, connect_sqs

REGION = "us-east-1"


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    enable_socket()
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def client(moto_url: str) -> Any:  # noqa: ANN401
    return boto3.client("sqs", endpoint_url=moto_url, region_name=REGION)


@pytest.fixture
def queue_url(client: Any) -> str:  # noqa: ANN401
    url: str = client.create_queue(QueueName=f"q-{uuid4().hex[:8]}")["QueueUrl"]
    return url


@pytest.fixture
def queue(queue_url: str, moto_url: str) -> ObjectEventQueue:
    return SqsEventQueue(queue_url, client=connect_sqs(moto_url, REGION))


def receive(queue: ObjectEventQueue, *, visibility: float = 60) -> list[QueuedMessage]:
    return list(queue.receive(limit=10, wait_seconds=0, visibility_seconds=visibility))


def until_received(queue: ObjectEventQueue, seconds: float = 5) -> list[QueuedMessage]:
    deadline = time.monotonic() + seconds
    while True:
        found = receive(queue)
        if found:
            return found
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.05)  # noqa: TID251  (the server delivers)


def test_a_message_is_ours_until_it_is_deleted(
    queue: ObjectEventQueue,
    client: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    client.send_message(QueueUrl=queue_url, MessageBody="hello ü")

    (message,) = receive(queue)
    assert (message.body, message.receives) == ("hello ü", 1)
    assert receive(queue) == []

    queue.delete([message])
    queue.hold([message], 0)  # not ours any more: passed over
    assert receive(queue) == []


def test_a_message_that_is_given_back_comes_again(
    queue: ObjectEventQueue,
    client: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    client.send_message(QueueUrl=queue_url, MessageBody="x")
    (first,) = receive(queue)

    queue.hold([first], 0)

    (second,) = until_received(queue)
    assert second.message_id == first.message_id
    assert second.receives == 2


def test_a_message_that_is_held_does_not_come_back_meanwhile(
    queue: ObjectEventQueue,
    client: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    client.send_message(QueueUrl=queue_url, MessageBody="x")
    found = receive(queue, visibility=1)

    queue.hold(found, 60)
    time.sleep(1.2)  # noqa: TID251  (its first time is over on the server)

    assert receive(queue) == []


def test_at_most_ten_come_at_once_and_more_can_be_deleted(
    queue: ObjectEventQueue,
    client: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    for number in range(13):
        client.send_message(QueueUrl=queue_url, MessageBody=str(number))

    first, second = receive(queue), receive(queue)
    queue.delete([*first, *second])

    assert (len(first), len(second)) == (10, 3)
    left = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    assert left["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_nothing_to_hold_or_delete_is_no_request(queue_url: str) -> None:
    queue = SqsEventQueue(queue_url, client=connect_sqs("http://127.0.0.1:9", REGION))

    queue.hold([], 60)
    queue.delete([])


def test_a_queue_that_is_not_there_is_our_mistake(
    moto_url: str, queue_url: str
) -> None:
    client = connect_sqs(moto_url, REGION)

    with pytest.raises(DependencyRejectedError):
        receive(SqsEventQueue(queue_url + "-other", client=client))


@pytest.mark.parametrize(
    "act",
    [
        receive,
        lambda queue: queue.delete([QueuedMessage("m", "r", "")]),
        lambda queue: queue.hold([QueuedMessage("m", "r", "")], 0),
    ],
    ids=["receive", "delete", "hold"],
)
def test_a_server_that_is_away_is_told_in_our_words(
    act: Callable[[ObjectEventQueue], object], queue_url: str
) -> None:
    away = SqsEventQueue(queue_url, client=connect_sqs("http://127.0.0.1:9", REGION))

    with pytest.raises(DependencyUnavailableError):
        act(away)


def test_what_a_bucket_sends_names_the_object(
    queue: ObjectEventQueue,
    client: Any,  # noqa: ANN401
    queue_url: str,
    moto_url: str,
) -> None:
    s3 = boto3.client("s3", endpoint_url=moto_url, region_name=REGION)
    bucket = f"b-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    arn = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": arn["Attributes"]["QueueArn"],
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                }
            ]
        },
    )
    key = "transcripts/ann/job 1/a+b ü%20.json"
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_object(Bucket=bucket, Key=key)

    found = until_received(queue)

    told = [parse_notification(message.body) for message in found]
    assert not [problem for one in told for problem in one.problems]
    assert {"s3:TestEvent"} <= {name for one in told for name in one.ignored}
    events = [event for one in told for event in one.events]
    assert {(event.bucket, event.key) for event in events} == {(bucket, key)}
    assert {event.name.partition(":")[0] for event in events} == {
        "ObjectCreated",
        "ObjectRemoved",
    }


def test_a_message_nobody_can_read_goes_where_the_redrive_policy_says(
    queue: ObjectEventQueue,
    client: Any,  # noqa: ANN401
    queue_url: str,
) -> None:
    dead_url = client.create_queue(QueueName=f"dead-{uuid4().hex[:8]}")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": 2,
    }
    client.set_queue_attributes(
        QueueUrl=queue_url, Attributes={"RedrivePolicy": orjson.dumps(policy).decode()}
    )
    client.send_message(QueueUrl=queue_url, MessageBody="hello")

    for _ in range(3):
        queue.hold(receive(queue), 0)

    dead = client.receive_message(QueueUrl=dead_url).get("Messages", [])
    assert [message["Body"] for message in dead] == ["hello"]
