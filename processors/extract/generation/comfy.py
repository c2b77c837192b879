"""ComfyUI: the graph that made the image, in the texts ``prompt`` and ``workflow``.

A graph has no field called prompt or seed; they are found by walking from what was
saved back to the sampler, and from there to whatever steers it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from processors.extract.generation.comfy_graph import Graph, Node, graph_of_prompt
from processors.extract.generation.comfy_loras import loras_of
from processors.extract.generation.comfy_prompts import prompt_of
from processors.extract.generation.comfy_workflow import graph_of_workflow
from processors.extract.generation.facts import (
    GenerationFacts,
    LoraRef,
    Source,
    lora_tags,
    unique_loras,
)
from processors.extract.result import Fact
from processors.extract.values import (
    as_float,
    as_int,
    as_text,
    extras,
    json_object,
    positive,
)

MODEL_NAMES: Final = (
    "ckpt_name",
    "unet_name",
    "base_ckpt_name",
    "model_name",
    "gguf_name",
    "diffusion_name",
    "model",
)
MAX_SAMPLERS: Final = 20
"""One after the other; what began before is not looked for."""

_MAX_TEXT_NODES = 50
_SEED_NAMES = ("seed", "noise_seed")
_STEERING = {
    "model",
    "positive",
    "negative",
    "clip",
    "vae",
    "conditioning",
    "guider",
    "sigmas",
    "sampler",
    "noise",
    "control_net",
    "mask",
}
_NOT_MODEL = {
    "positive",
    "negative",
    "conditioning",
    "latent_image",
    "latent",
    "samples",
    "image",
    "pixels",
    "vae",
    "noise",
    "sampler",
}
_NOT_A_MODEL = re.compile(
    r"(?i)upscale|controlnet|clip_?vision|vae|detector|sams?loader"
)
_OUTPUT = re.compile(r"(?i)save|preview|output|websocket|videocombine")
_NO_SAMPLER = re.compile(r"(?i)samplerselect|scheduler|^sampler(?!custom)\w*$")


def read_comfy(
    texts: Mapping[str, str],
) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    """Read ``prompt``, which says exactly what ran, else the drawing ``workflow``.

    Args:
        texts: Of the picture, by keyword.
    """
    problems: list[str] = []
    for keyword, make in (("prompt", graph_of_prompt), ("workflow", graph_of_workflow)):
        text = texts.get(keyword)
        if not text or text.lstrip()[:1] != "{":
            continue
        written = json_object(text)
        if written is None:
            problems.append(f"ComfyUI's {keyword} is broken JSON.")
            continue
        graph = make(written)
        if any(node.type for node in graph.nodes.values()):
            facts, more = _Reading(graph).facts()
            return (None if facts.is_empty else facts), (*problems, *more)
    return None, tuple(problems)


class _Reading:
    """Reads one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def facts(self) -> tuple[GenerationFacts, tuple[str, ...]]:
        sampler = self._sampler()
        if sampler is None:
            return self._without_sampler(), ("The graph has no sampler we know.",)
        guider = self.graph.source(sampler, "guider") or sampler
        prompt = prompt_of(self.graph, guider, "positive")
        width, height = self._size(sampler)
        facts = GenerationFacts(
            source=Source.COMFYUI,
            prompt=prompt,
            negative_prompt=prompt_of(self.graph, guider, "negative"),
            model=self._model(guider) or self._model(sampler),
            loras=self._loras([guider, sampler], prompt),
            seed=as_int(self._setting(sampler, "noise", *_SEED_NAMES)),
            steps=positive(self._setting(sampler, "sigmas", "steps")),
            cfg=as_float(
                self._setting(sampler, "guider", "cfg", "cfg_scale", "cfg_conds")
            ),
            sampler=as_text(
                self._setting(sampler, "sampler", "sampler_name", "sampler"), 100
            ),
            scheduler=as_text(self._setting(sampler, "sigmas", "scheduler"), 100),
            width=width,
            height=height,
            extra=self._extra(sampler, guider),
        )
        return facts, ()

    def _without_sampler(self) -> GenerationFacts:
        """Take what the graph holds at all: one model, one text, all LoRAs."""
        nodes = list(self.graph.nodes.values())
        encoders = [n for n in nodes if "textencode" in n.type.lower()]
        texts = (
            prompt_of(self.graph, node, "positive", is_start=True)
            for node in encoders[:_MAX_TEXT_NODES]
        )
        prompt = max(filter(None, texts), key=len, default=None)
        return GenerationFacts(
            source=Source.COMFYUI,
            prompt=prompt,
            model=next(filter(None, map(self._model_name, nodes)), None),
            loras=unique_loras(
                [*(x for node in nodes for x in loras_of(node)), *lora_tags(prompt)]
            ),
        )

    def _sampler(self) -> Node | None:
        """Find the sampler that began the picture: the first of those behind it.

        What refines or enlarges a picture samples again, with settings that say less.
        """
        nodes = self.graph.nodes.values()
        outputs = [n for n in nodes if n.links and _OUTPUT.search(n.type)]
        found = next(filter(self._is_sampler, self.graph.upstream(*outputs)), None)
        if found is None:
            found = next(filter(self._is_sampler, nodes), None)
        seen: set[str] = set()
        while found is not None and len(seen) < MAX_SAMPLERS:
            seen.add(found.id)
            behind = self.graph.upstream(found, never=_STEERING)
            earlier = next((n for n in behind if self._samples_before(n, seen)), None)
            if earlier is None:
                break
            found = earlier
        return found

    def _samples_before(self, node: Node, seen: set[str]) -> bool:
        return node.id not in seen and self._is_sampler(node)

    def _is_sampler(self, node: Node) -> bool:
        names = node.values.keys() | node.links.keys()
        if _NO_SAMPLER.search(node.type):
            return False
        if "guider" in names and "sigmas" in names:
            return True
        if {"positive", "negative"} & names and "sampler" in names:
            return True
        has_seed = not names.isdisjoint(_SEED_NAMES)
        is_steered = not names.isdisjoint({"model", "positive", "text_embeds", "pipe"})
        return (
            has_seed
            and "steps" in names
            and (is_steered or "sampler" in node.type.lower())
        )

    def _setting(self, sampler: Node, part: str, *names: str) -> Any:  # noqa: ANN401  (any JSON value)
        """Find a setting at the sampler, else at the part that it was moved to."""
        value = self.graph.value(sampler, *names)
        if value is not None:
            return value
        for node in self.graph.upstream(
            self.graph.source(sampler, part), never={"model", "positive", "negative"}
        ):
            value = self.graph.value(node, *names)
            if value is not None:
                return value
        return None

    def _model(self, sampler: Node) -> str | None:
        chain = self.graph.upstream(sampler, never=_NOT_MODEL)
        return next(filter(None, map(self._model_name, chain)), None)

    def _model_name(self, node: Node) -> str | None:
        if _NOT_A_MODEL.search(node.type):
            return None
        for name in MODEL_NAMES:
            value = node.values.get(name)
            if isinstance(value, dict):  # with a picture, by some extensions
                value = value.get("content")
            if isinstance(value, str) and (text := as_text(value, 300)):
                return text
        return None

    def _loras(
        self, samplers: Iterable[Node], prompt: str | None
    ) -> tuple[LoraRef, ...]:
        """Collect LoRAs from the checkpoint on, in the order they are applied."""
        found: list[LoraRef] = []
        for sampler in samplers:
            chain = list(self.graph.upstream(sampler, never=_NOT_MODEL))
            found += (lora for node in reversed(chain) for lora in loras_of(node))
        return unique_loras([*found, *lora_tags(prompt)])

    def _size(self, sampler: Node) -> tuple[int | None, int | None]:
        for node in self.graph.upstream(
            sampler, never=_STEERING - {"guider", "sigmas"}
        ):
            width = positive(self.graph.value(node, "width", "empty_latent_width"))
            height = positive(self.graph.value(node, "height", "empty_latent_height"))
            if width is not None and height is not None:
                return width, height
        return None, None

    def _extra(self, sampler: Node, guider: Node) -> dict[str, Fact]:
        steering = self.graph.upstream(
            guider, never=_NOT_MODEL - {"conditioning", "positive"}
        )
        guidance = (self.graph.value(node, "guidance") for node in steering)
        return extras(
            _said(
                guidance=next((g for g in guidance if g is not None), None),
                denoise=self._setting(sampler, "sigmas", "denoise"),
                sampler_node=sampler.type,
            )
        )


def _said(**values: object) -> Iterator[tuple[str, object]]:
    yield from values.items()
