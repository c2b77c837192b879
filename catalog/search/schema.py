"""The three search indexes, field by field, as data.

Only what Typesense 0.24.1 has is used here (``SCHEMA_VERSION`` counts our changes).
Whatever a document holds beside these fields is stored and returned, not indexed:
``view`` and ``_hash`` of assets, ``word_starts`` and ``_hash`` of segments.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

from catalog.search.base import Document, IndexName

SCHEMA_VERSION = 3
"""Raise it when the projection changes what a field holds; ``schema_hash`` follows."""

TOKEN_SEPARATORS = ("_", "-", ".", "/", ":", "@", "(", ")", "'")
SYMBOLS_TO_INDEX = ("+", "#")
"""Never ``-``: indexed, it would stop ``-word`` from excluding (measured)."""

BARRIER_ID = "barrier"
"""Id of the document that proves an index has replayed its log."""


@dataclass(frozen=True, slots=True)
class Field:
    """One indexed field; ``type`` as Typesense names types.

    ``sort`` is needed for strings only: numbers can always be sorted by.
    """

    name: str
    type: str
    facet: bool = False
    optional: bool = False
    sort: bool = False

    def as_schema(self) -> dict[str, Any]:
        """Describe the field as the engine wants it."""
        described: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "facet": self.facet,
            "optional": self.optional,
        }
        if self.sort:
            described["sort"] = True
        return described


_BOOKKEEPING = (
    Field("_seq", "int64"),  # cluster time of the read that the document is made from
    Field("_gen", "int32"),
    Field("_bucket", "int32"),  # last two hex digits of the root key
)

_ASSETS = (
    Field("root", "string"),
    Field("name", "string"),
    Field("name_alt", "string[]", optional=True),
    Field("tags", "string[]", optional=True),
    Field("trigger", "string", optional=True),
    Field("prompt", "string", optional=True),
    Field("negative_prompt", "string", optional=True),
    Field("description", "string", optional=True),
    Field("names", "string[]", optional=True),
    Field("transcript", "string", optional=True),
    Field("text_cjk", "string[]", optional=True),
    Field("kind", "string", facet=True),
    Field("status", "string", facet=True, optional=True),
    Field("tag_keys", "string[]", facet=True, optional=True),
    Field("model_key", "string", facet=True, optional=True),
    Field("base_model_key", "string", facet=True, optional=True),
    Field("family", "string", facet=True, optional=True),
    Field("generator", "string", facet=True, optional=True),
    Field("sampler_key", "string", facet=True, optional=True),
    Field("lora_keys", "string[]", facet=True, optional=True),
    Field("hash_keys", "string[]", optional=True),
    Field("camera_key", "string", facet=True, optional=True),
    Field("audio_codec", "string", facet=True, optional=True),
    Field("video_codec", "string", facet=True, optional=True),
    Field("keyword_keys", "string[]", facet=True, optional=True),
    Field("extraction", "string[]", facet=True, optional=True),
    Field("speaker_keys", "string[]", facet=True, optional=True),
    Field("language", "string", facet=True, optional=True),
    Field("format", "string", facet=True, optional=True),
    Field("month", "int32", facet=True),
    Field("size_bucket", "string", facet=True, optional=True),
    Field("visibility", "string", facet=True),
    Field("owner", "string", facet=True),
    Field("acl", "string[]"),
    Field("collections", "string[]", optional=True),
    Field("filed", "string", facet=True),
    Field("uses", "string[]", optional=True),
    Field("index_error", "string", facet=True, optional=True),
    Field("created_at", "int64"),
    Field("updated_at", "int64", optional=True),
    Field("completed_at", "int64", optional=True),
    Field("name_sort", "string", sort=True),
    Field("size", "int64", optional=True),
    Field("duration", "float", optional=True),
    Field("word_count", "int32", optional=True),
    Field("width", "int32", optional=True),
    Field("height", "int32", optional=True),
    Field("megapixels", "float", optional=True),
    Field("rank", "int32", optional=True),
    Field("steps", "int32", optional=True),
    Field("cfg", "float", optional=True),
    Field("seed", "int64", optional=True),
    Field("speaker_count", "int32", optional=True),
    *_BOOKKEEPING,
)

_SEGMENTS = (
    Field("root", "string"),
    Field("transcript_id", "string", facet=True),
    Field("text", "string"),
    Field("text_cjk", "string", optional=True),
    Field("speaker", "string", optional=True),
    Field("speaker_key", "string", facet=True, optional=True),
    Field("acl", "string[]"),
    Field("seq", "int32"),
    Field("utterance", "int32"),
    Field("start", "int64", optional=True),
    Field("end", "int64", optional=True),
    Field("created_at", "int64"),
    *_BOOKKEEPING,
)

_TAGS = (
    Field("label", "string"),
    Field("label_cjk", "string", optional=True),
    Field("key", "string", facet=True),
    Field("owner", "string", facet=True),
    Field("acl", "string[]"),
    *_BOOKKEEPING,
)

FIELDS: Mapping[IndexName, tuple[Field, ...]] = {
    IndexName.ASSETS: _ASSETS,
    IndexName.SEGMENTS: _SEGMENTS,
    IndexName.TAGS: _TAGS,
}

DEFAULT_SORT: Mapping[IndexName, str] = {
    IndexName.ASSETS: "created_at",
    IndexName.SEGMENTS: "created_at",
    IndexName.TAGS: "_seq",
}


def schema_of(kind: IndexName, index: str) -> dict[str, Any]:
    """Build the engine's schema of a physical index named ``index``."""
    return {
        "name": index,
        "fields": [field.as_schema() for field in FIELDS[kind]],
        "default_sorting_field": DEFAULT_SORT[kind],
        "token_separators": list(TOKEN_SEPARATORS),
        "symbols_to_index": list(SYMBOLS_TO_INDEX),
    }


@cache
def schema_hash() -> str:
    """Hash all three schemas and their version: 8 hex digits."""
    schemas = [schema_of(kind, kind) for kind in IndexName]
    text = json.dumps([SCHEMA_VERSION, schemas], sort_keys=True)
    return blake2b(text.encode(), digest_size=4).hexdigest()


def differences(kind: IndexName, answered: Mapping[str, Any]) -> tuple[str, ...]:
    """Compare what the engine says an index is like with what it should be.

    The engine ignores attributes that it doesn't know and adds its own, so only what
    we ask for is compared, and that no field is there beside ours.

    Returns:
        What differs, one phrase each; empty when all is as asked.
    """
    wanted = schema_of(kind, "")
    found = {field["name"]: field for field in answered.get("fields", ())}
    problems = [
        f"{name} is {answered.get(name)!r}"
        for name in ("default_sorting_field", "token_separators", "symbols_to_index")
        if _plain(answered.get(name)) != _plain(wanted[name])
    ]
    for field in wanted["fields"]:
        there = found.pop(field["name"], None)
        if there is None:
            problems.append(f"field {field['name']} is missing")
            continue
        problems += [
            f"field {field['name']} has {attribute}={there.get(attribute)!r}"
            for attribute, value in field.items()
            if there.get(attribute) != value
        ]
    problems += [f"field {name} is not ours" for name in found]
    return tuple(problems)


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, list) else value


_BLANK: Mapping[str, Any] = {
    "string": "",
    "string[]": [],
    "int32": 0,
    "int64": 0,
    "float": 0.0,
}


def barrier_document(kind: IndexName) -> Document:
    """Build a document that no search, count or facet can see.

    It bears no access key, belongs to no root, and its ``_seq`` of -1 hides it from
    those who see everything.
    """
    blank = {f.name: _BLANK[f.type] for f in FIELDS[kind] if not f.optional}
    return {**blank, "id": BARRIER_ID, "_seq": -1}
