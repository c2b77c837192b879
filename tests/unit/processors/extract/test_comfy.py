import json
from typing import Any

import pytest

from processors.extract.generation.comfy import read_comfy
from processors.extract.generation.facts import GenerationFacts, LoraRef, Source
from tests.unit.processors.extract.graphs import Graph, flux, node, simple


def read(graph: Graph) -> GenerationFacts:
    facts, problems = read_comfy({"prompt": json.dumps(graph)})
    assert facts is not None
    assert problems == ()
    return facts


def test_the_graph_that_comfyui_starts_with_is_read() -> None:
    assert read(simple()) == GenerationFacts(
        source=Source.COMFYUI,
        prompt="a cat",
        negative_prompt="a dog",
        model="dream.safetensors",
        seed=7,
        steps=20,
        cfg=8.0,
        sampler="euler",
        scheduler="normal",
        width=512,
        height=768,
        extra={"denoise": 1, "sampler_node": "KSampler"},
    )


def test_a_graph_of_flux_is_read() -> None:
    assert read(flux()) == GenerationFacts(
        source=Source.COMFYUI,
        prompt="a lighthouse in a storm\na lighthouse",
        model="flux1-dev.safetensors",
        loras=(LoraRef("detail", 0.4), LoraRef("anime", 0.7)),
        seed=2**64 - 1,
        steps=28,
        sampler="euler",
        scheduler="simple",
        width=1024,
        height=576,
        extra={"guidance": 3.5, "denoise": 1, "sampler_node": "SamplerCustomAdvanced"},
    )


def test_flux_with_guidance_and_a_plain_text_is_read() -> None:
    graph = flux()
    graph["40"] = node("FluxGuidance", guidance=4, conditioning=["41", 0])
    graph["41"] = node("CLIPTextEncode", text="a lighthouse", clip=["11", 0])

    facts = read(graph)

    assert (facts.prompt, facts.extra["guidance"]) == ("a lighthouse", 4)


def test_a_guider_with_cfg_has_two_prompts() -> None:
    graph = flux()
    graph["22"] = node(
        "CFGGuider",
        cfg=2.5,
        model=["30", 0],
        positive=["40", 0],
        negative=["42", 0],
    )
    graph["42"] = node("CLIPTextEncode", text="rain", clip=["11", 0])

    facts = read(graph)

    assert (facts.cfg, facts.negative_prompt) == (2.5, "rain")
    assert facts.prompt == "a lighthouse in a storm\na lighthouse"


def test_a_guider_with_two_scales_is_read() -> None:
    graph = flux()
    graph["22"] = node(
        "DualCFGGuider",
        cfg_conds=5,
        cfg_cond2_negative=1.5,
        model=["30", 0],
        cond1=["43", 0],
        cond2=["43", 1],
        negative=["42", 0],
    )
    graph["42"] = node("CLIPTextEncode", text="rain", clip=["11", 0])
    graph["43"] = node(
        "InstructPixToPixConditioning", positive=["40", 0], negative=["42", 0]
    )

    facts = read(graph)

    assert (facts.cfg, facts.negative_prompt) == (5.0, "rain")
    assert facts.prompt == "a lighthouse in a storm\na lighthouse"


def test_texts_that_are_added_on_the_way_are_part_of_the_prompt() -> None:
    graph = simple(positive=["20", 0])
    graph["20"] = node(
        "GLIGENTextBoxApply", text="a sun", conditioning_to=["6", 0], clip=["4", 1]
    )

    assert read(graph).prompt == "a sun\na cat"


def test_a_negative_prompt_that_is_emptied_is_none() -> None:
    graph = simple(negative=["20", 0])
    graph["20"] = node("ConditioningZeroOut", conditioning=["6", 0])

    facts = read(graph)

    assert (facts.prompt, facts.negative_prompt) == ("a cat", None)


def test_advanced_samplers_are_read() -> None:
    graph = simple()
    inputs = graph["3"]["inputs"]
    inputs["noise_seed"] = inputs.pop("seed")
    graph["3"] = node("KSamplerAdvanced", add_noise="enable", **inputs)

    assert read(graph).seed == 7


def test_prompts_go_their_own_ways_through_a_control_net() -> None:
    graph = simple(positive=["20", 0], negative=["20", 1])
    graph["20"] = node(
        "ControlNetApplyAdvanced",
        positive=["6", 0],
        negative=["7", 0],
        control_net=["21", 0],
        image=["22", 0],
        strength=1,
    )
    graph["21"] = node("ControlNetLoader", control_net_name="depth.safetensors")

    facts = read(graph)

    assert (facts.prompt, facts.negative_prompt) == ("a cat", "a dog")
    assert facts.model == "dream.safetensors"


def test_texts_that_are_combined_are_all_in_the_prompt() -> None:
    graph = simple(positive=["20", 0])
    graph["20"] = node(
        "ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["21", 0]
    )
    graph["21"] = node("CLIPTextEncode", text="snow", clip=["4", 1])

    assert read(graph).prompt == "a cat\nsnow"


def test_texts_and_seeds_made_by_other_nodes_are_found() -> None:
    graph = simple(seed=["20", 0], steps=["24", 0])
    graph["20"] = node("Reroute", any=["21", 0])
    graph["21"] = node("PrimitiveInt", value=99)
    graph["24"] = node("PrimitiveInt", value=33)
    graph["6"] = node("CLIPTextEncode", text=["22", 0], clip=["4", 1])
    graph["22"] = node("StringConcatenate", string_a="a bird", string_b=["23", 0])
    graph["23"] = node("PrimitiveStringMultiline", value="in a tree")

    facts = read(graph)

    assert (facts.seed, facts.steps, facts.prompt) == (99, 33, "a bird in a tree")


def test_of_samplers_in_a_row_the_first_tells() -> None:
    graph = simple()
    graph["8"]["inputs"]["samples"] = ["20", 0]
    graph["20"] = node(
        "KSampler",
        seed=1,
        steps=5,
        cfg=1,
        sampler_name="ddim",
        scheduler="karras",
        model=["23", 0],
        positive=["6", 0],
        negative=["7", 0],
        latent_image=["21", 0],
    )
    graph["21"] = node("LatentUpscale", samples=["3", 0], width=1024, height=1536)
    graph["23"] = node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors")

    facts = read(graph)

    assert (facts.seed, facts.steps, facts.sampler) == (7, 20, "euler")
    assert (facts.width, facts.height) == (512, 768)
    assert facts.model == "dream.safetensors"


@pytest.mark.parametrize(
    ("loader", "loras"),
    [
        (
            node(
                "Power Lora Loader (rgthree)",
                lora_1={"on": True, "lora": "a.safetensors", "strength": 0.5},
                lora_2={"on": False, "lora": "b.safetensors", "strength": 1},
                model=["4", 0],
            ),
            (LoraRef("a", 0.5),),
        ),
        (
            node(
                "CR LoRA Stack",
                switch_1="On",
                lora_name_1="a.safetensors",
                model_weight_1=0.25,
                switch_2="Off",
                lora_name_2="b.safetensors",
                model_weight_2=1,
                lora_name_3="None",
                model=["4", 0],
            ),
            (LoraRef("a", 0.25),),
        ),
        (
            node(
                "LoraLoader|pysssss",
                lora_name={"content": "a.safetensors", "image": None},
                strength_model=1,
                model=["4", 0],
            ),
            (LoraRef("a", 1.0),),
        ),
        (
            node("Lora Loader (LoraManager)", text="<lora:a:0.3>", model=["4", 0]),
            (LoraRef("a", 0.3),),
        ),
    ],
)
def test_loras_of_extensions_are_read(
    loader: dict[str, Any], loras: tuple[LoraRef, ...]
) -> None:
    facts = read(simple(model=["20", 0]) | {"20": loader})

    assert (facts.loras, facts.model) == (loras, "dream.safetensors")


def test_tags_in_the_prompt_name_loras_too() -> None:
    graph = simple()
    graph["6"]["inputs"]["text"] = "a cat <lora:a:0.3>"

    assert read(graph).loras == (LoraRef("a", 0.3),)


def test_a_loader_that_takes_both_prompts_is_read() -> None:
    graph = simple(positive=["20", 1], negative=["20", 2], model=["20", 0])
    graph["20"] = node(
        "Efficient Loader",
        ckpt_name="other.safetensors",
        positive="a fox",
        negative="a hare",
        lora_name="None",
        empty_latent_width=640,
        empty_latent_height=480,
    )

    facts = read(graph)

    assert (facts.prompt, facts.negative_prompt) == ("a fox", "a hare")
    assert (facts.model, facts.loras) == ("other.safetensors", ())


def test_the_two_texts_of_sdxl_are_one_prompt() -> None:
    graph = simple()
    graph["6"] = node("CLIPTextEncodeSDXL", text_g="a cat", text_l="fluffy", width=1)

    assert read(graph).prompt == "a cat\nfluffy"


def test_the_ids_of_nodes_in_subgraphs_are_ids_like_others() -> None:
    graph = json.loads(json.dumps(simple()).replace('["4", ', '["57:4", '))
    graph["57:4"] = graph.pop("4")

    assert read(graph).model == "dream.safetensors"


def test_a_graph_that_goes_in_circles_is_read() -> None:
    graph = simple(latent_image=["8", 0], model=["20", 0])
    graph["20"] = node("LoraLoader", lora_name="a", strength_model=1, model=["20", 0])
    graph["6"]["inputs"]["text"] = ["21", 0]
    graph["21"] = node("Reroute", text=["6", 0])

    facts = read(graph)

    assert (facts.seed, facts.loras, facts.prompt) == (7, (LoraRef("a", 1.0),), None)


def test_a_graph_whose_sampler_is_unknown_gives_what_it_holds() -> None:
    graph = simple()
    del graph["3"]

    facts, problems = read_comfy({"prompt": json.dumps(graph)})

    assert facts is not None
    assert (facts.model, facts.prompt) == ("dream.safetensors", "a cat")
    assert problems == ("The graph has no sampler we know.",)


@pytest.mark.parametrize(
    ("texts", "problems"),
    [
        ({}, ()),
        ({"prompt": "a cat"}, ()),
        ({"prompt": "{"}, ("ComfyUI's prompt is broken JSON.",)),
        ({"prompt": "{}", "workflow": "{}"}, ()),
        ({"prompt": '{"1": 2}', "workflow": '{"nodes": 3}'}, ()),
        ({"prompt": '{"1": {"class_type": 5, "inputs": 6}}'}, ()),
    ],
)
def test_what_is_no_graph_is_passed_over_or_noted(
    texts: dict[str, str], problems: tuple[str, ...]
) -> None:
    facts, told = read_comfy(texts)

    assert facts is None
    assert told in {problems, ("The graph has no sampler we know.",)}


@pytest.mark.timeout(20)
def test_a_graph_of_thousands_of_samplers_takes_no_time() -> None:
    graph = {
        str(n): node(
            "KSampler",
            seed=[str((n * 7) % 6000), 0],
            steps=1,
            model=[str(n + 1), 0],
            positive=[str((n * 5) % 6000), 0],
            latent_image=[str(n + 1), 0],
            lora_name=f"lora {n}",
        )
        for n in range(6000)
    }
    graph["9999"] = node("SaveImage", images=["0", 0])

    assert len(read(graph).loras) == 100
