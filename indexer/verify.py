"""The full comparison of a new generation with the read model, before it serves.

The long part runs beside the loop; what looked different is looked at again by the
loop itself while nothing is on its way, so that no change in flight counts.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from typing_extensions import override

from catalog.models.ids import RootKey
from catalog.repositories.base import RootId
from indexer.checkpoint import Target
from indexer.ports import MakePool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What differs.

    Attributes:
        roots: Whose documents are missing or stale.
        ghosts: Root keys of documents that nothing accounts for.
        ghost_tags: Ids of tag documents that no asset bears.
        kinds: How many differences there are by kind.
        samples: Some of them, readable.
    """

    roots: tuple[RootId, ...] = ()
    ghosts: tuple[RootKey, ...] = ()
    ghost_tags: tuple[str, ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.roots and not self.ghosts and not self.ghost_tags

    @override
    def __str__(self) -> str:
        parts = [f"{len(self.roots)} roots", f"{len(self.ghosts)} ghosts"]
        return ", ".join([*parts, f"{len(self.ghost_tags)} ghost tags"])


class Comparison(Protocol):
    """Compares one generation with the read model."""

    def suspects(self, target: Target, stop: threading.Event) -> Any:  # noqa: ANN401
        """Compare everything; returns what looked different, for ``recheck``."""
        ...

    def recheck(self, target: Target, suspects: Any) -> Verdict:  # noqa: ANN401
        """Look again at what looked different."""
        ...


class Verifier:
    """Runs one comparison at a time; used by one thread."""

    def __init__(self, comparison: Comparison, make_pool: MakePool) -> None:
        """Compare nothing yet."""
        self._comparison = comparison
        self._pool = make_pool(1, "verify")
        self._stop = threading.Event()
        self._target: Target | None = None
        self._suspects: Future[Any] | None = None

    def is_at(self, target: Target) -> bool:
        """Whether this generation is being compared."""
        return self._target is not None and self._target.number == target.number

    @property
    def is_done(self) -> bool:
        """Whether ``verdict`` would not wait."""
        return self._suspects is not None and self._suspects.done()

    def start(self, target: Target) -> None:
        """Begin to compare everything, in another thread."""
        self.stop()
        self._stop = threading.Event()
        self._target = target
        stop = self._stop
        compare: Callable[[], Any] = lambda: self._comparison.suspects(target, stop)  # noqa: E731
        self._suspects = self._pool.submit(compare)

    def verdict(self) -> Verdict:
        """Look again at what looked different, while nothing is on its way.

        Raises:
            DependencyUnavailableError: Compare once more; retryable.
        """
        assert self._target is not None  # noqa: S101  (after ``start``)
        assert self._suspects is not None  # noqa: S101
        if self._suspects.exception() is not None:
            self.start(self._target)
        return self._comparison.recheck(self._target, self._suspects.result())

    def close(self) -> None:
        """End the thread; it only reads."""
        self.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Forget what is being compared."""
        self._stop.set()
        self._target = self._suspects = None
