"""What a trainer wrote into ``__metadata__``: kohya's ``ss_*``, ``modelspec.*``, peft.

All of it is text that anybody can write; nothing here is more than a suggestion.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from processors.extract.result import Fact
from processors.extract.tag_suggestions import suggested_tags
from processors.extract.values import (
    MAX_JSON,
    as_float,
    as_int,
    as_text,
    clean,
    extras,
    json_object,
    known,
    load_json,
    positive,
    size_of,
)

MAX_TRIGGERS: Final = 20

_MAX_TRIGGER = 200
_MAX_MODULES = 50
_NOT_A_TEXT = {"none", "null", "nan", ""}
_TRIGGER_KEYS = re.compile(
    r"(?:ss_|modelspec\.)?(?:trigger|instance_(?:prompt|token)|activation_text)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MetadataFacts:
    """What was read out of ``__metadata__``.

    Attributes:
        facts: Ready to hand on.
        rank: As configured; the tensors know it better.
        alpha: As configured; the tensors' own are not in the header.
        target_modules: As configured.
    """

    facts: Mapping[str, Fact]
    rank: int | None
    alpha: float | None
    target_modules: tuple[str, ...]


def facts_of_metadata(
    metadata: Mapping[str, str],
) -> tuple[MetadataFacts, tuple[str, ...]]:
    """Read ``__metadata__``.

    Args:
        metadata: Texts by name, untrusted.

    Returns:
        The facts, and what could not be read.
    """
    problems = [
        f"{name} is no JSON, or too much of it."
        for name in ("ss_tag_frequency", "ss_datasets", "lora_adapter_metadata")
        if name in metadata and not _is_json(metadata[name])
    ]
    datasets = list(_datasets(metadata))
    adapter = json_object(metadata.get("lora_adapter_metadata")) or {}
    training = json_object(metadata.get("training_info")) or {}
    width, height = _resolution(metadata, datasets)
    facts: dict[str, Fact | None] = {
        "baseModelVersion": _text(metadata, "ss_base_model_version"),
        "baseModelName": _text(metadata, "ss_sd_model_name"),
        "outputName": _text(metadata, "ss_output_name") or _text(metadata, "name"),
        "trainingComment": _text(metadata, "ss_training_comment"),
        "networkModule": _text(metadata, "ss_network_module"),
        "modelspec": extras(_modelspec(metadata)),
        "triggerWords": _triggers(metadata, datasets),
        "tagSuggestions": suggested_tags(_frequencies(metadata, datasets)),
        "epoch": _natural(metadata.get("ss_epoch"), training.get("epoch")),
        "epochs": _natural(metadata.get("ss_num_epochs")),
        "steps": _natural(metadata.get("ss_steps"), training.get("step")),
        "maxSteps": _natural(metadata.get("ss_max_train_steps")),
        "imageCount": _natural(metadata.get("ss_num_train_images")),
        "resolutionWidth": width,
        "resolutionHeight": height,
    }
    return MetadataFacts(
        facts=known(facts),
        rank=_natural(metadata.get("ss_network_dim"), _of_adapter(adapter, "r")),
        alpha=_number(
            metadata.get("ss_network_alpha"), _of_adapter(adapter, "lora_alpha")
        ),
        target_modules=_names(_of_adapter(adapter, "target_modules")),
    ), tuple(problems)


def _is_json(text: str) -> bool:
    try:
        load_json(text)
    except ValueError:
        return False
    return True


def _text(metadata: Mapping[str, str], name: str) -> str | None:
    text = as_text(metadata.get(name), 2_000)
    return None if text is None or text.lower() in _NOT_A_TEXT else text


def _natural(*values: object) -> int | None:
    return next((n for v in values if (n := positive(v)) is not None), None)


def _number(*values: object) -> float | None:
    return next((n for v in values if (n := as_float(v)) is not None), None)


def _names(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else []
    texts = (clean(v, 100) for v in values[:_MAX_MODULES] if isinstance(v, str))
    return tuple(dict.fromkeys(filter(None, texts)))


def _modelspec(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give ``modelspec.*`` without its prefix, and without the picture in it."""
    for name, text in metadata.items():
        if name.startswith("modelspec.") and not name.endswith(".thumbnail"):
            yield name.removeprefix("modelspec."), text


def _of_adapter(adapter: Mapping[str, Any], name: str) -> object:
    """Find a setting of peft's, plain or below a component (``transformer.r``)."""
    for key, value in adapter.items():
        if key == name or key.endswith(f".{name}"):
            return value
        if isinstance(value, dict) and name in value:
            return value[name]
    return None


def _datasets(metadata: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    text = metadata.get("ss_datasets", "")
    try:
        datasets = load_json(text) if text else []
    except ValueError:
        return
    if isinstance(datasets, list):
        yield from (dataset for dataset in datasets if isinstance(dataset, dict))


def _frequencies(
    metadata: Mapping[str, str], datasets: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Give tag counts by dataset; ``ss_datasets`` repeats ``ss_tag_frequency``."""
    said = json_object(metadata.get("ss_tag_frequency"))
    every = [said] if said else [d.get("tag_frequency") for d in datasets]
    for frequencies in every:
        if isinstance(frequencies, dict):
            yield from (f for f in frequencies.values() if isinstance(f, dict))


def _resolution(
    metadata: Mapping[str, str], datasets: Iterable[Mapping[str, Any]]
) -> tuple[int | None, int | None]:
    for value in (
        metadata.get("ss_resolution"),
        *(dataset.get("resolution") for dataset in datasets),
        metadata.get("modelspec.resolution"),
    ):
        width, height = size_of(value)
        if width is None and (side := as_int(value)) is not None and side > 0:
            width = height = side
        if width and height:
            return width, height
    return None, None


def _triggers(
    metadata: Mapping[str, str], datasets: Iterable[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Collect what calls the adapter: named ones, learnt tokens, class tokens."""
    found: list[str] = []
    for name, text in metadata.items():
        if text == "<embed>":  # the first trainer's learnt tokens, such as <s1>
            found.append(name)
        elif _TRIGGER_KEYS.match(name) and len(text) <= MAX_JSON:
            found += _phrases(text)
    for dataset in datasets:
        subsets = dataset.get("subsets")
        for subset in subsets if isinstance(subsets, list) else []:
            if isinstance(subset, dict):
                tokens = subset.get("class_tokens")
                found += [tokens] if isinstance(tokens, str) else []
    cleaned = (clean(text, _MAX_TRIGGER) for text in found)
    kept = dict.fromkeys(t for t in cleaned if t.lower() not in _NOT_A_TEXT)
    return tuple(kept)[:MAX_TRIGGERS]


def _phrases(text: str) -> list[str]:
    """Take a list of phrases apart; what is no JSON is one phrase."""
    if text.lstrip()[:1] == "[":
        try:
            listed = load_json(text)
        except ValueError:
            return [text]
        return [phrase for phrase in listed if isinstance(phrase, str)]
    return [text]
