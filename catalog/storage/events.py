"""Reads notifications of object stores, whatever road they came by.

S3 sends them straight to a queue, through SNS (wrapped, or raw) or through EventBridge;
MinIO and Ceph's radosgw send S3's form with their own habits. Only the place is taken
from them, never a fact: the store is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

import orjson

_MOST_WRAPPINGS = 4
"""EventBridge in SNS in SQS are three; more is nobody's intention."""

_NOT_ENCODED = frozenset({"ceph:s3"})
"""Writers of S3's form whose keys are as they are; all others encode them."""

_OURS = (
    "ObjectCreated:",
    "ObjectRemoved:",
    "LifecycleExpiration:",
    "ObjectLifecycle:Expiration:",  # radosgw's own name of it
)
_BRIDGED = frozenset({"Object Created", "Object Deleted"})


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to an object.

    Attributes:
        bucket: Where.
        key: Key, decoded; not checked.
        name: What, as the sender calls it (``ObjectCreated:Put``); for the log.
        sequencer: As sent; comparable within a key when padded. Empty for none.
    """

    bucket: str
    key: str
    name: str
    sequencer: str = ""


@dataclass(slots=True)
class Notification:
    """What one message says.

    Attributes:
        events: To be looked at.
        ignored: Names of events that are no news of an object's content.
        problems: What could not be read, one sentence each: such a message must not
            be thrown away.
    """

    events: list[ObjectEvent] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def parse_notification(body: str | bytes) -> Notification:
    """Read the body of a message; raises nothing, whatever it is."""
    found = Notification()
    _read_text(body, found, 0)
    return found


def _read_text(text: object, found: Notification, depth: int) -> None:
    if not isinstance(text, str | bytes):
        found.problems.append("a message inside the message is no text")
        return
    if depth > _MOST_WRAPPINGS:
        found.problems.append("too many envelopes inside each other")
        return
    try:
        value = orjson.loads(text)
    except ValueError as exc:  # lone surrogates and broken UTF-8 end here, too
        found.problems.append(f"not JSON: {exc}")
        return
    if isinstance(value, dict):
        _read_envelope(value, found, depth)
    else:
        found.problems.append("not a JSON object")


def _read_envelope(value: Mapping[str, Any], found: Notification, depth: int) -> None:
    records = value.get("Records")
    kind = value.get("Type")
    if isinstance(records, list):
        for record in records:
            _read_record(record, found, depth)
    elif value.get("Event") == "s3:TestEvent":
        found.ignored.append("s3:TestEvent")
    elif kind == "Notification":
        _read_text(value.get("Message"), found, depth + 1)
    elif kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        found.ignored.append(str(kind))
    elif "detail-type" in value:
        _read_bridged(value, found)
    else:
        found.problems.append("no notification of an object store")


def _read_record(record: object, found: Notification, depth: int) -> None:
    if not isinstance(record, dict):
        found.problems.append("a record is not a JSON object")
        return
    source = record.get("eventSource") or record.get("EventSource")
    if source == "aws:sqs":  # a Lambda trigger's form
        _read_text(record.get("body"), found, depth + 1)
    elif source == "aws:sns":
        _read_text(_at(record, "Sns", "Message"), found, depth + 1)
    else:
        _read_event(record, str(source), found)


def _read_event(record: Mapping[str, Any], source: str, found: Notification) -> None:
    name = record.get("eventName")
    if not isinstance(name, str) or not name:
        found.problems.append("a record has no eventName")
        return
    name = name.removeprefix("s3:")
    if not name.startswith(_OURS):
        found.ignored.append(name)
        return
    key = _at(record, "s3", "object", "key")
    if isinstance(key, str) and source not in _NOT_ENCODED:
        key = unquote_plus(key)
    _add(
        found,
        _at(record, "s3", "bucket", "name"),
        key,
        name,
        _at(record, "s3", "object", "sequencer"),
    )


def _read_bridged(value: Mapping[str, Any], found: Notification) -> None:
    name = str(value["detail-type"])
    if value.get("source") != "aws.s3" or name not in _BRIDGED:
        found.ignored.append(name)
        return
    # EventBridge sends keys as they are.
    _add(
        found,
        _at(value, "detail", "bucket", "name"),
        _at(value, "detail", "object", "key"),
        name,
        _at(value, "detail", "object", "sequencer"),
    )


def _add(
    found: Notification, bucket: object, key: object, name: str, sequencer: object
) -> None:
    if not isinstance(bucket, str) or not isinstance(key, str) or not bucket or not key:
        found.problems.append(f"{name}: it names no bucket or no key")
        return
    text = sequencer if isinstance(sequencer, str) else ""
    found.events.append(ObjectEvent(bucket, key, name, text))


def _at(value: object, *path: str) -> object:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
