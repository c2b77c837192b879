"""Turns ComfyUI's drawing of a graph (``workflow``) into one as the API takes it.

Nodes that are muted or bypassed let through what they take in and do nothing. A
subgraph's nodes are put in the place of the node that stands for it, as the program
itself does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from processors.extract.generation.comfy_graph import (
    MAX_HOPS,
    MAX_INPUTS,
    MAX_NODES,
    Graph,
    Link,
    Node,
)
from processors.extract.generation.comfy_widgets import objects_in, settings_of

MAX_DEPTH: Final = 8
"""Of subgraphs in subgraphs."""

MAX_WORK: Final = 200_000
"""Nodes, inputs and links that are looked at, those of a subgraph as often as it is
used."""

_IN, _OUT = "-10", "-20"
"""Ids of the nodes that stand for a subgraph's own inputs and outputs."""

_MUTED, _BYPASSED = 2, 4


@dataclass(slots=True)
class _Drawing:
    """Nodes found so far, and where a link through a subgraph's border leads."""

    subgraphs: Mapping[str, Mapping[str, Any]]
    nodes: dict[str, Node] = field(default_factory=dict)
    through: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    work: int = 0


def graph_of_workflow(workflow: Mapping[str, Any]) -> Graph:
    """Read a drawing.

    Args:
        workflow: Untrusted; what is no node is passed over.
    """
    definitions = workflow.get("definitions")
    listed = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    drawing = _Drawing({str(s.get("id")): s for s in objects_in(listed, MAX_NODES)})
    _draw(drawing, workflow, prefix="", depth=0)
    return Graph({node.id: _joined(drawing, node) for node in drawing.nodes.values()})


def _draw(
    drawing: _Drawing, workflow: Mapping[str, Any], *, prefix: str, depth: int
) -> None:
    listed = workflow.get("links")
    listed = listed[:MAX_WORK] if isinstance(listed, list) else []
    drawing.work += len(listed)
    if drawing.work > MAX_WORK:
        return
    links = dict(_links(listed, prefix))
    border = prefix.removesuffix(":")
    for origin, slot, target, target_slot in links.values():
        if target == prefix + _OUT:
            drawing.through[border + "/out", target_slot] = (origin, slot)
    for entry in objects_in(workflow.get("nodes"), MAX_NODES):
        if drawing.work > MAX_WORK or len(drawing.nodes) >= MAX_NODES:
            return
        node_id = f"{prefix}{entry.get('id')}"
        kind = str(entry.get("type"))
        inputs = objects_in(entry.get("inputs"), MAX_INPUTS)
        drawing.work += 1 + len(inputs)
        taken = {
            number: links[key][:2]
            for number, one in enumerate(inputs)
            if (key := str(one.get("link"))) in links
        }
        subgraph = drawing.subgraphs.get(kind)
        if subgraph is not None and depth < MAX_DEPTH:
            inside = f"{node_id}:"
            told = settings_of(kind, entry, inputs)
            for number, one in enumerate(inputs):
                at = (inside + _IN, number)
                if number in taken:
                    drawing.through[at] = taken[number]
                elif (name := str(one.get("name"))) in told:
                    constant = f"{inside}{_IN}/{number}"
                    drawing.through[at] = (constant, 0)
                    drawing.nodes[constant] = _constant(constant, told[name])
            _draw(drawing, subgraph, prefix=inside, depth=depth + 1)
            continue
        is_off = entry.get("mode") in (_MUTED, _BYPASSED)
        drawing.nodes[node_id] = Node(
            id=node_id,
            type="" if is_off else kind,
            values={} if is_off else settings_of(kind, entry, inputs),
            links={
                str(inputs[number].get("name")): Link(*source)
                for number, source in taken.items()
            },
        )


def _constant(node_id: str, value: object) -> Node:
    """Make a node of what is set at the border of a subgraph."""
    return Node(node_id, "PrimitiveNode", {"value": value}, {})


def _joined(drawing: _Drawing, node: Node) -> Node:
    """Lead links to real nodes; one that leads nowhere leaves the setting as it is."""
    ends = {name: _end(drawing, *link) for name, link in node.links.items()}
    links = {name: Link(*end) for name, end in ends.items() if end[0] in drawing.nodes}
    values = {name: v for name, v in node.values.items() if name not in links}
    return Node(node.id, node.type, values, links)


def _end(drawing: _Drawing, node_id: str, slot: int) -> tuple[str, int]:
    """Follow a link through the borders of subgraphs to a real node."""
    at = (node_id, slot)
    for _ in range(MAX_HOPS):
        beyond = drawing.through.get(at) or drawing.through.get((f"{at[0]}/out", at[1]))
        if beyond is None:
            break
        at = beyond
    return at


def _links(
    listed: list[Any], prefix: str
) -> Iterator[tuple[str, tuple[str, int, str, int]]]:
    """Read links: lists in a drawing, objects in a subgraph."""
    for link in listed:
        match link:
            case [key, origin, int(slot), target, int(target_slot), *_]:
                pass
            case {
                "id": key,
                "origin_id": origin,
                "origin_slot": int(slot),
                "target_id": target,
                "target_slot": int(target_slot),
            }:
                pass
            case _:
                continue
        yield str(key), (f"{prefix}{origin}", slot, f"{prefix}{target}", target_slot)
