"""LoRAs that a node of ComfyUI applies, its own loaders' and the common extensions'."""

import re
from collections.abc import Iterator

from processors.extract.generation.comfy_graph import Node
from processors.extract.generation.facts import LoraRef, lora_name, lora_tags
from processors.extract.values import as_float, as_text

_NAME = re.compile(r"lora_name(_\d{1,3})?\Z|lora_(\d{1,3})(?:_name)?\Z|lora\Z")
_WEIGHTS = (
    "strength_model{}",
    "model_weight{}",
    "model_str{}",
    "lora_wt{}",
    "strength{}",
    "lora_strength{}",
    "lora_model_strength{}",
    "weight{}",
)
_OFF = {"off", "false", "none", "0"}


def loras_of(node: Node) -> Iterator[LoraRef]:
    """Give what a node applies; what is switched off there is left out."""
    if "lora" not in node.type.lower() and not any(map(_NAME.match, node.values)):
        return
    for key, value in node.values.items():
        if isinstance(value, dict) and "lora" in value:  # rgthree's power loader
            if value.get("on", True):
                label = as_text(value["lora"], 300) or ""
                yield LoraRef(lora_name(label), as_float(value.get("strength")))
        elif match := _NAME.match(key):
            number = match[1] or (f"_{match[2]}" if match[2] else "")
            switch = as_text(node.values.get(f"switch{number}"), 20) or "on"
            name = value.get("content") if isinstance(value, dict) else value
            if isinstance(name, str) and switch.lower() not in _OFF:
                yield LoraRef(lora_name(name), _weight(node, number))
    text = node.values.get("text")
    if isinstance(text, str) and "lora" in node.type.lower():
        yield from lora_tags(text)


def _weight(node: Node, number: str) -> float | None:
    found = (as_float(node.values.get(name.format(number))) for name in _WEIGHTS)
    return next((weight for weight in found if weight is not None), None)
