"""Names of aliases and physical indexes: built and parsed only here.

``{prefix}{kind}`` is the alias that readers use, ``{prefix}{kind}__g{number}_{hash}``
a physical index of one generation (the hash is ``catalog.search.schema.schema_hash``).
"""

import re
from dataclasses import dataclass

from catalog.search.base import IndexName

_PHYSICAL = re.compile(
    r"(?P<prefix>[a-z0-9_]*?)(?P<kind>assets|segments|tags)"
    r"__g(?P<number>[1-9][0-9]*)_(?P<hash>[0-9a-f]{8})"
)


@dataclass(frozen=True, slots=True)
class PhysicalName:
    """A physical index's name, taken apart."""

    prefix: str
    kind: IndexName
    number: int
    schema_hash: str


def alias_name(prefix: str, kind: IndexName) -> str:
    """Build the alias that readers use."""
    return f"{prefix}{kind}"


def physical_name(prefix: str, kind: IndexName, number: int, schema_hash: str) -> str:
    """Build the name of a physical index; ``number`` counts generations from 1."""
    return f"{prefix}{kind}__g{number}_{schema_hash}"


def parse_physical(name: str) -> PhysicalName | None:
    """Take a name apart; ``None`` when it isn't a physical index of ours."""
    match = _PHYSICAL.fullmatch(name)
    if match is None:
        return None
    return PhysicalName(
        match["prefix"], IndexName(match["kind"]), int(match["number"]), match["hash"]
    )


def kind_of(name: str) -> IndexName:
    """Tell which kind of index a physical name is of.

    Raises:
        ValueError: It isn't the name of a physical index.
    """
    parsed = parse_physical(name)
    if parsed is None:
        message = f"{name!r} is not the name of a physical index"
        raise ValueError(message)
    return parsed.kind
