"""What files say of themselves, as fields of documents and of views. Pure.

Part of *project* (``catalog.search.projection``).
"""

from functools import lru_cache

from catalog.models.asset import AssetView
from catalog.models.file_facts import FileFacts
from catalog.search.base import Document
from catalog.search.values import exact_key

_key = lru_cache(maxsize=65_536)(exact_key)


def file_names(facts: FileFacts) -> tuple[str, ...]:
    """List what is searched like names: programs, cameras, LoRAs, subjects."""
    single = (facts.generator, facts.camera)
    return (*filter(None, single), *facts.lora_names, *facts.keywords)


def file_fields(facts: FileFacts) -> Document:
    """Make the fields that filters and facets look at; absent where unknown."""
    fields: Document = {
        name: _key(value)
        for name, value in (
            ("family", facts.family),
            ("generator", facts.generator),
            ("sampler_key", facts.sampler),
            ("camera_key", facts.camera),
            ("audio_codec", facts.audio_codec),
            ("video_codec", facts.video_codec),
        )
        if value is not None
    }
    for name, values in (
        ("lora_keys", facts.lora_names),
        ("hash_keys", facts.hashes),
        ("keyword_keys", facts.keywords),
        ("extraction", facts.outcome),
    ):
        if values:
            fields[name] = [_key(value) for value in values]
    for name, number in (
        ("rank", facts.rank),
        ("steps", facts.steps),
        ("cfg", facts.cfg),
    ):
        if number is not None:
            fields[name] = number
    return fields


def add_file_facts(view: AssetView, facts: FileFacts) -> None:  # noqa: C901, PLR0912  (one field after the other)
    """Show in a view what the files say; absent means unknown."""
    # Literal keys, so that the type checker holds them against ``AssetView``.
    if facts.family is not None:
        view["family"] = facts.family
    if facts.rank is not None:
        view["rank"] = facts.rank
    if facts.trigger_words:
        view["triggerWords"] = list(facts.trigger_words)
    if facts.generator is not None:
        view["generator"] = facts.generator
    if facts.sampler is not None:
        view["sampler"] = facts.sampler
    if facts.scheduler is not None:
        view["scheduler"] = facts.scheduler
    if facts.steps is not None:
        view["steps"] = facts.steps
    if facts.cfg is not None:
        view["cfg"] = facts.cfg
    if facts.lora_names:
        view["loraNames"] = list(facts.lora_names)
    if facts.hashes:
        view["hashes"] = list(facts.hashes)
    if facts.camera is not None:
        view["camera"] = facts.camera
    if facts.taken_at is not None:
        view["takenAt"] = facts.taken_at
    if facts.audio_codec is not None:
        view["audioCodec"] = facts.audio_codec
    if facts.video_codec is not None:
        view["videoCodec"] = facts.video_codec
    if facts.keywords:
        view["keywords"] = list(facts.keywords)
    if facts.tag_suggestions:
        view["tagSuggestions"] = list(facts.tag_suggestions)
    if facts.outcome:
        view["extraction"] = list(facts.outcome)
