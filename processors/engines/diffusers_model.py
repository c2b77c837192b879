"""A directory with a model, as ``diffusers`` keeps one: looked at before it is used.

Without loading anything: what runs later in a child is decided here. Weights are read
from safetensors files only, since a pickle runs whatever its maker likes.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processors.engine import EngineError
from processors.engines.lora_header import read_header

LIBRARIES = ("torch", "diffusers", "transformers", "peft", "safetensors", "PIL")
"""What the extra ``local-models`` brings."""

SETTING = "CATALOG_LOCAL_IMAGE_MODEL"

_PIPELINE = "StableDiffusionPipeline"
_PARTS = ("text_encoder", "unet", "vae")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}(/[A-Za-z0-9][\w.-]{0,99})?", re.ASCII)
_MAX_INDEX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DiffusersModel:
    """A model that can be used.

    Attributes:
        path: Its directory, absolute.
        name: For people and provenance; a path of this machine never.
        weights_bytes: Size of all weights that are loaded.
    """

    path: Path
    name: str
    weights_bytes: int

    @property
    def weights_gib(self) -> float:
        """What time and memory depend on."""
        return self.weights_bytes / 1024**3


def look_at_model(path: Path | None) -> DiffusersModel:
    """See whether a directory holds a model that the local engines can use.

    Args:
        path: As the setting names it.

    Raises:
        EngineError: ``not_configured``; says what is wrong with it.
    """
    if path is None:
        raise _not_configured("is not set")
    path = path.expanduser().absolute()
    index = _index_of(path)
    pipeline = index.get("_class_name")
    if pipeline != _PIPELINE:
        raise _not_configured(f"holds a {pipeline!s:.80}, not a {_PIPELINE}")
    weights = 0
    for part in _PARTS:
        files = list((path / part).glob("*.safetensors"))
        if not files:
            raise _not_configured(
                f"has no *.safetensors in {part}/ (pickled weights are never loaded)"
            )
        for file in files:
            problem = read_header(file)[1]
            if problem:
                raise _not_configured(f"has a {part}/{file.name} that {problem}")
        weights += sum(file.stat().st_size for file in files)
    return DiffusersModel(path, _name_of(index, path), weights)


def _index_of(path: Path) -> dict[str, Any]:
    file = path / "model_index.json"
    try:
        if file.stat().st_size > _MAX_INDEX_BYTES:
            raise _not_configured("has a model_index.json of more than 1 MiB")
        index = json.loads(file.read_bytes())
    except OSError as exc:
        raise _not_configured("has no model_index.json that can be read") from exc
    except (ValueError, RecursionError) as exc:
        raise _not_configured("has a model_index.json that is no JSON") from exc
    if not isinstance(index, dict):
        raise _not_configured("has a model_index.json that is no JSON object")
    return index


def _name_of(index: dict[str, Any], path: Path) -> str:
    """Take the name that it bears, unless that is a path of somebody's machine."""
    said = index.get("_name_or_path")
    if isinstance(said, str) and _NAME.fullmatch(said):
        return said
    return path.name or "model"


def _not_configured(problem: str) -> EngineError:
    return EngineError(
        "not_configured",
        f"The directory of {SETTING} {problem}; set it to a Stable Diffusion model "
        "saved by diffusers (save_pretrained with safe_serialization), or build a tiny "
        "one: python -m processors.engines.tiny_model DIRECTORY.",
        is_retryable=True,
        is_final=True,
    )
