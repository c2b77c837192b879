"""The text that steers a sampler of ComfyUI, whatever nodes it passes through."""

from collections import deque
from typing import Final

from processors.extract.generation.comfy_graph import MAX_HOPS, Graph, Node
from processors.extract.values import MAX_TEXT, as_text

MAX_TEXTS: Final = 20
MAX_VISITED: Final = 300

_TEXTS = (
    "t5xxl",
    "text_g",
    "clip_l",
    "text_l",
    "clip_g",
    "text",
    "prompt",
    "populated_text",
    "wildcard_text",
    "string",
    "value",
)
_STRINGS = (
    "text",
    "string",
    "value",
    "prompt",
    "populated_text",
    "string_a",
    "string_b",
    "text_a",
    "text_b",
    "text1",
    "text2",
)
_ENTRANCES = {
    "positive": ("positive", "conditioning", "cond1", "text_embeds"),
    "negative": ("negative", "text_embeds"),
}
"""Inputs of samplers and guiders; some keep both texts in one node between."""

_OTHER = {"positive": "negative", "negative": "positive"}
_NEVER = {
    "clip",
    "model",
    "vae",
    "control_net",
    "image",
    "pixels",
    "latent",
    "latent_image",
    "samples",
    "mask",
    "style_model",
    "clip_vision_output",
}
_EMPTIED = "ConditioningZeroOut"


def prompt_of(
    graph: Graph, start: Node, role: str, *, is_start: bool = False
) -> str | None:
    """Find the text that reaches an input.

    Args:
        graph: All nodes.
        start: The sampler or guider.
        role: ``positive`` or ``negative``.
        is_start: Whether ``start`` itself holds the text.

    Returns:
        The text; several that are combined, one after the other, by lines. ``None``
        also where the text is emptied on its way.
    """
    found: dict[str, None] = {}
    own = start.values.get(role)
    if isinstance(own, str):
        return as_text(own)
    sources = (graph.source(start, name) for name in _ENTRANCES[role])
    first = start if is_start else next(filter(None, sources), None)
    waiting = deque([first] if first is not None else [])
    seen = {node.id for node in waiting}
    while waiting and len(found) < MAX_TEXTS and len(seen) < MAX_VISITED:
        node = waiting.popleft()
        if node.type == _EMPTIED:
            continue
        texts = _texts_at(graph, node, role)
        found |= dict.fromkeys(texts)
        for name in _inputs_for(node, role):
            if texts and not name.startswith("conditioning"):
                continue  # made of the texts; conditioning is added to them
            source = graph.source(node, name)
            if source is not None and source.id not in seen:
                seen.add(source.id)
                waiting.append(source)
    return as_text("\n".join(found)[:MAX_TEXT])


def _inputs_for(node: Node, role: str) -> list[str]:
    """Choose the inputs to follow: of two roles that meet in a node, our own."""
    if role in node.links and _OTHER[role] in node.links:
        return [role]
    return [n for n in node.links if n not in _NEVER and n != _OTHER[role]]


def _texts_at(graph: Graph, node: Node, role: str) -> list[str]:
    own = [f"text_{role}", f"{role}_prompt", f"prompt_{role}", role]
    named = [name for name in own if isinstance(node.values.get(name), str)]
    texts: list[str] = []
    for name in named or _TEXTS:
        value = node.values.get(name)
        if value is None and name not in {"value", "string"}:
            value = _string(graph, graph.source(node, name))
        text = as_text(value) if isinstance(value, str) else None
        if text is not None and text not in texts:
            texts.append(text)
    return texts


def _string(graph: Graph, start: Node | None) -> str | None:
    """Follow an input that is a text made elsewhere: constants, concatenations."""
    parts: list[str] = []
    for hop, node in enumerate(graph.upstream(start, never=_NEVER)):
        if hop >= MAX_HOPS or len(parts) >= MAX_TEXTS:
            break
        said = (node.values.get(name) for name in _STRINGS)
        parts += [text for text in said if isinstance(text, str) and text.strip()]
    return " ".join(dict.fromkeys(parts)) or None
