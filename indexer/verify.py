"""The full comparison of a new generation with the read model, before it serves.

The long part runs beside the loop; what looked different is looked at again by the
loop itself while nothing is on its way, so that no change in flight counts.
"""

import threading
from concurrent.futures import Future

from indexer.comparison import Suspects, Verdict
from indexer.live import Target
from indexer.ports import MakePool
from indexer.reconcile_index import IndexReconciler


class Verifier:
    """Runs one comparison at a time; used by one thread."""

    def __init__(self, reconciler: IndexReconciler, make_pool: MakePool) -> None:
        """Compare nothing yet."""
        self._reconciler = reconciler
        self._pool = make_pool(1, "verify")
        self._stop = threading.Event()
        self._number = 0
        self._suspects: Future[Suspects] | None = None

    def is_done(self, target: Target) -> bool:
        """Whether ``verdict`` would not wait; begins to compare where need be."""
        return self._comparing(target).done()

    def verdict(self, target: Target) -> Verdict:
        """Look again at what looked different, while nothing is on its way.

        Raises:
            DependencyUnavailableError: Compare once more; retryable.
        """
        if self._comparing(target).exception() is not None:
            self.stop()
        return self._reconciler.recheck(target, self._comparing(target).result())

    def close(self) -> None:
        """End the thread; it only reads."""
        self.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Forget what is being compared."""
        self._stop.set()
        self._suspects = None

    def _comparing(self, target: Target) -> Future[Suspects]:
        """The comparison of this generation, in another thread."""
        if self._suspects is None or self._number != target.number:
            self.stop()
            self._stop = threading.Event()
            self._number = target.number
            self._suspects = self._pool.submit(
                self._reconciler.suspects, target, self._stop
            )
        return self._suspects
