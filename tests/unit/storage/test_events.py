from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.repositories.sightings import padded_sequencer
from catalog.storage.events import ObjectEvent, parse_notification

KEY = "transcripts/ann/job 1/a+b ü.json"
ENCODED = "transcripts/ann/job+1/a%2Bb+%C3%BC.json"


def s3(
    key: str, name: str = "ObjectCreated:Put", *, source: str = "aws:s3", **fields: str
) -> dict[str, object]:
    return {
        "eventSource": source,
        "eventName": name,
        "s3": {"bucket": {"name": "bucket"}, "object": {"key": key, **fields}},
    }


def body(*records: object) -> str:
    return orjson.dumps({"Records": records}).decode()


def bridged(kind: str, key: str = KEY) -> str:
    detail = {"bucket": {"name": "bucket"}, "object": {"key": key, "sequencer": "0A"}}
    return orjson.dumps(
        {"source": "aws.s3", "detail-type": kind, "detail": detail}
    ).decode()


def wrapped(inner: str) -> str:
    return orjson.dumps({"Type": "Notification", "Message": inner}).decode()


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            body(s3(ENCODED, sequencer="0A")),
            ObjectEvent("bucket", KEY, "ObjectCreated:Put", "0A"),
        ),
        (
            body(s3(ENCODED.replace("/", "%2F"))),
            ObjectEvent("bucket", KEY, "ObjectCreated:Put"),
        ),
        (
            body(s3(KEY, "ObjectRemoved:Delete", source="ceph:s3", sequencer="F7")),
            ObjectEvent("bucket", KEY, "ObjectRemoved:Delete", "F7"),
        ),
        (
            body(s3(ENCODED, "s3:ObjectCreated:Copy", source="minio:s3")),
            ObjectEvent("bucket", KEY, "ObjectCreated:Copy"),
        ),
        (
            body(s3(ENCODED, "LifecycleExpiration:DeleteMarkerCreated")),
            ObjectEvent("bucket", KEY, "LifecycleExpiration:DeleteMarkerCreated"),
        ),
        (
            wrapped(body(s3(ENCODED))),
            ObjectEvent("bucket", KEY, "ObjectCreated:Put"),
        ),
        (
            bridged("Object Created"),
            ObjectEvent("bucket", KEY, "Object Created", "0A"),
        ),
        (
            wrapped(bridged("Object Deleted", "a%20b+c")),
            ObjectEvent("bucket", "a%20b+c", "Object Deleted", "0A"),
        ),
    ],
    ids=[
        "s3",
        "slashes encoded",
        "radosgw",
        "minio",
        "lifecycle",
        "sns",
        "eventbridge",
        "eventbridge over sns",
    ],
)
def test_every_road_names_the_same_object(text: str, event: ObjectEvent) -> None:
    told = parse_notification(text)

    assert told.events == [event]
    assert not told.problems


def test_all_records_of_a_message_are_read() -> None:
    told = parse_notification(body(s3("a"), s3("b", "ObjectRemoved:Delete")))

    assert [event.key for event in told.events] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"}',
        '{"Type": "SubscriptionConfirmation", "Token": "x"}',
        body(s3("a", "ObjectTagging:Put")),
        body(s3("a", "ObjectRestore:Completed")),
        body(s3("a", "ReducedRedundancyLostObject")),
        bridged("Object Restore Completed"),
        '{"source": "aws.ec2", "detail-type": "Object Created", "detail": {}}',
    ],
)
def test_what_is_no_news_of_a_content_is_ignored(text: str) -> None:
    told = parse_notification(text)

    assert told.ignored
    assert not told.events
    assert not told.problems


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello world",
        "[]",
        "null",
        "{}",
        '{"Records": [1]}',
        '{"Records": [{"eventSource": "aws:s3"}]}',
        body({"eventName": "ObjectCreated:Put", "s3": "?"}),
        body(s3("")),
        bridged("Object Created", ""),
        '{"Type": "Notification"}',
        '{"Type": "Notification", "Message": "hello"}',
        '{"Records": [{"eventSource": "aws:sqs", "body": 1}]}',
        wrapped(wrapped(wrapped(wrapped(wrapped(wrapped(body(s3("a")))))))),
        '{"Records": ' * 5_000,
    ],
)
def test_what_cannot_be_read_is_said_and_not_thrown_away(text: str) -> None:
    told = parse_notification(text)

    assert told.problems
    assert not told.events


def test_one_bad_record_takes_no_good_one_with_it() -> None:
    told = parse_notification(body(s3("a"), {"eventName": 1}, s3("b")))

    assert [event.key for event in told.events] == ["a", "b"]
    assert told.problems


@given(st.text() | st.binary())
def test_no_body_makes_it_raise(text: str | bytes) -> None:
    parse_notification(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["aws:s3", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("Records", "Type", "Message", "s3", "bucket", "object", "key"),
                    *("name", "eventName", "eventSource", "detail", "detail-type"),
                    *("source", "Event", "Sns", "body", "sequencer"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(_JSON)
def test_no_json_of_familiar_words_makes_it_raise(value: object) -> None:
    parse_notification(orjson.dumps(value))


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("0A", "0B"),
        ("0A", "0A01"),
        ("9", "a"),
        ("0055AED6DCD90281E5", "0055aed6dcd90281e6"),
    ],
)
def test_sequencers_compare_as_text_when_padded(lower: str, higher: str) -> None:
    assert padded_sequencer(lower) < padded_sequencer(higher)


def test_sequencers_that_differ_in_final_zeros_are_the_same() -> None:
    assert padded_sequencer("0A") == padded_sequencer("0a000")


@pytest.mark.parametrize("text", [None, "", "Happy Sequencer", "0A\n", "A" * 65])
def test_what_is_no_sequencer_guards_nothing(text: str | None) -> None:
    assert padded_sequencer(text) == ""


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("s3Event.json", ["b21b84d653bb07b05b1e6b33684dc11b"]),
        ("s3EventDecodedKey.json", ["Happy Face.jpg"]),
        ("s3EventDeleteObject.json", ["b21b84d653bb07b05b1e6b33684dc11b"]),
        ("s3EventGlacier.json", ["b21b84d653bb07b05b1e6b33684dc11b"]),
        ("s3EventBridgeNotificationObjectCreatedEvent.json", ["IMG_m7fzo3.jpg"]),
        ("s3EventBridgeNotificationObjectDeletedEvent.json", ["IMG_m7fzo3.jpg"]),
        ("s3EventBridgeNotificationObjectExpiredEvent.json", ["IMG_m7fzo3.jpg"]),
        ("s3EventBridgeNotificationObjectRestoreCompletedEvent.json", []),
        ("s3SqsEvent.json", ["test.pdf"]),
    ],
)
def test_published_examples_are_read(
    name: str, keys: list[str], shared_data: Path
) -> None:
    told = parse_notification((shared_data / "s3" / "events" / name).read_bytes())

    assert [event.key for event in told.events] == keys
    assert not told.problems


@pytest.mark.data
@pytest.mark.parametrize("name", ["snsEvent.json", "snsSqsEvent.json", "sqsEvent.json"])
def test_published_messages_of_others_are_called_unreadable(
    name: str, shared_data: Path
) -> None:
    told = parse_notification((shared_data / "s3" / "events" / name).read_bytes())

    assert told.problems
    assert not told.events
