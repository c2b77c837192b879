"""NovelAI: the prompt in ``Description``, the rest as JSON in ``Comment``.

JPEG and WebP carry the same names as one JSON object in the ``UserComment``. What it
hides in the lowest bits of the alpha channel is not looked for: that needs the pixels.
"""

import re
from collections.abc import Mapping
from typing import Any

from processors.extract.generation.facts import GenerationFacts, Source
from processors.extract.values import (
    as_float,
    as_int,
    as_text,
    extras,
    json_object,
    positive,
)

_USED = {
    "prompt",
    "uc",
    "steps",
    "seed",
    "scale",
    "sampler",
    "noise_schedule",
    "width",
    "height",
    "signed_hash",
}
_SIGNS = {"uc", "sampler", "scale", "noise_schedule", "v4_prompt"}
_FEW = 2
_MODEL_HASH = re.compile(r"(.{1,200})\s+([0-9A-F]{6,16})\Z")
_MAX_CHARACTERS = 20


def read_novelai(
    texts: Mapping[str, str],
) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    """Read its texts, if these are NovelAI's.

    Args:
        texts: Of the picture, by keyword.
    """
    written = json_object(texts.get("Comment"))
    if written is not None and isinstance(written.get("Comment"), str):
        texts = {n: v for n, v in written.items() if isinstance(v, str)}
        written = json_object(texts["Comment"])
    is_signed = texts.get("Software", "").startswith("NovelAI")
    if written is None:
        prompt = as_text(texts.get("Description"))
        if not is_signed or prompt is None:
            return None, ()
        facts = GenerationFacts(source=Source.NOVELAI, prompt=prompt)
        return facts, ("NovelAI's Comment is missing, or no JSON.",)
    if not is_signed and len(_SIGNS & written.keys()) < _FEW:
        return None, ()
    return _of(texts, written), ()


def _of(texts: Mapping[str, str], written: Mapping[str, Any]) -> GenerationFacts:
    source = as_text(texts.get("Source"), 300)
    match = _MODEL_HASH.match(source or "")
    said = [(n, v) for n, v in written.items() if n not in _USED]
    return GenerationFacts(
        source=Source.NOVELAI,
        prompt=_caption(written.get("v4_prompt"))
        or as_text(written.get("prompt"))
        or as_text(texts.get("Description")),
        negative_prompt=_caption(written.get("v4_negative_prompt"))
        or as_text(written.get("uc")),
        model=match[1] if match else source,
        seed=as_int(written.get("seed")),
        steps=positive(written.get("steps")),
        cfg=as_float(written.get("scale")),
        sampler=as_text(written.get("sampler"), 100),
        scheduler=as_text(written.get("noise_schedule"), 100),
        width=positive(written.get("width")),
        height=positive(written.get("height")),
        extra=extras([("modelHash", match[2] if match else None), *said]),
    )


def _caption(prompt: object) -> str | None:
    """Read a prompt of version 4: one of the picture, one for each character."""
    caption = prompt.get("caption") if isinstance(prompt, dict) else None
    if not isinstance(caption, dict):
        return None
    characters = caption.get("char_captions")
    characters = characters if isinstance(characters, list) else []
    said = [
        caption.get("base_caption"),
        *(c.get("char_caption") for c in characters if isinstance(c, dict)),
    ]
    return " | ".join(filter(None, map(as_text, said[:_MAX_CHARACTERS]))) or None
