"""One asset: what a list shows, a search finds and a filter narrows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from pydantic import AwareDatetime

from catalog.models.base import Model
from catalog.models.file_facts import NO_FILE_FACTS, FileFacts
from catalog.models.ids import (
    AssetId,
    CollectionId,
    DocumentId,
    JobId,
    ObjectKey,
    RootKey,
    UserId,
)
from catalog.models.sharing import Grant
from catalog.models.transcript import Segment


class AssetType(StrEnum):
    """The four kinds of asset."""

    LORA = "lora"
    IMAGE = "image"
    TRANSCRIPT = "transcript"
    DATASET = "dataset"


class FileRole(StrEnum):
    """What a file is to its asset."""

    MODEL = "model"
    CONFIG = "config"
    IMAGE = "image"
    TRANSCRIPT = "transcript"
    TEXT = "text"
    CAPTION = "caption"
    THUMBNAIL = "thumbnail"
    PREVIEW = "preview"


class AssetFile(Model):
    """One file of an asset: in our store (``key``) or elsewhere (``url``).

    ``is_missing`` says that the record names it and the store does not have it.
    """

    role: FileRole
    name: str
    key: ObjectKey | None = None
    url: str | None = None
    size_bytes: int | None = None
    content_type: str | None = None
    etag: str | None = None
    is_missing: bool = False


class AssetVersion(Model):
    """One numbered state of an asset and the files it consists of."""

    version: int
    created_at: AwareDatetime | None = None
    files: tuple[AssetFile, ...] = ()


class Asset(Model):
    """One LoRA, generated image, transcript or dataset, complete.

    ``versions`` ascend by number; the last is the one shown. ``uses`` holds the
    assetIds that this one was made with (only those that could be resolved from what
    the job names). ``transcript_text`` and ``segments`` are empty except for
    transcripts. ``file`` is what the files say of themselves; where the job says
    nothing of prompt, seed, size and the like, these are the files', too.
    ``own_collections`` are those of ``collections`` that are its owner's.
    ``source_key`` is the recording of a transcript, where it lies in our store.
    """

    document_id: DocumentId
    asset_id: AssetId
    type: AssetType
    job_id: JobId
    user_id: UserId
    name: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    is_public: bool = False
    shared_with: tuple[Grant, ...] = ()
    trashed_at: AwareDatetime | None = None
    collections: tuple[CollectionId, ...] = ()
    own_collections: tuple[CollectionId, ...] = ()
    status: str
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    versions: tuple[AssetVersion, ...]
    prompt: str | None = None
    negative_prompt: str | None = None
    trigger: str | None = None
    model: str | None = None
    base_model: str | None = None
    seed: int | None = None
    lora_paths: tuple[str, ...] = ()
    uses: tuple[AssetId, ...] = ()
    width_px: int | None = None
    height_px: int | None = None
    duration_seconds: float | None = None
    word_count: int | None = None
    speakers: tuple[str, ...] = ()
    language: str | None = None
    file_name: str | None = None
    format: str | None = None
    size_bytes: int | None = None
    image_count: int | None = None
    caption_count: int | None = None
    thumbnail_key: ObjectKey | None = None
    source_key: ObjectKey | None = None
    is_missing: bool = False
    problems: tuple[str, ...] = ()
    file: FileFacts = NO_FILE_FACTS
    transcript_text: str = ""
    segments: tuple[Segment, ...] = ()

    @property
    def latest(self) -> AssetVersion:
        """The version that is shown."""
        return self.versions[-1]


class FileView(TypedDict):
    """A file inside an ``AssetView``; exactly one of ``key`` and ``url`` is set."""

    role: str
    name: str
    key: NotRequired[str]
    url: NotRequired[str]
    sizeBytes: NotRequired[int]
    contentType: NotRequired[str]
    missing: NotRequired[bool]


class VersionView(TypedDict):
    """A version inside an ``AssetView``; ``createdAt`` is ISO 8601 with ``Z``."""

    version: int
    createdAt: str | None
    files: list[FileView]


class GrantView(TypedDict):
    """Whom an asset is shared with; exactly one of ``user`` and ``group`` is set.

    ``right`` is ``view`` or ``edit``. ``sharedWith`` names the users among them alone.
    """

    user: NotRequired[str]
    group: NotRequired[str]
    right: str


class AssetView(TypedDict):
    """An asset as JSON-ready data: what lists and hits are presented from.

    The same dictionary lies in the read model (MongoDB) and, unindexed, in the search
    document, so that a page of hits needs no second look-up and no validation: it is
    written by ``catalog.projection`` alone. Keys, never URLs of ours; times are
    ISO 8601 in UTC with ``Z``. Absent means unknown.
    """

    assetId: str
    jobId: str
    type: str
    name: str
    userId: str
    description: str | None
    tags: list[str]
    isPublic: bool
    sharedWith: NotRequired[list[str]]
    sharing: NotRequired[list[GrantView]]
    status: str
    createdAt: str
    updatedAt: NotRequired[str]
    completedAt: NotRequired[str]
    versions: list[VersionView]
    prompt: NotRequired[str]
    negativePrompt: NotRequired[str]
    trigger: NotRequired[str]
    model: NotRequired[str]
    baseModel: NotRequired[str]
    seed: NotRequired[int]
    loras: NotRequired[list[str]]
    uses: NotRequired[list[str]]
    width: NotRequired[int]
    height: NotRequired[int]
    duration: NotRequired[float]
    wordCount: NotRequired[int]
    speakers: NotRequired[list[str]]
    language: NotRequired[str]
    fileName: NotRequired[str]
    format: NotRequired[str]
    sizeBytes: NotRequired[int]
    images: NotRequired[int]
    captions: NotRequired[int]
    thumbnail: NotRequired[str]
    family: NotRequired[str]
    rank: NotRequired[int]
    triggerWords: NotRequired[list[str]]
    generator: NotRequired[str]
    sampler: NotRequired[str]
    scheduler: NotRequired[str]
    steps: NotRequired[int]
    cfg: NotRequired[float]
    loraNames: NotRequired[list[str]]
    hashes: NotRequired[list[str]]
    camera: NotRequired[str]
    takenAt: NotRequired[str]
    audioCodec: NotRequired[str]
    videoCodec: NotRequired[str]
    keywords: NotRequired[list[str]]
    tagSuggestions: NotRequired[list[str]]
    extraction: NotRequired[list[str]]
    trashedAt: NotRequired[str]
    missing: NotRequired[bool]
    problems: NotRequired[list[str]]


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One record of the read model ``assets``: the view and what lists need beside it.

    Derived and disposable. A dataclass, not a model: it is made from a validated
    ``Asset`` only, and a build makes one per asset.

    Attributes:
        document_id: ``_id`` of the record and id of the search document.
        root: ``_id`` of the job record, as its writer chose it (any BSON type).
        root_key: Hash of ``root``.
        view: What lists and hits are presented from.
        created_at: For sorting and date filters; aware.
        completed_at: Likewise.
        updated_at: Likewise.
        sort_name: Case-folded name.
        acl: Access keys, see ``catalog.access``; empty when trashed.
        owner_key: Access key of the owner.
        tag_keys: Exact keys of the tags, see ``catalog.search.values``.
        keys: All objects that the asset consists of or waits for.
        sources: Objects that it was made from: they say something of it, too, but are
            not its own.
        words: What degraded search looks through (at most 4,000 characters).
        segment_count: Number of segment documents.
        document_hash: Content hash of the search documents: what every live
            generation of our schema holds of it, proven; empty when it does not.
        sequence: ``_seq`` of the pass that last changed any of this.
    """

    document_id: DocumentId
    root: Any
    root_key: RootKey
    view: AssetView
    created_at: datetime
    completed_at: datetime | None
    updated_at: datetime | None
    sort_name: str
    acl: tuple[str, ...]
    owner_key: str
    tag_keys: tuple[str, ...]
    keys: tuple[ObjectKey, ...]
    words: str
    sources: tuple[ObjectKey, ...] = ()
    segment_count: int = 0
    document_hash: str = ""
    sequence: int = 0
