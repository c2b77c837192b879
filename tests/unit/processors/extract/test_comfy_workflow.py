import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.extract.generation.comfy import read_comfy
from processors.extract.generation.facts import GenerationFacts, LoraRef

Record = dict[str, Any]


class Canvas:
    """Draws a graph as ComfyUI's page saves it."""

    def __init__(self) -> None:
        self.nodes: list[Record] = []
        self.links: list[list[Any]] = []

    def add(
        self,
        node_id: int,
        kind: str,
        widgets: Any,  # noqa: ANN401  (any JSON value)
        links: dict[str, tuple[int, int]] | None = None,
        **more: Any,  # noqa: ANN401  (any JSON value)
    ) -> None:
        inputs = []
        for slot, (name, (origin, origin_slot)) in enumerate((links or {}).items()):
            number = len(self.links) + 1
            self.links.append([number, origin, origin_slot, node_id, slot, "X"])
            inputs.append({"name": name, "type": "X", "link": number})
        inputs += more.pop("inputs", [])
        self.nodes.append(
            {
                "id": node_id,
                "type": kind,
                "inputs": inputs,
                "widgets_values": widgets,
                "mode": 0,
                **more,
            }
        )

    def drawn(self) -> Record:
        return {"nodes": self.nodes, "links": self.links, "version": 0.4}

    def inside(self) -> Record:
        """Draw it as a subgraph, where links are objects."""
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        return {
            "nodes": self.nodes,
            "links": [dict(zip(names, link, strict=True)) for link in self.links],
        }


def read(workflow: Record) -> GenerationFacts:
    facts, problems = read_comfy({"workflow": json.dumps(workflow)})
    assert facts is not None
    assert problems == ()
    return facts


def flux() -> Canvas:
    canvas = Canvas()
    canvas.add(12, "UNETLoader", ["flux1-dev.safetensors", "default"])
    canvas.add(11, "DualCLIPLoader", ["t5.safetensors", "clip_l.safetensors", "flux"])
    canvas.add(30, "LoraLoaderModelOnly", ["a.safetensors", 0.7], {"model": (12, 0)})
    canvas.add(6, "CLIPTextEncode", ["a lighthouse"], {"clip": (11, 0)})
    canvas.add(26, "FluxGuidance", [3.5], {"conditioning": (6, 0)})
    canvas.add(22, "BasicGuider", [], {"model": (30, 0), "conditioning": (26, 0)})
    canvas.add(16, "KSamplerSelect", ["euler"])
    canvas.add(17, "BasicScheduler", ["simple", 28, 1], {"model": (30, 0)})
    canvas.add(25, "RandomNoise", [42, "randomize"])
    canvas.add(5, "EmptySD3LatentImage", [1024, 576, 1])
    canvas.add(
        13,
        "SamplerCustomAdvanced",
        [],
        {
            "noise": (25, 0),
            "guider": (22, 0),
            "sampler": (16, 0),
            "sigmas": (17, 0),
            "latent_image": (5, 0),
        },
    )
    canvas.add(9, "SaveImage", ["x"], {"images": (13, 0)})
    return canvas


def test_a_drawing_of_flux_is_read() -> None:
    facts = read(flux().drawn())

    assert (facts.prompt, facts.model) == ("a lighthouse", "flux1-dev.safetensors")
    assert facts.loras == (LoraRef("a", 0.7),)
    assert (facts.seed, facts.steps, facts.sampler) == (42, 28, "euler")
    assert (facts.scheduler, facts.width, facts.height) == ("simple", 1024, 576)
    assert facts.extra["guidance"] == 3.5


def test_sizes_of_nodes_without_names_are_found() -> None:
    for kind in ("EmptyHunyuanLatentVideo", "StableCascade_EmptyLatentImage"):
        canvas = flux()
        canvas.nodes[9].update(type=kind, widgets_values=[640, 480, 33, 1])

        facts = read(canvas.drawn())

        assert (facts.width, facts.height) == (640, 480)


def test_settings_that_are_inputs_do_not_take_the_places_of_others() -> None:
    canvas = flux()
    canvas.nodes[7].update(type="Flux2Scheduler", widgets_values=[20, 640, 480])
    canvas.nodes[7]["inputs"] = [
        {"name": name, "widget": {"name": name}} for name in ("width", "height")
    ]

    assert read(canvas.drawn()).steps == 20


def test_what_is_bypassed_is_not_applied_and_lets_through() -> None:
    canvas = flux()
    canvas.nodes[2]["mode"] = 4

    facts = read(canvas.drawn())

    assert (facts.loras, facts.model) == ((), "flux1-dev.safetensors")


def sampler(canvas: Canvas, widgets: list[Any], **more: Any) -> None:  # noqa: ANN401  (any JSON value)
    canvas.add(4, "CheckpointLoaderSimple", ["dream.safetensors"])
    canvas.add(6, "CLIPTextEncode", ["a cat"], {"clip": (4, 1)})
    canvas.add(3, "KSampler", widgets, {"model": (4, 0), "positive": (6, 0)}, **more)


def test_what_becomes_of_the_seed_next_is_no_setting() -> None:
    for after in ("randomize", "fixed", True):
        canvas = Canvas()
        sampler(canvas, [7, after, 20, 8, "euler", "normal", 1])

        facts = read(canvas.drawn())

        assert (facts.seed, facts.steps, facts.cfg) == (7, 20, 8.0)
        assert (facts.sampler, facts.scheduler) == ("euler", "normal")


def test_nodes_that_name_their_settings_are_believed() -> None:
    canvas = Canvas()
    names = ("steps", "seed", "cfg", "sampler_name", "scheduler", "denoise")
    widgets = [{"name": name, "widget": {"name": name}, "link": None} for name in names]
    sampler(canvas, [20, 7, "fixed", 8, "euler", "normal", 1], inputs=widgets)

    facts = read(canvas.drawn())

    assert (facts.seed, facts.steps, facts.cfg) == (7, 20, 8.0)


def test_a_setting_that_was_turned_into_an_input_keeps_the_others_places() -> None:
    canvas = Canvas()
    canvas.add(40, "PrimitiveNode", [99, "fixed"])
    canvas.add(4, "CheckpointLoaderSimple", ["dream.safetensors"])
    canvas.add(
        3,
        "KSampler",
        [7, "fixed", 20, 8, "euler", "normal", 1],
        {"model": (4, 0), "seed": (40, 0)},
    )
    canvas.nodes[-1]["inputs"][1]["widget"] = {"name": "seed"}

    facts = read(canvas.drawn())

    assert (facts.seed, facts.steps, facts.sampler) == (99, 20, "euler")


def test_settings_with_names_are_taken_as_they_are() -> None:
    canvas = Canvas()
    canvas.add(4, "CheckpointLoaderSimple", {"ckpt_name": "dream.safetensors"})
    canvas.add(3, "KSampler (Efficient)", {"seed": 7, "steps": 4}, {"model": (4, 0)})

    facts = read(canvas.drawn())

    assert (facts.model, facts.seed, facts.steps) == ("dream.safetensors", 7, 4)


def test_a_subgraph_is_read_in_the_place_of_its_node() -> None:
    inner = Canvas()
    inner.add(1, "LoraLoaderModelOnly", ["a.safetensors", 0.5], {"model": (-10, 0)})
    inner.add(2, "CLIPTextEncode", ["a cat"], {"clip": (-10, 1)})
    inner.links += [
        [50, 1, 0, -20, 0, "MODEL"],
        [51, 2, 0, -20, 1, "CONDITIONING"],
    ]
    outer = Canvas()
    outer.add(4, "CheckpointLoaderSimple", ["dream.safetensors"])
    outer.add(8, "the-subgraph", [], {"model": (4, 0), "clip": (4, 1)})
    outer.add(
        3,
        "KSampler",
        [7, "fixed", 20, 8, "euler", "normal", 1],
        {"model": (8, 0), "positive": (8, 1)},
    )
    workflow = outer.drawn() | {
        "definitions": {"subgraphs": [{"id": "the-subgraph", **inner.inside()}]}
    }

    facts = read(workflow)

    assert (facts.prompt, facts.loras) == ("a cat", (LoraRef("a", 0.5),))
    assert facts.model == "dream.safetensors"


def test_what_is_set_at_the_border_of_a_subgraph_counts_inside() -> None:
    inner = Canvas()
    inner.add(1, "CheckpointLoaderSimple", ["dream.safetensors"])
    inner.add(2, "CLIPTextEncode", ["an old text"], {"text": (-10, 0)})
    inner.add(
        3,
        "KSampler",
        [7, "fixed", 20, 8, "euler", "normal", 1],
        {"model": (1, 0), "positive": (2, 0), "steps": (-10, 1)},
    )
    inner.links.append([50, 3, 0, -20, 0, "LATENT"])
    outer = Canvas()
    outer.add(
        8,
        "the-subgraph",
        ["a cat"],
        inputs=[{"name": "text", "widget": {"name": "text"}}, {"name": "steps"}],
    )
    outer.add(9, "SaveImage", ["x"], {"images": (8, 0)})
    workflow = outer.drawn() | {
        "definitions": {"subgraphs": [{"id": "the-subgraph", **inner.inside()}]}
    }

    facts = read(workflow)

    assert (facts.prompt, facts.steps, facts.seed) == ("a cat", 20, 7)


def test_a_subgraph_that_holds_itself_is_survived() -> None:
    inner = Canvas()
    inner.add(1, "itself", [], {"x": (-10, 0)})
    inner.links.append([50, 1, 0, -20, 0, "X"])
    outer = Canvas()
    outer.add(8, "itself", [], {"x": (8, 0)})
    sampler(outer, [7, "fixed", 20, 8, "euler", "normal", 1])
    workflow = outer.drawn() | {
        "definitions": {"subgraphs": [{"id": "itself", **inner.inside()}]}
    }

    assert read(workflow).seed == 7


@pytest.mark.timeout(20)
def test_subgraphs_that_multiply_take_no_time() -> None:
    inner = Canvas()
    for number in range(30):
        inner.add(number, "itself", [], {"x": (-10, 0)})
    inner.links += [[n, 1, 0, 2, 0, "X"] for n in range(100, 9000)]
    workflow = inner.drawn() | {
        "definitions": {"subgraphs": [{"id": "itself", **inner.inside()}]}
    }

    assert read_comfy({"workflow": json.dumps(workflow)})[0] is None


IDS = st.integers(-20, 4) | st.sampled_from(["1", "a", None])
KINDS = st.sampled_from(["KSampler", "CLIPTextEncode", "LoraLoader", "itself", 5, []])
TEXTS = st.text(alphabet='a1 ,:<>{"', max_size=5)  # drawn sooner than any character
NODES = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS,
        "type": KINDS,
        "mode": st.integers(0, 5) | st.just([]),
        "inputs": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["model", "positive", "text", "seed"])},
                optional={"link": IDS, "widget": st.just({"name": "seed"})},
            ),
            max_size=4,
        )
        | st.none(),
        "widgets_values": st.lists(st.integers() | TEXTS, max_size=8),
    },
)
LINKS = st.lists(st.lists(IDS, min_size=4, max_size=7), max_size=8)
DRAWINGS = st.fixed_dictionaries({"nodes": st.lists(NODES, max_size=6), "links": LINKS})


@given(DRAWINGS, DRAWINGS)
def test_any_drawing_is_survived(outer: Record, inner: Record) -> None:
    workflow = outer | {"definitions": {"subgraphs": [inner | {"id": "itself"}]}}

    facts, problems = read_comfy({"workflow": json.dumps(workflow)})

    assert facts is None or not facts.is_empty
    assert len(problems) <= 1
