"""What came of objects, in memory."""

from collections.abc import Mapping, Sequence

from catalog.models.ids import ObjectKey
from catalog.repositories.object_work import WorkResult
from tests.fakes.failing import Failing


class FakeObjectWork(Failing):
    """See ``ObjectWorkReader``."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[tuple[str, str], WorkResult] = {}

    def results(
        self, task: str, keys: Sequence[ObjectKey]
    ) -> Mapping[ObjectKey, WorkResult]:
        self.check()
        return {key: self.known[task, key] for key in keys if (task, key) in self.known}
