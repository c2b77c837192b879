"""Follows an object store's notifications in a queue.

They come late, twice, in any order or never, so each says only where to look; a
message is deleted after what it brought about is acknowledged by a majority of MongoDB.
One that cannot be read is left to the queue's redrive policy and keeps nobody waiting.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from catalog.clock import Clock
from catalog.errors import CatalogError, InvalidObjectKeyError
from catalog.models.ids import ObjectKey
from catalog.repositories.sightings import padded_sequencer
from catalog.storage.base import ObjectEventQueue, QueuedMessage
from catalog.storage.events import ObjectEvent, parse_notification
from catalog.storage.keys import check_key
from indexer.health import Health
from indexer.intake import Intake
from indexer.retry import backoff_seconds

log = logging.getLogger(__name__)

POLL_SECONDS = 20.0
"""How long an empty queue is waited for: the longest that SQS allows."""

VISIBILITY_SECONDS = 60.0
"""How long nobody else gets a message that we have; renewed at a third of it."""

_POLLERS = 3
_BATCH = 10
_TROUBLE = "events"
_SHOWN_BYTES = 300


@dataclass(slots=True)
class EventCounts:
    """What came so far, for the log.

    Attributes:
        messages: Received and dealt with.
        events: Events of our objects in them.
        changed: Records that they changed.
        foreign: Events of other buckets, or of names that are no object keys.
        malformed: Messages that could not be read.
    """

    messages: int = 0
    events: int = 0
    changed: int = 0
    foreign: int = 0
    malformed: int = 0


@dataclass(slots=True)
class _Told:
    """A message as read: padded sequencers by key of ours."""

    message: QueuedMessage
    is_readable: bool
    wanted: dict[ObjectKey, str] = field(default_factory=dict)
    foreign: int = 0


class EventIntake:
    """Looks where the messages of a queue point, several batches at a time."""

    def __init__(
        self,
        *,
        intake: Intake,
        queue: ObjectEventQueue,
        store_id: str,
        clock: Clock,
        health: Health,
        jitter: Callable[[], float],
        pollers: int = _POLLERS,
    ) -> None:
        """Ask for nothing yet.

        Args:
            intake: Looks and records.
            queue: Where the messages are.
            store_id: Events of other stores are passed over.
            clock: Waits.
            health: Told of trouble with the queue.
            jitter: Random numbers from 0 to 1.
            pollers: How many threads receive.
        """
        self._intake = intake
        self._queue = queue
        self._bucket = store_id.removeprefix("s3://")
        self._clock = clock
        self._health = health
        self._jitter = jitter
        self._pollers = pollers
        self._lock = threading.Lock()
        self._held: dict[str, QueuedMessage] = {}
        self._failing: set[int] = set()
        self._failure: BaseException | None = None
        self.counts = EventCounts()

    def run(self, stop: threading.Event) -> None:
        """Follow the queue until ``stop`` is set.

        Returns within a second of it. A request that waits for messages is left to
        itself: what it still gets goes back to the queue at once.
        """
        threads = [
            threading.Thread(
                target=self._supervised, args=(n, stop), name=f"events-{n}", daemon=True
            )
            for n in range(self._pollers)
        ]
        for thread in threads:
            thread.start()
        while not self._clock.wait(stop, VISIBILITY_SECONDS / 3):
            self._extend()
        if self._failure is not None:
            raise self._failure

    def take(self, messages: Sequence[QueuedMessage]) -> list[QueuedMessage]:
        """Act on messages.

        Returns:
            Those that are done with and may be deleted. The others could not be read,
            or the store refuses to speak of their objects.

        Raises:
            CatalogError: None of them may be deleted.
        """
        told = [self._read(message) for message in messages]
        readable = [one for one in told if one.is_readable]
        try:
            changed = self._act(told)
        except CatalogError as exc:
            if exc.retryable or len(told) == 1:
                raise
            # One object that is refused must not hold up the others.
            readable, changed = self._one_by_one(told)
            if not readable:
                raise
        with self._lock:
            self.counts.messages += len(readable)
            self.counts.events += sum(len(one.wanted) for one in told)
            self.counts.foreign += sum(one.foreign for one in told)
            self.counts.malformed += sum(not one.is_readable for one in told)
            self.counts.changed += changed
        return [one.message for one in readable]

    def _one_by_one(self, told: Sequence[_Told]) -> tuple[list[_Told], int]:
        done: list[_Told] = []
        changed = 0
        for one in told:
            try:
                changed += self._act([one])
            except CatalogError as exc:
                log.warning(
                    "object event refused; left to the queue's redrive policy",
                    extra={"message_id": one.message.message_id, "error": str(exc)},
                )
            else:
                if one.is_readable:
                    done.append(one)
        return done, changed

    def _act(self, told: Iterable[_Told]) -> int:
        wanted: dict[ObjectKey, str] = {}
        for one in told:
            for key, sequencer in one.wanted.items():
                _add(wanted, key, sequencer)
        return self._intake.told(wanted) if wanted else 0

    def _read(self, message: QueuedMessage) -> _Told:
        told = parse_notification(message.body)
        found = _Told(message, is_readable=not told.problems)
        for event in told.events:
            key = self._key_of(event)
            if key is None:
                found.foreign += 1
                continue
            _add(found.wanted, key, padded_sequencer(event.sequencer))
        if told.ignored:
            log.info("events ignored", extra={"events": sorted(set(told.ignored))})
        if told.problems:
            self._tell_malformed(message, told.problems)
        return found

    def _supervised(self, number: int, stop: threading.Event) -> None:
        try:
            self._poll(number, stop)
        except BaseException as exc:  # noqa: BLE001  (``run`` raises it again)
            log.warning("events thread ends", extra={"error": str(exc)})
            if not stop.is_set():
                self._failure = exc
                stop.set()

    def _poll(self, number: int, stop: threading.Event) -> None:
        attempt = 0
        while not stop.is_set():
            try:
                messages = self._queue.receive(
                    limit=_BATCH,
                    wait_seconds=POLL_SECONDS,
                    visibility_seconds=VISIBILITY_SECONDS,
                )
                if stop.is_set():
                    self._queue.hold(messages, 0)
                    return
                with self._holding(messages):
                    if messages:
                        self._queue.delete(self.take(messages))
            except CatalogError as exc:
                if stop.is_set():
                    return
                # The messages come back when their time is over.
                self._tell_trouble(number, str(exc))
                log.warning("object events held up", extra={"error": str(exc)})
                pause = backoff_seconds(attempt, self._jitter())
                self._clock.wait(stop, pause)
                attempt += 1
            else:
                attempt = 0
                self._tell_trouble(number, None)

    def _tell_trouble(self, number: int, text: str | None) -> None:
        """Report trouble; it is over when no thread has any."""
        with self._lock:
            if text is not None:
                self._failing.add(number)
                self._health.trouble(_TROUBLE, f"Object events: {text}")
            elif number in self._failing:
                self._failing.remove(number)
                if not self._failing:
                    self._health.trouble(_TROUBLE, None)

    @contextmanager
    def _holding(self, messages: Sequence[QueuedMessage]) -> Iterator[None]:
        with self._lock:
            self._held |= {message.receipt: message for message in messages}
        try:
            yield
        finally:
            with self._lock:
                for message in messages:
                    self._held.pop(message.receipt, None)

    def _extend(self) -> None:
        """Keep what is being worked on for longer."""
        with self._lock:
            held = list(self._held.values())
        try:
            self._queue.hold(held, VISIBILITY_SECONDS)
        except CatalogError as exc:
            # They may be delivered once more, which harms nobody.
            log.info("messages not held for longer", extra={"error": str(exc)})

    def _key_of(self, event: ObjectEvent) -> ObjectKey | None:
        if event.bucket != self._bucket:
            log.debug("event of another bucket", extra={"bucket": event.bucket})
            return None
        try:
            return check_key(event.key)
        except InvalidObjectKeyError:
            log.debug("event of no object", extra={"key": repr(event.key)})
            return None

    @staticmethod
    def _tell_malformed(message: QueuedMessage, problems: Sequence[str]) -> None:
        log.warning(
            "object event can't be read; left to the queue's redrive policy",
            extra={
                "message_id": message.message_id,
                "receives": message.receives,
                "problems": list(problems)[:5],
                "body": message.body[:_SHOWN_BYTES],
            },
        )


def _add(wanted: dict[ObjectKey, str], key: ObjectKey, sequencer: str) -> None:
    """Keep a key's highest sequencer; none if one event has none: it may be newer."""
    old = wanted.get(key, sequencer)
    wanted[key] = max(old, sequencer) if old and sequencer else ""
