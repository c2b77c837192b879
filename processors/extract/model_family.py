"""Which family of models weights belong to, by names and shapes, else by metadata.

The widths are the models' own: the text that SD 1 is steered by is 768 numbers wide,
that of SD 2 1024, of SDXL 2048; SD 3 works with 1536 or 2432, Flux with 3072.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from processors.extract.tensors import Tensor


class Family(StrEnum):
    """A family of models whose adapters fit one another's members."""

    FLUX = "flux"
    SD1 = "sd1"
    SD2 = "sd2"
    SDXL = "sdxl"
    SD3 = "sd3"
    UNKNOWN = "unknown"


_CONTEXT: Final = {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL}
_SD3_WIDTHS: Final = {1536, 2432}
_FLUX_WIDTH: Final = 3072
_FLUX_DOUBLE_BLOCKS: Final = 19

_DOWN = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    "lora.down.weight",
    "_lora1.down.weight",
    "_lora2.down.weight",
    ".lora_linear_layer.down.weight",
    ".hada_w1_b",
    ".lokr_w2_b",
    ":down",
)
_OTHER_PARTS = ("lora_up.weight", "lora_B.weight", "lora.up.weight", ".alpha", ":up")
_UNET = re.compile(r"(?:down|up|input|output)_blocks[._]\d|mid(?:dle)?_block[._]")
_CROSS_KEY = re.compile(r"attn2[._](?:processor[._])?to_[kv]")
_TEXT_ENCODER_2 = re.compile(r"lora_te2_|text_encoder_2[._]|conditioner\.embedders\.1")
_TEXT_ENCODER = re.compile(r"lora_te[1_]|text_encoder[._:]|cond_stage_model\.")
_DEEP_UNET = re.compile(r"transformer_blocks[._][2-9](?:[._]|\Z)")
_DOUBLE = re.compile(r"double_blocks[._](\d{1,4})[._]")
_PLAIN_BLOCK = re.compile(
    r"(?<!single_)(?<!joint_)transformer_blocks[._](\d{1,4})[._]attn[._]"
)
_NOT_FLUX = re.compile(  # HunyuanVideo, Flux 2 and AuraFlow share some of its names
    r"double_blocks[._]\d+[._](?:img|txt)_(?:mlp[._]fc|mod[._]linear)"
    r"|to_qkv_mlp_proj|joint_transformer_blocks|double_stream_modulation"
)
_NOT_SD3 = re.compile(r"img_mlp|txt_mlp|attn1|single_")


def family_of_keys(tensors: Mapping[str, Tensor]) -> Family:
    """Tell the family by the tensors' names and shapes.

    Args:
        tensors: Of an adapter or of a whole model, by name.
    """
    if any(_UNET.search(name) for name in tensors):
        return _unet_family(tensors)
    if any(name.startswith("unet:") for name in tensors):
        return _by_context(
            tensor.shape[-1]
            for name, tensor in tensors.items()
            if name.startswith("unet:") and name.endswith(":down") and tensor.shape
        )
    return _transformer_family(tensors) or _by_text_encoders(tensors)


def family_of_metadata(metadata: Mapping[str, str]) -> Family:
    """Tell the family by what the trainer wrote down.

    Args:
        metadata: ``__metadata__``; ``modelspec.architecture`` comes before
            ``ss_base_model_version``, which old scripts leave out.
    """
    said = (
        metadata.get("modelspec.architecture"),
        metadata.get("ss_base_model_version"),
    )
    for text in filter(None, said):
        word = text.lower().replace("_", "-")
        if "flux2" in word or "flux-2" in word:
            return Family.UNKNOWN
        for family, pattern in (
            (Family.FLUX, r"\bflux"),
            (Family.SDXL, r"\bsdxl|diffusion-xl"),
            (Family.SD3, r"\bsd-?v?3|stable-diffusion-(v)?3"),
            (Family.SD2, r"\bsd-?v?2|stable-diffusion-v?2"),
            (Family.SD1, r"\bsd-?v?1|stable-diffusion-v?1"),
        ):
            if re.search(pattern, word[:200]):
                return family
    if metadata.get("ss_v2", "").lower() == "true":
        return Family.SD2
    return Family.UNKNOWN


def _transformer_family(tensors: Mapping[str, Tensor]) -> Family | None:
    """Tell the families without a U-Net; ``None`` where there is no transformer."""
    names = list(tensors)
    if any(_NOT_FLUX.search(name) for name in names):
        return Family.UNKNOWN
    if any("single_transformer_blocks" in n for n in names) or _is_flux(names):
        return Family.FLUX
    if any("joint_blocks" in name for name in names):
        return Family.SD3
    blocks = [match for name in names if (match := _PLAIN_BLOCK.search(name))]
    if not blocks or any(_NOT_SD3.search(name) for name in names):
        return None
    widths = {_width(name, tensors[name]) for name in names}
    last = max(int(match[1]) for match in blocks)
    is_flux = _FLUX_WIDTH in widths and last < _FLUX_DOUBLE_BLOCKS
    return Family.SD3 if widths & _SD3_WIDTHS else Family.FLUX if is_flux else None


def _is_flux(names: Iterable[str]) -> bool:
    numbers = [int(match[1]) for name in names if (match := _DOUBLE.search(name))]
    is_single = any(re.search(r"single_blocks[._]\d", name) for name in names)
    return (bool(numbers) or is_single) and max(numbers, default=0) < (
        _FLUX_DOUBLE_BLOCKS
    )


def _unet_family(tensors: Mapping[str, Tensor]) -> Family:
    family = _by_context(
        width
        for name, tensor in tensors.items()
        if _CROSS_KEY.search(name) and (width := _width(name, tensor)) is not None
    )
    if family is not Family.UNKNOWN:
        return family
    if any(_UNET.search(name) and _DEEP_UNET.search(name) for name in tensors):
        return Family.SDXL
    return _by_text_encoders(tensors)


def _by_context(widths: Iterable[int]) -> Family:
    """Decide by the widest of the widths that mean something."""
    telling = set(widths) & _CONTEXT.keys()
    return _CONTEXT[max(telling)] if telling else Family.UNKNOWN


def _by_text_encoders(tensors: Mapping[str, Tensor]) -> Family:
    """Decide by the text encoders alone, where no diffusion model is trained."""
    if any(_TEXT_ENCODER_2.search(n) or n == "clip_g" for n in tensors):
        return Family.SDXL
    widths = {
        _width(name, tensor)
        for name, tensor in tensors.items()
        if _TEXT_ENCODER.match(name) and not name.startswith("lora_te1_")
    }
    widths |= {t.shape[-1] for n, t in tensors.items() if n == "emb_params" and t.shape}
    if 1024 in widths:  # noqa: PLR2004  (OpenCLIP ViT-H, of SD 2 alone)
        return Family.SD2
    return Family.SD1 if 768 in widths else Family.UNKNOWN  # noqa: PLR2004  (CLIP ViT-L)


def _width(name: str, tensor: Tensor) -> int | None:
    """Width of what the module takes in, if this tensor shows it."""
    if name.endswith(_OTHER_PARTS) or len(tensor.shape) < 2:  # noqa: PLR2004  (a matrix)
        return None
    if name.endswith(_DOWN) or name.endswith(".weight"):
        return tensor.shape[1]
    return None
