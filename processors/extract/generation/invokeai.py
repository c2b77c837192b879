"""InvokeAI: ``invokeai_metadata`` (3 and later), ``sd-metadata`` (2), ``Dream`` (1, 2).

In the older two the negative prompt stands in square brackets inside the prompt, and
what is called a sampler here is a *scheduler* in the newest.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from processors.extract.generation.facts import (
    GenerationFacts,
    LoraRef,
    Source,
    lora_name,
    unique_loras,
)
from processors.extract.values import (
    as_float,
    as_int,
    as_text,
    clean,
    extras,
    json_object,
    positive,
)

_USED = {
    "positive_prompt",
    "negative_prompt",
    "model",
    "loras",
    "seed",
    "steps",
    "cfg_scale",
    "scheduler",
    "width",
    "height",
}
_WITH_LORA = re.compile(r"withLora\(([^()]{1,400})\)")
_ARGUMENT = re.compile(r"\s-([A-Za-z_]{1,20})\s+([^\s-]\S{0,200}|-\d\S{0,200})")
_MAX_PROMPT = 100_000

Result = tuple[GenerationFacts | None, tuple[str, ...]]


def read_invokeai(texts: Mapping[str, str]) -> Result:
    """Read whichever of its texts there is, the newest first.

    Args:
        texts: Of the picture, by keyword.
    """
    problems: list[str] = []
    for keyword, read in (
        ("invokeai_metadata", _newest),
        ("sd-metadata", _second),
        ("sd_metadata", _second),
    ):
        if keyword in texts:
            written = json_object(texts[keyword])
            if written is not None:
                return read(written), ()
            problems.append(f"The text {keyword!r} is broken JSON.")
    if "Dream" in texts:
        return _dream(texts["Dream"][: _MAX_PROMPT * 2]), tuple(problems)
    return None, tuple(problems)


def _newest(written: Mapping[str, Any]) -> GenerationFacts:
    return GenerationFacts(
        source=Source.INVOKEAI,
        prompt=as_text(written.get("positive_prompt")),
        negative_prompt=as_text(written.get("negative_prompt")),
        model=_model_name(written.get("model")),
        loras=unique_loras(_loras(written.get("loras"))),
        seed=as_int(written.get("seed")),
        steps=positive(written.get("steps")),
        cfg=as_float(written.get("cfg_scale")),
        sampler=as_text(written.get("scheduler"), 100),
        width=positive(written.get("width")),
        height=positive(written.get("height")),
        extra=extras((n, v) for n, v in written.items() if n not in _USED),
    )


def _model_name(model: object) -> str | None:
    """Read a model: a name, or an object that names it (differently by version)."""
    if isinstance(model, dict):
        model = model.get("name") or model.get("model_name") or model.get("key")
    return as_text(model, 300)


def _loras(listed: object) -> Iterator[LoraRef]:
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            name = _model_name(entry.get("model") or entry.get("lora"))
            if name:
                yield LoraRef(lora_name(name), as_float(entry.get("weight")))


def _second(written: Mapping[str, Any]) -> GenerationFacts:
    image = written.get("image")
    image = image if isinstance(image, dict) else {}
    prompts = image.get("prompt")
    if isinstance(prompts, list):
        said = (p.get("prompt") for p in prompts if isinstance(p, dict))
        text = ", ".join(filter(None, map(as_text, said)))
    else:
        text = as_text(prompts) or ""
    prompt, negative = _apart(text)
    width, height = positive(image.get("width")), positive(image.get("height"))
    return GenerationFacts(
        source=Source.INVOKEAI,
        prompt=prompt,
        negative_prompt=negative,
        model=as_text(written.get("model_weights"), 300),
        loras=_prompt_loras(text),
        seed=as_int(image.get("seed")),
        steps=positive(image.get("steps")),
        cfg=as_float(image.get("cfg_scale")),
        sampler=as_text(image.get("sampler"), 100),
        width=width,
        height=height,
        extra=extras((n, written.get(n)) for n in ("app_version", "model_hash")),
    )


def _dream(text: str) -> GenerationFacts:
    r"""Read a command line: ``"a prompt [not this]" -s 50 -S 42 -W 512 …``."""
    text = text.strip()
    if text.startswith('"'):
        end = text.rfind('" -')
        end = end if end > 0 else text.rfind('"')
        quoted, rest = text[1 : end if end > 0 else len(text)], text[max(end, 0) + 1 :]
    else:
        quoted, dash, rest = text.partition(" -")
        rest = dash + rest
    options: dict[str, str] = {}
    for match in _ARGUMENT.finditer(rest):
        options.setdefault(match[1], match[2])
    prompt, negative = _apart(quoted)
    used = {"s", "S", "W", "H", "C", "A"}
    return GenerationFacts(
        source=Source.INVOKEAI,
        prompt=prompt,
        negative_prompt=negative,
        loras=_prompt_loras(quoted),
        seed=as_int(options.get("S")),
        steps=positive(options.get("s")),
        cfg=as_float(options.get("C")),
        sampler=options.get("A"),
        width=positive(options.get("W")),
        height=positive(options.get("H")),
        extra=extras((n, v) for n, v in options.items() if n not in used),
    )


def _apart(text: str) -> tuple[str | None, str | None]:
    """Take the bracketed negative prompts out of a prompt."""
    text = text[:_MAX_PROMPT]
    negative = ", ".join(
        filter(
            None, (clean(n).strip(" ,") for n in re.findall(r"\[([^\[\]]*)\]", text))
        )
    )
    prompt = " ".join(re.sub(r"\[[^\[\]]*\]", "", text).split(" "))
    prompt = clean(prompt).strip(" ,")
    return prompt or None, negative or None


def _prompt_loras(text: str) -> tuple[LoraRef, ...]:
    called = (c.partition(",") for c in _WITH_LORA.findall(text[:_MAX_PROMPT]))
    return unique_loras(
        LoraRef(lora_name(name), as_float(weight) if weight else 1.0)
        for name, _, weight in called
    )
