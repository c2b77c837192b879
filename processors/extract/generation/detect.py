"""Tells by its texts which program generated an image, and has them read."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from processors.extract import versions
from processors.extract.containers import Blobs
from processors.extract.exif_tags import PhotoTags, read_tags, user_comment
from processors.extract.generation.a1111 import read_a1111
from processors.extract.generation.comfy import read_comfy
from processors.extract.generation.facts import GenerationFacts
from processors.extract.generation.fooocus import read_fooocus
from processors.extract.generation.invokeai import read_invokeai
from processors.extract.generation.novelai import read_novelai
from processors.extract.generation.swarmui import read_swarmui
from processors.extract.picture import read_picture
from processors.extract.result import Extracted, bounded_raw_text
from processors.extract.xmp import read_xmp

EXTRACTOR: Final = versions.GENERATION
VERSION: Final = versions.VERSIONS[EXTRACTOR]

KEYWORDS: Final = (
    "parameters",
    "prompt",
    "workflow",
    "fooocus_scheme",
    "invokeai_metadata",
    "sd-metadata",
    "sd_metadata",
    "Dream",
    "Comment",
    "Description",
    "Software",
    "Source",
    "Title",
)
"""Keywords of texts in which programs write; others are not looked at, nor kept."""

_EXIF_GRAPH = re.compile(r"\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)
_NO_OTHER = {"Comment", "Description", "Software", "Source", "Title"}


def extract_generation(data: bytes) -> Extracted:
    """Read how an image was generated.

    Args:
        data: The whole file.

    Returns:
        Facts of ``generation``, see ``docs/extraction.md``; empty for a picture that
        does not say. Raw input is the texts, as one JSON object.

    Raises:
        ExtractError: It is no picture, or can't be opened.
    """
    blobs = read_picture(data)
    texts = texts_of(blobs)
    facts, problems = detect(texts)
    raw = json.dumps(texts, ensure_ascii=False) if facts or problems else None
    return Extracted(
        kind="generation",
        extractor=EXTRACTOR,
        version=VERSION,
        facts=facts.as_facts() if facts else {},
        raw=bounded_raw_text(raw) if raw else None,
        problems=(*blobs.problems, *problems),
    )


def texts_of(blobs: Blobs) -> dict[str, str]:
    """Gather the texts in which programs write, wherever the format keeps them.

    Returns:
        By keyword, as PNG would have them: a ``UserComment`` counts as
        ``parameters``, or, when it is NovelAI's, as ``Comment``.
    """
    tags = read_tags(blobs)
    texts: dict[str, str] = {
        name: blobs.texts[name] for name in KEYWORDS if name in blobs.texts
    }
    for name in ("Make", "Model", "ImageDescription"):
        text = _tag_text(tags, name)
        if match := _EXIF_GRAPH.match(text):
            texts.setdefault(match[1].lower(), text[match.end() :])
    if software := _tag_text(tags, "Software"):
        texts.setdefault("Software", software)
    if (scheme := _tag_text(tags, "MakerNote")) in {"fooocus", "a1111"}:
        texts.setdefault("fooocus_scheme", scheme)
    comment = user_comment(tags)
    if comment is None and not texts.keys() - _NO_OTHER:
        comment = read_xmp(blobs).user_comment
    if comment:
        is_set = comment.startswith("{") and '"Comment"' in comment
        texts.setdefault("Comment" if is_set else "parameters", comment)
    return texts


def detect(
    texts: Mapping[str, str],
) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    """Read the texts of a picture.

    Args:
        texts: By keyword; untrusted.

    Returns:
        The facts, ``None`` where no program is recognised; and what was broken.
        Never raises.
    """
    problems: list[str] = []
    for read in (read_swarmui, read_fooocus, read_invokeai, read_novelai):
        facts, more = read(texts)
        problems += more
        if facts is not None and not facts.is_empty:
            return facts, tuple(problems)
    graph, more = read_comfy(texts)
    problems += more
    written, more = _written(texts)
    problems += more
    if written is not None and graph is not None:
        # Nodes that save what A1111 would write say it more exactly than the graph.
        both = replace(written, source=graph.source).completed_by(graph)
        return both, tuple(problems)
    return written or graph, tuple(problems)


def _written(
    texts: Mapping[str, str],
) -> tuple[GenerationFacts | None, tuple[str, ...]]:
    problems: list[str] = []
    for keyword in ("parameters", "Comment", "Description"):
        text = texts.get(keyword, "")
        if not text or text.lstrip().startswith("{"):
            continue
        facts, more = read_a1111(text)
        problems += more
        if facts is not None and not facts.is_empty:
            return facts, tuple(problems)
    return None, tuple(problems)


def _tag_text(tags: PhotoTags, name: str) -> str:
    value = tags.detail.get(name, tags.main.get(name))
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode(errors="replace")
    return value.strip("\0 ") if isinstance(value, str) else ""
