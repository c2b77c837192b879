"""A graph of ComfyUI: nodes with inputs, an input being a value or a link to a node.

Cycles, dead links and nodes of any shape are tolerated; every walk visits a node once.
"""

from collections import deque
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from processors.extract.values import as_text

MAX_NODES: Final = 5_000
MAX_INPUTS: Final = 500
MAX_HOPS: Final = 100
"""Nodes between an input and its value, such as reroutes."""

_LINK = 2


class Link(NamedTuple):
    """From which node, and from which of its outputs, a value comes."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """One node; ``values`` are its settings, ``links`` what comes from other nodes."""

    id: str
    type: str
    values: Mapping[str, Any]
    links: Mapping[str, Link]


class Graph:
    """Nodes by id, and walks from a node to those it takes its inputs from."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        """Keep the nodes; a link may lead to one that isn't there."""
        self.nodes = nodes

    def source(self, node: Node, name: str) -> Node | None:
        """Give the node that an input comes from."""
        link = node.links.get(name)
        return None if link is None else self.nodes.get(link.node)

    def upstream(
        self,
        *starts: Node | None,
        along: Container[str] | None = None,
        never: Container[str] = (),
    ) -> Iterator[Node]:
        """Give nodes and all that they take something from, the nearest first.

        Args:
            starts: Where to begin; ``None`` is passed over.
            along: Names of the inputs to follow; all when ``None``.
            never: Names of inputs not to follow.
        """
        waiting = deque(node for node in starts if node is not None)
        seen = {node.id for node in waiting}
        while waiting:
            node = waiting.popleft()
            yield node
            for name, link in node.links.items():
                if name in never or (along is not None and name not in along):
                    continue
                source = self.nodes.get(link.node)
                if source is not None and source.id not in seen:
                    seen.add(source.id)
                    waiting.append(source)

    def value(self, node: Node, *names: str) -> Any:  # noqa: ANN401  (any JSON value)
        """Give a setting by the first of the names, also one made by other nodes.

        Returns:
            The value, ``None`` when there is none.
        """
        for name in names:
            if name in node.values:
                return node.values[name]
            source = self.source(node, name)
            if source is not None and (made := self._made(source, names)) is not None:
                return made
        return None

    def _made(self, node: Node, names: tuple[str, ...]) -> Any:  # noqa: ANN401  (any JSON value)
        """Give what a node of constants or a reroute hands on."""
        for hop, source in enumerate(self.upstream(node)):
            if hop >= MAX_HOPS:
                break
            for name in (*names, *_CONSTANTS):
                value = source.values.get(name)
                if isinstance(value, str | int | float) and value != "":
                    return value
            if len(source.links) > 1:  # computes something; what, is not known
                break
        return None


_CONSTANTS = ("value", "Value", "seed", "int", "float", "number", "string", "text")


def graph_of_prompt(prompt: Mapping[str, Any]) -> Graph:
    """Read a graph as the API takes it: ``{id: {class_type, inputs}}``.

    Args:
        prompt: Untrusted; what is no node is passed over.
    """
    nodes: dict[str, Node] = {}
    for node_id, entry in list(prompt.items())[:MAX_NODES]:
        if not isinstance(entry, dict):
            continue
        inputs = entry.get("inputs")
        inputs = inputs if isinstance(inputs, dict) else {}
        node = node_of(str(node_id), entry.get("class_type"), inputs)
        nodes[node.id] = node
    return Graph(nodes)


def node_of(node_id: str, kind: object, inputs: Mapping[str, Any]) -> Node:
    """Make a node; inputs of the form ``[node, number]`` are links."""
    links: dict[str, Link] = {}
    values: dict[str, Any] = {}
    for name, value in list(inputs.items())[:MAX_INPUTS]:
        match value:
            case [str() | int() as source, int(slot)] if not isinstance(source, bool):
                links[str(name)] = Link(str(source), slot)
            case _:
                values[str(name)] = value
    return Node(node_id, as_text(kind, 200) or "", values, links)
