"""How an image was generated, in one model, whichever program wrote it down."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Final

from processors.extract.result import Fact
from processors.extract.values import MAX_EXTRA, as_float, clean, known, storable

MAX_LORAS: Final = 100

_MAX_NAME = 300
_LORA_TAG = re.compile(r"<(?:lora|lyco):([^:<>\n]{1,300})(?::([^<>\n]{0,100}))?>")
_WEIGHT = re.compile(r"[-+]?(?:\d{1,5}\.?\d{0,10}|\.\d{1,10})")


class Source(StrEnum):
    """Which program generated the image, by how it writes."""

    A1111 = "a1111"
    COMFYUI = "comfyui"
    FOOOCUS = "fooocus"
    INVOKEAI = "invokeai"
    NOVELAI = "novelai"
    SWARMUI = "swarmui"


@dataclass(frozen=True, slots=True)
class LoraRef:
    """A LoRA by the name that the program knew it under, and its weight if told."""

    name: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class GenerationFacts:
    """How an image was generated; ``None`` where the program says nothing.

    Attributes:
        source: Which program.
        prompt: As written, with ``<lora:…>`` tags and weights in brackets.
        negative_prompt: Likewise.
        model: Name or file name of the checkpoint.
        loras: In the order of the source, each once.
        seed: Of the first picture's noise; up to 2**64 - 1.
        steps: Of the sampler.
        cfg: Scale of classifier-free guidance (Flux's own guidance is in ``extra``).
        sampler: As the program calls it.
        scheduler: Likewise.
        width: In pixels, of what was generated, before it was scaled up.
        height: Likewise.
        extra: Further single values under the program's own names.
    """

    source: Source
    prompt: str | None = None
    negative_prompt: str | None = None
    model: str | None = None
    loras: tuple[LoraRef, ...] = ()
    seed: int | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    extra: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing but the source (and side matters) is known."""
        return not any(
            getattr(self, f.name) for f in fields(self) if f.name not in _SIDE_MATTERS
        )

    def as_facts(self) -> dict[str, Fact]:
        """Write it down by camelCase name; a seed beyond 63 bits becomes text."""
        return known(
            {
                "source": self.source.value,
                "prompt": self.prompt,
                "negativePrompt": self.negative_prompt,
                "model": self.model,
                "loras": tuple(
                    known({"name": lora.name, "weight": lora.weight})
                    for lora in self.loras
                ),
                "seed": None if self.seed is None else storable(self.seed),
                "steps": self.steps,
                "cfg": self.cfg,
                "sampler": self.sampler,
                "scheduler": self.scheduler,
                "width": self.width,
                "height": self.height,
                "extra": dict(self.extra),
            }
        )

    def completed_by(self, other: "GenerationFacts") -> "GenerationFacts":
        """Fill what is not known here from another account of the same image."""
        gaps = {
            f.name: getattr(other, f.name)
            for f in fields(self)
            if getattr(self, f.name) in (None, ())
            if f.name not in _SIDE_MATTERS
        }
        extra = dict([*self.extra.items(), *other.extra.items()][:MAX_EXTRA])
        return replace(self, **gaps, extra={**extra, **self.extra})


_SIDE_MATTERS = {"source", "extra"}


def lora_name(name: str) -> str:
    """Shorten a LoRA's file name to what people call it: no folder, no ending."""
    base = clean(re.split(r"[\\/]", clean(name, _MAX_NAME))[-1], _MAX_NAME)
    return re.sub(r"\.(?:safetensors|pt|ckpt|bin)\Z", "", base)


def lora_tags(*prompts: str | None) -> tuple[LoraRef, ...]:
    """Find ``<lora:name:weight>`` in prompts; a tag without weight has 1."""
    found: list[LoraRef] = []
    for prompt in prompts:
        for match in _LORA_TAG.finditer(prompt or ""):
            number = _WEIGHT.search(match[2] or "1")
            weight = as_float(number[0]) if number else None
            found.append(LoraRef(lora_name(match[1]), weight))
    return unique_loras(found)


def unique_loras(loras: Iterable[LoraRef]) -> tuple[LoraRef, ...]:
    """Keep each name once, with the first weight told; at most ``MAX_LORAS``."""
    kept: dict[str, LoraRef] = {}
    for lora in loras:
        before = kept.get(lora.name)
        if (
            lora.name
            and lora.name.lower() != "none"
            and (before is None or before.weight is None)
        ):
            kept[lora.name] = lora
    return tuple(kept.values())[:MAX_LORAS]
