"""Pages of results."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page in order; ``next_token`` is opaque and ``None`` on the last page.

    Where ``is_total_exact`` is false, ``total`` is as far as was counted.
    """

    items: tuple[Item, ...]
    total: int
    next_token: str | None = None
    is_total_exact: bool = True
