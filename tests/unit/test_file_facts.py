"""What files say is read leniently, bounded, and believed last."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.file_facts import (
    MAX_NAME_LENGTH,
    MAX_PROMPT_LENGTH,
    MAX_VALUES,
    assertions_of,
    outcome_of,
)
from catalog.models.file_facts import NO_FILE_FACTS
from catalog.models.ids import ObjectKey
from catalog.models.stored import Extraction

EXTRACTORS = (
    *("safetensors", "picture", "generation", "exif"),
    *("recording", "transcript_facts"),
)
NAMES = (
    *("source", "prompt", "negativePrompt", "model", "loras", "seed", "steps", "cfg"),
    *("sampler", "extra", "width", "height", "family", "rank", "triggerWords"),
    *("tagSuggestions", "baseModelVersion", "baseModelName", "cameraMake", "takenAt"),
    *("cameraModel", "streams", "durationSeconds", "keywords", "type", "codec"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    ),
    max_leaves=8,
)


def read(extractor: str, facts: Mapping[str, Any]) -> Extraction:
    return Extraction(
        store="s", key=ObjectKey("a"), etag="e", extractor=extractor, version=1
    ).evolve(facts=facts)


def failed(extractor: str, cause: str | None) -> Extraction:
    return read(extractor, {}).evolve(error="it is broken", cause=cause)


def test_a_generated_picture_says_how_it_was_made() -> None:
    assertions = assertions_of(
        [
            read("picture", {"width": 512, "height": 400}),
            read(
                "generation",
                {
                    "source": "a1111",
                    "prompt": "photo of a duck",
                    "model": "realistic",
                    "loras": [{"name": "add_detail", "weight": 0.5}, {"name": "ink"}],
                    "seed": 235284042,
                    "steps": 15,
                    "cfg": 5,
                    "sampler": "UniPC",
                    "width": 64,
                    "extra": {"model hash": "C0D1994c73", "clip skip": "2"},
                },
            ),
        ]
    )

    assert (assertions.prompt, assertions.model, assertions.seed) == (
        "photo of a duck",
        "realistic",
        235284042,
    )
    assert (assertions.width_px, assertions.height_px) == (
        512,
        400,
    )  # of the file itself
    facts = assertions.facts
    assert facts.generator == "automatic1111"
    assert facts.lora_names == ("add_detail", "ink")
    assert facts.hashes == ("c0d1994c73",)
    assert (facts.steps, facts.cfg, facts.sampler) == (15, 5.0, "UniPC")
    assert facts.outcome == ("ok",)


def test_weights_say_what_they_fit_and_what_calls_them() -> None:
    weights = {
        "family": "sdxl",
        "rank": 16,
        "triggerWords": ["ohwx woman", "ohwx woman"],
        "baseModelName": "C:\\models\\base.safetensors",
        "tagSuggestions": [{"tag": "long hair", "count": 7}],
    }

    assertions = assertions_of([read("safetensors", weights)])

    assert assertions.base_model == "base.safetensors"
    assert assertions.facts.family == "sdxl"
    assert assertions.facts.trigger_words == ("ohwx woman",)
    assert assertions.facts.tag_suggestions == ("long hair",)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D50", "NIKON D50"),
        ("Canon", "EOS 5D", "Canon EOS 5D"),
        (None, "EOS 5D", "EOS 5D"),
        ("Canon", None, "Canon"),
    ],
)
def test_a_camera_is_named_once(
    make: str | None, model: str | None, camera: str
) -> None:
    facts = {"cameraMake": make, "cameraModel": model}

    assert assertions_of([read("exif", facts)]).facts.camera == camera


def test_a_recording_says_what_it_is_coded_in() -> None:
    streams = [
        {"type": "video", "codec": "h264", "width": 64, "height": 32},
        {"type": "audio", "codec": "aac"},
    ]

    assertions = assertions_of(
        [read("recording", {"durationSeconds": 2.5, "streams": streams})]
    )

    assert assertions.duration_seconds == 2.5
    assert (assertions.width_px, assertions.height_px) == (64, 32)
    assert assertions.facts.video_codec == "h264"
    assert assertions.facts.audio_codec == "aac"


def test_the_first_file_wins_and_a_failure_says_nothing() -> None:
    assertions = assertions_of(
        [
            failed("generation", "corrupt"),
            read("generation", {"prompt": "first"}),
            read("generation", {"prompt": "second"}),
        ]
    )

    assert assertions.prompt == "first"


def test_each_cause_is_told_once_and_beats_what_could_be_read() -> None:
    found = [
        failed("exif", "corrupt"),
        read("picture", {}),
        failed("generation", "corrupt"),
        failed("recording", "timeout"),
        failed("transcript", None),
        failed("safetensors", "No cause!"),
    ]

    assert outcome_of(found) == ("failed:corrupt", "failed:timeout", "failed:unknown")
    assert outcome_of(found[1:2]) == ("ok",)
    assert outcome_of([]) == ()


def test_assertions_have_bounds() -> None:
    long = "x" * 50_000
    generation = {
        "prompt": long,
        "model": long,
        "sampler": long,
        "loras": [{"name": f"{n}"} for n in range(500)],
        "seed": 2**63,
        "steps": 2**31,
        "cfg": float("inf"),
        "extra": {"hashes": " ".join(f"{n:08x}" for n in range(500))},
    }

    assertions = assertions_of([read("generation", generation)])

    assert assertions.prompt is not None
    assert len(assertions.prompt) == MAX_PROMPT_LENGTH
    assert assertions.model is not None
    assert len(assertions.model) == MAX_NAME_LENGTH
    assert len(assertions.facts.lora_names) == MAX_VALUES
    assert len(assertions.facts.hashes) == MAX_VALUES
    assert (assertions.seed, assertions.facts.steps, assertions.facts.cfg) == (
        None,
        None,
        None,
    )


def test_nothing_read_costs_nothing() -> None:
    assert assertions_of([]).facts is NO_FILE_FACTS


@given(st.dictionaries(st.sampled_from(EXTRACTORS), JSON, max_size=4))
def test_no_facts_defeat_it(said: dict[str, Any]) -> None:
    found = [
        read(name, facts if isinstance(facts, dict) else {"source": facts})
        for name, facts in said.items()
    ]

    assertions = assertions_of(found)

    assert bool(assertions.facts.outcome) == bool(found)
