"""What people changed, in memory."""

from collections.abc import Iterable, Mapping

from catalog.errors import ConflictError
from catalog.models.stored import Annotation
from tests.fakes.failing import Failing


class FakeAnnotationRepository(Failing):
    """See ``AnnotationRepository``; ``interfere`` is saved first by somebody else."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: dict[str, Annotation] = {}
        self.saves = 0
        self.interfere: list[Annotation] = []

    def find(self, targets: Iterable[str]) -> Mapping[str, Annotation]:
        self.check()
        return {one: self.saved[one] for one in targets if one in self.saved}

    def save(self, annotation: Annotation) -> Annotation:
        self.check()
        if self.interfere:
            other = self.interfere.pop(0)
            known = self.saved.get(other.target)
            revision = known.revision if known else 0
            self.saved[other.target] = other.evolve(revision=revision + 1)
        known = self.saved.get(annotation.target)
        if annotation.revision != (known.revision if known else 0):
            message = "somebody else was faster"
            raise ConflictError(message)
        self.saves += 1
        saved = annotation.evolve(revision=annotation.revision + 1)
        self.saved[annotation.target] = saved
        return saved
