"""The record in memory, read by jobId, and what the indexer notes about it."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from catalog.models.ids import JobId, RootKey
from catalog.repositories.base import RecordBatch, RootBundle, RootId
from tests.fakes.failing import Failing


def root_key(root: RootId) -> RootKey:
    return RootKey(blake2b(repr(root).encode(), digest_size=12).hexdigest())


class FakeRootReader(Failing):
    """See ``RootReader``; roots are arranged as bundles."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: dict[str, list[RootBundle]] = {}
        self.cluster_time = 1_700_000_100 << 32
        self.reads = 0

    def read(self, roots: Sequence[RootId], *, not_before: int = 0) -> RecordBatch:
        self.check()
        self.reads += 1
        found = [b for bundles in self.roots.values() for b in bundles]
        by_root = {bundle.root: bundle for bundle in found}
        bundles = tuple(
            by_root.get(root, RootBundle(root, root_key(root))) for root in roots
        )
        return RecordBatch(max(self.cluster_time, not_before), bundles)

    def roots_of_jobs(self, job_ids: Iterable[JobId]) -> tuple[RootId, ...]:
        self.check()
        return tuple(b.root for one in job_ids for b in self.roots.get(one, ()))


class FakeAttempts(Failing):
    """See ``AttemptsReader``."""

    def __init__(self) -> None:
        super().__init__()
        self.tried: dict[RootId, int] = {}

    def attempts(self, roots: Sequence[RootId]) -> Mapping[str, int]:
        self.check()
        return {root_key(r): self.tried[r] for r in roots if r in self.tried}
