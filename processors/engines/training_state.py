"""Where a training stands, as a file: the next worker goes on as if nothing had been.

Weights, the optimizer's moments, what is left of the order, and the state of the random
numbers: a training that goes on ends with the very weights that it would have had.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

_MOMENTS = ("exp_avg", "exp_avg_sq")
_OF_THE_TASK = (
    *("name", "weights_bytes", "steps", "rank", "learning_rate", "resolution"),
    *("seed", "trigger"),
)
"""What must be the same for a training to go on."""


@dataclass(slots=True)
class Progress:
    """How far the loop is: ``order`` holds the places still to come in this round."""

    done: int = 0
    order: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


def fingerprint(task: Mapping[str, Any], captions: Sequence[str]) -> str:
    """Hash what a training rests on."""
    told = json.dumps([[task[name] for name in _OF_THE_TASK], list(captions)])
    return hashlib.sha256(told.encode()).hexdigest()


def write_state(
    path: Path,
    unet: Any,
    optimizer: Any,
    progress: Progress,
    mark: str,
) -> None:
    """Write a checkpoint; it has its name only once it is whole."""
    tensors = {
        f"weight.{name}": tensor.detach().contiguous()
        for name, tensor in get_peft_model_state_dict(unet).items()
    }
    for place, state in optimizer.state_dict()["state"].items():
        for moment in _MOMENTS:
            tensors[f"{moment}.{place}"] = state[moment]
    tensors["random"] = torch.get_rng_state()
    tensors["order"] = torch.tensor(progress.order, dtype=torch.int64)
    tensors["losses"] = torch.tensor(progress.losses, dtype=torch.float64)
    part = path.with_suffix(".part")
    save_file(tensors, part, {"mark": mark, "done": str(progress.done)})
    part.rename(path)


def read_state(
    path: Path,
    unet: Any,
    optimizer: Any,
    mark: str,
) -> Progress | None:
    """Go back to where a checkpoint stands.

    Returns:
        ``None``, with nothing changed, for one of another training: the model or the
        images have been changed since.
    """
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            if told.get("mark") != mark:
                return None
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    done = int(told["done"])
    set_peft_model_state_dict(unet, _part(found, "weight"), adapter_name="default")
    moments = {moment: _part(found, moment) for moment in _MOMENTS}
    state = {
        int(place): {
            "step": torch.tensor(float(done)),
            **{moment: moments[moment][place] for moment in _MOMENTS},
        }
        for place in moments["exp_avg"]
    }
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    torch.set_rng_state(found["random"])
    return Progress(done, found["order"].tolist(), found["losses"].tolist())


def _part(tensors: Mapping[str, Any], name: str) -> dict[str, Any]:
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix)
    }
