"""The search engine of the world in memory: ``IndexWriter`` and ``IndexAdmin``."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from catalog.errors import (
    DependencyUnavailableError,
    FencedError,
    NotFoundError,
)
from catalog.models.ids import RootKey
from catalog.repositories.index_state import GenerationState
from catalog.search.base import Document, IndexName, LineResult
from catalog.search.generation import kind_of, parse_physical
from catalog.search.schema import FIELDS
from tests.unit.indexer.world import POISON, TOXIC, CrashError, LateWrite, World

_MAY_SERVE = {
    GenerationState.VERIFYING,
    GenerationState.SERVING,
    GenerationState.RETIRING,
}


class Engine:
    """``IndexWriter`` and ``IndexAdmin`` over the world.

    Writes whose answer is lost may be applied late, also over newer ones, until their
    key is changed; reads of an engine that has just restarted show an older state,
    until a write is acknowledged (both measured on the real one).
    """

    def __init__(self, world: World, epoch: int | None = None) -> None:
        self.world = world
        self.epoch = epoch
        self.uncertain_writes = 0

    # --- writing -------------------------------------------------------------------

    def use_key(self, key: str) -> None:
        """Any key will do."""

    def upsert(self, index: str, documents: Sequence[Document]) -> list[LineResult]:
        results: list[LineResult] = []
        left = list(documents)
        with self._writing(index) as held:
            while left:  # torn imports
                document = left[0]
                about = (index, document["id"], document["_seq"], document["_hash"])
                writes = [self._putting(index, one) for one in left]
                self._step("upsert", about, index, writes)
                left.pop(0)
                if is_refused(document):
                    error = LineResult(document["id"], "bad", is_poison=True)
                    results.append(error)
                    continue
                self._put(index, held, document)
                results.append(LineResult(document["id"]))
            self._step("upsert answered", index, index, ())
        return results

    def delete(self, index: str, document_ids: Sequence[str]) -> None:
        with self._writing(index) as held:
            for identifier in document_ids:
                self._step(
                    "delete",
                    (index, identifier),
                    index,
                    [lambda held, i=identifier: _forget(held, i)],  # type: ignore[misc]
                )
                _forget(held, identifier)

    def delete_older(self, index: str, roots: Sequence[RootKey], sequence: int) -> int:
        def remove(held: dict[str, Document]) -> None:
            old = [
                i
                for i, d in held.items()
                if d["root"] in roots and d["_seq"] < sequence
            ]
            for identifier in old:
                del held[identifier]

        with self._writing(index) as held:
            about = (index, sequence, *roots)
            self._step("delete_older", about, index, [remove])
            before = len(held)
            remove(held)
            return before - len(held)

    def barrier(self, index: str) -> None:
        with self._writing(index):
            self.world.faults.step("barrier", "typesense", index)

    @contextmanager
    def _writing(self, index: str) -> Iterator[dict[str, Document]]:
        """Be trusted once this one is there."""
        self._must_exist(index)
        self._check()
        if self.world.faults.lands():
            self.world.apply_late(index)
        yield self.world.indexes[index]
        self.world.replay(index)

    def _step(
        self, what: str, about: object, index: str, writes: Sequence[LateWrite]
    ) -> None:
        """Fail, perhaps: then all that is left may be carried out later, or never."""
        try:
            self.world.faults.step(what, "typesense", about)
        except (CrashError, DependencyUnavailableError):
            if writes and self.world.faults.is_late():
                self.world.late.setdefault(index, []).extend(writes)
                self.uncertain_writes += 1
            raise
        self._check()

    def _putting(self, index: str, document: Document) -> LateWrite:
        def put(held: dict[str, Document]) -> None:
            if not is_refused(document):
                self._put(index, held, document)

        return put

    def _put(self, index: str, held: dict[str, Document], document: Document) -> None:
        world, identifier, sequence = self.world, document["id"], document["_seq"]
        known = world.highest.setdefault(index, {})
        before = known.get(identifier, 0)
        if sequence < before:
            text = f"{identifier} of {index} went from {before} to {sequence}"
            world.violations.append(f"_seq went down: {text}")
        if not world.takes_our_documents(index):
            world.violations.append(f"{index} does not take {identifier}")
        known[identifier] = max(sequence, before)
        if world.forgets > 0:
            world.forgets -= 1
            return
        held[identifier] = dict(document)

    def _check(self) -> None:
        if self.epoch is not None and self.epoch < self.world.fence:
            raise FencedError("the key was revoked")

    def _must_exist(self, index: str) -> None:
        if index not in self.world.indexes:
            raise NotFoundError("index", index)

    # --- reading -------------------------------------------------------------------

    def _shown(self, index: str) -> dict[str, Document]:
        self._must_exist(index)
        return self.world.stale.get(index, self.world.indexes[index])

    def count_of_roots(
        self, indexes: Sequence[str], roots: Sequence[RootKey]
    ) -> list[int]:
        self.world.faults.step("count", "typesense", roots)
        return [
            sum(d["root"] in roots for d in self._shown(index).values())
            for index in indexes
        ]

    def count(self, index: str) -> int:
        return len(self._shown(index))

    def export(
        self,
        index: str,
        fields: Sequence[str],
        *,
        buckets: range | None = None,
        ids: Sequence[str] | None = None,
        roots: Sequence[RootKey] | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        self.world.faults.step("export", "typesense", index)
        return [
            {f: d.get(f) for f in ("id", *fields)}
            for i, d in self._shown(index).items()
            if (ids is None or i in ids)
            and (roots is None or d.get("root") in roots)
            and (buckets is None or d.get("_bucket") in buckets)
        ]

    # --- administering -------------------------------------------------------------

    def engine_version(self) -> str:
        return "0.24.1"

    def create(self, index: str, kind: IndexName) -> None:
        del kind
        self.world.faults.step("create", "typesense", index)
        self.world.indexes.setdefault(index, {})

    def drop(self, index: str) -> None:
        self.world.faults.step("drop", "typesense", index)
        self.world.indexes.pop(index, None)
        for held in (self.world.stale, self.world.late, self.world.highest):
            held.pop(index, None)
        self.world.look_for()

    def resolve(self, kind: IndexName) -> str | None:
        return self.world.aliases.get(kind)

    def point(self, kind: IndexName, index: str) -> None:
        self.world.faults.step("point", "typesense", index)
        self._must_exist(index)
        self._judge_swap(kind, index)
        self.world.aliases[kind] = index
        self.world.look_for()

    def _judge_swap(self, kind: IndexName, index: str) -> None:
        """Readers must never be pointed at what is not complete."""
        world, parsed = self.world, parse_physical(index)
        assert parsed is not None
        generation = world.generations.get(parsed.number)
        if generation is None or generation.state not in _MAY_SERVE:
            state = generation.state if generation else "nothing"
            world.violations.append(f"readers pointed at {index}, which is {state}")
        elif generation.state is GenerationState.VERIFYING and kind is IndexName.ASSETS:
            held = world.indexes[index]
            lacking = [
                row.document_id
                for row in world.rows.values()
                if row.acl
                and row.document_hash
                and held.get(row.document_id, {}).get("_hash") != row.document_hash
            ]
            if lacking:
                text = f"{index}, which lacks {sorted(lacking)}"
                world.violations.append(f"readers pointed at {text}")

    def physical(self) -> tuple[str, ...]:
        known = tuple(sorted(self.world.indexes))
        if self.world.unknown_indexes > 0:
            self.world.unknown_indexes -= 1
            return known[1:]
        return known

    def fields(self, index: str) -> Mapping[str, tuple[str, bool]]:
        self._must_exist(index)
        known = {
            field.name: (field.type, field.optional) for field in FIELDS[kind_of(index)]
        }
        if not self.world.takes_our_documents(index):
            known["required_once"] = ("string", False)
        return known

    def shadowed_aliases(self) -> tuple[str, ...]:
        return ()


def is_refused(document: Document) -> bool:
    """Whether the engine will never take a document."""
    texts = (document.get("prompt"), document.get("text"))
    is_poison = any(POISON in (text or "") for text in texts)
    return is_poison or TOXIC in document.get("name", "")


def _forget(held: dict[str, Document], identifier: str) -> None:
    held.pop(identifier, None)
