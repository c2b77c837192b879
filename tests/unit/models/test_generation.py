"""What may be asked for, and that a worker reads back what was asked."""

from typing import Any

import pytest
from pydantic import ValidationError

from catalog.models.generation import (
    MAX_EXTRAS,
    ImageGeneration,
    LoraTraining,
    Metadata,
    Transcription,
    config_of,
    request_from,
)
from catalog.models.job import JobType

SEED_IMAGE = {
    "model": "flux-lora",
    "inputs": {
        "prompt": " jf at a lighthouse ",
        "loras": [
            {"path": "s3://content-generation-assets/loras/u/j/v1/m.safetensors"}
        ],
    },
    "metadata": {"tags": ["avatar"], "description": "d", "isPublic": True},
}


def changed(**inputs: object) -> dict[str, Any]:
    return SEED_IMAGE | {"inputs": {"prompt": "x"} | inputs}


def test_the_seeds_image_request_is_read_with_its_defaults() -> None:
    asked = ImageGeneration.model_validate(SEED_IMAGE)

    assert asked.inputs.prompt == "jf at a lighthouse"
    assert [use.scale for use in asked.inputs.loras] == [1.0]
    assert (asked.inputs.width, asked.inputs.num_images) == (1024, 1)
    assert asked.metadata.is_public is True


@pytest.mark.parametrize(
    ("job_type", "asked"),
    [
        (
            JobType.IMAGE_GENERATION,
            ImageGeneration.model_validate(
                changed(
                    seed=2**63 - 1, safety_tolerance="2", loras=[{"path": "lora-1"}]
                )
            ),
        ),
        (
            JobType.LORA_TRAINING,
            LoraTraining.model_validate(
                {"loraName": "jesse", "videoUrl": "https://x.test/v.mp4", "steps": 10}
            ),
        ),
        (
            JobType.TRANSCRIPTION,
            Transcription.model_validate({"url": "s3://b/a.mp3", "language": "pt-BR"}),
        ),
    ],
)
def test_a_worker_reads_back_what_was_asked(
    job_type: JobType, asked: ImageGeneration | LoraTraining | Transcription
) -> None:
    config = config_of(asked)

    assert request_from(job_type, config) == asked.evolve(metadata=Metadata())
    assert "metadata" not in config


def test_the_record_has_the_seeds_names_and_what_a_platform_added() -> None:
    config = config_of(ImageGeneration.model_validate(changed(numImages=2, cfg="3")))

    assert config["model"] == "flux-lora"
    assert config["inputs"]["numImages"] == 2
    assert config["inputs"]["cfg"] == "3"
    assert "negativePrompt" not in config["inputs"]


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"prompt": "   "}, "prompt"),
        ({"width": 100}, "width"),
        ({"height": 8192}, "height"),
        ({"numImages": 0}, "numImages"),
        ({"numImages": 17}, "numImages"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"loras": [{"path": ""}]}, "path"),
        ({"loras": [{"path": "x", "scale": 11}]}, "scale"),
        ({"loras": [{"path": "x"}] * 9}, "loras"),
        ({"guidanceScale": "strong"}, "guidanceScale"),
        ({f"x{n}": n for n in range(MAX_EXTRAS + 1)}, "inputs"),
    ],
)
def test_what_no_engine_can_do_is_refused_by_name(
    inputs: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        ImageGeneration.model_validate(changed(**inputs))

    assert [error["loc"][-1] for error in caught.value.errors()] == [field]


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (LoraTraining, {"loraName": "x"}, "either videoUrl or images"),
        (
            LoraTraining,
            {"loraName": "x", "videoUrl": "https://v", "images": ["upload-1"]},
            "either videoUrl or images",
        ),
        (Transcription, {}, "either url or upload"),
        (Transcription, {"url": "https://a", "upload": "b"}, "either url or upload"),
        (Transcription, {"url": "https://a", "language": "english!"}, "pattern"),
        (Transcription, {"url": "https://a", "speakers": 0}, "greater than"),
        (Transcription, {"url": "https://a", "speed": 2}, "not permitted"),
    ],
)
def test_a_request_without_one_clear_source_says_what_to_send(
    model: type[LoraTraining | Transcription], body: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(body)
