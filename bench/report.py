"""Figures, their bounds, and how they are printed."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number and, where the project promises one, its bound."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the bound holds; ``None`` without one."""
        if self.at_least is not None:
            return self.value >= self.at_least
        if self.at_most is not None:
            return self.value <= self.at_most
        return None


def say(text: str) -> None:
    """Tell progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def percentile(values: list[float], percent: int) -> float:
    """The value below which ``percent`` of ``values`` lie."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def publish(figures: list[Figure], facts: dict[str, Any], path: Path) -> None:
    """Print the table and write the same as JSON."""
    table = Table(title="asset catalog, measured in one run")
    for heading in ("figure", "value", "unit", "must be", "met"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for figure in figures:
        bound = (
            f">= {figure.at_least:g}"
            if figure.at_least is not None
            else f"<= {figure.at_most:g}"
            if figure.at_most is not None
            else ""
        )
        met = {True: "yes", False: "NO", None: ""}[figure.is_met]
        table.add_row(figure.name, f"{figure.value:,.2f}", figure.unit, bound, met)
    Console(width=110).print(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(figure) | {"is_met": figure.is_met} for figure in figures]
    path.write_text(json.dumps({"facts": facts, "figures": rows}, indent=2) + "\n")
    print(f"written to {path}")
