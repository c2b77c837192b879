"""From an asset to everything that is shown, listed and searched: pure functions.

``project`` of ``architecture.md``. A build calls these once per asset, so nothing here
validates (an ``Asset`` is valid) and everything is a plain dictionary.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from typing import Any

import orjson

from catalog.access import access_keys, collection_key, owner_key
from catalog.identity import use_key
from catalog.models.asset import Asset, AssetRow, AssetView
from catalog.models.file_facts import NO_FILE_FACTS
from catalog.models.ids import CollectionId, ObjectKey, RootKey, UserId
from catalog.models.sharing import Grant
from catalog.models.transcript import Segment
from catalog.search.base import Document
from catalog.search.file_fields import file_fields, file_names
from catalog.search.text import cjk_pairs, clean, other_spellings
from catalog.search.values import exact_key, fold_tag, tag_key, with_ancestors
from catalog.search.view import iso_time, view_of

__all__ = [
    "MAX_WORDS_LENGTH",
    "SIZE_BUCKETS",
    "ProjectedAsset",
    "bucket_of",
    "documents_of",
    "minimal_document",
    "row_of",
    "size_bucket",
    "sort_name",
    "tag_document",
    "tag_document_id",
    "view_of",
]

MAX_WORDS_LENGTH = 4_000
"""What degraded search looks through of one asset, in characters: of a transcript its
beginning. (MongoDB's text index cost 60 % of a build's work in mongod at 20,000.)"""

_MAX_INT32 = 2**31 - 1
_MAX_INT64 = 2**63 - 1
_MAX_SORT_LENGTH = 200

SIZE_BUCKETS: tuple[tuple[int, str], ...] = (
    (100_000, "under100kb"),
    (1_000_000, "100kbto1mb"),
    (10_000_000, "1to10mb"),
    (100_000_000, "10to100mb"),
    (1_000_000_000, "100mbto1gb"),
)
"""Upper limits in bytes (exclusive) and keys; what is larger is ``over1gb``."""

_key = lru_cache(maxsize=65_536)(exact_key)
_owner_key = lru_cache(maxsize=65_536)(owner_key)


@lru_cache(maxsize=65_536)
def _acl(
    owner: UserId,
    is_public: bool,  # noqa: FBT001  (a cache key)
    shared_with: tuple[Grant, ...],
    collections: tuple[CollectionId, ...],
) -> tuple[str, ...]:
    return access_keys(
        owner, is_public=is_public, shared_with=shared_with, collections=collections
    )


def _acl_of(asset: Asset) -> tuple[str, ...]:
    return _acl(
        asset.user_id, asset.is_public, asset.shared_with, asset.own_collections
    )


@dataclass(frozen=True, slots=True)
class ProjectedAsset:
    """The complete set of search documents of one asset.

    Attributes:
        view: What lists and hits are presented from.
        document: For the ``assets`` index; ``None`` for a trashed asset.
        segments: For the ``segments`` index, by sequence.
        hash: Of everything in the documents but ``_seq`` and ``_gen``; every one of
            them bears it as ``_hash``.
    """

    view: AssetView
    document: Document | None
    segments: list[Document]
    hash: str


# --- the search documents ----------------------------------------------------------


def documents_of(
    asset: Asset, *, root_key: RootKey, sequence: int, generation: int
) -> ProjectedAsset:
    """Project an asset to the complete set of its search documents.

    Args:
        asset: As ``describe`` made it.
        root_key: Of the job record that it stems from.
        sequence: ``_seq``: cluster time of the read.
        generation: ``_gen``: number of the generation that is written to.

    Returns:
        Documents without ``None`` values; a trashed asset has none.
    """
    view = view_of(asset)
    if asset.trashed_at is not None:
        return ProjectedAsset(view, None, [], _hash([view, None]))
    document = _asset_document(asset, view, root_key)
    segments = _segment_documents(asset, document) if asset.segments else []
    digest = _hash([document, segments])
    marks = {"_seq": sequence, "_gen": generation, "_hash": digest}
    document.update(marks)
    for segment in segments:
        segment.update(marks)
    return ProjectedAsset(view, document, segments, digest)


def _asset_document(asset: Asset, view: AssetView, root_key: RootKey) -> Document:
    name = clean(asset.name)
    created_at = asset.created_at.astimezone(UTC)
    document: Document = {
        "id": asset.document_id,
        "root": root_key,
        "name": name,
        "kind": asset.type.value,
        "status": _key(asset.status),
        "month": created_at.year * 100 + created_at.month,
        "visibility": _visibility(asset),
        "owner": _owner_key(asset.user_id),
        "acl": _acl_of(asset),
        "filed": "some" if asset.own_collections else "none",
        "created_at": _seconds(created_at),
        "name_sort": sort_name(name),
        "_bucket": bucket_of(root_key),
        "view": view,
    }
    _add_texts(document, asset, name)
    if asset.collections:
        document["collections"] = list(map(collection_key, asset.collections))
    if asset.tags:
        document["tags"] = [clean(tag) for tag in asset.tags]
        document["tag_keys"] = list(_tag_keys(asset))
    if asset.model:
        document["model_key"] = _key(asset.model)
    if asset.base_model:
        document["base_model_key"] = _key(asset.base_model)
    if asset.speakers:
        document["speaker_keys"] = [_key(speaker) for speaker in asset.speakers]
    if asset.language:
        document["language"] = _key(asset.language)
    if asset.format:
        document["format"] = _key(asset.format)
    if asset.uses:
        document["uses"] = [use_key(used) for used in asset.uses]
    if asset.file is not NO_FILE_FACTS:
        document |= file_fields(asset.file)
    _add_numbers(document, asset)
    return document


def _add_texts(document: Document, asset: Asset, name: str) -> None:
    others = [text for text in (asset.model, asset.base_model, asset.file_name) if text]
    others += asset.speakers
    others += file_names(asset.file)
    if others:
        document["names"] = [clean(text) for text in others]
    called = asset.file.trigger_words
    if asset.trigger:
        document["trigger"] = clean(", ".join((asset.trigger, *called)))
    if asset.prompt:
        document["prompt"] = clean(asset.prompt)
    if asset.negative_prompt:
        document["negative_prompt"] = clean(asset.negative_prompt)
    if asset.description:
        document["description"] = clean(asset.description)
    if asset.transcript_text:
        document["transcript"] = clean(asset.transcript_text)
    spellings = other_spellings(name)
    if asset.file_name and asset.file_name != asset.name:
        spellings += other_spellings(clean(asset.file_name))
    if spellings:
        document["name_alt"] = list(dict.fromkeys(spellings))
    pairs = [
        pairs
        for text in (
            *asset.tags,
            asset.trigger,
            *called,
            asset.prompt,
            asset.description,
            *asset.speakers,
            *file_names(asset.file),
            asset.transcript_text,
        )
        if text and (pairs := cjk_pairs(text))
    ]
    if pairs:
        document["text_cjk"] = pairs


def _add_numbers(document: Document, asset: Asset) -> None:
    if asset.updated_at is not None:
        document["updated_at"] = _seconds(asset.updated_at)
    if asset.completed_at is not None:
        document["completed_at"] = _seconds(asset.completed_at)
    if asset.size_bytes is not None:
        document["size"] = min(asset.size_bytes, _MAX_INT64)
        document["size_bucket"] = size_bucket(asset.size_bytes)
    if asset.duration_seconds is not None and isfinite(asset.duration_seconds):
        document["duration"] = asset.duration_seconds
    # The engine stores an int32 that overflows as something else (measured).
    if asset.word_count is not None:
        document["word_count"] = min(asset.word_count, _MAX_INT32)
    if asset.seed is not None and abs(asset.seed) <= _MAX_INT64:
        document["seed"] = asset.seed
    if asset.speakers:
        document["speaker_count"] = len(asset.speakers)
    _add_size(document, asset)


def _add_size(document: Document, asset: Asset) -> None:
    if asset.width_px is not None:
        document["width"] = min(asset.width_px, _MAX_INT32)
    if asset.height_px is not None:
        document["height"] = min(asset.height_px, _MAX_INT32)
    if asset.width_px and asset.height_px:
        document["megapixels"] = round(asset.width_px * asset.height_px / 1e6, 3)


def _segment_documents(asset: Asset, document: Document) -> list[Document]:
    shared = {
        "root": document["root"],
        "transcript_id": asset.document_id,
        "acl": document["acl"],
        "created_at": document["created_at"],
        "_bucket": document["_bucket"],
    }
    prefix = f"{asset.document_id}x"
    return [_segment_document(segment, prefix, shared) for segment in asset.segments]


def _segment_document(
    segment: Segment, prefix: str, shared: dict[str, Any]
) -> Document:
    text = segment.text
    document: Document = {
        "id": f"{prefix}{segment.sequence}",
        "text": clean(text),
        "seq": segment.sequence,
        "utterance": segment.utterance,
        **shared,
    }
    if segment.start_ms is not None:
        document["start"] = segment.start_ms
    if segment.end_ms is not None:
        document["end"] = segment.end_ms
    if segment.speaker is not None:
        document["speaker"] = clean(segment.speaker)
        document["speaker_key"] = _key(segment.speaker)
    if segment.word_starts_ms:
        document["word_starts"] = segment.word_starts_ms
    if not text.isascii() and (pairs := cjk_pairs(text)):
        document["text_cjk"] = pairs
    return document


def tag_document(
    owner: UserId, label: str, acl: Iterable[str], *, sequence: int, generation: int
) -> Document:
    """Build the document of one owner's tag, for completion.

    Args:
        owner: Whose tag.
        label: As typed; the document has the folded form, which all spellings share.
        acl: Union of the access keys of the owner's assets that bear the tag.
        sequence: ``_seq``.
        generation: ``_gen``.
    """
    folded = clean(fold_tag(label))
    key = tag_key(label)
    document: Document = {
        "id": tag_document_id(_owner_key(owner), key),
        "label": folded,
        "key": key,
        "owner": _owner_key(owner),
        "acl": sorted(set(acl)),
        "_bucket": 0,
    }
    if pairs := cjk_pairs(folded):
        document["label_cjk"] = pairs
    digest = _hash(document)
    document["_bucket"] = bucket_of(document["id"])
    return document | {"_seq": sequence, "_gen": generation, "_hash": digest}


@lru_cache(maxsize=65_536)
def tag_document_id(owner: str, key: str) -> str:
    """Hash an owner's access key and a tag key: ``g`` and 24 hex digits."""
    return "g" + blake2b(f"{owner}/{key}".encode(), digest_size=12).hexdigest()


_DIGITS = re.compile(r"\b(?:[0-9a-f]{12,}|[0-9]+)\b")
_MAX_CAUSE_LENGTH = 100


def cause_of(error: str) -> str:
    """Cut an error down to what many documents share, so that it can be counted."""
    return _DIGITS.sub("#", clean(error))[:_MAX_CAUSE_LENGTH].strip() or "unknown"


def minimal_document(
    asset: Asset, error: str, *, root_key: RootKey, sequence: int, generation: int
) -> Document | None:
    """Build what is certain to be accepted of an asset whose document was refused.

    The asset stays findable by name and its access rights stay current.

    Args:
        asset: Whose document was refused.
        error: Why; shown to operators, kept short here.
        root_key: As in ``documents_of``.
        sequence: ``_seq``.
        generation: ``_gen``.

    Returns:
        ``None`` for a trashed asset.
    """
    if asset.trashed_at is not None:
        return None
    name = clean(asset.name)[:_MAX_SORT_LENGTH]
    created_at = asset.created_at.astimezone(UTC)
    document: Document = {
        "id": asset.document_id,
        "root": root_key,
        "name": name,
        "name_sort": sort_name(name),
        "kind": asset.type.value,
        "month": created_at.year * 100 + created_at.month,
        "visibility": _visibility(asset),
        "owner": _owner_key(asset.user_id),
        "acl": _acl_of(asset),
        "filed": "some" if asset.own_collections else "none",
        "created_at": _seconds(created_at),
        "index_error": cause_of(error),
        "_bucket": bucket_of(root_key),
        "view": {
            "assetId": clean(asset.asset_id),
            "jobId": clean(asset.job_id),
            "type": asset.type.value,
            "name": name,
            "userId": clean(asset.user_id),
            "description": None,
            "tags": [],
            "isPublic": asset.is_public,
            "status": clean(asset.status)[:_MAX_SORT_LENGTH],
            "createdAt": iso_time(created_at),
            "versions": [],
            "problems": ["This asset could not be indexed in full."],
        },
    }
    digest = _hash(document)
    return document | {"_seq": sequence, "_gen": generation, "_hash": digest}


# --- the read model ----------------------------------------------------------------


def row_of(
    asset: Asset,
    root: Any,  # noqa: ANN401  (any BSON value, chosen by the record's writer)
    root_key: RootKey,
    *,
    view: AssetView | None = None,
    document_hash: str = "",
    sequence: int = 0,
) -> AssetRow:
    """Build the record of the read model.

    Args:
        asset: As ``describe`` made it.
        root: ``_id`` of the job record.
        root_key: Hash of ``root``.
        view: Of ``documents_of``, where it is at hand.
        document_hash: ``ProjectedAsset.hash``, once proven to be in the index.
        sequence: ``_seq`` of the documents.
    """
    is_trashed = asset.trashed_at is not None
    return AssetRow(
        document_id=asset.document_id,
        root=root,
        root_key=root_key,
        view=view_of(asset) if view is None else view,
        created_at=asset.created_at,
        completed_at=asset.completed_at,
        updated_at=asset.updated_at,
        sort_name=sort_name(asset.name),
        acl=() if is_trashed else _acl_of(asset),
        owner_key=_owner_key(asset.user_id),
        tag_keys=_tag_keys(asset),
        keys=_object_keys(asset),
        words=_words(asset),
        sources=(asset.source_key,) if asset.source_key else (),
        segment_count=0 if is_trashed else len(asset.segments),
        document_hash=document_hash,
        sequence=sequence,
    )


def _object_keys(asset: Asset) -> tuple[ObjectKey, ...]:
    keys = [f.key for version in asset.versions for f in version.files if f.key]
    if asset.thumbnail_key:
        keys.append(asset.thumbnail_key)
    return tuple(dict.fromkeys(keys))


def _words(asset: Asset) -> str:
    texts: list[str | None] = [asset.name, *asset.tags]
    # MongoDB's text index takes ``_`` for a letter: ``jesse_avatar`` is one word to it.
    texts += [text.replace("_", " ") for text in texts if text and "_" in text]
    # Without the description: it has a field of its own in that index, for it changes
    # most, and whatever changes in a field rewrites all of the field's words.
    texts += (asset.prompt, asset.trigger, *asset.file.trigger_words, *asset.speakers)
    texts += (asset.file_name, asset.transcript_text)
    return clean(" ".join(filter(None, texts))[:MAX_WORDS_LENGTH])


# --- small things ------------------------------------------------------------------


def sort_name(name: str) -> str:
    """Fold a name for sorting; at most 200 characters."""
    return name[:_MAX_SORT_LENGTH].casefold()


def size_bucket(size_bytes: int) -> str:
    """Name the size class of a file, as ``SIZE_BUCKETS`` has it."""
    for limit, key in SIZE_BUCKETS:
        if size_bytes < limit:
            return key
    return "over1gb"


def bucket_of(key: str) -> int:
    """Number a hash's bucket for reconcile: its last two hex digits, 0 to 255."""
    return int(key[-2:], 16)


def _tag_keys(asset: Asset) -> tuple[str, ...]:
    return tuple(tag_key(tag) for tag in with_ancestors(asset.tags))


def _visibility(asset: Asset) -> str:
    if asset.is_public:
        return "public"
    return "shared" if asset.shared_with else "private"


def _seconds(time: datetime) -> int:
    return int(time.timestamp() // 1)


def _hash(value: object) -> str:
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # lone surrogates, integers beyond 64 bits: still a hash
        text = json.dumps(value, sort_keys=True).encode()
    return blake2b(text, digest_size=16).hexdigest()
