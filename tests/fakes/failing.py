"""Failures as a feature of the fakes."""


class Failing:
    """Raises what a test asked for, once per request or until told otherwise."""

    def __init__(self) -> None:
        self._next: list[Exception] = []
        self._always: Exception | None = None

    def fail_next(self, *errors: Exception) -> None:
        """Let the next calls raise these, one each."""
        self._next.extend(errors)

    def fail_always(self, error: Exception | None) -> None:
        """Let all calls raise this, until called with ``None``."""
        self._always = error

    def recover(self) -> None:
        """Fail no more, whatever was asked for."""
        self._next.clear()
        self._always = None

    def check(self) -> None:
        """Raise what is due."""
        if self._next:
            raise self._next.pop(0)
        if self._always is not None:
            raise self._always
