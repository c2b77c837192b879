"""What fal.ai is asked, and what becomes of everything that it can answer."""

import json
from datetime import timedelta
from typing import Any

import pytest

from catalog.clock import ManualClock
from catalog.config import Settings
from catalog.models.asset import FileRole
from catalog.models.job import JobType
from processors.engine import EngineError
from processors.engines.providers import fal_engine
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_fal import FalPlan, missing_prompt, no_runner
from tests.fakes.provider_files import png, safetensors
from tests.fakes.provider_server import (
    Fault,
    Reply,
    answer,
)
from tests.integration.providers.conftest import SOURCE, Workshop
from tests.integration.providers.harness import WEBHOOKS, failed, made

# --- what is asked and made --------------------------------------------------------


def test_images_are_asked_for_as_fal_writes_it_and_kept_with_their_facts(
    workshop: Workshop, provider: FakeProvider
) -> None:
    lora = {"path": "https://store.example/l.safetensors?sig=1", "scale": 0.8}
    worker = workshop.images(
        loras=[lora],
        num_images=2,
        seed=42,
        num_inference_steps=20,
        guidance_scale=3.5,
        width=128,
        acceleration="high",
        output_format="jpeg",
        sync_mode=True,
    )

    result = made(worker)

    (request,) = provider.fal.submits
    assert request.endpoint == "fal-ai/flux-lora"
    assert request.payload == {
        "prompt": "a lighthouse",
        "image_size": {"width": 128, "height": 64},
        "num_images": 2,
        "seed": 42,
        "num_inference_steps": 20,
        "guidance_scale": 3.5,
        "loras": [lora],
        "acceleration": "high",
        "output_format": "png",
        "sync_mode": False,
    }
    assert [(one.role, one.number, one.path.name) for one in result.outputs] == [
        (FileRole.IMAGE, 1, "image_1.png"),
        (FileRole.IMAGE, 2, "image_2.png"),
    ]
    first = result.outputs[0]
    assert first.path.read_bytes() == png(128, 64)
    assert first.content_type == "image/png"
    assert first.facts == {"width": 128, "height": 64, "seed": 42}
    assert result.provenance["endpoint"] == "fal-ai/flux-lora"
    assert result.provenance["requestId"] == request.request_id
    assert len(result.provenance["results"]) == 2
    assert request.webhook == WEBHOOKS + worker.saved[0]["nonce"]


def test_training_is_given_the_zip_and_brings_back_weights_and_config(
    workshop: Workshop, provider: FakeProvider
) -> None:
    result = made(workshop.training())

    (request,) = provider.fal.submits
    assert request.endpoint == "fal-ai/flux-lora-fast-training"
    assert request.payload == {
        "images_data_url": SOURCE,
        "trigger_word": "jf",
        "steps": 500,
    }
    model, config = result.outputs
    assert (model.role, model.path.name) == (FileRole.MODEL, "model.safetensors")
    assert (config.role, config.path.name) == (FileRole.CONFIG, "config.json")
    assert model.path.read_bytes() == safetensors()
    assert json.loads(config.path.read_bytes()) == {"rank": 16}


@pytest.mark.parametrize(
    ("field", "value"),
    [("rank", 8), ("learningRate", 0.001), ("resolution", 512), ("seed", 1)],
)
def test_what_fals_trainers_do_not_take_is_refused_and_not_left_out(
    workshop: Workshop, provider: FakeProvider, field: str, value: float
) -> None:
    refused = failed(workshop.training(config={field: value}))

    assert refused.code == "invalid_input"
    assert f"no {field};" in str(refused)
    assert provider.requests == []


def test_a_name_is_resolved_and_status_is_asked_without_the_subpath(
    workshop: Workshop, provider: FakeProvider
) -> None:
    workshop.set(fal_models={"house-style": "fal-ai/flux/dev"})

    assert made(workshop.images(model="house-style")).provenance["model"] == (
        "house-style"
    )
    assert made(workshop.images(model="flux-pro")).provenance["endpoint"] == (
        "fal-ai/flux-pro/v1.1"
    )
    assert [one.endpoint for one in provider.fal.submits] == [
        "fal-ai/flux/dev",
        "fal-ai/flux-pro/v1.1",
    ]


def test_an_unknown_model_and_loras_where_there_are_none_submit_nothing(
    workshop: Workshop, provider: FakeProvider
) -> None:
    unknown = failed(workshop.images(model="flux-9"))
    without = failed(workshop.images(model="flux-pro", loras=[{"path": "https://x/y"}]))

    assert (unknown.code, without.code) == ("invalid_input", "invalid_input")
    assert "flux-lora" in str(unknown)
    assert not unknown.is_retryable
    assert provider.requests == []


def test_the_queue_is_watched_ever_more_rarely(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fal.plan = FalPlan(positions=(3, 1), running=40)
    worker = workshop.images()

    made(worker)

    assert worker.progress[:4] == [0, 0, 0, None]
    assert worker.pauses == sorted(worker.pauses)
    assert worker.pauses[0] == timedelta(seconds=2)
    assert worker.pauses[-1] == timedelta(seconds=30)
    assert len(provider.fal.submits) == 1


def test_a_missing_key_names_the_setting(clock: ManualClock) -> None:
    with pytest.raises(EngineError, match="CATALOG_FAL_KEY") as caught:
        fal_engine(Settings(), JobType.IMAGE_GENERATION, clock)

    assert (caught.value.code, caught.value.is_final) == ("not_configured", True)


def test_a_refused_key_is_never_said_and_named_by_its_setting(
    workshop: Workshop, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    workshop.set(fal_key="wrong-id:wrong-secret")

    error = failed(workshop.images())

    assert (error.code, error.is_final) == ("not_configured", True)
    assert "CATALOG_FAL_KEY" in str(error)
    assert "wrong-secret" not in str(error) + caplog.text
    assert provider.fal.submits == []


# --- both forms of error -----------------------------------------------------------


def test_a_models_refusal_says_which_field_and_is_not_tried_again(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("fal.submit", Fault(reply=missing_prompt()))
    worker = workshop.images()

    error = failed(worker)

    assert (error.code, str(error)) == ("invalid_input", "fal: prompt: Field required")
    assert not error.is_retryable
    assert provider.count("fal.submit") == 1
    assert worker.step == {}


@pytest.mark.parametrize(
    "reply",
    [no_runner(), answer(429, {"detail": "Too many"}, retry_after="3")],
    ids=["503", "429"],
)
def test_a_refusal_that_passes_lets_the_next_attempt_submit(
    reply: Reply, workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("fal.submit", Fault(reply=reply))
    worker = workshop.images()

    made(worker)

    assert worker.attempts == 1
    assert provider.count("fal.submit") == 2
    assert len(provider.fal.submits) == 1


def test_fal_that_is_not_there_is_a_plain_failure(workshop: Workshop) -> None:
    workshop.set(fal_url="http://127.0.0.1:9")
    worker = workshop.images()

    with pytest.raises(EngineError) as caught:
        worker.advance()

    assert caught.value.code == "provider_unavailable"
    assert (caught.value.is_retryable, caught.value.is_final) == (True, False)
    assert worker.step == {}


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        ({"error": "Out of memory", "error_type": "internal"}, "provider_rejected"),
        (
            {
                "error": [{"loc": ["body", "loras"], "msg": "Bad", "type": "value"}],
                "error_type": "validation",
            },
            "invalid_input",
        ),
        (
            {
                "error": [
                    {
                        "loc": ["body", "image_url"],
                        "msg": "Failed: https://s.example/a?X-Amz-Signature=abc",
                        "type": "file_download_error",
                    }
                ]
            },
            "source_unreadable",
        ),
    ],
)
def test_completed_with_an_error_is_a_failure(
    failure: dict[str, Any], code: str, workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fal.plan = FalPlan(failure=failure)

    error = failed(workshop.images())

    assert (error.code, error.is_retryable) == (code, False)
    assert "Signature" not in str(error)
    assert provider.count("fal.result") == 0
    assert len(provider.fal.submits) == 1


def test_a_machine_that_failed_for_certain_is_asked_again_by_a_new_attempt(
    workshop: Workshop, provider: FakeProvider
) -> None:
    passing = {"error": "No runner", "error_type": "runner_connection_timeout"}
    provider.fal.plan = FalPlan(failure=passing)
    worker = workshop.images()
    worker.advance()

    with pytest.raises(EngineError) as caught:
        worker.advance()

    assert (caught.value.code, caught.value.is_retryable) == (
        "provider_unavailable",
        True,
    )
    assert worker.step == {}
    provider.fal.plan = FalPlan()
    made(worker)
    assert len(provider.fal.submits) == 2


def test_an_error_instead_of_the_result_is_the_jobs(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fal.plan = FalPlan(result=missing_prompt())

    assert failed(workshop.images()).code == "invalid_input"


def test_a_key_that_stops_working_does_not_lose_what_is_paid_for(
    workshop: Workshop, provider: FakeProvider
) -> None:
    worker = workshop.images()
    worker.advance()
    refused = Fault(reply=answer(401, {"detail": "Key expired"}))
    provider.fail("fal.status", refused)

    made(worker)

    assert worker.attempts == 1
    assert len(provider.fal.submits) == 1
