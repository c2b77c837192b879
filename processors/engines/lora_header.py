"""What stands in the header of a LoRA file: read cheaply, written as trainers do."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

_MAX_HEADER_BYTES = 16 * 1024 * 1024
"""Headers of LoRAs are some 100 kB; a thousand captions fit twice."""

_LENGTH_BYTES = 8


def read_header(path: Path) -> tuple[Mapping[str, Any], str]:
    """Read the header of a safetensors file.

    Returns:
        The header, and what is wrong with the file (``is …``, ``has …``), empty when
        nothing is. The header is empty where something is.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if size < _LENGTH_BYTES or length > min(size, _MAX_HEADER_BYTES):
                return {}, "is not in the safetensors format, or cut off"
            header = json.loads(file.read(length))
        ends = [
            int(tensor["data_offsets"][1])
            for name, tensor in header.items()
            if name != "__metadata__"
        ]
    except OSError:
        return {}, "can't be read"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}, "is not in the safetensors format"
    if not ends:
        return {}, "has no weights in it"
    if size != _LENGTH_BYTES + length + max(ends):
        return {}, "is cut off, or longer than its header says"
    return header, ""


def trainer_metadata(
    *,
    name: str,
    trigger: str | None,
    base_model: str,
    family: str | None,
    engine: str,
    captions: Iterable[str],
    rank: int,
    steps: int,
    learning_rate: float,
    resolution: int,
    seed: int,
    trained_at: datetime,
) -> dict[str, str]:
    """Write what kohya's ``sd-scripts`` and the modelspec put in a file.

    Args:
        name: Of the LoRA.
        trigger: The word that calls it.
        base_model: Name of the model that it was trained on.
        family: Of that model, as the modelspec names it; ``None``: of no known one.
        engine: Name of what trained it.
        captions: One for each image; tags are what commas part.
        rank: Of the matrices; alpha is the same.
        steps: Made.
        learning_rate: Of AdamW.
        resolution: Side of the squares, in pixels.
        seed: Of everything random.
        trained_at: When it was finished.
    """
    texts = list(captions)
    tags = Counter(
        tag for text in texts for part in text.split(",") if (tag := part.strip())
    )
    found = {
        "ss_output_name": name,
        "ss_sd_model_name": base_model,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(rank)),
        "ss_num_train_images": str(len(texts)),
        "ss_steps": str(steps),
        "ss_max_train_steps": str(steps),
        "ss_learning_rate": str(learning_rate),
        "ss_resolution": f"({resolution}, {resolution})",
        "ss_seed": str(seed),
        "ss_training_comment": f"trained by {engine} on {base_model}",
        "ss_training_finished_at": str(trained_at.timestamp()),
        "ss_tag_frequency": json.dumps(
            {f"1_{trigger or name}": dict(sorted(tags.items()))}
        ),
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.title": name,
        "modelspec.implementation": "diffusers",
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.date": trained_at.isoformat(timespec="seconds"),
    }
    if family:
        found["ss_base_model_version"] = family.replace("stable-diffusion-", "sd_")
        found["modelspec.architecture"] = f"{family}/lora"
    if trigger:
        found["ss_trigger_words"] = trigger
        found["modelspec.trigger_phrase"] = trigger
    return found
