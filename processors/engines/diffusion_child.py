"""What the children of the engines on ``diffusers`` share: loading, LoRAs, pictures.

Imported in children only: torch takes seconds and gigabytes.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from PIL import Image, PngImagePlugin
from transformers.utils import logging as transformers_logging

from processors.engines.child_side import ChildFailedError


def load_pipeline(directory: str) -> Any:
    """Load a model for one thread, from this machine and from safetensors alone.

    Raises:
        ChildFailedError: ``not_configured``: what the directory holds can't be loaded.
    """
    _be_quiet()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(
            directory,
            local_files_only=True,
            use_safetensors=True,
            torch_dtype=torch.float32,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    except (OSError, ValueError, LookupError, TypeError, RuntimeError) as exc:
        raise ChildFailedError(
            "not_configured",
            "The model of CATALOG_LOCAL_IMAGE_MODEL can't be loaded: "
            f"{told(exc)}; set it to a whole directory saved by diffusers.",
        ) from exc
    pipeline.set_progress_bar_config(disable=True)
    for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder):
        part.requires_grad_(requires_grad=False)
        part.eval()
    return pipeline


def attach_loras(
    pipeline: Any,
    loras: Sequence[Mapping[str, Any]],
) -> None:
    """Put LoRAs on a pipeline, each at its scale.

    Args:
        pipeline: As ``load_pipeline`` gave it.
        loras: ``path scale`` of each.

    Raises:
        ChildFailedError: ``invalid_input``: one was made for another model.
    """
    names = [f"lora_{place}" for place in range(len(loras))]
    for place, (name, lora) in enumerate(zip(names, loras, strict=True)):
        path = Path(lora["path"])
        try:
            pipeline.load_lora_weights(
                str(path.parent),
                weight_name=path.name,
                adapter_name=name,
                local_files_only=True,
                use_safetensors=True,
            )
        except Exception as exc:  # whatever diffusers trips over in a stranger's file
            raise _does_not_fit(place, told(exc)) from exc
        if name not in {one for part in _adapters(pipeline) for one in part}:
            raise _does_not_fit(place, "none of its weights has a place there")
    if names:
        pipeline.set_adapters(names, [float(lora["scale"]) for lora in loras])


def picture_of(
    pipeline: Any,
    *,
    prompt: str,
    negative_prompt: str | None,
    width: int,
    height: int,
    steps: int,
    guidance: float,
    seed: int,
    step_done: Callable[[int], None],
) -> Image.Image:
    """Make one picture; the same arguments give the same one.

    Args:
        pipeline: With its LoRAs.
        prompt: What is to be seen.
        negative_prompt: What isn't.
        width: Pixels, a multiple of 8.
        height: Likewise.
        steps: Of the scheduler.
        guidance: How closely the prompt is followed.
        seed: Of the noise.
        step_done: Is told the number of steps made, after each.
    """

    def on_step_end(
        _: object, step: int, __: object, values: dict[str, Any]
    ) -> dict[str, Any]:
        step_done(step + 1)
        return values

    with torch.no_grad():
        made = pipeline(
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=width,
            height=height,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator("cpu").manual_seed(seed),
            callback_on_step_end=on_step_end,
        )
    picture = made.images[0]
    if not isinstance(picture, Image.Image):
        raise TypeError(type(picture))
    return picture


def save_picture(picture: Image.Image, path: Path, parameters: str) -> None:
    """Write a PNG that says how it was made, where other programs look for it."""
    facts = PngImagePlugin.PngInfo()
    facts.add_itxt("parameters", parameters)
    picture.save(path, format="PNG", pnginfo=facts)


def told(exc: Exception) -> str:
    """Give the first line of an error, short enough for a person."""
    first = next(iter(str(exc).strip().splitlines()), "")
    return f"{type(exc).__name__}: {first}"[:300].rstrip(": ")


def _adapters(pipeline: Any) -> list[list[str]]:
    return list(pipeline.get_list_adapters().values())


def _does_not_fit(place: int, why: str) -> ChildFailedError:
    return ChildFailedError(
        "invalid_input",
        f"`inputs.loras.{place}.path`: the file is no LoRA for this worker's model "
        f"({why}); use one that was trained on it.",
    )


def _be_quiet() -> None:
    """Keep the log for errors: it is shown when the child breaks."""
    warnings.simplefilter("ignore")
    diffusers_logging.set_verbosity_error()
    transformers_logging.set_verbosity_error()
