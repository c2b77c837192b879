"""Work that is done beside requests: every few seconds, on one thread of its own."""

import logging
import threading
from collections.abc import Callable

_CLOSE_SECONDS = 3.0
_LOG = logging.getLogger(__name__)


class Background:
    """Does something again and again once it was woken, and a last time at the end."""

    def __init__(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        """Start nothing yet.

        Args:
            name: Of the thread.
            seconds: Between two times.
            action: What is done; what it raises is logged, and it is tried again.
        """
        self._name = name
        self._seconds = seconds
        self._action = action
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Start the thread, if there is none."""
        if self._thread is not None or self._stop.is_set():
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name=self._name, daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Do it a last time, if that goes quickly, and stop; idempotent."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._stop.wait(self._seconds)
            try:
                self._action()
            except Exception as exc:  # noqa: BLE001  (it must never end by itself)
                facts = {"work": self._name, "error": str(exc)}
                _LOG.warning("not written yet", extra=facts)
