"""Tells the terminal what happens; everything goes to standard error."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from rich.console import Console
from rich.status import Status
from rich.text import Text

from catalog.clock import Clock
from catalog.local.logs import RotatingLog


class Reporter(Protocol):
    """Where the stack says what it does."""

    def waiting(self, text: str) -> None:
        """Show what is awaited now; replaces what was shown before."""
        ...

    def done(self, text: str) -> None:
        """Say that something has come about."""
        ...

    def warn(self, text: str) -> None:
        """Say that something needs attention but goes on."""
        ...


class TerminalReporter:
    """A moving line while waiting on a terminal, plain lines otherwise."""

    def __init__(self, console: Console) -> None:
        """Write to ``console``."""
        self._console = console
        self._status: Status | None = None
        self._last = ""

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Draw the moving line inside this block, if this is a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("Starting …") as self._status:
            yield
        self._status = None

    def still(self) -> None:
        """Take the moving line away: nothing is awaited any more."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def waiting(self, text: str) -> None:
        """See ``Reporter.waiting``."""
        if text == self._last:
            return
        self._last = text
        if self._status is not None:
            self._status.update(Text(text))
        elif not self._console.is_terminal:
            self._line("…", "dim", text)

    def done(self, text: str) -> None:
        """See ``Reporter.done``."""
        self._line("✓", "green", text)

    def warn(self, text: str) -> None:
        """See ``Reporter.warn``."""
        self._line("!", "yellow", text)

    def _line(self, mark: str, style: str, text: str) -> None:
        line = Text.assemble((mark, style), " ", text)
        with suppress(OSError):  # the terminal has gone; the stack need not
            self._console.print(line, soft_wrap=True)


class JournalReporter:
    """Hands everything on and keeps it in a log, with the time."""

    def __init__(self, reporter: Reporter, log: RotatingLog, clock: Clock) -> None:
        """Hand on to ``reporter``; keep in ``log``."""
        self._reporter = reporter
        self._log = log
        self._clock = clock

    def waiting(self, text: str) -> None:
        """See ``Reporter.waiting``; not kept."""
        self._reporter.waiting(text)

    def done(self, text: str) -> None:
        """See ``Reporter.done``."""
        self._keep("info", text)
        self._reporter.done(text)

    def warn(self, text: str) -> None:
        """See ``Reporter.warn``."""
        self._keep("warning", text)
        self._reporter.warn(text)

    def _keep(self, level: str, text: str) -> None:
        time = self._clock.now().isoformat(timespec="milliseconds")
        self._log.write(f"{time} {level} {text}\n".encode())
