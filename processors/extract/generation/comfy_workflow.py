"""Turns ComfyUI's drawing of a graph (``workflow``) into one as the API takes it.

A drawing lists a node's settings without their names. The names come from the node's
inputs where these tell them (since 2025), else from the table here. Nodes that are
muted or bypassed let through what they take in and do nothing. A subgraph's nodes are
put in the place of the node that stands for it, as the program itself does.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from processors.extract.generation.comfy_graph import (
    MAX_HOPS,
    MAX_INPUTS,
    MAX_NODES,
    Graph,
    Node,
    node_of,
)

MAX_DEPTH: Final = 8
"""Of subgraphs in subgraphs."""

_IN, _OUT = "-10", "-20"
"""Ids of the nodes that stand for a subgraph's own inputs and outputs."""

_MUTED, _BYPASSED = 2, 4
_AFTER_SEED = {"fixed", "increment", "decrement", "randomize"}
_SEEDS = {"seed", "noise_seed"}
_SIZE = ("width", "height")
_SIZED = re.compile(r"Empty\w*Latent|ToVideo\Z")
"""Names of nodes whose settings begin with a size."""

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise",
        "noise_seed",
        "steps",
        "cfg",
        "sampler_name",
        "scheduler",
        "start_at_step",
        "end_at_step",
        "return_with_leftover_noise",
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "RandomNoise": ("noise_seed",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KSamplerSelect": ("sampler_name",),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UnetLoaderGGUF": ("unet_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "DualCLIPLoader": ("clip_name1", "clip_name2", "type"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl", "empty_padding"),
    "CLIPTextEncodeSDXL": (
        "width",
        "height",
        "crop_w",
        "crop_h",
        "target_width",
        "target_height",
        "text_g",
        "text_l",
    ),
    "TextEncodeQwenImageEdit": ("prompt",),
    "TextEncodeQwenImageEditPlus": ("prompt",),
    "TextEncodeHunyuanVideo_ImageToVideo": ("prompt",),
    "GLIGENTextBoxApply": ("text",),
    "DualCFGGuider": ("cfg_conds", "cfg_cond2_negative"),
    "LTXVScheduler": ("steps",),
    "Flux2Scheduler": ("steps",),
    "SDTurboScheduler": ("steps", "denoise"),
    "unCLIPCheckpointLoader": ("ckpt_name",),
    "ImageOnlyCheckpointLoader": ("ckpt_name",),
    "PrimitiveNode": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
}


@dataclass(slots=True)
class _Drawing:
    """Nodes found so far, and where a link through a subgraph's border leads."""

    subgraphs: Mapping[str, Mapping[str, Any]]
    nodes: dict[str, Node] = field(default_factory=dict)
    through: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    count: int = 0


def graph_of_workflow(workflow: Mapping[str, Any]) -> Graph:
    """Read a drawing.

    Args:
        workflow: Untrusted; what is no node is passed over.
    """
    definitions = workflow.get("definitions")
    listed = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    drawing = _Drawing({str(s.get("id")): s for s in _objects(listed)})
    _draw(drawing, workflow, prefix="", depth=0)
    resolved = {
        node.id: node_of(
            node.id,
            node.type,
            {
                **node.values,
                **{n: list(_end(drawing, *link)) for n, link in node.links.items()},
            },
        )
        for node in drawing.nodes.values()
    }
    return Graph(resolved)


def _draw(
    drawing: _Drawing, workflow: Mapping[str, Any], *, prefix: str, depth: int
) -> None:
    links = dict(_links(workflow.get("links"), prefix))
    border = prefix.removesuffix(":")
    for origin, slot, target, target_slot in links.values():
        if target == prefix + _OUT:
            drawing.through[border + "/out", target_slot] = (origin, slot)
    for entry in _objects(workflow.get("nodes")):
        drawing.count += 1
        if drawing.count > MAX_NODES:
            return
        node_id = f"{prefix}{entry.get('id')}"
        kind = str(entry.get("type"))
        inputs = _objects(entry.get("inputs"))[:MAX_INPUTS]
        taken = {
            number: links[key][:2]
            for number, one in enumerate(inputs)
            if (key := str(one.get("link"))) in links
        }
        subgraph = drawing.subgraphs.get(kind)
        if subgraph is not None and depth < MAX_DEPTH:
            inside = f"{node_id}:"
            for number, source in taken.items():
                drawing.through[inside + _IN, number] = source
            _draw(drawing, subgraph, prefix=inside, depth=depth + 1)
            continue
        is_off = entry.get("mode") in (_MUTED, _BYPASSED)
        named: dict[str, Any] = {} if is_off else _settings(kind, entry, inputs)
        for number, source in taken.items():
            named[str(inputs[number].get("name"))] = list(source)
        drawing.nodes[node_id] = node_of(node_id, "" if is_off else kind, named)


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
    listed: object, prefix: str
) -> Iterator[tuple[str, tuple[str, int, str, int]]]:
    """Read links: lists in a drawing, objects in a subgraph."""
    for link in listed if isinstance(listed, list) else []:
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


def _settings(
    kind: str, entry: Mapping[str, Any], inputs: list[dict[str, Any]]
) -> dict[str, Any]:
    values = entry.get("widgets_values")
    if isinstance(values, dict):
        return dict(list(values.items())[:MAX_INPUTS])
    if not isinstance(values, list):
        return {}
    told = tuple(
        str(one["widget"].get("name"))
        for one in inputs
        if isinstance(one.get("widget"), dict)
    )
    names = _NAMES.get(kind, _SIZE if _SIZED.search(kind) else ())
    # Before 2025 only settings that were turned into inputs were told: too few.
    if set(names) <= set(told):
        names = told
    named: dict[str, Any] = {}
    at = 0
    for name in names:
        if at >= len(values):
            break
        named[name] = values[at]
        at += 1
        if name in _SEEDS and at < len(values) and _is_after_seed(values[at]):
            at += 1
    return named


def _is_after_seed(value: object) -> bool:
    """Tell the setting that the drawing alone has: what becomes of the seed next."""
    return isinstance(value, bool) or (isinstance(value, str) and value in _AFTER_SEED)


def _objects(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
