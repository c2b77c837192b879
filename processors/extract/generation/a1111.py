"""AUTOMATIC1111's web UI, and all that write like it: Forge, SD.Next, Civitai, ours.

The text: the prompt, ``Negative prompt: …``, and a last line ``Steps: 20, Sampler: …``.
Source: ``modules/infotext_utils.py`` of the web UI, ``parse_generation_parameters``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from processors.extract.generation.facts import (
    GenerationFacts,
    LoraRef,
    Source,
    lora_name,
    lora_tags,
    unique_loras,
)
from processors.extract.generation.infotext import parameters_of
from processors.extract.values import (
    as_float,
    as_int,
    as_text,
    clean,
    extras,
    positive,
    size_of,
)

MAX_INFOTEXT: Final = 1_000_000
"""Characters; what is longer is not read."""

_NEGATIVE = "Negative prompt:"
_INFO = "Steps:"
_FEW = 3
_KNOWN = ("steps:", "sampler:", "cfg scale:", "seed:", "size:", "model:", "model hash:")
_USED = {"steps", "sampler", "schedule type", "cfg scale", "seed", "size", "model"}
_SCHEDULERS = ("Karras", "Exponential", "Polyexponential")


def read_a1111(text: str) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    """Read the text of a ``parameters`` chunk or a ``UserComment``.

    Returns:
        The facts, ``None`` where the text is none of this kind; and problems.
    """
    if len(text) > MAX_INFOTEXT:
        return None, (f"The parameters have more than {MAX_INFOTEXT} characters.",)
    prompts, line = _split(text)
    parameters = parameters_of(line)
    if not line and _NEGATIVE not in prompts:
        return None, ()
    prompt, _, negative = prompts.partition(_NEGATIVE)
    prompt, negative = clean(prompt), clean(negative)
    width, height = size_of(parameters.get("size"))
    sampler = as_text(parameters.get("sampler"), 100)
    return GenerationFacts(
        source=Source.A1111,
        prompt=prompt or None,
        negative_prompt=negative or None,
        model=as_text(parameters.get("model"), 300) or _civitai_model(parameters),
        loras=unique_loras(
            [
                *lora_tags(prompt, negative),
                *_weighted(parameters.get("lora weights")),
                *_hashed(parameters.get("lora hashes")),
                *_civitai_loras(parameters),
            ]
        ),
        seed=as_int(parameters.get("seed")),
        steps=positive(parameters.get("steps")),
        cfg=as_float(parameters.get("cfg scale")),
        sampler=sampler,
        scheduler=as_text(parameters.get("schedule type"), 100) or _named_in(sampler),
        width=width,
        height=height,
        extra=extras((n, v) for n, v in parameters.items() if n not in _USED),
    ), ()


def _split(text: str) -> tuple[str, str]:
    """Split the text into its prompts and its line of parameters."""
    lines = text.strip().replace("\r\n", "\n").split("\n")
    for number in range(len(lines) - 1, -1, -1):
        if _is_info(lines[number]):
            return "\n".join(lines[:number]), lines[number]
    # Some sites join all lines into one.
    at = text.rfind(_INFO)
    if at >= 0 and _is_info(text[at:]):
        return text[:at], " ".join(text[at:].split())
    return text, ""


def _is_info(line: str) -> bool:
    start = line.lstrip()
    if start.startswith(_INFO) and re.match(r"Steps:\s*\d", start):
        return True
    lowered = line[:20_000].lower()
    has_names = sum(name in lowered for name in _KNOWN) >= _FEW
    return has_names and lowered.lstrip().startswith(_KNOWN)


def _named_in(sampler: str | None) -> str | None:
    """Find the scheduler in the sampler's name, where old versions wrote it."""
    last = (sampler or "").rpartition(" ")[2]
    return last if last in _SCHEDULERS else None


def _hashed(value: object) -> Iterator[LoraRef]:
    """Read ``name: hash, name: hash``; weights stand in the prompt, or nowhere."""
    if isinstance(value, str):
        for name in re.findall(r"([^:,]{1,300}):\s*[0-9a-fA-F]{4,64}", value[:20_000]):
            yield LoraRef(lora_name(name))


def _weighted(value: object) -> Iterator[LoraRef]:
    """Read ``name: 0.5, name: 1`` (Fooocus)."""
    if isinstance(value, str):
        pairs = re.findall(r"([^:,]{1,300}):\s*(-?[\d.]{1,20})", value[:20_000])
        for name, weight in pairs:
            yield LoraRef(lora_name(name), as_float(weight))


def _resources(
    parameters: Mapping[str, Any], *kinds: str
) -> Iterator[tuple[str, float | None]]:
    """Read what Civitai's own generator used."""
    listed = parameters.get("civitai resources")
    for resource in listed if isinstance(listed, list) else []:
        if isinstance(resource, dict) and resource.get("type") in kinds:
            name = as_text(resource.get("modelName"), 300)
            if name:
                yield name, as_float(resource.get("weight"))


def _civitai_model(parameters: Mapping[str, Any]) -> str | None:
    found = _resources(parameters, "checkpoint", "model")
    return next((name for name, _ in found), None)


def _civitai_loras(parameters: Mapping[str, Any]) -> Iterator[LoraRef]:
    for name, weight in _resources(parameters, "lora", "lycoris", "dora"):
        yield LoraRef(lora_name(name), weight)
