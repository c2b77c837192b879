"""LoRAs trained on this machine, without a network, for any Stable Diffusion model.

The model is the operator's (``CATALOG_LOCAL_IMAGE_MODEL``), the source a folder with
``images`` and ``captions`` that bear the same names. ``docs/local-models.md`` tells how
long it takes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from catalog.clock import Clock, SystemClock
from catalog.models.asset import FileRole
from catalog.models.generation import MAX_TRAINING_IMAGES, LoraTraining
from catalog.models.job import JobType
from processors.engine import EngineError, Made, Output, Step, Work
from processors.engines.diffusers_model import look_at_model
from processors.engines.local_diffusion import (
    NAME,
    RunChild,
    check_model_name,
    invalid,
    limits_for,
    run,
    seed_of,
)
from processors.engines.training_checkpoints import Checkpoints

MOST_STEPS = 4000
MOST_RANK = 64
MOST_LEARNING_RATE = 0.01
MOST_SIDE_PX = 1024

STEPS = 100
RANK = 4
LEARNING_RATE = 1e-4

CHECKPOINT_SECONDS = 120.0
"""What is lost at most when a worker dies; one takes milliseconds to write."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

_CHILD = "processors.engines.local_training_child"


class LocalTraining:
    """``Engine`` on ``diffusers`` and ``peft``, in a child with one thread.

    Its steps are checkpoints: a worker that dies leaves the last one, and the next goes
    on from it. Nothing is published before the training has come to its end.
    """

    name = NAME
    type = JobType.LORA_TRAINING
    reads_addresses = False

    def __init__(
        self,
        model: Path | None,
        *,
        clock: Clock | None = None,
        run: RunChild = run,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Look at the model, and load nothing yet.

        Args:
            model: Its directory.
            clock: For the limits on time.
            run: How a child is run.
            checkpoint_seconds: Between two checkpoints.

        Raises:
            EngineError: ``not_configured``: it can't be used.
        """
        look_at_model(model)
        self._path = model
        self._clock = clock or SystemClock()
        self._run = run
        self._checkpoint_seconds = checkpoint_seconds

    def advance(self, work: Work, step: Step) -> Made:
        """See ``Engine.advance``; ``work.source`` is the folder of a dataset."""
        request = work.request
        if not isinstance(request, LoraTraining):
            raise invalid(f"The engine {NAME} does not make {work.request.type.value}.")
        model = look_at_model(self._path)
        check_model_name(request.model, model)
        _check(request)
        examples = _examples(work.source)
        steps = request.steps or STEPS
        task: dict[str, Any] = {
            "model": str(model.path),
            "name": model.name,
            "weights_bytes": model.weights_bytes,
            "engine": NAME,
            "lora_name": request.lora_name,
            "trigger": request.trigger,
            "folder": str(work.folder.resolve()),
            "examples": examples,
            "steps": steps,
            "rank": request.rank or RANK,
            "learning_rate": request.learning_rate or LEARNING_RATE,
            "resolution": request.resolution,
            "seed": seed_of(work, request.seed),
            "checkpoint": None,
            "checkpoint_seconds": None,
        }
        if work.shelf is not None:
            checkpoints = Checkpoints(work, step, work.shelf)
            last = checkpoints.last()
            task["checkpoint"] = None if last is None else str(last.resolve())
            task["checkpoint_seconds"] = self._checkpoint_seconds
            work = replace(work, check=checkpoints.check)
        side = request.resolution or MOST_SIDE_PX
        # A step with its way back costs three of the pictures' ones; each example is
        # encoded before, and the preview made afterwards.
        units = 3 * (steps + len(examples)) + 100
        limits = limits_for(model, side * side, units)
        made = self._run(_CHILD, task, limits, work, self._clock)
        return Made(_outputs(work), {"engine": NAME, "model": model.name} | made)

    def cancel(self, work: Work, step: Step) -> None:
        """See ``Engine.cancel``: nothing goes on elsewhere."""


def _check(request: LoraTraining) -> None:
    for field, value, most in (
        ("steps", request.steps, MOST_STEPS),
        ("rank", request.rank, MOST_RANK),
        ("learningRate", request.learning_rate, MOST_LEARNING_RATE),
        ("resolution", request.resolution, MOST_SIDE_PX),
    ):
        if value is not None and value > most:
            raise invalid(
                f"`{field}`: the engine {NAME} takes {most:g} at most, not {value:g}."
            )


def _examples(source: Path | None) -> list[dict[str, str | None]]:
    """List the pictures with their captions.

    Raises:
        EngineError: ``source_missing`` or ``out_of_limits``.
    """
    folder = None if source is None else source.resolve() / "images"
    if folder is None or not folder.is_dir():
        raise EngineError(
            "source_missing", "There is no folder of images.", is_retryable=False
        )
    found: list[dict[str, str | None]] = []
    for image in sorted(folder.iterdir()):
        if image.suffix.lower() not in IMAGE_SUFFIXES or not image.is_file():
            continue
        caption = folder.parent / "captions" / f"{image.stem}.txt"
        found.append(
            {
                "image": str(image),
                "caption": str(caption) if caption.is_file() else None,
            }
        )
    if not found:
        raise EngineError(
            "source_missing",
            f"The dataset holds no image ({', '.join(IMAGE_SUFFIXES)}).",
            is_retryable=False,
        )
    if len(found) > MAX_TRAINING_IMAGES:
        raise EngineError(
            "out_of_limits",
            f"The dataset holds {len(found)} images; {MAX_TRAINING_IMAGES} are the "
            "most that one job is trained on.",
            is_retryable=False,
        )
    return found


def _outputs(work: Work) -> tuple[Output, ...]:
    folder = work.folder
    return (
        Output(
            FileRole.MODEL, folder / "model.safetensors", "application/octet-stream"
        ),
        Output(FileRole.CONFIG, folder / "config.json", "application/json"),
        Output(FileRole.PREVIEW, folder / "preview.png", "image/png"),
    )
