import json
from typing import Any

import pytest

from processors.extract.generation.facts import GenerationFacts, LoraRef, Source
from processors.extract.generation.fooocus import read_fooocus
from processors.extract.generation.invokeai import read_invokeai
from processors.extract.generation.novelai import read_novelai
from processors.extract.generation.swarmui import read_swarmui


def sure(result: tuple[GenerationFacts | None, tuple[str, ...]]) -> GenerationFacts:
    facts, problems = result
    assert facts is not None
    assert problems == ()
    return facts


INVOKE: dict[str, Any] = {
    "app_version": "5.4.0",
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a cat",
    "negative_prompt": "a dog",
    "width": 1024,
    "height": 768,
    "seed": 12,
    "cfg_scale": 6.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "model": {
        "key": "1-2",
        "hash": "blake3:x",
        "name": "Juggernaut XL",
        "base": "sdxl",
    },
    "loras": [{"model": {"key": "3", "name": "fluffy"}, "weight": 0.75}],
}


def test_the_metadata_of_invokeai_is_read() -> None:
    facts = sure(read_invokeai({"invokeai_metadata": json.dumps(INVOKE)}))

    assert facts == GenerationFacts(
        source=Source.INVOKEAI,
        prompt="a cat",
        negative_prompt="a dog",
        model="Juggernaut XL",
        loras=(LoraRef("fluffy", 0.75),),
        seed=12,
        steps=30,
        cfg=6.5,
        sampler="dpmpp_2m_k",
        width=1024,
        height=768,
        extra={"app_version": "5.4.0", "generation_mode": "sdxl_txt2img"},
    )


def test_names_of_invokeai_3_are_read() -> None:
    written = INVOKE | {
        "model": {"model_name": "dream", "base_model": "sd-1"},
        "loras": [{"lora": {"model_name": "fluffy"}, "weight": 1}, "x", {}],
    }

    facts = sure(read_invokeai({"invokeai_metadata": json.dumps(written)}))

    assert (facts.model, facts.loras) == ("dream", (LoraRef("fluffy", 1.0),))


@pytest.mark.parametrize(
    "prompt",
    [
        [{"prompt": "a cat withLora(fluffy, 0.5) [a dog]", "weight": 1.0}],
        "a cat withLora(fluffy,0.5) [a dog]",
    ],
)
def test_the_metadata_of_invokeai_2_is_read(prompt: object) -> None:
    written = {
        "model_weights": "dream",
        "model_hash": "abc",
        "app_version": "2.3",
        "image": {
            "prompt": prompt,
            "steps": 50,
            "cfg_scale": 7.5,
            "seed": 3,
            "sampler": "k_lms",
            "width": 512,
            "height": 640,
        },
    }

    facts = sure(read_invokeai({"sd-metadata": json.dumps(written)}))

    assert (facts.model, facts.sampler) == ("dream", "k_lms")
    assert facts.prompt is not None
    assert facts.prompt.startswith("a cat withLora")
    assert (facts.negative_prompt, facts.loras) == ("a dog", (LoraRef("fluffy", 0.5),))
    assert (facts.seed, facts.steps, facts.cfg) == (3, 50, 7.5)
    assert (facts.width, facts.height) == (512, 640)


@pytest.mark.parametrize(
    ("line", "prompt", "negative", "seed"),
    [
        (
            '"a cat [a dog]" -s 50 -S 42 -W 512 -H 768 -C 5 -A k_lms',
            "a cat",
            "a dog",
            42,
        ),
        ('"a "big" cat" -s 50 -S 42', 'a "big" cat', None, 42),
        ('"a cat"', "a cat", None, None),
        ('"a cat', "a cat", None, None),
        ("a cat -s 50 -S 42", "a cat", None, 42),
        ('"a cat" -S x -S', "a cat", None, None),
    ],
)
def test_the_command_line_of_invokeai_1_is_read(
    line: str, prompt: str, negative: str | None, seed: int | None
) -> None:
    facts = sure(read_invokeai({"Dream": line}))

    assert (facts.prompt, facts.negative_prompt) == (prompt, negative)
    assert facts.seed == seed


def test_broken_metadata_of_invokeai_falls_back_on_older_ones() -> None:
    facts, problems = read_invokeai({"invokeai_metadata": "{", "Dream": '"a cat"'})

    assert facts is not None
    assert facts.prompt == "a cat"
    assert problems == ("The text 'invokeai_metadata' is broken JSON.",)


COMMENT: dict[str, Any] = {
    "steps": 28,
    "sampler": "k_euler_ancestral",
    "seed": 4,
    "scale": 5.0,
    "uc": "lowres",
    "width": 832,
    "height": 1216,
    "noise_schedule": "karras",
    "strength": 0.7,
}
NOVEL = {
    "Title": "AI generated image",
    "Description": "a cat",
    "Software": "NovelAI",
    "Source": "Stable Diffusion XL 9CC2F394",
    "Comment": json.dumps(COMMENT),
}


@pytest.mark.parametrize("texts", [NOVEL, {"Comment": json.dumps(NOVEL)}])
def test_texts_of_novelai_are_read_also_wrapped_up(texts: dict[str, str]) -> None:
    assert sure(read_novelai(texts)) == GenerationFacts(
        source=Source.NOVELAI,
        prompt="a cat",
        negative_prompt="lowres",
        model="Stable Diffusion XL",
        seed=4,
        steps=28,
        cfg=5.0,
        sampler="k_euler_ancestral",
        scheduler="karras",
        width=832,
        height=1216,
        extra={"modelHash": "9CC2F394", "strength": 0.7},
    )


def test_prompts_of_characters_are_part_of_the_prompt() -> None:
    caption = {
        "base_caption": "a street",
        "char_captions": [{"char_caption": "a girl"}, {"char_caption": "a boy"}, 5],
    }
    written = COMMENT | {
        "v4_prompt": {"caption": caption},
        "v4_negative_prompt": {"caption": {"base_caption": "rain"}},
    }

    facts = sure(read_novelai(NOVEL | {"Comment": json.dumps(written)}))

    assert (facts.prompt, facts.negative_prompt) == (
        "a street | a girl | a boy",
        "rain",
    )


def test_novelai_without_its_comment_gives_the_prompt() -> None:
    facts, problems = read_novelai(NOVEL | {"Comment": "{"})

    assert facts is not None
    assert facts.prompt == "a cat"
    assert len(problems) == 1


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"Comment": "Created with GIMP"},
        {"Comment": '{"a": 1}'},
        {"Comment": '{"Comment": "{\\"Comment\\": \\"{}\\"}"}'},
        {"Description": "a cat", "Software": "GIMP"},
    ],
)
def test_comments_of_others_are_not_novelais(texts: dict[str, str]) -> None:
    assert read_novelai(texts) == (None, ())


SWARM: dict[str, Any] = {
    "prompt": "a cat <lora:tag:0.2>",
    "negativeprompt": "a dog",
    "model": "flux1-dev-fp8",
    "loras": ["styles/fluffy.safetensors", "snow"],
    "loraweights": ["0.5", "1"],
    "seed": 99,
    "steps": 20,
    "cfgscale": 1.0,
    "fluxguidancescale": 3.5,
    "sampler": "euler",
    "scheduler": "simple",
    "width": 1024,
    "height": 1024,
    "swarm_version": "0.9.3",
}


def test_parameters_of_swarmui_are_read() -> None:
    texts = {"parameters": json.dumps({"sui_image_params": SWARM, "sui_models": []})}

    assert sure(read_swarmui(texts)) == GenerationFacts(
        source=Source.SWARMUI,
        prompt="a cat <lora:tag:0.2>",
        negative_prompt="a dog",
        model="flux1-dev-fp8",
        loras=(LoraRef("fluffy", 0.5), LoraRef("snow", 1.0), LoraRef("tag", 0.2)),
        seed=99,
        steps=20,
        cfg=1.0,
        sampler="euler",
        scheduler="simple",
        width=1024,
        height=1024,
        extra={"fluxguidancescale": 3.5, "swarm_version": "0.9.3"},
    )


def test_lists_of_swarmui_may_be_texts_and_weights_missing() -> None:
    values = SWARM | {"prompt": "", "loras": "a, b", "loraweights": "0.5"}
    texts = {"parameters": json.dumps({"sui_image_params": values})}

    assert sure(read_swarmui(texts)).loras == (LoraRef("a", 0.5), LoraRef("b"))


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a cat\nSteps: 20", 0),
        ('{"sui_image_params": ', 1),
        ('{"sui_image_params": []}', 1),
    ],
)
def test_what_is_not_swarmuis_is_passed_over_or_noted(text: str, problems: int) -> None:
    facts, told = read_swarmui({"parameters": text})

    assert (facts, len(told)) == (None, problems)


FOOOCUS: dict[str, Any] = {
    "prompt": "a cat",
    "negative_prompt": "a dog",
    "base_model": "juggernautXL",
    "loras": [["sd_xl_offset.safetensors", 0.1, "abc"], ["x"], 5],
    "resolution": "(768, 1280)",
    "guidance_scale": 4,
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "6952411511246973023",
    "steps": 30,
    "metadata_scheme": "fooocus",
    "sharpness": 2,
}


def test_the_scheme_of_fooocus_is_read() -> None:
    assert sure(read_fooocus({"parameters": json.dumps(FOOOCUS)})) == GenerationFacts(
        source=Source.FOOOCUS,
        prompt="a cat",
        negative_prompt="a dog",
        model="juggernautXL",
        loras=(LoraRef("sd_xl_offset", 0.1), LoraRef("x")),
        seed=6952411511246973023,
        steps=30,
        cfg=4.0,
        sampler="dpmpp_2m_sde_gpu",
        scheduler="karras",
        width=768,
        height=1280,
        extra={"metadata_scheme": "fooocus", "sharpness": 2},
    )


def test_the_titles_of_older_versions_are_read() -> None:
    written = {
        "Prompt": "a cat",
        "Resolution": "(768, 1280)",
        "Guidance Scale": 4,
        "Sampler": "euler",
        "Base Model": "juggernautXL",
        "LoRA 1": "offset.safetensors : 0.25",
    }

    facts = sure(read_fooocus({"parameters": json.dumps(written)}))

    assert (facts.model, facts.width) == ("juggernautXL", 768)
    assert facts.loras == (LoraRef("offset", 0.25),)


def test_fooocus_in_the_form_of_a1111_is_read() -> None:
    text = (
        "a cat\nNegative prompt: a dog\nSteps: 30, Sampler: DPM++ 2M SDE, Seed: 5,"
        ' Size: 768x1280, CFG scale: 4, Model: jug, Lora hashes: "off: abcd1234",'
        ' Lora weights: "off: 0.1", Version: Fooocus v2.4.3'
    )

    facts = sure(read_fooocus({"parameters": text}))

    assert (facts.source, facts.model) == (Source.FOOOCUS, "jug")
    assert facts.loras == (LoraRef("off", 0.1),)


@pytest.mark.parametrize(
    ("texts", "problems"),
    [
        ({}, 0),
        ({"parameters": "a cat"}, 0),
        ({"parameters": '{"prompt": "a cat"}'}, 0),
        ({"parameters": "{"}, 0),
        ({"parameters": "{", "fooocus_scheme": "fooocus"}, 1),
    ],
)
def test_what_is_not_fooocus_is_passed_over_or_noted(
    texts: dict[str, str], problems: int
) -> None:
    facts, told = read_fooocus(texts)

    assert (facts, len(told)) == (None, problems)
