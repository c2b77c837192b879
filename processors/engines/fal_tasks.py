"""What fal.ai is asked for, and what its answers hold, by type of job."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic.alias_generators import to_camel

from catalog.models.asset import FileRole
from catalog.models.generation import MAX_IMAGES, ImageGeneration, LoraTraining
from catalog.models.job import JobType
from processors.engine import EngineError, Output, Work
from processors.engines.artifacts import (
    check_json,
    check_safetensors,
    look_at_picture,
)
from processors.engines.fal_models import WITHOUT_LORAS, endpoint_of

_MAX_PICTURE_BYTES = 64 * 1024 * 1024
_MAX_MODEL_BYTES = 4 * 1024 * 1024 * 1024
_MAX_CONFIG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What to submit: ``payload`` is the model's input itself."""

    model: str
    endpoint: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a result: where it is and what it should be."""

    url: str
    name: str
    role: FileRole
    limit_bytes: int
    number: int = 1


class FalTask(Protocol):
    """One type of job, as fal.ai does it."""

    @property
    def type(self) -> JobType:
        """Which."""
        ...

    def request(self, work: Work, models: Mapping[str, str]) -> Request:
        """Write the request.

        Raises:
            EngineError: ``invalid_input`` or ``source_missing``.
        """
        ...

    def parts(self, result: Mapping[str, Any]) -> list[Part]:
        """Find the files of a result; none when it has another shape."""
        ...

    def output(self, part: Part, path: Path, result: Mapping[str, Any]) -> Output:
        """Look at a file that was fetched.

        Raises:
            EngineError: It is not what it should be, or not whole.
        """
        ...


class FalImages:
    """Image generation; see ``FalTask``."""

    type = JobType.IMAGE_GENERATION

    def request(self, work: Work, models: Mapping[str, str]) -> Request:
        """See ``FalTask.request``."""
        asked = work.request
        if not isinstance(asked, ImageGeneration):
            raise _wrong_type(work)
        inputs = asked.inputs
        endpoint = endpoint_of(self.type, asked.model, models)
        if inputs.loras and endpoint in WITHOUT_LORAS:
            raise EngineError(
                "invalid_input",
                f"The model {asked.model!r} takes no LoRAs; use flux-lora.",
                is_retryable=False,
            )
        # What the platform added comes first: it can't undo what is ours to decide.
        payload: dict[str, Any] = {
            **inputs.extras,
            "prompt": inputs.prompt,
            "num_images": inputs.num_images,
            "output_format": "png",
            "sync_mode": False,
        }
        if "image_size" not in inputs.extras or {"width", "height"} & (
            inputs.model_fields_set
        ):
            payload["image_size"] = {"width": inputs.width, "height": inputs.height}
        for name in ("negative_prompt", "seed", "num_inference_steps"):
            if (value := getattr(inputs, name)) is not None:
                payload[name] = value
        if inputs.guidance_scale is not None:
            payload["guidance_scale"] = inputs.guidance_scale
        if inputs.loras:
            payload["loras"] = [
                {"path": address, "scale": use.scale}
                for address, use in zip(work.loras, inputs.loras, strict=True)
            ]
        return Request(asked.model, endpoint, payload)

    def parts(self, result: Mapping[str, Any]) -> list[Part]:
        """See ``FalTask.parts``."""
        images = result.get("images")
        found = [_url(image) for image in (images if isinstance(images, list) else ())]
        return [
            Part(url, f"image_{n}", FileRole.IMAGE, _MAX_PICTURE_BYTES, n)
            for n, url in enumerate(filter(None, found[:MAX_IMAGES]), start=1)
        ]

    def output(self, part: Part, path: Path, result: Mapping[str, Any]) -> Output:
        """See ``FalTask.output``; the suffix follows what the file is."""
        picture = look_at_picture(path)
        facts = {"width": picture.width, "height": picture.height}
        seed = result.get("seed")
        if isinstance(seed, int) and 0 <= seed < 2**63:
            facts["seed"] = seed
        return Output(
            part.role,
            path.rename(path.with_name(part.name + picture.suffix)),
            picture.content_type,
            part.number,
            facts,
        )


class FalTraining:
    """LoRA training; see ``FalTask``. The images are a zip with captions beside."""

    type = JobType.LORA_TRAINING

    def request(self, work: Work, models: Mapping[str, str]) -> Request:
        """See ``FalTask.request``."""
        asked = work.request
        if not isinstance(asked, LoraTraining):
            raise _wrong_type(work)
        endpoint = endpoint_of(self.type, asked.model, models)
        for name in ("rank", "learning_rate", "resolution", "seed"):
            if getattr(asked, name) is not None:
                raise EngineError(
                    "invalid_input",
                    f"fal's trainers take no {to_camel(name)}; leave it out.",
                    is_retryable=False,
                )
        if work.source_url is None:
            raise EngineError(
                "source_missing",
                "The training images have no address that fal could read them from.",
                is_retryable=False,
            )
        payload: dict[str, Any] = {"images_data_url": work.source_url}
        if asked.trigger is not None:
            payload["trigger_word"] = asked.trigger
        if asked.steps is not None:
            payload["steps"] = asked.steps
        return Request(asked.model or endpoint, endpoint, payload)

    def parts(self, result: Mapping[str, Any]) -> list[Part]:
        """See ``FalTask.parts``."""
        model = _url(result.get("diffusers_lora_file"))
        config = _url(result.get("config_file"))
        if model is None or config is None:
            return []
        return [
            Part(model, "model.safetensors", FileRole.MODEL, _MAX_MODEL_BYTES),
            Part(config, "config.json", FileRole.CONFIG, _MAX_CONFIG_BYTES),
        ]

    def output(
        self,
        part: Part,
        path: Path,
        result: Mapping[str, Any],  # noqa: ARG002  (the port's)
    ) -> Output:
        """See ``FalTask.output``."""
        if part.role is FileRole.MODEL:
            check_safetensors(path)
            content_type = "application/octet-stream"
        else:
            check_json(path)
            content_type = "application/json"
        return Output(part.role, path.rename(path.with_name(part.name)), content_type)


def _url(file: object) -> str | None:
    url = file.get("url") if isinstance(file, Mapping) else None
    return url if isinstance(url, str) and url else None


def _wrong_type(work: Work) -> EngineError:
    message = f"This engine does not make {work.request.type.value}."
    return EngineError("engine_failed", message, is_retryable=False)
