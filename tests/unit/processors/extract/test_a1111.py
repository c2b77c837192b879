from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract.generation.a1111 import MAX_INFOTEXT, read_a1111
from processors.extract.generation.facts import GenerationFacts, LoraRef, Source
from processors.extract.generation.infotext import parameters_of

INFO = (
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5,"
    " Seed: 1234567890, Size: 512x768, Model hash: abcdef1234, Model: dream, v8"
)


def read(text: str) -> GenerationFacts:
    facts, problems = read_a1111(text)
    assert facts is not None
    assert problems == ()
    return facts


def test_all_that_the_web_ui_writes_is_read() -> None:
    facts = read(
        "a cat, <lora:fluffy:0.8>\nin the snow\n"
        "Negative prompt: dog,\nbird\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5,"
        " Seed: 1234567890, Size: 512x768, Model hash: abcdef1234, Model: dream,"
        ' Denoising strength: 0.4, Clip skip: 2, Lora hashes: "fluffy: 0123abcd",'
        ' TI hashes: "a, b: c", Version: v1.10.1'
    )

    assert facts == GenerationFacts(
        source=Source.A1111,
        prompt="a cat, <lora:fluffy:0.8>\nin the snow",
        negative_prompt="dog,\nbird",
        model="dream",
        loras=(LoraRef("fluffy", 0.8),),
        seed=1234567890,
        steps=20,
        cfg=7.5,
        sampler="DPM++ 2M",
        scheduler="Karras",
        width=512,
        height=768,
        extra={
            "model hash": "abcdef1234",
            "denoising strength": "0.4",
            "clip skip": "2",
            "lora hashes": "fluffy: 0123abcd",
            "ti hashes": "a, b: c",
            "version": "v1.10.1",
        },
    )


@pytest.mark.parametrize(
    ("prompt", "loras"),
    [
        ("<lora:a:1>", (LoraRef("a", 1.0),)),
        ("<lora:a>", (LoraRef("a", 1.0),)),
        ("<lora:a:-0.5>", (LoraRef("a", -0.5),)),
        ("<lora:a:.5>", (LoraRef("a", 0.5),)),
        ("<lora:a:0.5:0.7>", (LoraRef("a", 0.5),)),
        ("<lora:a:unet=0.5:clip=1>", (LoraRef("a", 0.5),)),
        ("<lyco:a:1><lora:b:2>", (LoraRef("a", 1.0), LoraRef("b", 2.0))),
        ("<lora:a:1><lora:a:2>", (LoraRef("a", 1.0),)),
        (r"<lora:folder\a.safetensors:1>", (LoraRef("a", 1.0),)),
        ("<lora:a:x>", (LoraRef("a", None),)),
        ("<lora::1> <lora:> <lora:a", ()),
        ("<hypernet:a:1>", ()),
    ],
)
def test_tags_in_the_prompt_name_loras(prompt: str, loras: Any) -> None:  # noqa: ANN401  (a column)
    assert read(f"{prompt}\n{INFO}").loras == loras


def test_loras_whose_tags_were_taken_out_are_known_by_their_hashes() -> None:
    facts = read(f'a cat\n{INFO}, Lora hashes: "x: 0123abcd, y: 4567abcd"')

    assert facts.loras == (LoraRef("x"), LoraRef("y"))


def test_what_civitai_used_is_read() -> None:
    facts = read(
        "a cat\nSteps: 20, Seed: 1, CFG scale: 3, Civitai resources: "
        '[{"type":"checkpoint","modelName":"Dream, XL"},'
        '{"type":"lora","weight":0.6,"modelName":"Fluffy"}], Civitai metadata: {}'
    )

    assert (facts.model, facts.loras) == ("Dream, XL", (LoraRef("Fluffy", 0.6),))


def test_old_versions_wrote_the_scheduler_into_the_sampler() -> None:
    facts = read("a cat\nSteps: 9, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1")

    assert (facts.sampler, facts.scheduler) == ("DPM++ 2M Karras", "Karras")


@pytest.mark.parametrize(
    ("text", "prompt", "negative"),
    [
        (f"a\n{INFO}", "a", None),
        (INFO, None, None),
        (f"Negative prompt: b\n{INFO}", None, "b"),
        (f"a\r\nNegative prompt: b\r\n{INFO}\r\n", "a", "b"),
        ("a Negative prompt: b Steps: 20, Sampler: Euler, Seed: 1", "a", "b"),
        ("a\nNegative prompt: b", "a", "b"),
        (f"Steps: 3 of them lead up\n{INFO}", "Steps: 3 of them lead up", None),
        (f"a\n{INFO}\nTemplate: x", "a", None),
        ("a\nSampler: Euler, Seed: 1, CFG scale: 3", "a", None),
    ],
)
def test_prompts_are_told_apart(
    text: str, prompt: str | None, negative: str | None
) -> None:
    facts = read(text)

    assert (facts.prompt, facts.negative_prompt) == (prompt, negative)


@pytest.mark.parametrize(
    "text", ["", "a cat", "Software: x", "Created with GIMP: 1, 2"]
)
def test_other_texts_are_none_of_this_kind(text: str) -> None:
    assert read_a1111(text) == (None, ())


def test_a_text_beyond_the_limit_is_noted() -> None:
    facts, problems = read_a1111("x" * (MAX_INFOTEXT + 1))

    assert facts is None
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("line", "parameters"),
    [
        ("a: 1, b: 2", {"a": "1", "b": "2"}),
        ('a: "x, y: z", b: 2', {"a": "x, y: z", "b": "2"}),
        (r'a: "x \"y\" z", b: 2', {"a": 'x "y" z', "b": "2"}),
        ('a: {"x": [1, 2]}, b: 2', {"a": {"x": [1, 2]}, "b": "2"}),
        ('a: "open, b: 2', {"a": '"open', "b": "2"}),
        ("a: {open, b: 2", {"a": "{open", "b": "2"}),
        ("no name, b: 2", {"b": "2"}),
        ("a: 1, a: 2", {"a": "1"}),
        ("a:", {"a": ""}),
        (":::", {}),
    ],
)
def test_a_line_of_parameters_is_taken_apart(
    line: str, parameters: dict[str, Any]
) -> None:
    assert parameters_of(line) == parameters


@pytest.mark.parametrize(
    "piece", ['a: "', 'a: "\\", ', "a: {", "a: [", ": ", "a: {}, ", "<lora:", "[[", " "]
)
@pytest.mark.timeout(10)
def test_hostile_lines_cost_no_more_than_their_length(piece: str) -> None:
    text = "Steps: 1, " + piece * (900_000 // len(piece))

    facts, _ = read_a1111(text)

    assert facts is not None


@given(st.text(), st.text())
def test_any_text_is_survived(before: str, after: str) -> None:
    facts, problems = read_a1111(f"{before}\nSteps: 2{after}")

    assert problems == ()
    assert facts is None or facts.source is Source.A1111
