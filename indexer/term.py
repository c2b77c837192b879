"""What a leader's term looks like to those who work in it."""

import threading
from datetime import datetime
from typing import Protocol


class Term(Protocol):
    """The time during which this process alone may write the index.

    Attributes:
        stop: Set when the term, or the process, is to end.
    """

    stop: threading.Event

    @property
    def epoch(self) -> int:
        """Ascending from term to term, whoever leads."""
        ...

    @property
    def owner(self) -> str:
        """Who leads: host, process id, nonce."""
        ...

    @property
    def expires_at(self) -> datetime:
        """When it ends unless it is renewed, by the clock of the record's server."""
        ...

    def is_held(self) -> bool:
        """Whether it still lasts, as far as this process can know; cheap."""
        ...

    def check(self) -> None:
        """Go on only if it lasts.

        Raises:
            FencedError: Another process may lead by now.
        """
        ...

    def cut_off(self) -> None:
        """Let nothing arrive at the engine any more that was sent before this.

        What the engine has begun to read is finished all the same.

        Raises:
            FencedError: Another process may lead by now.
            DependencyError: A server is away, nothing is cut off; retryable.
        """
        ...
