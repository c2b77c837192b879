"""Finds out what a record needs to know of the store: heads, listings, transcripts.

What is learnt is written to ``objects`` and ``extractions`` (one road) and used at
once, so that the change events which these writes cause can be passed over.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from catalog.clock import Clock
from catalog.describe import Description, describe
from catalog.errors import DependencyError
from catalog.models.ids import ObjectKey
from catalog.models.stored import Extraction, StoredObject
from catalog.repositories.base import (
    ObjectRepository,
    RootBundle,
)
from catalog.repositories.extractions import ExtractionRepository
from catalog.repositories.sightings import Recorded, Sighting, is_same
from catalog.storage.base import ObjectStore
from catalog.storage.seen import look_at, missing, present
from indexer.batching import Echoes, RecentKeys
from indexer.ports import MakePool, thread_pool
from indexer.stored import extract_transcript

log = logging.getLogger(__name__)

STORE_PAUSE_SECONDS = 5.0
"""After the store failed it is left alone for this long, so that job updates don't
wait for its time-outs; what could not be looked up is marked dirty."""

_ROUNDS = 5
"""Head, extract the JSON, head the text instead, extract that; and one to spare."""

Asked = TypeVar("Asked", bound=str)
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Learned:
    """A root's bundle with what the store said, and what it means.

    Attributes:
        bundle: With newly found objects and extractions.
        description: Of that bundle; empty when the record defeats ``describe``.
        error: Why it does.
        is_unsettled: Something could not be looked up because the store is away.
    """

    bundle: RootBundle
    description: Description = field(default_factory=Description)
    error: str | None = None
    is_unsettled: bool = False


@dataclass(frozen=True, slots=True)
class _Needs:
    """What one root wants to know."""

    heads: tuple[ObjectKey, ...]
    prefixes: tuple[str, ...]
    sources: tuple[ObjectKey, ...]


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the store said; what it did not answer is absent."""

    heads: Mapping[ObjectKey, StoredObject]
    listings: Mapping[str, Sequence[StoredObject]]
    extractions: Mapping[ObjectKey, Extraction]


class Learner:
    """Looks into the store on behalf of records; used by one thread."""

    def __init__(
        self,
        *,
        objects: ObjectRepository,
        extractions: ExtractionRepository,
        store: ObjectStore,
        clock: Clock,
        echoes: Echoes,
        make_pool: MakePool = thread_pool,
        workers: int = 8,
    ) -> None:
        """Ask nothing yet."""
        self._objects = objects
        self._extractions = extractions
        self._store = store
        self._clock = clock
        self._echoes = echoes
        self._pool = make_pool(workers, "store")
        self._listed: RecentKeys[str] = RecentKeys(50_000)
        self._paused_until = float("-inf")
        self._is_for_all = True

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def learn(
        self,
        bundles: Sequence[RootBundle],
        *,
        recheck: bool = False,
        is_for_all: bool = True,
    ) -> list[Learned]:
        """Describe every bundle, looking up what is not known yet.

        Args:
            bundles: As read from the record.
            recheck: Look again for named objects that are recorded as missing.
            is_for_all: What is learnt reaches every live generation at once; else the
                changes that it causes must come round through the feed.

        Returns:
            One per bundle, in order.

        Raises:
            DependencyUnavailableError: MongoDB did not take what was learnt;
                retryable. The store being away raises nothing (``is_unsettled``).
        """
        self._is_for_all = is_for_all
        cases = [Learned(bundle) for bundle in bundles]
        for case in cases:
            self._describe(case)
        going_on = cases
        for round_ in range(_ROUNDS):
            going_on = self._round(going_on, recheck=recheck and round_ == 0)
            if not going_on:
                break
        return cases

    def _round(self, cases: Iterable[Learned], *, recheck: bool) -> list[Learned]:
        """Look up once what these need; returns those that know more afterwards."""
        needy = [
            (case, needs)
            for case in cases
            if (needs := self._needs(case, recheck=recheck)) is not None
        ]
        if not needy:
            return []
        answers = self._ask(needy)
        return [case for case, needs in needy if self._tell(case, needs, answers)]

    def _needs(self, case: Learned, *, recheck: bool) -> _Needs | None:
        told = case.description
        heads = told.wanted + (told.missing if recheck else ())
        prefixes = tuple(p for p in told.prefixes if p not in self._listed)
        if not (heads or prefixes or told.transcripts):
            return None
        return _Needs(heads, prefixes, told.transcripts)

    def _tell(self, case: Learned, needs: _Needs, answers: _Answers) -> bool:
        """Add the answers to a bundle; returns whether there were any."""
        heads = [answers.heads[k] for k in needs.heads if k in answers.heads]
        listed = [o for p in needs.prefixes for o in answers.listings.get(p, ())]
        texts = [
            answers.extractions[k] for k in needs.sources if k in answers.extractions
        ]
        gone = [
            answers.heads[k]
            for k in needs.sources
            if k in answers.heads and k not in needs.heads
        ]
        case.is_unsettled = case.is_unsettled or not (
            len(heads) == len(needs.heads)
            and all(prefix in answers.listings for prefix in needs.prefixes)
            and len(texts) + len(gone) == len(needs.sources)
        )
        found = [*heads, *listed, *gone]
        if not found and not texts:
            return False
        case.bundle = replace(
            case.bundle,
            objects={**case.bundle.objects, **{o.key: o for o in found}},
            extractions={**case.bundle.extractions, **{e.key: e for e in texts}},
        )
        self._describe(case)
        return True

    def _describe(self, case: Learned) -> None:
        try:
            case.description = describe(case.bundle, self._store.parse_url)
        except Exception as exc:  # one record must never stop the others
            log.exception("record defeats us", extra={"root": str(case.bundle.root)})
            case.description = Description()
            case.error = f"{type(exc).__name__}: {exc}"

    # --- asking the store ----------------------------------------------------------

    def _ask(self, needy: Sequence[tuple[Learned, _Needs]]) -> _Answers:
        sources = {
            key: case.bundle.objects[key]
            for case, needs in needy
            for key in needs.sources
        }
        recorded = {
            key: found
            for case, _ in needy
            for key, found in case.bundle.objects.items()
        }
        wanted = list(dict.fromkeys(key for _, needs in needy for key in needs.heads))
        known = self._read_before([key for key in wanted if key in recorded])
        heads = self._gather(wanted, self._look)
        listings = self._gather(
            list(dict.fromkeys(p for _, needs in needy for p in needs.prefixes)),
            self._list,
        )
        read = self._gather(
            list(sources), lambda key: extract_transcript(self._store, sources[key])
        )
        now = self._clock.now()
        gone = {k: missing(self._store, k, now) for k, e in read.items() if e is None}
        texts = {key: found for key, found in read.items() if found is not None}
        listed = [o for some in listings.values() for o in some]
        seen = [*heads.values(), *listed]
        self._save_new([o for o in seen if o.key not in recorded])
        self._save_again([o for o in heads.values() if o.key in recorded], known)
        differing = [
            o.key
            for o in listed
            if o.key in recorded and not is_same(recorded[o.key], o)
        ]
        # What was looked at before its record was read has to be looked at again.
        late = dict.fromkeys([*gone, *differing])
        known = self._read_before(list(late))
        self._save_again(list(self._gather(list(late), self._look).values()), known)
        self._save_extractions(texts)
        for prefix in listings:
            self._listed.add(prefix)
        return _Answers({**heads, **gone}, listings, texts)

    def _look(self, key: ObjectKey) -> StoredObject:
        return look_at(self._store, key, self._clock.now())

    def _read_before(self, keys: Sequence[ObjectKey]) -> Mapping[ObjectKey, Recorded]:
        """Read what is recorded of objects that are about to be looked at."""
        return self._objects.recorded(self._store.store_id, keys) if keys else {}

    def _list(self, prefix: str) -> list[StoredObject]:
        now = self._clock.now()
        return [present(self._store, info, now) for info in self._store.list(prefix)]

    def _gather(
        self, asked: Sequence[Asked], ask: Callable[[Asked], Answer]
    ) -> dict[Asked, Answer]:
        """Ask in parallel; answers that a store in trouble owes are left out."""
        if not asked or self._clock.monotonic() < self._paused_until:
            return {}
        pending: list[tuple[Asked, Callable[[], Answer]]]
        if len(asked) == 1:  # the usual live case: spare the hand-over
            pending = [(asked[0], partial(ask, asked[0]))]
        else:
            pending = [(one, self._pool.submit(ask, one).result) for one in asked]
        answers: dict[Asked, Answer] = {}
        for one, wait in pending:
            try:
                answers[one] = wait()
            except DependencyError as exc:
                log.warning("the store does not answer", extra={"error": str(exc)})
                self._paused_until = self._clock.monotonic() + STORE_PAUSE_SECONDS
        return answers

    # --- writing down what was learnt ----------------------------------------------

    def _save_new(self, objects: Sequence[StoredObject]) -> None:
        """Write what nobody knew; the changes of that are passed over later."""
        if not objects:
            return
        with self._echoes.lock:
            settled = self._objects.settle(Sighting(found) for found in objects)
            if self._is_for_all and settled.changed == len(objects):
                # Only then is it certain which changes are to come.
                for known in objects:
                    self._echoes.expect("objects", self._objects.record_id(known))

    def _save_again(
        self,
        objects: Sequence[StoredObject],
        known: Mapping[ObjectKey, Recorded],
    ) -> None:
        """Write what was known otherwise.

        Another root may wait for it (it was missing, say), so these changes must come
        round through the feed. What somebody else wrote meanwhile is newer, and does.
        """
        if objects:
            self._objects.settle(
                Sighting(found, known.get(found.key)) for found in objects
            )

    def _save_extractions(self, found: dict[ObjectKey, Extraction]) -> None:
        """Write; one that MongoDB refuses (too large) becomes an error."""
        if not found:
            return
        with self._echoes.lock:
            try:
                self._extractions.record(found.values())
            except DependencyError as exc:
                if exc.retryable:
                    raise
                for key, one in list(found.items()):
                    found[key] = self._save_one(one)
            for one in found.values() if self._is_for_all else ():
                self._echoes.expect("extractions", self._extractions.record_id(one))

    def _save_one(self, extraction: Extraction) -> Extraction:
        try:
            self._extractions.record([extraction])
        except DependencyError as exc:
            if exc.retryable:
                raise
            extraction = extraction.evolve(
                transcript=None, error=f"not kept: {exc}", cause="too_large"
            )
            self._extractions.record([extraction])
        return extraction
