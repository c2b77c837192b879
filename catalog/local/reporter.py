"""Tells the terminal what happens; everything goes to standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.status import Status


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

    def waiting(self, text: str) -> None:
        """See ``Reporter.waiting``."""
        if text == self._last:
            return
        self._last = text
        if self._status is not None:
            self._status.update(text)
        elif not self._console.is_terminal:
            self._line(text)

    def done(self, text: str) -> None:
        """See ``Reporter.done``."""
        self._line(f"[green]✓[/green] {text}")

    def warn(self, text: str) -> None:
        """See ``Reporter.warn``."""
        self._line(f"[yellow]![/yellow] {text}")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
