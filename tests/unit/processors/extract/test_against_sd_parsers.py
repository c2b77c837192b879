"""Our readers against those of ``sd-parsers``, where it can read the same texts."""

import json
from io import BytesIO
from typing import Any

import pytest
from sd_parsers import ParserManager

from processors.extract.generation.detect import extract_generation
from tests.unit.processors.extract.graphs import simple
from tests.unit.processors.extract.pictures import png_with
from tests.unit.processors.extract.test_detect import INFOTEXT
from tests.unit.processors.extract.test_other_generators import FOOOCUS, INVOKE, NOVEL

WORKFLOW = {
    "links": [
        [1, 4, 0, 3, 0, "MODEL"],
        [2, 6, 0, 3, 1, "CONDITIONING"],
        [3, 7, 0, 3, 2, "CONDITIONING"],
        [4, 4, 1, 6, 0, "CLIP"],
        [5, 4, 1, 7, 0, "CLIP"],
    ]
}
INVOKE_3 = INVOKE | {"model": {"model_name": "dream"}}
TEXTS = {
    "a1111": {"parameters": INFOTEXT + ", CFG scale: 7, Model: dream, Model hash: ab"},
    "comfyui": {"prompt": json.dumps(simple()), "workflow": json.dumps(WORKFLOW)},
    "fooocus": {"parameters": json.dumps(FOOOCUS | {"base_model_hash": "x"})},
    "invokeai": {"invokeai_metadata": json.dumps(INVOKE_3)},
    "novelai": NOVEL,
    "dream": {"Dream": '"a cat [a dog]" -s 50 -S 42 -W 512 -H 768 -C 5 -A k_lms'},
}


def assert_equal(facts: dict[str, Any], data: bytes) -> None:
    """Compare with what ``sd-parsers`` reads."""
    other = ParserManager().parse(BytesIO(data))
    assert other is not None
    sampler = other.samplers[0]
    assert facts["sampler"] == sampler.name
    assert facts["prompt"] == ", ".join(map(str, sampler.prompts))
    negative = ", ".join(map(str, sampler.negative_prompts))
    assert facts.get("negativePrompt", "") == negative
    assert facts["seed"] == int(sampler.parameters["seed"])
    assert facts["cfg"] == float(sampler.parameters["cfg_scale"])
    if "steps" in sampler.parameters:
        assert facts["steps"] == int(sampler.parameters["steps"])
    assert facts.get("model") == (sampler.model.name if sampler.model else None)


@pytest.mark.parametrize("name", TEXTS)
def test_both_read_the_same(name: str) -> None:
    data = png_with(TEXTS[name])

    assert_equal(dict(extract_generation(data).facts), data)
