"""SwarmUI: JSON with ``sui_image_params`` in ``parameters`` or the ``UserComment``."""

from collections.abc import Iterator, Mapping
from typing import Any

from processors.extract.generation.facts import (
    GenerationFacts,
    LoraRef,
    Source,
    lora_name,
    lora_tags,
    unique_loras,
)
from processors.extract.values import (
    as_float,
    as_int,
    as_text,
    extras,
    json_object,
    positive,
)

_MARK = "sui_image_params"
_USED = {
    "prompt",
    "negativeprompt",
    "model",
    "loras",
    "loraweights",
    "seed",
    "steps",
    "cfgscale",
    "sampler",
    "scheduler",
    "width",
    "height",
}


def read_swarmui(
    texts: Mapping[str, str],
) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    """Read ``parameters``, if SwarmUI wrote it.

    Args:
        texts: Of the picture, by keyword.
    """
    text = texts.get("parameters", "")
    if _MARK not in text:
        return None, ()
    values = (json_object(text) or {}).get(_MARK)
    if not isinstance(values, dict):
        return None, ("SwarmUI's parameters are broken JSON.",)
    return _of(values), ()


def _of(values: Mapping[str, Any]) -> GenerationFacts:
    prompt = as_text(values.get("prompt"))
    return GenerationFacts(
        source=Source.SWARMUI,
        prompt=prompt,
        negative_prompt=as_text(values.get("negativeprompt")),
        model=as_text(values.get("model"), 300),
        loras=unique_loras([*_loras(values), *lora_tags(prompt)]),
        seed=as_int(values.get("seed")),
        steps=positive(values.get("steps")),
        cfg=as_float(values.get("cfgscale")),
        sampler=as_text(values.get("sampler"), 100),
        scheduler=as_text(values.get("scheduler"), 100),
        width=positive(values.get("width")),
        height=positive(values.get("height")),
        extra=extras((n, v) for n, v in values.items() if n not in _USED),
    )


def _loras(values: Mapping[str, Any]) -> Iterator[LoraRef]:
    weights = _listed(values.get("loraweights"))
    for number, name in enumerate(_listed(values.get("loras"))):
        weight = as_float(weights[number]) if number < len(weights) else None
        yield LoraRef(lora_name(as_text(name) or ""), weight)


def _listed(value: object) -> list[Any]:
    """Read a list, which some versions write as one text with commas."""
    if isinstance(value, str):
        return list(value[:20_000].split(","))
    return value if isinstance(value, list) else []
