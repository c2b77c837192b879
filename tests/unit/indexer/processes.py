"""The real indexer on the world in memory, one process after another, in one thread."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import timedelta
from typing import Any, cast

from typing_extensions import override

from catalog.describe import describe
from catalog.errors import CatalogError, FencedError
from catalog.models.ids import ObjectKey
from catalog.repositories.base import AssetRepository, RecordReader
from catalog.repositories.index_control import (
    LeaseRepository,
    ReconcileRepository,
    ScheduleRepository,
)
from catalog.repositories.index_state import FeedPosition, Generation, GenerationState
from catalog.search.base import IndexKeys, IndexName
from catalog.search.projection import documents_of, tag_document_id
from catalog.search.values import tag_key
from indexer.capture import Capture, Captured
from indexer.findings import Findings
from indexer.health import Health
from indexer.indexing import Indexing
from indexer.intake_directory import Intake
from indexer.ports import Ports
from indexer.reconcile import IndexReconciler
from indexer.requests import Answered
from tests.unit.indexer.world import (
    POISON,
    TOXIC,
    Dirty,
    Engine,
    Extractions,
    Feed,
    Generations,
    Letters,
    Objects,
    Records,
    Requests,
    Rows,
    Store,
    Stream,
    World,
    root_key_of,
)


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
        assets=cast("AssetRepository", Rows(world)),
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
        reconciles=cast("ReconcileRepository", None),
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

    def __init__(self, world: World, between: Callable[[], int]) -> None:
        self.world = world
        self.between = between
        self.stream: Stream | None = None
        self.problem = None

    @override
    def start(self, position: FeedPosition) -> None:
        self.stream = Stream(self.world, position)

    @override
    def stop(self) -> None:
        self.stream = None

    @override
    def take(self, *, timeout: float) -> list[Captured]:
        assert self.stream is not None
        most = self.between()
        self.world.clock.advance(0.3)
        changes = self.stream.next_batch(max_changes=most, linger_seconds=0)
        now = self.world.clock.monotonic()
        return [Captured(tuple(changes), self.stream.position, now)]


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


class ScriptedTerm:
    """A term that lasts until it is told to end."""

    def __init__(self, epoch: int) -> None:
        self.stop = threading.Event()
        self.epoch = epoch
        self.owner = f"process {epoch}"
        self.is_over = False

    def is_held(self) -> bool:
        return not self.is_over

    def check(self) -> None:
        if self.is_over:
            raise FencedError("the term is over")


class NoSweeps:
    """``SweepRunner`` that has nothing to do."""

    def reconcile(self, arguments: dict[str, Any], answered: Answered) -> None:
        del arguments
        answered(True, "nothing differs")  # noqa: FBT003

    def run(self, sweep: str, answered: Answered) -> None:
        answered(False, f"there is no {sweep}")  # noqa: FBT003


def run_process(
    world: World,
    between: Callable[[threading.Event], int],
    *,
    term: ScriptedTerm | None = None,
    ports: Ports | None = None,
    patience: int = 10_000,
) -> Health:
    """Run one indexer process, which leads, until it stops or crashes.

    ``patience`` is how often it may retry anything before it is told to stop.
    """
    left = patience

    def jitter() -> float:
        nonlocal left
        left -= 1
        if left < 0:
            leading.stop.set()
        return 0.5

    world.epoch += 1
    leading = term or ScriptedTerm(world.epoch)
    ports = ports or ports_to(world)
    intake = Intake(store=ports.store, objects=ports.objects, clock=ports.clock)
    health = Health(world.clock)
    Indexing(
        ports,
        term=leading,
        list_store=intake.ensure_listed,
        health=health,
        jitter=jitter,
        comparison=IndexReconciler(assets=ports.assets, admin=ports.index_admin),
        findings=Findings(),
        sweeps=NoSweeps(),
        make_capture=lambda: ScriptedCapture(world, lambda: between(leading.stop)),
    ).run()
    return health


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


# --- the oracle: an independent, simple rebuild ------------------------------------


def expected_index(world: World) -> dict[IndexName, dict[str, Any]]:
    """What the index must hold: document id → content hash (or what marks it)."""
    assets: dict[str, Any] = {}
    segments: dict[str, Any] = {}
    tags: dict[str, set[str]] = {}
    for root in world.jobs:
        for asset in describe(world.bundle(root), ObjectKey).assets:
            made = documents_of(
                asset, root_key=root_key_of(root), sequence=0, generation=0
            )
            if made.document is None:
                continue
            for label in asset.tags:
                tag_id = tag_document_id(made.document["owner"], tag_key(label))
                tags.setdefault(tag_id, set()).update(made.document["acl"])
            if TOXIC not in asset.name:
                is_poison = POISON in (asset.prompt or "")
                assets[asset.document_id] = "minimal" if is_poison else made.hash
            for segment in made.segments:
                if POISON not in segment["text"]:
                    segments[segment["id"]] = made.hash
    return {
        IndexName.ASSETS: assets,
        IndexName.SEGMENTS: segments,
        IndexName.TAGS: {tag: sorted(acl) for tag, acl in tags.items()},
    }


def actual_index(world: World) -> dict[IndexName, dict[str, Any]]:
    """What readers find behind the aliases."""

    def mark(kind: IndexName, document: dict[str, Any]) -> Any:  # noqa: ANN401
        if kind is IndexName.TAGS:
            return sorted(document["acl"])
        return "minimal" if "index_error" in document else document["_hash"]

    return {
        kind: {
            identifier: mark(kind, document)
            for identifier, document in world.indexes[world.aliases[kind]].items()
        }
        for kind in IndexName
    }


def assemblyai(*utterances: str) -> bytes:
    said = [
        {"speaker": "A", "text": text, "start": n * 1000, "end": n * 1000 + 900}
        for n, text in enumerate(utterances)
    ]
    return json.dumps({"text": " ".join(utterances), "utterances": said}).encode()
