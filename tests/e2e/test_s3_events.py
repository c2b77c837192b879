"""A bucket on a server, its events in a queue, the processes as users start them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer
from pymongo.database import Database
from pytest_socket import enable_socket

from tests.e2e.stack import eventually, fetch
from tests.servers import TypesenseServer, free_port

Record = dict[str, Any]

REGION = "us-east-1"
JOB = "talk-1"
KEY = f"transcripts/ann/{JOB}/transcript.json"
NEVER = "86400"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class World:
    """The platform's side: a bucket, its queue and the job records; and the API's."""

    def __init__(self, moto_url: str, jobs: Any, environment: dict[str, str]) -> None:  # noqa: ANN401
        options = {
            "endpoint_url": moto_url,
            "region_name": REGION,
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
        }
        self.s3: Any = boto3.client("s3", **options)  # type: ignore[call-overload]
        self.sqs: Any = boto3.client("sqs", **options)  # type: ignore[call-overload]
        self.jobs = jobs
        self.bucket = f"b-{uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.queue_url: str = self.sqs.create_queue(QueueName=self.bucket)["QueueUrl"]
        self.environment = environment | {
            "CATALOG_STORAGE": f"s3://{self.bucket}",
            "CATALOG_S3_ENDPOINT_URL": moto_url,
            "CATALOG_S3_EVENTS_QUEUE_URL": self.queue_url,
            "CATALOG_SQS_ENDPOINT_URL": moto_url,
        }
        self.api = f"http://127.0.0.1:{environment['CATALOG_PORT']}"

    def send_events(self, *, on: bool) -> None:
        arn = self.sqs.get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        sent = [{"QueueArn": arn, "Events": events}] if on else []
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"QueueConfigurations": sent}
        )

    def put_transcript(self, text: str) -> None:
        said = {"speaker": "A", "text": text, "start": 0, "end": 900}
        body = orjson.dumps({"text": text, "utterances": [said]})
        self.s3.put_object(Bucket=self.bucket, Key=KEY, Body=body)

    def add_job(self) -> None:
        url = f"https://{self.bucket}.s3.amazonaws.com/{KEY}"
        self.jobs.insert_one(
            {
                "jobId": JOB,
                "userId": "ann",
                "type": "transcription",
                "status": "completed",
                "createdAt": datetime(2025, 5, 1, tzinfo=UTC),
                "config": {},
                "versions": [{"version": 1, "transcriptUrl": url}],
            }
        )

    def hits(self, words: str) -> list[Record]:
        answer = fetch(f"{self.api}/api/assets/search?q={words}&userId=ann")
        assert answer.status == 200, answer.body
        # Before the first build is done MongoDB answers, which proves nothing.
        hits: list[Record] = [] if answer.json.get("degraded") else answer.json["hits"]
        return hits

    def listed(self) -> Record:
        (asset,) = fetch(f"{self.api}/api/transcripts?userId=ann").json
        found: Record = asset
        return found

    def until_found(self, words: str) -> None:
        eventually(lambda: self.hits(words), what=f"finding {words!r}", seconds=30)

    def until_missing(self, *, missing: bool) -> None:
        eventually(
            lambda: self.listed().get("missing", False) is missing,
            what=f"missing being {missing}",
            seconds=30,
        )

    def messages(self) -> int:
        counted = self.sqs.get_queue_attributes(
            QueueUrl=self.queue_url, AttributeNames=["All"]
        )["Attributes"]
        return int(counted["ApproximateNumberOfMessages"]) + int(
            counted["ApproximateNumberOfMessagesNotVisible"]
        )


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    enable_socket()
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def world(
    moto_url: str,
    mongo_database: Database[Record],
    mongo_uri: str,
    typesense_server: TypesenseServer,
    index_prefix: str,
) -> World:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("CATALOG_")},
        **CREDENTIALS,
        "CATALOG_MONGO_URI": mongo_uri,
        "CATALOG_MONGO_DB": mongo_database.name,
        "CATALOG_TYPESENSE_URL": typesense_server.url,
        "CATALOG_TYPESENSE_API_KEY": typesense_server.api_key,
        "CATALOG_INDEX_PREFIX": index_prefix,
        "CATALOG_PORT": str(free_port()),
        "CATALOG_RESCAN_SECONDS": NEVER,
    }
    return World(moto_url, mongo_database["jobs"], environment)


@pytest.fixture
def start(world: World, tmp_path: Path) -> Iterator[Any]:
    """Start ``python -m indexer`` or ``api``; all are stopped at the end."""
    with ExitStack() as running:

        def started(name: str, **settings: str) -> "subprocess.Popen[bytes]":
            out = running.enter_context((tmp_path / f"{name}.log").open("ab"))
            process = subprocess.Popen(
                [sys.executable, "-m", name],
                env=world.environment | settings,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
            running.callback(process.wait, 15)
            running.callback(process.terminate)
            return process

        yield started


def test_what_happens_in_the_bucket_alone_is_seen_in_search(
    world: World,
    start: Any,  # noqa: ANN401
) -> None:
    world.send_events(on=True)
    world.put_transcript("wildfires in spring")
    world.add_job()
    start("api")
    indexer = start("indexer")
    world.until_found("wildfires")

    # Replaced, and no record of the platform says so.
    world.put_transcript("glaciers in autumn")
    world.until_found("glaciers")
    assert world.hits("wildfires") == []

    # A body that nobody can read is in nobody's way.
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody="hello")

    world.s3.delete_object(Bucket=world.bucket, Key=KEY)
    world.until_missing(missing=True)
    (hit,) = eventually(lambda: world.hits(""), what="the asset in hits")
    assert hit["missing"] is True

    world.put_transcript("meadows in summer")
    world.until_found("meadows")
    world.until_missing(missing=False)
    assert not world.hits("meadows")[0].get("missing")
    eventually(lambda: world.messages() == 1, what="the readable messages are deleted")

    indexer.terminate()
    assert indexer.wait(8) == 0


def test_events_that_were_lost_are_made_up_for_by_a_rescan(
    world: World,
    start: Any,  # noqa: ANN401
) -> None:
    world.put_transcript("wildfires in spring")
    world.s3.put_object(Bucket=world.bucket, Key="temp/other", Body=b"x")
    world.add_job()
    start("api")
    start("indexer", CATALOG_RESCAN_SECONDS="1")
    world.until_found("wildfires")

    world.put_transcript("glaciers in autumn")
    world.until_found("glaciers")

    world.s3.delete_object(Bucket=world.bucket, Key=KEY)
    world.until_missing(missing=True)

    world.put_transcript("meadows in summer")
    world.until_found("meadows")
    world.until_missing(missing=False)


def test_a_bucket_that_vanishes_takes_nothing_with_it(
    world: World,
    start: Any,  # noqa: ANN401
) -> None:
    world.send_events(on=True)
    world.put_transcript("wildfires in spring")
    world.add_job()
    start("api")
    start("indexer", CATALOG_RESCAN_SECONDS="1")
    world.until_found("wildfires")

    world.send_events(on=False)
    world.s3.delete_object(Bucket=world.bucket, Key=KEY)
    world.s3.delete_bucket(Bucket=world.bucket)
    told = (
        f'{{"Records": [{{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete",\
 "s3": {{"bucket": {{"name": "{world.bucket}"}}, "object": {{"key": "{KEY}"}}}}}}]}}'
    )
    world.sqs.send_message(QueueUrl=world.queue_url, MessageBody=told)

    status = world.jobs.database["index_status"]
    eventually(
        lambda: "bucket" in str((status.find_one() or {}).get("problem")),
        what="the bucket's absence is told",
    )
    assert world.hits("wildfires")
    assert not world.listed().get("missing")
    assert world.messages() == 1
