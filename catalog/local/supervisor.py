"""Keeps children running: restarts those that die, ends all of them in order.

Single-threaded on purpose: ``tick`` is called from the main thread about ten times a
second, and every child is started there (see ``child.Child``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from catalog.clock import Clock
from catalog.local.backoff import Backoff
from catalog.local.child import Child, ChildSpec, how_it_ended
from catalog.local.data_directory import ProcessState
from catalog.local.reporter import Reporter

Starter = Callable[[ChildSpec, Clock], Child]


@dataclass(slots=True)
class Watched:
    """A child that is kept running."""

    spec: ChildSpec
    child: Child | None = None
    backoff: Backoff = field(default_factory=Backoff)
    due_at: float = 0.0
    restarts: int = 0
    last_words: str = ""
    died_of_full_disk: bool = False

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self.child is not None and self.child.exit_code is None


class Supervisor:
    """The children of ``catalog up``."""

    def __init__(
        self,
        clock: Clock,
        reporter: Reporter,
        *,
        on_change: Callable[[], None] = lambda: None,
        start: Starter = Child,
    ) -> None:
        """Supervise nothing yet.

        Args:
            clock: Times the waits between restarts.
            reporter: Told about every death and restart.
            on_change: Called after a child was started, restarted or ended.
            start: Makes a process.
        """
        self._clock = clock
        self._reporter = reporter
        self._on_change = on_change
        self._start = start
        self._watched: dict[str, Watched] = {}

    def add(self, spec: ChildSpec) -> Watched:
        """Start a child and keep it running from now on."""
        watched = Watched(spec)
        self._watched[spec.name] = watched
        self._launch(watched)
        return watched

    def tick(self) -> None:
        """Look at every child once: notice deaths, start those whose time has come."""
        for watched in self._watched.values():
            if watched.child is not None:
                exit_code = watched.child.exit_code
                if exit_code is not None:
                    self._bury(watched, watched.child, exit_code)
            elif self._clock.monotonic() >= watched.due_at:
                watched.restarts += 1
                self._launch(watched)

    def states(self) -> dict[str, ProcessState]:
        """List the processes that run, by name."""
        return {
            name: ProcessState(
                pid=watched.child.pid,
                started_at=watched.child.created_at,
                port=watched.spec.port,
                restarts=watched.restarts,
            )
            for name, watched in self._watched.items()
            if watched.child is not None
        }

    def stop(self, groups: Sequence[tuple[Sequence[str], float]]) -> None:
        """End all children, group after group.

        Args:
            groups: Names that end together, and the seconds after this call at which
                those of the group that have not ended are killed. Children that no
                group names are ended with the first.
        """
        began = self._clock.monotonic()
        named = {name for names, _ in groups for name in names}
        others = [name for name in self._watched if name not in named]
        for position, (names, deadline) in enumerate(groups):
            group = [*names, *others] if position == 0 else list(names)
            children = [
                watched.child
                for name in group
                if (watched := self._watched.pop(name, None)) and watched.child
            ]
            for child in children:
                child.terminate()
            for child in children:
                if not child.wait(began + deadline - self._clock.monotonic()):
                    self._reporter.warn(f"{child.spec.name} had to be killed.")
                    child.kill()
                    child.wait(1.0)
                child.finish()
            self._on_change()

    def recycle(self, name: str) -> None:
        """Ask a child to end; ``tick`` starts it again."""
        watched = self._watched.get(name)
        if watched is not None and watched.child is not None:
            watched.child.terminate()

    def retry_now(self) -> None:
        """Start at the next ``tick`` what waits: the cause of its death is gone."""
        for watched in self._watched.values():
            watched.backoff.failures = 0
            watched.due_at = 0.0

    def kill(self) -> None:
        """End all children at once; for a second Ctrl-C."""
        for watched in self._watched.values():
            if watched.child is not None:
                watched.child.kill()

    def _launch(self, watched: Watched) -> None:
        name = watched.spec.name
        try:
            watched.child = self._start(watched.spec, self._clock)
        except OSError as error:
            wait = watched.backoff.after_death(0.0)
            watched.due_at = self._clock.monotonic() + wait
            watched.last_words = str(error)
            self._reporter.warn(
                f"{name} cannot be started ({error.strerror}); again in {wait:g} s."
            )
            return
        if watched.restarts:
            self._reporter.done(f"{name} started again (pid {watched.child.pid}).")
        self._on_change()

    def _bury(self, watched: Watched, child: Child, exit_code: int) -> None:
        child.finish()
        wait = watched.backoff.after_death(child.lived_seconds)
        watched.child = None
        watched.due_at = self._clock.monotonic() + wait
        watched.last_words = child.tail
        watched.died_of_full_disk = child.is_disk_full
        why = (
            "because the disk is full"
            if watched.died_of_full_disk
            else f"with {how_it_ended(exit_code)}"
        )
        self._reporter.warn(
            f"{watched.spec.name} (pid {child.pid}) ended {why}; starting it again in "
            f"{wait:g} s. Its log: {watched.spec.log}"
        )
        self._on_change()
