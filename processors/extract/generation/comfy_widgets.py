"""The names of a node's settings, which ComfyUI's drawing of a graph leaves out.

They come from the node's inputs where these tell them (since 2025), else from the table
here: the program's own nodes, their settings in the order in which they are drawn.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from processors.extract.generation.comfy_graph import MAX_INPUTS

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


def settings_of(
    kind: str, entry: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Name the settings of a node.

    Args:
        kind: Type of the node.
        entry: The node as it is drawn; untrusted.
        inputs: Its inputs.

    Returns:
        Values by name; those whose name is not known are left out.
    """
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


def objects_in(value: object, limit: int) -> list[dict[str, Any]]:
    """Give the objects among the first ``limit`` of a list."""
    listed = value[:limit] if isinstance(value, list) else []
    return [entry for entry in listed if isinstance(entry, dict)]
