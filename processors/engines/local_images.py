"""Images made on this machine, without a network, by any Stable Diffusion model.

The model is the operator's (``CATALOG_LOCAL_IMAGE_MODEL``); its name goes with every
picture. ``docs/local-models.md`` tells what can be asked for.
"""

from pathlib import Path

from catalog.clock import Clock, SystemClock
from catalog.models.asset import FileRole
from catalog.models.generation import ImageGeneration, ImageInputs
from catalog.models.job import JobType
from processors.engine import EngineError, Made, Output, Step, Work
from processors.engines.child import ChildLimits
from processors.engines.diffusers_model import DiffusersModel, look_at_model
from processors.engines.local_diffusion import (
    MOST_PIXELS,
    NAME,
    RunChild,
    check_model_name,
    invalid,
    limits_for,
    run,
    seed_of,
)
from processors.engines.lora_header import read_header

MOST_STEPS = 150
MOST_GUIDANCE = 30.0
MOST_SCALE = 4.0
"""Of a LoRA; beyond it pictures are noise."""

STEPS = 20
GUIDANCE = 7.5

_CHILD = "processors.engines.local_images_child"


class LocalImages:
    """``Engine`` on ``diffusers``, in a child with one thread.

    It has one step: a worker that dies leaves nothing, and the next begins anew, with
    the same seeds.
    """

    name = NAME
    type = JobType.IMAGE_GENERATION
    reads_addresses = False

    def __init__(
        self, model: Path | None, *, clock: Clock | None = None, run: RunChild = run
    ) -> None:
        """Look at the model, and load nothing yet.

        Args:
            model: Its directory.
            clock: For the limits on time.
            run: How a child is run.

        Raises:
            EngineError: ``not_configured``: it can't be used.
        """
        look_at_model(model)
        self._path = model
        self._clock = clock or SystemClock()
        self._run = run

    def advance(self, work: Work, step: Step) -> Made:
        """See ``Engine.advance``."""
        del step
        request = work.request
        if not isinstance(request, ImageGeneration):
            raise invalid(f"The engine {NAME} does not make {work.request.type.value}.")
        model = look_at_model(self._path)
        check_model_name(request.model, model)
        inputs = request.inputs
        _check(inputs)
        _check_loras(work, inputs)
        seeds = _seeds(seed_of(work, inputs.seed), inputs.num_images)
        steps = inputs.num_inference_steps or STEPS
        task = {
            "model": str(model.path),
            "name": model.name,
            "folder": str(work.folder.resolve()),
            "prompt": inputs.prompt,
            "negative_prompt": inputs.negative_prompt,
            "width": inputs.width,
            "height": inputs.height,
            "steps": steps,
            "guidance": _or(inputs.guidance_scale, GUIDANCE),
            "seeds": seeds,
            "loras": [
                {"path": str(Path(path).resolve()), "scale": use.scale}
                for path, use in zip(work.loras, inputs.loras, strict=True)
            ],
        }
        limits = _limits(model, inputs, steps)
        made = self._run(_CHILD, task, limits, work, self._clock)
        facts = {"engine": NAME, "model": model.name} | made
        if inputs.extras:
            facts["ignored"] = sorted(inputs.extras)
        return Made(_outputs(work, inputs, seeds), facts)

    def cancel(self, work: Work, step: Step) -> None:
        """See ``Engine.cancel``: nothing goes on elsewhere."""


def _check(inputs: ImageInputs) -> None:
    if inputs.width * inputs.height > MOST_PIXELS:
        raise invalid(
            f"`inputs.width` x `inputs.height`: {inputs.width}x{inputs.height} is more "
            f"than the engine {NAME} makes; ask for {MOST_PIXELS} pixels at most, such "
            "as 1024x1024."
        )
    steps, guidance = inputs.num_inference_steps, inputs.guidance_scale
    if steps is not None and steps > MOST_STEPS:
        raise invalid(
            f"`inputs.numInferenceSteps`: the engine {NAME} makes {MOST_STEPS} steps "
            f"at most, not {steps}."
        )
    if guidance is not None and guidance > MOST_GUIDANCE:
        raise invalid(
            f"`inputs.guidanceScale`: the engine {NAME} takes {MOST_GUIDANCE:g} at "
            f"most, not {guidance:g}."
        )


def _check_loras(work: Work, inputs: ImageInputs) -> None:
    if len(work.loras) != len(inputs.loras):
        raise EngineError(
            "source_missing", "Not every LoRA has been fetched.", is_retryable=False
        )
    for place, (path, use) in enumerate(zip(work.loras, inputs.loras, strict=True)):
        if abs(use.scale) > MOST_SCALE:
            raise invalid(
                f"`inputs.loras.{place}.scale`: the engine {NAME} takes "
                f"{-MOST_SCALE:g} to {MOST_SCALE:g}, not {use.scale:g}."
            )
        problem = read_header(Path(path))[1]
        if problem:
            raise invalid(
                f"`inputs.loras.{place}.path`: the file {problem}; name a LoRA in "
                "safetensors."
            )


def _limits(model: DiffusersModel, inputs: ImageInputs, steps: int) -> ChildLimits:
    units = inputs.num_images * (steps + 1)
    return limits_for(model, inputs.width * inputs.height, units)


def _seeds(first: int, count: int) -> list[int]:
    return [(first + n) % 2**63 for n in range(count)]


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _outputs(work: Work, inputs: ImageInputs, seeds: list[int]) -> tuple[Output, ...]:
    size = {"width": inputs.width, "height": inputs.height}
    return tuple(
        Output(
            FileRole.IMAGE,
            work.folder / f"image_{number}.png",
            "image/png",
            number,
            size | {"seed": seed},
        )
        for number, seed in enumerate(seeds, start=1)
    )
