"""The base of every domain model: frozen, strict, closed."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from typing_extensions import override


class Model(BaseModel):
    """A value that never changes; ``evolve`` makes the next one."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def evolve(self, **changes: object) -> Self:
        """Make a changed copy, validated like a new one.

        Args:
            changes: New values by field name.

        Returns:
            The changed copy.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(values | changes))

    @override
    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """Copy; an ``update`` is refused because pydantic does not validate it."""
        if update:
            message = "use evolve(): model_copy(update=…) does not validate"
            raise TypeError(message)
        return super().model_copy(deep=deep)
