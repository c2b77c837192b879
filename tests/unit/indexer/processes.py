"""The real indexer on the world in memory, one process after another, in one thread."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import timedelta
from typing import Any, cast

from typing_extensions import override

from catalog.errors import CatalogError, DependencyError
from catalog.repositories.base import RecordReader
from catalog.repositories.index_control import (
    LeaseRepository,
    ScheduleRepository,
)
from catalog.repositories.index_state import (
    ChangeStream,
    FeedPosition,
    Generation,
    GenerationState,
)
from catalog.search.base import IndexKeys
from catalog.storage.seen import missing, present
from indexer.capture import Capture, Captured
from indexer.health import Health
from indexer.indexing import Indexing
from indexer.ports import Ports
from tests.fakes.recording import put
from tests.fakes.terms import ScriptedTerm
from tests.unit.indexer.beside import ReconcilingBeside
from tests.unit.indexer.world import World
from tests.unit.indexer.world_engine import Engine
from tests.unit.indexer.world_records import Extractions, Objects, Records, Rows
from tests.unit.indexer.world_state import (
    Dirty,
    Feed,
    Generations,
    Letters,
    Reports,
    Requests,
)
from tests.unit.indexer.world_store import Store


class NoStatus:
    """``IndexStatusRepository`` that nobody reads."""

    def read(self) -> None:
        return None

    def write(self, status: object) -> None:
        """Forget it."""


def ports_to(world: World, epoch: int | None = None) -> Ports:
    engine = Engine(world, epoch)
    return Ports(
        clock=world.clock,
        rows=Rows(world),
        objects=Objects(world),
        extractions=Extractions(world),
        records=cast("RecordReader", Records(world)),
        feed=Feed(world),
        generations=Generations(world),
        dirty=Dirty(world),
        dead_letters=Letters(world),
        index_status=NoStatus(),
        index_requests=Requests(world),
        leases=cast("LeaseRepository", None),
        sweeps=cast("ScheduleRepository", None),
        reconciles=Reports(world),
        index_keys=cast("IndexKeys", None),
        store=Store(world),
        index_writer=engine,
        index_admin=engine,
        ensure_indexes=lambda: None,
        ensure_late_indexes=lambda: None,
        index_prefix="",
        linger_seconds=0.0,
        rescan_every=timedelta(seconds=60),
        storage_directory=None,
        rollback_window=timedelta(minutes=1),
        make_pool=InOrder,
    )


class ScriptedCapture(Capture):
    """Reads the world's events without a thread; between batches the world goes on."""

    def __init__(self, ports: Ports, world: World, between: Callable[[], int]) -> None:
        self._ports = ports
        self.world = world
        self.between = between
        self.stream: ChangeStream | None = None
        self.position: FeedPosition | None = None
        self.problem = None

    @override
    def start(self, position: FeedPosition) -> None:
        self.position = position

    @override
    def stop(self) -> None:
        self.stream = self.position = None

    @override
    def take(self, *, timeout: float) -> list[Captured]:
        assert self.position is not None
        most = self.between()
        self.world.clock.advance(0.3)
        try:
            if self.stream is None:
                self.stream = self._ports.feed.open(self.position)
            changes = self.stream.next_batch(max_changes=most, linger_seconds=0)
        except DependencyError as exc:
            self.stream = None  # opened anew, from the position after the last batch
            if not exc.retryable:
                raise
            self.problem = str(exc)
            return []
        self.position, self.problem = self.stream.position, None
        now = self.world.clock.monotonic()
        return [Captured(tuple(changes), self.position, now)]


class InOrder(Executor):
    """Does what it is given at once: one order of steps, so a seed tells all."""

    def __init__(self, workers: int, name: str) -> None:
        del workers, name

    @override
    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except CatalogError as exc:
            future.set_exception(exc)
        return future


def run_process(
    world: World,
    between: Callable[[threading.Event], int],
    *,
    term: ScriptedTerm | None = None,
    ports: Ports | None = None,
    patience: int = 500,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> Health:
    """Run one indexer process, which leads, until it stops or crashes.

    ``patience`` is how often it may retry anything before it is told to stop;
    ``is_interrupted`` tells at each step of a reconciling pass whether the loop works
    before it goes on.
    """
    left = patience

    def jitter() -> float:
        nonlocal left
        left -= 1
        if left < 0:
            leading.stop.set()
        return 0.5

    world.epoch += 1
    leading = term or ScriptedTerm(world.epoch, world.clock)
    leading.on_cut_off = world.cut_off
    world.change_key()  # as whoever takes over does before anything else
    ports = ports or ports_to(world)
    health = Health(world.clock)
    sweeps = ReconcilingBeside(ports, leading, world.faults, is_interrupted)

    def going_on() -> int:
        most = between(leading.stop)
        sweeps.go_on()
        return most

    try:
        Indexing(
            ports,
            term=leading,
            list_store=lambda: list_store(ports),
            health=health,
            jitter=jitter,
            comparison=sweeps.comparison,
            findings=sweeps.findings,
            sweeps=sweeps,
            make_capture=lambda: ScriptedCapture(ports, world, going_on),
        ).run()
    finally:
        sweeps.close()
    return health


def list_store(ports: Ports, prefix: str = "") -> None:
    """Record what is in the store, and what is no more (as ``Intake`` does)."""
    now = ports.clock.now()
    seen = [present(ports.store, info, now) for info in ports.store.list(prefix)]
    left = {found.key for found in seen}
    known = ports.objects.recorded_under(
        ports.store.store_id, prefix, after=None, limit=10_000
    )
    gone = [
        missing(ports.store, one.state.key, now)
        for one in known
        if one.state.is_present and one.state.key not in left
    ]
    put(ports.objects, [*seen, *gone])


def _live(world: World) -> list[Generation]:
    return [
        g
        for g in world.generations.values()
        if g.state not in {GenerationState.DROPPED, GenerationState.RETIRING}
    ]


def until_quiet(world: World) -> Callable[[threading.Event], int]:
    """Let the indexer catch up, look again for what was missing, and stop."""
    idle = 0

    def between(stop: threading.Event) -> int:
        nonlocal idle
        serving = [
            g for g in world.generations.values() if g.state is GenerationState.SERVING
        ]
        newest = max((e.cluster_time for e in world.events), default=0)
        is_done = (
            bool(serving)
            and serving[-1].position is not None
            and serving[-1].position.cluster_time >= newest
            and not serving[-1].is_degraded
            and not world.open_requests()
            and len(serving) == len(_live(world))
        )
        idle = idle + 1 if is_done else 0
        if idle > 5:
            stop.set()
        return 500

    return between


def assemblyai(*utterances: str) -> bytes:
    said = [
        {"speaker": "A", "text": text, "start": n * 1000, "end": n * 1000 + 900}
        for n, text in enumerate(utterances)
    ]
    return json.dumps({"text": " ".join(utterances), "utterances": said}).encode()
