"""Known bugs of systems like ours, put back one by one: each must be caught.

``python -m tests.torture.sabotage`` prints the table of what caught which.
"""
# ruff: noqa: ANN401  (what is put in place takes whatever it is given)

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalog.repositories.base import RecordBatch, RootBundle
from catalog.repositories.index_state import ChangeKind, GenerationState
from catalog.search.base import Document, LineResult
from catalog.search.generation import kind_of
from indexer.apply import Applier
from indexer.backfill import Backfill
from indexer.bulk import Bulk
from indexer.documents import DocumentPass, Refusal
from indexer.follow import Follower
from indexer.live import LiveSet
from indexer.pass_mode import PassMode
from indexer.pipeline import Pipeline
from indexer.prepared import Prepared
from indexer.repair import Repair
from indexer.rollout import Rollout
from indexer.steady import Steady
from indexer.tags import TagIndex
from tests.fakes.terms import ScriptedTerm
from tests.torture.crash_points import CrashPoints, make_worlds
from tests.torture.outcome import Outcome, Violation
from tests.torture.patched import patched
from tests.torture.scenarios import SCENARIOS
from tests.torture.simulation import ViolationError, run
from tests.unit.indexer.world import World
from tests.unit.indexer.world_engine import Engine
from tests.unit.indexer.world_records import Records, Rows
from tests.unit.indexer.world_state import Generations

SEEDS = 300
"""Lives after which a bug that none has shown counts as missed."""

_OUR_OWN = ("TypeError", "AttributeError", "KeyError", "NameError", "IndexError")
"""What a sabotage that is written wrongly raises: that catches nothing."""


Patch = tuple[object, str, object]


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A bug.

    Attributes:
        name: For the table.
        patches: Owner, name and what to put there.
        points: Operations whose crash points are tried, before lives are.
    """

    name: str
    patches: Callable[[], Sequence[Patch]]
    points: tuple[str, ...] = ()

    def __call__(self) -> AbstractContextManager[object]:
        """Put the bug in for a block."""
        stack = ExitStack()
        for owner, name, value in self.patches():
            stack.enter_context(patched(owner, name, value))
        return stack


def caught_by(sabotage: Sabotage) -> str | None:
    """Say what catches it; ``None`` when nothing does."""
    make_worlds()
    with sabotage():
        for name, scenario in SCENARIOS.items():
            if told := _told(scenario):
                return f"scenario {name}: {told}"
        for name in sabotage.points:
            if told := _told(lambda: CrashPoints(name).all_first()):  # noqa: B023
                return f"crash points of {name}: {told}"
        for seed in range(SEEDS):
            if told := _told(lambda: run(seed)):  # noqa: B023
                return f"simulation, seed {seed}: {told}"
    return None


def _told(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (Violation, ViolationError) as error:
        text = str(error).partition("\n")[0]
        if any(name in text for name in _OUR_OWN):
            raise
        return text[:200]
    return ""


# --- the bugs ----------------------------------------------------------------------


def _checkpoint_first() -> Sequence[Patch]:
    apply = Pipeline.apply

    def acknowledge_and_apply(
        self: Pipeline, roots: Any, *, mode: PassMode, settled: Any, **rest: Any
    ) -> None:
        if mode.is_fill:
            apply(self, roots, mode=mode, settled=settled, **rest)
        else:
            settled(None)
            apply(self, roots, mode=mode, settled=lambda _: None, **rest)

    return [(Pipeline, "apply", acknowledge_and_apply)]


def _through_the_alias() -> Sequence[Patch]:
    add = Bulk.add

    def add_to_alias(self: Any, index: str, documents: Any, owner: Any) -> None:
        world: World = self._writer.world
        add(self, world.aliases.get(kind_of(index), index), documents, owner)

    return [(Bulk, "add", add_to_alias)]


def _no_barrier() -> Sequence[Patch]:
    return [(Steady, "barrier", lambda *_: None)]


def _no_fence() -> Sequence[Patch]:
    return [
        (Engine, "_check", lambda _: None),
        (ScriptedTerm, "check", lambda _: None),
        (Generations, "_fence", lambda *_: None),
    ]


def _never_cut_off() -> Sequence[Patch]:
    return [(ScriptedTerm, "cut_off", lambda _: None)]


def _emplace() -> Sequence[Patch]:
    put = Engine._put  # noqa: SLF001

    def merge(
        self: Engine, index: str, held: dict[str, Document], document: Document
    ) -> None:
        put(self, index, held, held.get(document["id"], {}) | dict(document))

    return [(Engine, "_put", merge)]


def _ignored_lines() -> Sequence[Patch]:
    def count(self: Any, index: str, batch: Any, results: Any) -> None:
        del index, results
        self.written += len(batch)

    return [(Bulk, "_read", count)]


def _cluster_time_as_version() -> Sequence[Patch]:
    """Writes are told apart by their event's time, and only higher ones count."""
    prepare, put = Applier.prepare, Engine._put  # noqa: SLF001

    def stamped(
        self: Applier, roots: Any, *, not_before: int = 0, **rest: Any
    ) -> Prepared:
        prepared = prepare(self, roots, not_before=not_before, **rest)
        return replace(prepared, sequence=not_before) if not_before else prepared

    def put_newer(
        self: Engine, index: str, held: dict[str, Document], document: Document
    ) -> None:
        there = held.get(document["id"])
        if there is None or there["_seq"] < document["_seq"]:
            put(self, index, held, document)

    def next_sequence(self: LiveSet, cluster_time: int) -> int:
        del self
        return cluster_time

    return [
        (Applier, "prepare", stamped),
        (Engine, "_put", put_newer),
        (LiveSet, "next_sequence", next_sequence),
    ]


def _collection_watched() -> Sequence[Patch]:
    handle = Follower._handle  # noqa: SLF001

    def records_only(self: Follower, taken: Any) -> None:
        kept = [
            replace(
                captured,
                changes=tuple(
                    c for c in captured.changes if c.kind is ChangeKind.RECORD
                ),
            )
            for captured in taken
        ]
        handle(self, kept)

    return [(Follower, "_handle", records_only)]


def _from_now() -> Sequence[Patch]:
    def trust(self: Follower) -> None:
        self._live.repaired()

    return [(Follower, "_repair_degraded", trust)]


def _delete_first() -> Sequence[Patch]:
    create = Rollout._create  # noqa: SLF001

    def drop_and_create(self: Any, generation: Any) -> None:
        serving = self._live.serving
        for target in self._live.targets:
            if serving is not None and target.number == serving.number:
                for index in target.names.values():
                    self._admin.drop(index)
        create(self, generation)

    return [(Rollout, "_create", drop_and_create)]


def _out_of_order() -> Sequence[Patch]:
    """A pool of workers: an import may overtake the one before it."""
    upsert = Engine.upsert
    waiting: dict[int, tuple[str, list[Document]]] = {}

    def overtaken(
        self: Engine, index: str, documents: Sequence[Document]
    ) -> list[LineResult]:
        results = upsert(self, index, documents)
        held = self.world.indexes[index]
        later = waiting.pop(id(self.world), None)
        if later is not None and later[0] == index:
            held.update({d["id"]: d for d in later[1] if d["id"] in held})
        waiting[id(self.world)] = (index, [dict(d) for d in documents])
        return results

    return [(Engine, "upsert", overtaken)]


def _stale_prefetch() -> Sequence[Patch]:
    return [(Backfill, "touch", lambda *_: None), (Backfill, "forget", lambda _: None)]


class _Nowhere:
    """Takes everything and keeps nothing."""

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        del index
        return [LineResult(document["id"]) for document in documents]


def _rows_first() -> Sequence[Patch]:
    write = Applier.write

    def note_and_write(
        self: Any, prepared: Prepared, mode: PassMode, **rest: Any
    ) -> DocumentPass:
        nowhere: Any = _Nowhere()
        dry = DocumentPass(nowhere, self._pool, self._live, prepared, mode)
        dry.upsert()
        self._rows.replace(dry.rows())
        return write(self, prepared, mode, **rest)

    return [(Applier, "write", note_and_write)]


def _letters_keep_the_old() -> Sequence[Patch]:
    settle = DocumentPass._settle  # noqa: SLF001

    def note(self: Any, refused: Any) -> None:
        work, _ = refused.owner
        if work.old is None:
            settle(self, refused)
        else:
            work.refusals.append(Refusal(refused.document["id"], refused.error))

    return [(DocumentPass, "_settle", note)]


def _orphans_stay() -> Sequence[Patch]:
    return [(Repair, "remove_orphans", lambda _: set())]


def _uncounted() -> Sequence[Patch]:
    return [(DocumentPass, "verify", lambda _: None)]


def _swapped_early() -> Sequence[Patch]:
    def skip(self: Any, generation: Any) -> None:
        self._enter(generation, GenerationState.VERIFYING)
        self._promote(self._live.building)

    return [(Rollout, "_catch_up", skip)]


def _unverified() -> Sequence[Patch]:
    def promote(self: Any, generation: Any) -> None:
        self._pipeline.finish()
        self._promote(generation)

    return [(Rollout, "_verify", promote)]


def _event_data() -> Sequence[Patch]:
    """What an event was sent with is applied, not what is true by now."""
    add, read = World._add, Records.read  # noqa: SLF001
    sent: dict[tuple[int, int], list[RootBundle]] = {}

    def remember(self: World, collection: str, record_id: Any) -> None:
        add(self, collection, record_id)
        if collection == "jobs":
            sent.setdefault((id(self), record_id), []).append(self.bundle(record_id))

    def answer(self: Records, roots: Any, *, not_before: int = 0) -> RecordBatch:
        batch = read(self, roots, not_before=not_before)
        bundles = []
        for bundle in batch.bundles:
            payloads = sent.get((id(self.world), bundle.root))
            old = payloads.pop(0) if payloads and not_before else bundle
            bundles.append(replace(old, rows=bundle.rows))
        return RecordBatch(batch.cluster_time, tuple(bundles))

    return [(World, "_add", remember), (Records, "read", answer)]


def _never_narrowed() -> Sequence[Patch]:
    return [(TagIndex, "_is_narrowed", lambda *_: False)]


def _no_jump() -> Sequence[Patch]:
    return [(LiveSet, "jump", lambda _: None)]


def _leftovers_stay() -> Sequence[Patch]:
    return [
        (DocumentPass, "sweep", lambda _: None),
        (DocumentPass, "verify", lambda _: None),
    ]


def _rows_whenever() -> Sequence[Patch]:
    replace_ = Rows.replace

    def whenever(self: Rows, rows: Any, *, until: Any = None, **rest: Any) -> int:
        del until
        return replace_(self, rows, **rest)

    return [(Rows, "replace", whenever)]


SABOTAGES: Mapping[str, Sabotage] = {
    one.name: one
    for one in (
        Sabotage("checkpoint first", _checkpoint_first, ("insert",)),
        Sabotage("write through the alias", _through_the_alias),
        Sabotage("no barrier", _no_barrier),
        Sabotage("no fence", _no_fence),
        Sabotage("late writes not cut off", _never_cut_off),
        Sabotage("emplace", _emplace),
        Sabotage("result lines ignored", _ignored_lines),
        Sabotage("cluster time as version", _cluster_time_as_version),
        Sabotage("one collection watched", _collection_watched),
        Sabotage("on from now after history was lost", _from_now),
        Sabotage("rebuild deletes first", _delete_first),
        Sabotage("parallel writes out of order", _out_of_order),
        Sabotage("stale prefetch of a backfill", _stale_prefetch),
        Sabotage("rows before documents", _rows_first, ("redrive",)),
        Sabotage("dead letter keeps the old version", _letters_keep_the_old),
        Sabotage("orphans stay", _orphans_stay),
        Sabotage("nothing is counted after a write", _uncounted),
        Sabotage("swapped before it has caught up", _swapped_early),
        Sabotage("swapped without being verified", _unverified),
        Sabotage("event data instead of the record", _event_data),
        Sabotage("rights of a tag never narrowed", _never_narrowed),
        Sabotage("sequence not moved at takeover", _no_jump),
        Sabotage("leftovers stay", _leftovers_stay),
        Sabotage("rows written after the lease", _rows_whenever),
    )
}


def sabotage(seed: int, folder: Path) -> Outcome:
    """Put back all; nothing is drawn."""
    del seed, folder
    missed = [name for name, one in SABOTAGES.items() if caught_by(one) is None]
    if missed:
        raise Violation(f"nothing caught: {missed}")
    return Outcome(len(SABOTAGES))


def main() -> int:
    missed = 0
    for name, sabotage in SABOTAGES.items():
        caught = caught_by(sabotage)
        missed += caught is None
        sys.stdout.write(f"| {name} | {caught or '**missed**'} |\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
