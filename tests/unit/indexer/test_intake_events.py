import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from catalog.clock import ManualClock, SystemClock
from catalog.errors import (
    DependencyRejectedError,
    DependencyUnavailableError,
    InvalidObjectKeyError,
)
from catalog.models.ids import ObjectKey
from catalog.models.stored import ObjectState
from catalog.repositories.sightings import Settled, Sighting
from catalog.storage.base import ObjectInfo, QueuedMessage
from indexer.health import Health
from indexer.intake import TOMBSTONE_LIFE, Intake
from indexer.intake_events import EventIntake
from tests.fakes.objects import FakeObjects
from tests.fakes.queue import FakeQueue
from tests.torture.s3_mangler import STORE_ID, MangledStore, s3_body

KEY = ObjectKey("transcripts/ann/job1/transcript.json")
OTHER = ObjectKey("transcripts/ann/job2/transcript.json")
START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """An intake of events on fakes."""

    def __init__(
        self, store: MangledStore | None = None, clock: SystemClock | None = None
    ) -> None:
        self.store = store or MangledStore()
        self.objects = FakeObjects()
        self.queue = FakeQueue()
        self.manual = ManualClock(START)
        self.clock = clock or self.manual
        self.health = Health(self.clock)
        self.intake = Intake(store=self.store, objects=self.objects, clock=self.clock)
        self.events = EventIntake(
            intake=self.intake,
            queue=self.queue,
            store_id=STORE_ID,
            clock=self.clock,
            health=self.health,
            jitter=lambda: 0.0,
            pollers=2,
        )

    def put(self, key: ObjectKey, content: bytes = b"content") -> None:
        self.store.objects[key] = content

    def tell(self, key: str, name: str = "ObjectCreated:Put", seq: str = "") -> None:
        self.queue.send(s3_body(key, name, seq))

    def take(self) -> list[str]:
        """Act on what is there; returns ids of messages to be deleted."""
        messages = self.queue.receive(limit=10, wait_seconds=0, visibility_seconds=60)
        return [message.message_id for message in self.events.take(messages)]

    def state(self, key: ObjectKey) -> ObjectState:
        return self.objects.known[key].state.state

    @property
    def problem(self) -> str | None:
        status = self.health.status(
            dirty=0, dead_letters=0, documents={}, beat_at=START
        )
        return status.problem


def test_an_event_makes_its_object_known_with_its_sequencer() -> None:
    world = World()
    world.put(KEY)
    world.tell(KEY, seq="0A")

    assert world.take() == ["m1"]
    known = world.objects.known[KEY].state
    assert known.is_present
    assert known.job_id == "job1"
    assert known.sequencer.startswith("0A00")


def test_the_store_is_believed_and_not_the_event() -> None:
    world = World()
    world.tell(KEY, "ObjectCreated:Put", "0A")
    world.put(OTHER)
    world.tell(OTHER, "ObjectRemoved:Delete", "0A")

    world.take()

    assert world.state(KEY) is ObjectState.TOMBSTONE
    assert world.state(OTHER) is ObjectState.PRESENT


def test_a_tombstone_keeps_its_sequencer_until_no_event_can_come() -> None:
    world = World()
    world.tell(KEY, "ObjectRemoved:Delete", "0B")
    world.take()

    world.manual.advance(TOMBSTONE_LIFE.total_seconds() - 1)
    assert world.intake.forget_tombstones() == 0
    assert world.objects.known[KEY].state.sequencer.startswith("0B")
    world.manual.advance(2)
    assert world.intake.forget_tombstones() == 1
    assert timedelta(days=15) <= TOMBSTONE_LIFE


def test_an_object_that_comes_back_is_present_again() -> None:
    world = World()
    world.tell(KEY, "ObjectRemoved:Delete", "0B")
    world.take()
    world.put(KEY)
    world.tell(KEY, seq="0C")

    world.take()

    assert world.state(KEY) is ObjectState.PRESENT


def test_an_event_without_sequencer_is_looked_at_beside_an_old_one() -> None:
    world = World()
    world.put(KEY)
    world.tell(KEY, seq="0C")
    world.take()
    world.store.objects.clear()
    world.tell(KEY, "ObjectCreated:Put", "0A")
    world.tell(KEY, "ObjectRemoved:Delete")

    world.take()

    assert world.state(KEY) is ObjectState.TOMBSTONE


def test_messages_stay_when_the_record_was_not_acknowledged() -> None:
    class Away(FakeObjects):
        @override
        def settle(self, sightings: object) -> Settled:
            raise DependencyUnavailableError("mongodb", "no primary")

    world = World()
    world.put(KEY)
    world.tell(KEY)
    world.events._intake._objects = Away()  # noqa: SLF001

    with pytest.raises(DependencyUnavailableError):
        world.take()


def test_events_of_other_buckets_and_of_no_objects_are_done_with() -> None:
    world = World()
    ours = s3_body(KEY, "ObjectCreated:Put", "")
    world.queue.send(ours.replace('"name":"bucket"', '"name":"foreign"'))
    world.tell("folder//x")
    world.tell("")

    done = world.take()

    assert done == ["m1", "m2"]  # a key that is empty could not be read
    assert not world.objects.known
    assert world.events.counts.foreign == 2
    assert world.events.counts.malformed == 1


def test_a_malformed_message_is_left_to_the_queue_and_delays_nobody() -> None:
    world = World()
    world.put(KEY)
    world.queue.send("hello world")
    world.tell(KEY)

    assert world.take() == ["m2"]
    assert world.state(KEY) is ObjectState.PRESENT
    assert world.events.counts.malformed == 1


def test_an_object_that_the_store_refuses_holds_up_no_other() -> None:
    class Refusing(MangledStore):
        @override
        def head(self, key: ObjectKey) -> ObjectInfo:
            if key == KEY:
                raise InvalidObjectKeyError("key", "too long")
            return super().head(key)

    world = World(Refusing())
    world.put(OTHER)
    world.tell(KEY)
    world.tell(OTHER)

    assert world.take() == ["m2"]
    assert world.state(OTHER) is ObjectState.PRESENT


def test_nothing_is_gone_from_a_bucket_that_is_not_there() -> None:
    class Vanished(MangledStore):
        @override
        def check(self) -> None:
            if not self.objects:
                raise DependencyRejectedError("storage", "there is no bucket")

    world = World(Vanished())
    world.put(KEY)
    world.tell(KEY, seq="01")
    world.take()
    world.store.objects.clear()
    world.tell(KEY, "ObjectRemoved:Delete", "02")

    with pytest.raises(DependencyRejectedError):
        world.take()

    assert world.state(KEY) is ObjectState.PRESENT


def test_a_look_that_was_overtaken_is_repeated() -> None:
    world = World()
    world.put(KEY, b"old")
    world.tell(KEY, seq="01")

    def meanwhile() -> None:
        world.store.between = lambda: None
        world.put(KEY, b"newer")
        world.intake.told({KEY: ""})

    world.store.between = meanwhile

    world.take()

    assert world.objects.present() == {KEY: world.store.head(KEY).etag}


def running(world: World, stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=world.events.run, args=(stop,))
    thread.start()
    return thread


def until(condition: object, seconds: float = 5) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)  # noqa: TID251  (threads of the loop do the work)


class PolledQueue(FakeQueue):
    """One that waits a little, as a long poll does; ``sleeps`` makes it endless."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.awake = threading.Event()
        self.sleeps = False
        self._one = threading.Lock()

    @override
    def receive(
        self, *, limit: int, wait_seconds: float, visibility_seconds: float
    ) -> Sequence[QueuedMessage]:
        self.asked.set()
        if self.sleeps:
            self.awake.wait(10)
        else:
            self.awake.wait(0.01)
        with self._one:
            return super().receive(
                limit=limit,
                wait_seconds=wait_seconds,
                visibility_seconds=visibility_seconds,
            )


def polled_world() -> tuple[World, PolledQueue]:
    world = World(clock=SystemClock())
    queue = PolledQueue()
    world.queue = queue
    world.events._queue = queue  # noqa: SLF001
    return world, queue


def test_the_loop_deletes_what_is_done_and_waits_out_trouble() -> None:
    world, queue = polled_world()
    queue.fail_always(DependencyUnavailableError("queue", "away"))
    stop = threading.Event()
    thread = running(world, stop)
    until(lambda: world.problem is not None)
    for number in range(25):
        key = ObjectKey(f"loras/ann/job{number}/v1/model.safetensors")
        world.put(key)
        world.tell(key)

    queue.fail_always(None)
    until(lambda: len(queue.deleted) == 25)
    until(lambda: world.problem is None)
    stop.set()
    thread.join(2)

    assert not thread.is_alive()
    assert len(world.objects.present()) == 25


def test_the_loop_ends_within_a_second_and_gives_back_what_still_comes() -> None:
    world, queue = polled_world()
    queue.sleeps = True
    stop = threading.Event()
    thread = running(world, stop)
    world.put(KEY)
    world.tell(KEY)
    assert queue.asked.wait(5)

    stop.set()
    thread.join(1)
    ended = not thread.is_alive()
    queue.awake.set()

    assert ended
    until(lambda: queue.held and queue.visible)
    assert set(queue.held) == {("m1", 0)}
    assert not world.objects.known


def test_what_takes_long_is_held_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.intake_events.VISIBILITY_SECONDS", 20.4)
    world, queue = polled_world()
    at_it = threading.Event()
    go_on = threading.Event()

    def slow() -> None:
        at_it.set()
        go_on.wait(5)

    world.store.between = slow
    world.put(KEY)
    world.tell(KEY)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ran = pool.submit(world.events.run, stop)
        assert at_it.wait(5)
        world.events._extend()  # noqa: SLF001  (its turn comes every 20 s)
        assert ("m1", 20.4) in queue.held
        go_on.set()
        until(lambda: len(queue.deleted) == 1)
        stop.set()
        ran.result(2)


def test_a_mistake_of_ours_ends_the_loop_loudly() -> None:
    class Broken(FakeObjects):
        @override
        def settle(self, sightings: object) -> Settled:
            assert isinstance(sightings, Sighting)
            return Settled()

    world, _ = polled_world()
    world.put(KEY)
    world.tell(KEY)
    world.events._intake._objects = Broken()  # noqa: SLF001

    with pytest.raises(AssertionError):
        world.events.run(threading.Event())
