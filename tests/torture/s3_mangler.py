"""A bucket whose notifications are repeated, delayed, reordered and lost, in memory.

The intake is the real one, and so is the rule by which it records. One thread, so that
a seed tells the whole story; what other threads do meanwhile happens inside the calls
of the store and of the record: after an object was looked at and before that is known,
between two rows of a listing, between reading a record and writing it.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import permutations
from typing import Any
from urllib.parse import quote_plus

import orjson
from typing_extensions import override

from catalog.clock import ManualClock
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState, StoredObject
from catalog.repositories.base import ObjectRepository
from catalog.repositories.sightings import Sighting, padded_sequencer
from catalog.storage.base import ObjectInfo
from catalog.storage.seen import look_at
from indexer.health import Health
from indexer.intake import Intake
from indexer.intake_events import EventIntake
from tests.fakes.objects import FakeObjects
from tests.fakes.queue import FakeQueue
from tests.fakes.store import FakeStore

START = datetime(2026, 1, 1, tzinfo=UTC)
BUCKET = "bucket"
STORE_ID = f"s3://{BUCKET}"
KEYS = tuple(
    ObjectKey(f"transcripts/ann/job-{n}/{name}")
    for n, name in enumerate(("transcript.json", "a + b.json", "ü%20=&.json"))
)
_NESTED = 3
"""How many calls deep others may act inside of a call."""


class ViolationError(AssertionError):
    """What is recorded is not what the store holds."""


class MangledStore(FakeStore):
    """A bucket; ``between`` is called whenever others could have their turn."""

    def __init__(self, between: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.between = between

    @property
    @override
    def store_id(self) -> str:
        return STORE_ID

    @override
    def head(self, key: ObjectKey) -> ObjectInfo:
        try:
            return super().head(key)
        finally:
            self.between()  # looked, and not yet told

    @override
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        page = [FakeStore.head(self, ObjectKey(key)) for key in sorted(self.objects)]
        for info in page:
            self.between()
            if info.key.startswith(prefix):
                yield info


# --- what senders make of an event -------------------------------------------------


def s3_body(key: str, name: str, sequencer: str, source: str = "aws:s3") -> str:
    encoded = key if source == "ceph:s3" else quote_plus(key, safe="/")
    named = {"key": encoded} | ({"sequencer": sequencer} if sequencer else {})
    record = {
        "eventSource": source,
        "eventName": name,
        "s3": {"bucket": {"name": BUCKET}, "object": named},
    }
    return orjson.dumps({"Records": [record]}).decode()


def bridge_body(key: str, name: str, sequencer: str) -> str:
    kind = "Object Deleted" if "Removed" in name else "Object Created"
    detail = {
        "bucket": {"name": BUCKET},
        "object": {"key": key, "sequencer": sequencer},
    }
    event = {"source": "aws.s3", "detail-type": kind, "detail": detail}
    return orjson.dumps(event).decode()


def sns_body(inner: str) -> str:
    return orjson.dumps({"Type": "Notification", "Message": inner}).decode()


_SENDERS: tuple[Callable[[str, str, str], str], ...] = (
    s3_body,
    lambda key, name, _: s3_body(key, name, ""),  # as moto does
    lambda *event: sns_body(s3_body(*event)),
    lambda *event: sns_body(bridge_body(*event)),
    bridge_body,
    lambda key, name, number: s3_body(key, f"s3:{name}", number, "minio:s3"),
    lambda key, name, number: s3_body(key, name, number, "ceph:s3"),
)


# --- random histories --------------------------------------------------------------


class Mangler:
    """One history."""

    def __init__(self, seed: int) -> None:
        self.fate = random.Random(seed)
        self.clock = ManualClock(START)
        self.store = MangledStore(self.elsewhere)
        self.objects = FakeObjects(self.elsewhere)
        self.queue = FakeQueue()
        self.waiting: list[str] = []
        self.lost = 0
        self.mutations = 0
        self.left = self.fate.randint(4, 30)
        # On few keys more comes together.
        self.keys = KEYS[: self.fate.choice((1, 1, 2, 3))]
        self.nested = 0
        self.highest: dict[ObjectKey, str] = {}
        self.bustle = self.fate.choice((0.1, 0.3, 0.5))
        self.lossy = self.fate.random() < 0.5
        intake = Intake(store=self.store, objects=self.objects, clock=self.clock)
        self.intake = intake
        self.events = EventIntake(
            intake=intake,
            queue=self.queue,
            store_id=STORE_ID,
            clock=self.clock,
            health=Health(self.clock),
            jitter=lambda: 0.5,
        )

    def live(self) -> None:
        while self.left > 0:
            self.act()
            self.watch()
        self.come_to_rest()

    def elsewhere(self) -> None:
        """Let somebody else act, sometimes."""
        if self.nested >= _NESTED or self.fate.random() > self.bustle:
            return
        self.nested += 1
        try:
            for _ in range(self.fate.randint(1, 5)):
                if self.left > 0:
                    self.act()
        finally:
            self.nested -= 1

    def act(self) -> None:
        self.left -= 1
        self.clock.advance(self.fate.choice((0.0, 0.001, 1.0)))
        draw = self.fate.random()
        if draw < 0.45:
            self.mutate()
        elif draw < 0.75:
            self.deliver()
        elif draw < 0.85:
            self.attempt(self.intake.rescan)
        elif draw < 0.95:
            self.learn()
        else:
            self.queue.expire()

    def mutate(self) -> None:
        key = self.fate.choice(self.keys)
        self.mutations += 1
        if self.fate.random() < 0.4 and key in self.store.objects:
            del self.store.objects[key]
            name = self.fate.choice(
                ("ObjectRemoved:Delete", "LifecycleExpiration:DeleteMarkerCreated")
            )
        else:
            # Few contents: the same one comes back, so that A-B-A happens.
            self.store.objects[key] = b"content" * self.fate.randint(1, 2)
            name = "ObjectCreated:Put"
        if self.lossy and self.fate.random() < 0.25:
            self.lost += 1
            return
        # Trailing zeros are left out: shorter ones are to be padded.
        sequencer = f"{self.mutations:016X}".rstrip("0") or "0"
        body = self.fate.choice(_SENDERS)(key, name, sequencer)
        self.waiting += [body] * self.fate.choice((1, 1, 1, 2, 3))

    def deliver(self) -> None:
        for _ in range(self.fate.choice((1, 2, 4, 8))):
            if self.waiting:
                place = self.fate.randrange(len(self.waiting))
                self.queue.send(self.waiting.pop(place))
        if self.fate.random() < 0.1:
            self.queue.send("{not a notification")
        if self.fate.random() < 0.1:
            self.store.fail_next(DependencyUnavailableError("storage", "away"))
        messages = self.queue.receive(limit=10, wait_seconds=0, visibility_seconds=60)
        self.attempt(lambda: self.queue.delete(self.events.take(messages)))

    def learn(self) -> None:
        """What the indexer does on behalf of a record that names an object."""
        key = self.fate.choice(self.keys)

        def look() -> None:
            known = self.objects.recorded(self.store.store_id, [key]).get(key)
            found = look_at(self.store, key, self.clock.now())
            self.objects.settle([Sighting(found, known)])

        self.attempt(look)

    def attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except DependencyUnavailableError:
            self.watch()

    def watch(self) -> None:
        for key, known in self.objects.known.items():
            if known.state.sequencer < self.highest.get(key, ""):
                message = f"the sequencer of {key} went down"
                raise ViolationError(message)
            self.highest[key] = known.state.sequencer

    def come_to_rest(self) -> None:
        """The store changes no more; all that is not lost arrives, in any order."""
        self.clock.advance(1)
        self.store.recover()
        self.fate.shuffle(self.waiting)
        for body in self.waiting:
            self.queue.send(body)
        self.waiting.clear()
        for _ in range(100):
            self.queue.expire()
            messages = self.queue.receive(
                limit=10, wait_seconds=0, visibility_seconds=60
            )
            if all(message.body.startswith("{not") for message in messages):
                readable = [m for m in self.queue.visible if m.body[:4] != "{not"]
                if not readable:
                    break
            self.attempt(
                lambda taken=messages: self.queue.delete(self.events.take(taken))  # type: ignore[misc]
            )
        if self.lost:
            self.attempt(self.intake.rescan)
            self.intake.reconcile(accept_losses=True)
        self.watch()
        self.judge()

    def judge(self) -> None:
        actual = self.objects.present()
        expected = {
            ObjectKey(key): FakeStore.head(self.store, ObjectKey(key)).etag
            for key in self.store.objects
        }
        if actual != expected:
            message = f"recorded {actual}, stored {expected}"
            raise ViolationError(message)


def run(seed: int) -> None:
    """Live one random history.

    Raises:
        ViolationError: It did not end in the state of the store.
    """
    try:
        Mangler(seed).live()
    except ViolationError as error:
        message = f"seed {seed}: {error}"
        raise ViolationError(message) from error


# --- all orders of six events of a key ---------------------------------------------

_STEPS: tuple[tuple[str, bytes | None], ...] = (
    ("0A", b"one"),
    ("0A01", None),
    ("0B", b"two"),
    ("0B1", b"one"),
    ("1", None),
    ("10F", b"three"),
)
"""What happens to the key, with sequencers of several lengths, ascending."""


def all_orders(objects: ObjectRepository | None = None, *, ends_deleted: bool) -> int:
    """Let the looks of six events be recorded in every order; returns how many.

    Every event's worker has looked when the event was new, and only the writing is out
    of order: nothing but the sequencer can tell which state is the last.

    Raises:
        ViolationError: An order did not end in the state of the last event.
    """
    steps = [*_STEPS[1:], ("11", None)] if ends_deleted else list(_STEPS)
    repository: ObjectRepository = FakeObjects() if objects is None else objects
    orders = list(permutations(range(len(steps))))
    keys = [ObjectKey(f"orders/{''.join(map(str, order))}") for order in orders]
    for turn in range(len(steps)):
        known = repository.recorded(STORE_ID, keys)
        repository.settle(
            Sighting(_state(key, steps[order[turn]]), known.get(key), is_told=True)
            for key, order in zip(keys, orders, strict=True)
        )
    wanted = _state(ObjectKey("x"), steps[-1])
    for key, known_now in repository.recorded(STORE_ID, keys).items():
        state = known_now.state
        if (state.state, state.etag, state.sequencer) != (
            wanted.state,
            wanted.etag,
            wanted.sequencer,
        ):
            message = f"order {key} ended in {state}"
            raise ViolationError(message)
    return len(orders)


def all_deliveries(objects: ObjectRepository | None = None) -> int:
    """Let six events arrive in every order while the bucket goes on; returns how many.

    An event can't arrive before it happened, so the bucket is moved on to it first.

    Raises:
        ViolationError: An order did not end in the state of the bucket.
    """
    repository: ObjectRepository = FakeObjects() if objects is None else objects
    store = MangledStore()
    intake = Intake(store=store, objects=repository, clock=ManualClock(START))
    orders = list(permutations(range(len(_STEPS))))
    reached = dict.fromkeys(orders, -1)
    for turn in range(len(_STEPS)):
        told: dict[ObjectKey, str] = {}
        for order in orders:
            key = ObjectKey(f"deliveries/{''.join(map(str, order))}")
            reached[order] = max(reached[order], order[turn])
            content = _STEPS[reached[order]][1]
            if content is None:
                store.objects.pop(key, None)
            else:
                store.objects[key] = content
            told[key] = padded_sequencer(_STEPS[order[turn]][0])
        intake.told(told)
    page: list[Any] = list(
        repository.recorded_under(STORE_ID, "deliveries/", after=None, limit=1000)
    )
    actual = {one.state.key: one.state.etag for one in page if one.state.is_present}
    expected = {info.key: info.etag for info in store.list("deliveries/")}
    if actual != expected or len(actual) != len(orders):
        message = "not every order ended in the state of the bucket"
        raise ViolationError(message)
    return len(orders)


def _state(key: ObjectKey, step: tuple[str, bytes | None]) -> StoredObject:
    sequencer, content = step
    is_there = content is not None
    return StoredObject(
        store=STORE_ID,
        key=key,
        state=ObjectState.PRESENT if is_there else ObjectState.TOMBSTONE,
        etag=content.decode() if content is not None else None,
        size_bytes=len(content) if content is not None else None,
        checked_at=START,
        sequencer=padded_sequencer(sequencer),
    )
