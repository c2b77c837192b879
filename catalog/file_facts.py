"""From what extractors read out of an asset's files to typed, bounded assertions. Pure.

Facts are what files say: nothing here is trusted, and everything has a bound. Where
the job's own record says something, ``catalog.describe`` prefers that.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.models.file_facts import NO_FILE_FACTS, FileFacts
from catalog.models.stored import Extraction

MAX_PROMPT_LENGTH = 20_000
"""Characters of a prompt that an asset shows and search looks through."""

MAX_NAME_LENGTH = 200
MAX_VALUES = 50
"""Names, words, hashes or suggestions of one kind."""

OK = "ok"
FAILED = "failed:"

_MAX_NUMBER = 2**31 - 1
_MAX_SEED = 2**63 - 1
_GENERATORS = {"a1111": "automatic1111"}
_HASH = re.compile(r"\b[0-9a-f]{8,64}\b", re.IGNORECASE)
_CAUSE = re.compile(r"[a-z_]{1,40}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?")

Facts = Mapping[str, Any]
"""Of one extractor, by name (``docs/extraction.md``)."""

_NONE: Facts = {}


@dataclass(frozen=True, slots=True)
class Assertions:
    """What the files of an asset say.

    Attributes:
        facts: What only files tell.
        prompt: Here and below: what the job's record may say, too.
        negative_prompt: See ``prompt``.
        model: See ``prompt``.
        base_model: See ``prompt``.
        seed: See ``prompt``; none beyond 63 bits, which no index can hold.
        width_px: Of the file as it is shown, as ``height_px``.
        height_px: See ``width_px``.
        duration_seconds: Of the recording.
    """

    facts: FileFacts = NO_FILE_FACTS
    prompt: str | None = None
    negative_prompt: str | None = None
    model: str | None = None
    base_model: str | None = None
    seed: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    duration_seconds: float | None = None


NO_ASSERTIONS = Assertions()


def assertions_of(extractions: Sequence[Extraction]) -> Assertions:
    """Read what was extracted from the files of one asset; earlier files win.

    Args:
        extractions: Of each file and extractor the newest.
    """
    if not extractions:
        return NO_ASSERTIONS
    by_name: dict[str, Facts] = {}
    for one in extractions:
        if one.error is None:
            by_name.setdefault(one.extractor, one.facts)
    weights = by_name.get("safetensors", _NONE)
    generation = by_name.get("generation", _NONE)
    photo = by_name.get("exif", _NONE)
    said = by_name.get("transcript_facts", _NONE)
    recording = by_name.get("recording", _NONE)
    picture = by_name.get("picture", _NONE)
    codecs = _codecs(recording)
    source = _name(generation, "source")
    return Assertions(
        facts=FileFacts(
            family=_name(weights, "family"),
            rank=_whole(weights, "rank"),
            trigger_words=_names(weights.get("triggerWords")),
            generator=None if source is None else _GENERATORS.get(source, source),
            sampler=_name(generation, "sampler"),
            scheduler=_name(generation, "scheduler"),
            steps=_whole(generation, "steps"),
            cfg=_decimal(generation, "cfg"),
            lora_names=_names(_each(generation.get("loras"), "name")),
            hashes=_hashes(generation),
            camera=_camera(photo),
            taken_at=_moment(photo),
            audio_codec=codecs.get("audio"),
            video_codec=codecs.get("video"),
            keywords=_names(said.get("keywords")),
            tag_suggestions=_names([*_suggested(weights), *_suggested(photo)]),
            outcome=outcome_of(extractions),
        ),
        prompt=_text(generation, "prompt", MAX_PROMPT_LENGTH),
        negative_prompt=_text(generation, "negativePrompt", MAX_PROMPT_LENGTH),
        model=_name(generation, "model"),
        base_model=_name(weights, "baseModelVersion") or _file_name(weights),
        seed=_whole(generation, "seed", _MAX_SEED),
        width_px=_whole(picture, "width") or _shown(recording, "width"),
        height_px=_whole(picture, "height") or _shown(recording, "height"),
        duration_seconds=_decimal(recording, "durationSeconds")
        or _decimal(said, "durationSeconds"),
    )


def outcome_of(extractions: Iterable[Extraction]) -> tuple[str, ...]:
    """Say how reading went: ``ok``, or ``failed:`` with each cause, in order."""
    causes: dict[str, None] = {}
    was_read = False
    for one in extractions:
        if one.error is None:
            was_read = True
            continue
        cause = one.cause or ""
        known = cause if _CAUSE.fullmatch(cause) else "unknown"
        causes[f"{FAILED}{known}"] = None
    return tuple(causes) or ((OK,) if was_read else ())


# --- lenient reading ---------------------------------------------------------------


def _text(facts: Facts, name: str, limit: int) -> str | None:
    value = facts.get(name)
    return value[:limit].strip() or None if isinstance(value, str) else None


def _name(facts: Facts, name: str) -> str | None:
    return _text(facts, name, MAX_NAME_LENGTH)


def _whole(facts: Facts, name: str, most: int = _MAX_NUMBER) -> int | None:
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def _decimal(facts: Facts, name: str) -> float | None:
    value = facts.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    is_usual = math.isfinite(value) and 0 <= value <= _MAX_NUMBER
    return float(value) if is_usual else None


def _names(values: object) -> tuple[str, ...]:
    listed = values if isinstance(values, list | tuple) else ()
    texts = (v[:MAX_NAME_LENGTH].strip() for v in listed if isinstance(v, str))
    return tuple(dict.fromkeys(filter(None, texts)))[:MAX_VALUES]


def _each(values: object, name: str) -> list[object]:
    listed = values if isinstance(values, list | tuple) else ()
    return [one.get(name) for one in listed if isinstance(one, Mapping)]


def _suggested(facts: Facts) -> tuple[str, ...]:
    """Tags by name, whether or not they are counted."""
    values = facts.get("tagSuggestions")
    return _names(values) or _names(_each(values, "tag"))


def _hashes(generation: Facts) -> tuple[str, ...]:
    extra = generation.get("extra")
    entries = extra.items() if isinstance(extra, Mapping) else ()
    told = (
        value[: MAX_NAME_LENGTH * MAX_VALUES]
        for name, value in entries
        if isinstance(value, str) and "hash" in name.lower()
    )
    found = (hash_.lower() for text in told for hash_ in _HASH.findall(text))
    return tuple(dict.fromkeys(found))[:MAX_VALUES]


def _camera(photo: Facts) -> str | None:
    make, model = _name(photo, "cameraMake"), _name(photo, "cameraModel")
    if make is None or model is None:
        return make or model
    maker = make.split()[0]  # ``NIKON CORPORATION`` and ``NIKON D50``
    is_told = model.casefold().startswith(maker.casefold())
    return (model if is_told else f"{make} {model}")[:MAX_NAME_LENGTH]


def _moment(photo: Facts) -> str | None:
    taken = _name(photo, "takenAt")
    return taken if taken is not None and _TIME.fullmatch(taken) else None


def _file_name(weights: Facts) -> str | None:
    """Name of the model that a LoRA was trained on, without its trainer's folders."""
    name = _name(weights, "baseModelName")
    return None if name is None else re.split(r"[\\/]", name)[-1] or None


def _streams(recording: Facts) -> Iterator[Mapping[str, Any]]:
    streams = recording.get("streams")
    for stream in streams if isinstance(streams, list | tuple) else ():
        if isinstance(stream, Mapping):
            yield stream


def _codecs(recording: Facts) -> dict[str, str]:
    """Codecs by kind of stream; the first of a kind counts."""
    codecs: dict[str, str] = {}
    for stream in _streams(recording):
        kind, codec = _name(stream, "type"), _name(stream, "codec")
        if kind is not None and codec is not None:
            codecs.setdefault(kind, codec)
    return codecs


def _shown(recording: Facts, name: str) -> int | None:
    found = (_whole(stream, name) for stream in _streams(recording))
    return next((number for number in found if number), None)
