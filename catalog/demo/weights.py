"""Makes LoRA weights: real safetensors files, small, with a trainer's metadata."""

import json
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from safetensors.numpy import save

_RANK = 8
_WIDTH = 192
_LAYERS = tuple(
    f"lora_unet_{kind}_blocks_{number}_{part}"
    for kind, parts in (
        ("double", ("img_attn_proj", "img_mlp_0", "txt_attn_proj")),
        ("single", ("linear1", "linear2")),
    )
    for number in range(4)
    for part in parts
)


def lora_weights(*, seed: int, metadata: dict[str, str]) -> bytes:
    """Make a file in the naming of the kohya trainers.

    Args:
        seed: Of the numbers.
        metadata: Goes into the file's header.

    Returns:
        About 130 kB; the same for the same arguments.
    """
    generator = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    for layer in _LAYERS:
        down = generator.normal(0, 0.02, (_RANK, _WIDTH))
        up = generator.normal(0, 0.01, (_WIDTH, _RANK))
        tensors[f"{layer}.lora_down.weight"] = down.astype(np.float16)
        tensors[f"{layer}.lora_up.weight"] = up.astype(np.float16)
        tensors[f"{layer}.alpha"] = np.array(_RANK / 2, dtype=np.float16)
    return _in_order(save(tensors, metadata=metadata))


def _in_order(content: bytes) -> bytes:
    """Sort the metadata in the header, which the library writes in a random order."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    ordered += b" " * (-len(ordered) % 8)  # tensors begin at a multiple of eight
    return len(ordered).to_bytes(8, "little") + ordered + content[start:]


def trainer_metadata(
    *,
    name: str,
    trigger: str,
    base_model: str,
    captions: Sequence[str],
    steps: int,
    trained_at: datetime,
) -> dict[str, str]:
    """Write the header that kohya's ``sd-scripts`` and the modelspec put in a file."""
    counts: dict[str, int] = {}
    for caption in captions:
        for tag in caption.split(", "):
            counts[tag] = counts.get(tag, 0) + 1
    is_flux = base_model.startswith("flux")
    return {
        "ss_output_name": name,
        "ss_base_model_version": "flux1" if is_flux else "sdxl_base_v1-0",
        "ss_sd_model_name": f"{base_model}.safetensors",
        "ss_network_module": "networks.lora_flux" if is_flux else "networks.lora",
        "ss_network_dim": str(_RANK),
        "ss_network_alpha": str(_RANK // 2),
        "ss_num_train_images": str(len(captions)),
        "ss_steps": str(steps),
        "ss_learning_rate": "0.0001",
        "ss_resolution": "(1024, 1024)",
        "ss_training_started_at": str(trained_at.timestamp()),
        "ss_tag_frequency": json.dumps({f"10_{trigger}": counts}),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": name,
        "modelspec.architecture": (
            "flux-1-dev/lora" if is_flux else "stable-diffusion-xl-v1-base/lora"
        ),
        "modelspec.trigger_phrase": trigger,
        "modelspec.date": trained_at.isoformat(),
    }
