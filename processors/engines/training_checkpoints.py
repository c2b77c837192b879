"""Brings what a child keeps while it trains to where the next worker finds it."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from catalog.errors import DependencyError
from processors.engine import Shelf, Step, Work

TRAINING = "training"
"""Phase of a step that names a checkpoint."""

PATTERN = "checkpoint-*.safetensors"
"""The child's files; the number of steps in their names has leading zeros."""

_LOG = logging.getLogger(__name__)


class Checkpoints:
    """Those of one run, on the job's shelf: at most one counts, the step names it."""

    def __init__(self, work: Work, step: Step, shelf: Shelf) -> None:
        """Keep nothing yet.

        Args:
            work: The job; ``save`` keeps steps, ``folder`` has the child's files.
            step: The last one that was kept.
            shelf: The job's.
        """
        self._work = work
        self._shelf = shelf
        self._name = _name_in(step)

    def last(self) -> Path | None:
        """Bring the one to go on from; ``None``: there is none, begin anew."""
        if self._name is None:
            return None
        path = self._work.folder / "last.safetensors"
        if self._shelf.take(self._name, path):
            return path
        _LOG.info("a checkpoint is gone", extra={"job_id": self._work.job_id})
        return None

    def check(self) -> None:
        """Keep the newest that the child has left; called often, as ``Work.check``.

        Storage that is away costs this checkpoint, not the training.
        """
        self._work.check()
        found = sorted(self._work.folder.glob(PATTERN))
        if not found:
            return
        newest = found[-1]
        # The folder's name is this run's alone: one that lost its claim since
        # overwrites nothing that another goes on from.
        name = f"{self._work.folder.name}/{newest.name}"
        try:
            self._shelf.put(name, newest)
            self._work.save({"phase": TRAINING, "checkpoint": name})
        except DependencyError as exc:
            _LOG.warning("a checkpoint is not kept", extra={"error": str(exc)})
        else:
            earlier, self._name = self._name, name
            if earlier is not None:
                with suppress(DependencyError):
                    self._shelf.drop(earlier)
        for path in found:
            path.unlink()


def _name_in(step: Step) -> str | None:
    name: Any = step.get("checkpoint")
    return name if step.get("phase") == TRAINING and isinstance(name, str) else None
