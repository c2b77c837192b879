"""Facts out of a job's free-form ``config``, under all names that platforms use.

``api.md`` fixes the seed's names; the snake_case forms are what fal.ai's own inputs
are called, which gateways tend to store as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.models.ids import AssetId
from catalog.models.job import Job
from catalog.storage import keys

NAME_WORDS = 8
"""Words of a prompt that serve as a name."""

NAME_LENGTH = 120
"""Characters at which a name derived from a prompt is cut."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What the config says, typed; absent or unusable values are ``None``."""

    name: str
    prompt: str | None
    negative_prompt: str | None
    model: str | None
    base_model: str | None
    trigger: str | None
    seed: int | None
    width_px: int | None
    height_px: int | None
    lora_paths: tuple[str, ...]
    uses: tuple[AssetId, ...]
    source_name: str | None


def facts_of(job: Job) -> JobFacts:
    """Read the facts; ``inputs`` inside ``config`` counts like ``config`` itself."""
    config = job.config
    inputs = config.get("inputs")
    levels = (config, inputs if isinstance(inputs, Mapping) else {})
    prompt = _text(levels, "prompt")
    lora_paths = tuple(_lora_paths(levels))
    source = job.source_video
    source_name = source.filename if source else None
    if source_name is None and source and source.url:
        source_name = source.url.partition("?")[0].rpartition("/")[2] or None
    name = (
        job.metadata.name
        or _text(levels, "loraName", "lora_name")
        or _first_words(prompt)
        or source_name
        or job.job_id
    )
    return JobFacts(
        name=name,
        prompt=prompt,
        negative_prompt=_text(levels, "negativePrompt", "negative_prompt"),
        model=_text(levels, "model"),
        base_model=_text(levels, "baseModel", "base_model"),
        trigger=_text(levels, "trigger", "triggerWord", "trigger_word"),
        seed=_whole(levels, "seed"),
        width_px=_whole(levels, "width"),
        height_px=_whole(levels, "height"),
        lora_paths=lora_paths,
        uses=tuple(dict.fromkeys(filter(None, map(_used_asset, lora_paths)))),
        source_name=source_name,
    )


def _values(
    levels: tuple[Mapping[str, Any], ...], names: tuple[str, ...]
) -> Iterator[Any]:
    return (level[name] for level in levels for name in names if name in level)


def _text(levels: tuple[Mapping[str, Any], ...], *names: str) -> str | None:
    for value in _values(levels, names):
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _whole(levels: tuple[Mapping[str, Any], ...], *names: str) -> int | None:
    for value in _values(levels, names):
        if (
            isinstance(value, int)
            and not isinstance(value, bool)
            and abs(value) < 2**63
        ):
            return value
    return None


def _first_words(prompt: str | None) -> str | None:
    if prompt is None:
        return None
    words = prompt.split(maxsplit=NAME_WORDS)[:NAME_WORDS]
    return " ".join(words)[:NAME_LENGTH].rstrip(" ,.;:")


def _lora_paths(levels: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    for value in _values(levels, ("loras",)):
        for lora in value if isinstance(value, list | tuple) else ():
            path = lora.get("path") if isinstance(lora, Mapping) else lora
            if isinstance(path, str) and path:
                yield path


def _used_asset(path: str) -> AssetId | None:
    """Resolve what a job says it used: a key of the layout in any URL, or an id."""
    if "/" not in path:
        return AssetId(path)
    start = path.find(f"{keys.Area.LORAS}/")
    parsed = keys.parse_key(path[start:].partition("?")[0]) if start >= 0 else None
    return AssetId(parsed.job_id) if parsed else None
