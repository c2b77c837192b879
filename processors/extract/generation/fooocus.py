"""Fooocus: JSON in ``parameters`` (its own scheme), or text in A1111's form.

Source: ``modules/meta_parser.py`` of Fooocus; older versions wrote titles (``Base
Model``) where newer ones write names (``base_model``).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from processors.extract.generation.a1111 import read_a1111
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
    size_of,
)

_USED = {
    "prompt",
    "negative_prompt",
    "base_model",
    "seed",
    "steps",
    "guidance_scale",
    "sampler",
    "scheduler",
    "resolution",
    "loras",
}
_SIGNS = {"base_model", "guidance_scale", "sampler", "resolution"}
_FEW = 3


def read_fooocus(
    texts: Mapping[str, str],
) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    """Read ``parameters``, if Fooocus wrote it.

    Args:
        texts: Of the picture, by keyword; ``fooocus_scheme`` names the scheme.
    """
    text = texts.get("parameters") or texts.get("Comment") or ""
    is_json = text.lstrip()[:1] == "{"
    if is_json:
        written = json_object(text)
        if written is None:
            is_ours = "fooocus_scheme" in texts
            return None, ("The parameters are broken JSON.",) if is_ours else ()
        values = {re.sub(r"[\s-]+", "_", n).lower(): v for n, v in written.items()}
        return (_of(values), ()) if _is_fooocus(values) else (None, ())
    if "fooocus_scheme" in texts or "Version: Fooocus" in text:
        facts, problems = read_a1111(text)
        return facts and replace(facts, source=Source.FOOOCUS), problems
    return None, ()


def _is_fooocus(values: Mapping[str, Any]) -> bool:
    if values.get("metadata_scheme") == "fooocus":
        return True
    return len(_SIGNS & values.keys()) >= _FEW


def _of(values: Mapping[str, Any]) -> GenerationFacts:
    width, height = size_of(values.get("resolution"))
    prompt = as_text(values.get("prompt"))
    named = (
        (name, value)
        for name, value in values.items()
        if name not in _USED and not name.startswith(("lora_", "full_"))
    )
    return GenerationFacts(
        source=Source.FOOOCUS,
        prompt=prompt,
        negative_prompt=as_text(values.get("negative_prompt")),
        model=as_text(values.get("base_model"), 300),
        loras=unique_loras([*_loras(values), *lora_tags(prompt)]),
        seed=as_int(values.get("seed")),
        steps=positive(values.get("steps")),
        cfg=as_float(values.get("guidance_scale")),
        sampler=as_text(values.get("sampler"), 100),
        scheduler=as_text(values.get("scheduler"), 100),
        width=width,
        height=height,
        extra=extras(named),
    )


def _loras(values: Mapping[str, Any]) -> Iterator[LoraRef]:
    """Read ``loras`` (name, weight, hash) and ``lora_1: "name : 0.5"``."""
    listed = values.get("loras")
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, list) and entry and isinstance(entry[0], str):
            weight = as_float(entry[1]) if len(entry) > 1 else None
            yield LoraRef(lora_name(entry[0]), weight)
    for name, value in values.items():
        if re.fullmatch(r"lora_(?:combined_)?\d{1,3}", name) and isinstance(value, str):
            label, _, weight_text = value.rpartition(" : ")
            if label:
                yield LoraRef(lora_name(label), as_float(weight_text))
