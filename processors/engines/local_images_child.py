"""``python -m processors.engines.local_images_child``: makes the images of one job.

Started by ``processors.engines.local_images`` only.
"""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from processors.engines.child_side import Parent, serve
from processors.engines.diffusion_child import (
    attach_loras,
    load_pipeline,
    picture_of,
    save_picture,
)


def generate(task: Mapping[str, Any], parent: Parent) -> Mapping[str, Any]:
    """Make one image after the other; see ``child_side.serve``.

    Raises:
        ChildFailedError: The model or a LoRA can't be used.
    """
    pipeline = load_pipeline(task["model"])
    attach_loras(pipeline, task["loras"])
    steps = int(task["steps"])
    each = steps + 1  # the last is for decoding
    whole = each * len(task["seeds"])
    for number, seed in enumerate(task["seeds"], start=1):
        before = (number - 1) * each

        def step_done(step: int, before: int = before) -> None:
            parent.tell(before + step, 100 * (before + step) / whole)

        picture = picture_of(
            pipeline,
            prompt=task["prompt"],
            negative_prompt=task["negative_prompt"],
            width=task["width"],
            height=task["height"],
            steps=steps,
            guidance=task["guidance"],
            seed=seed,
            step_done=step_done,
        )
        path = Path(task["folder"]) / f"image_{number}.png"
        save_picture(picture, path, _parameters(task, seed, pipeline))
        parent.tell(before + each, 100 * (before + each) / whole)
    made: dict[str, Any] = {
        "version": version("diffusers"),
        "scheduler": type(pipeline.scheduler).__name__,
        "steps": steps,
        "guidance": task["guidance"],
    }
    if _is_cut(pipeline, task["prompt"]):
        made["promptWasCut"] = True
    return made


def _parameters(
    task: Mapping[str, Any],
    seed: int,
    pipeline: Any,
) -> str:
    """Write them as the web UI of AUTOMATIC1111 does."""
    lines = [task["prompt"]]
    if task["negative_prompt"]:
        lines.append(f"Negative prompt: {task['negative_prompt']}")
    sampler = type(pipeline.scheduler).__name__.removesuffix("Scheduler")
    lines.append(
        f"Steps: {task['steps']}, Sampler: {sampler}, CFG scale: {task['guidance']:g}, "
        f"Seed: {seed}, Size: {task['width']}x{task['height']}, Model: {task['name']}"
    )
    return "\n".join(lines)


def _is_cut(pipeline: Any, prompt: str) -> bool:
    """Tell whether the text encoder saw the beginning of the prompt only."""
    tokenizer = pipeline.tokenizer
    return len(tokenizer(prompt).input_ids) > int(tokenizer.model_max_length)


if __name__ == "__main__":
    sys.exit(serve(generate))
