"""Failures as a feature of the fakes."""

from catalog.errors import CatalogError


class Failing:
    """Raises what a test asked for, once per request or until told otherwise."""

    def __init__(self) -> None:
        self._next: list[CatalogError] = []
        self._always: CatalogError | None = None

    def fail_next(self, *errors: CatalogError) -> None:
        """Let the next calls raise these, one each."""
        self._next.extend(errors)

    def fail_always(self, error: CatalogError | None) -> None:
        """Let all calls raise this, until called with ``None``."""
        self._always = error

    def check(self) -> None:
        """Raise what is due."""
        if self._next:
            raise self._next.pop(0)
        if self._always is not None:
            raise self._always
