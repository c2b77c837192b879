"""From an ``AssetView`` to what goes over the wire: list shapes, hits, links.

Plain functions over plain dictionaries: a page of hits passes here without models or
validation. The shapes are those of the seed, fixed in ``api.schemas.assets``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catalog.errors import InvalidObjectKeyError
from catalog.models.asset import AssetType, AssetView, FileRole, FileView, VersionView
from catalog.models.ids import ObjectKey
from catalog.models.page import Page
from catalog.repositories.object_work import WorkResult
from catalog.search.base import Hit, Moment, SearchAnswer, Suggestions
from catalog.services.search import Answered

Wire = dict[str, Any]
"""JSON-ready data in camelCase."""

_SAME_NAME = (
    "description",
    "tags",
    "isPublic",
    "status",
    "createdAt",
    "updatedAt",
    "completedAt",
    "prompt",
    "negativePrompt",
    "trigger",
    "model",
    "baseModel",
    "seed",
    "loras",
    "width",
    "height",
    "duration",
    "wordCount",
    "language",
    "fileName",
    "format",
    "sizeBytes",
    "family",
    "rank",
    "triggerWords",
    "generator",
    "sampler",
    "scheduler",
    "steps",
    "cfg",
    "loraNames",
    "hashes",
    "camera",
    "takenAt",
    "audioCodec",
    "videoCodec",
    "keywords",
    "extraction",
)


@dataclass(frozen=True, slots=True)
class Linker:
    """Turns keys into addresses that the caller can fetch as given.

    Attributes:
        path: Signs the path of an object that expires at a time, in unix seconds.
        base: Address of the API as the caller sees it, without a final slash.
        expires_at: When the links of this answer expire, in unix seconds.
    """

    path: Callable[[ObjectKey, int], str]
    base: str
    expires_at: int

    def key(self, key: str | None) -> str | None:
        """Link an object of our store; ``None`` for none."""
        if key is None:
            return None
        try:
            return self.base + self.path(ObjectKey(key), self.expires_at)
        except InvalidObjectKeyError:
            return None

    def file(self, file: FileView | None) -> str | None:
        """Link a file; a foreign address passes through, a missing file has none."""
        if file is None or file.get("missing"):
            return None
        url = file.get("url")
        return url if url is not None else self.key(file.get("key"))


# --- the list shapes ---------------------------------------------------------------


def lora(view: AssetView, link: Linker) -> Wire:
    """Present a LoRA as ``GET /api/loras`` lists it."""
    latest = _latest(view)
    return _marked(
        view,
        {
            "loraId": view["assetId"],
            "name": view["name"],
            "trigger": view.get("trigger"),
            "versions": len(view["versions"]),
            "latestVersion": latest
            and {
                "version": latest["version"],
                "modelUrl": link.file(_file(latest, FileRole.MODEL)),
                "createdAt": latest["createdAt"],
            },
            "thumbnailUrl": link.key(view.get("thumbnail")),
            "tags": view["tags"],
            "description": view["description"],
            "isPublic": view["isPublic"],
            "status": view["status"],
            "baseModel": view.get("baseModel"),
            "sizeBytes": view.get("sizeBytes"),
            "createdAt": view["createdAt"],
            "userId": view["userId"],
        },
    )


def image(view: AssetView, link: Linker) -> Wire:
    """Present a generated image as ``GET /api/images`` lists it."""
    return _marked(
        view,
        {
            "imageId": view["assetId"],
            "jobId": view["jobId"],
            "model": view.get("model"),
            "prompt": view.get("prompt"),
            "imageUrl": link.file(_file(_latest(view), FileRole.IMAGE)),
            "thumbnailUrl": link.key(view.get("thumbnail")),
            "width": view.get("width"),
            "height": view.get("height"),
            "createdAt": view["createdAt"],
            "tags": view["tags"],
            "seed": view.get("seed"),
            "loras": view.get("loras", []),
            "isPublic": view["isPublic"],
            "userId": view["userId"],
        },
    )


def transcript(view: AssetView, link: Linker) -> Wire:
    """Present a transcript as ``GET /api/transcripts`` lists it."""
    latest = _latest(view)
    speakers = view.get("speakers")
    return _marked(
        view,
        {
            "transcriptId": view["assetId"],
            "fileName": view.get("fileName"),
            "duration": view.get("duration"),
            "wordCount": view.get("wordCount"),
            "transcriptUrl": link.file(_file(latest, FileRole.TRANSCRIPT)),
            "textUrl": link.file(_file(latest, FileRole.TEXT)),
            "speakers": None if speakers is None else len(speakers),
            "language": view.get("language"),
            "createdAt": view["createdAt"],
            "tags": view["tags"],
            "isPublic": view["isPublic"],
            "userId": view["userId"],
        },
    )


def dataset(view: AssetView, link: Linker) -> Wire:  # noqa: ARG001  (one signature)
    """Present a training dataset as ``GET /api/assets/datasets`` lists it."""
    return _marked(
        view,
        {
            "datasetId": view["assetId"],
            "jobId": view["jobId"],
            "name": view["name"],
            "images": view.get("images"),
            "captions": view.get("captions"),
            "sizeBytes": view.get("sizeBytes"),
            "createdAt": view["createdAt"],
            "userId": view["userId"],
        },
    )


_SHAPES: dict[str, Callable[[AssetView, Linker], Wire]] = {
    AssetType.LORA.value: lora,
    AssetType.IMAGE.value: image,
    AssetType.TRANSCRIPT.value: transcript,
    AssetType.DATASET.value: dataset,
}


def in_list(view: AssetView, link: Linker) -> Wire:
    """Present an asset in the list shape of its type."""
    return _SHAPES[view["type"]](view, link)


def _marked(view: AssetView, wire: Wire) -> Wire:
    if view.get("missing"):
        wire["missing"] = True
    return wire


def _latest(view: AssetView) -> VersionView | None:
    return view["versions"][-1] if view["versions"] else None


def _file(version: VersionView | None, role: FileRole) -> FileView | None:
    if version is None:
        return None
    return next((file for file in version["files"] if file["role"] == role), None)


# --- one asset ---------------------------------------------------------------------


def in_full(
    view: AssetView,
    link: Linker,
    *,
    uses: tuple[str, ...],
    used_in: Page[AssetView],
    is_owner: bool,
    shown: WorkResult | None = None,
) -> Wire:
    """Present everything about one asset.

    Args:
        view: The asset.
        link: Makes its links.
        uses: Those of its ``uses`` that the asker may know of.
        used_in: The newest that were made with it, as far as the asker may see them.
        is_owner: Whether the asker owns it (or sees everything): others aren't told
            whom it is shared with, what is wrong with its record, and what its files
            suggest as tags.
        shown: What was made of the file that shows it.
    """
    facts: dict[str, object] = {**view}
    wire = in_list(view, link)
    wire |= {name: facts[name] for name in _SAME_NAME if name in facts}
    wire |= {
        "assetId": view["assetId"],
        "jobId": view["jobId"],
        "type": view["type"],
        "name": view["name"],
        "userId": view["userId"],
        "versionList": [_version(version, link) for version in view["versions"]],
        "uses": list(uses),
        "usedIn": {
            "total": used_in.total,
            "assets": [
                {name: one[name] for name in ("assetId", "type", "name")}
                for one in used_in.items
            ],
        },
    }
    if shown is not None:
        wire["picture"] = picture(shown, link)
    if "speakers" in view:
        wire["speakerNames"] = view["speakers"]
    if is_owner:
        wire["sharedWith"] = view.get("sharedWith", [])
        wire["sharing"] = view.get("sharing", [])
        wire["problems"] = view.get("problems", [])
        wire["tagSuggestions"] = view.get("tagSuggestions", [])
    return wire


_FACTS = {
    "blurhash": "blurhash",
    "dominant_colours": "dominantColours",
    "perceptual_hash": "perceptualHash",
    "width": "width",
    "height": "height",
    "duration_seconds": "duration",
}


def picture(found: WorkResult, link: Linker) -> Wire:
    """Present what was found in a file and made of it, or why nothing was."""
    wire: Wire = {
        name: found.facts[fact] for fact, name in _FACTS.items() if fact in found.facts
    }
    wire["renditions"] = [
        {
            "kind": one.kind.value,
            "url": link.key(one.key),
            "contentType": one.content_type,
            "sizeBytes": one.size_bytes,
            "width": one.width,
            "height": one.height,
        }
        for one in found.renditions
    ]
    if found.cause is not None:
        wire |= {"cause": found.cause, "message": found.message}
    return wire


def _version(version: VersionView, link: Linker) -> Wire:
    return {
        "version": version["version"],
        "createdAt": version["createdAt"],
        "files": [file_of_version(file, link) for file in version["files"]],
    }


def file_of_version(file: FileView, link: Linker) -> Wire:
    """Present one file of a version."""
    return {
        "role": file["role"],
        "name": file["name"],
        "url": link.file(file),
        "sizeBytes": file.get("sizeBytes"),
        "contentType": file.get("contentType"),
        "missing": file.get("missing", False),
    }


# --- search ------------------------------------------------------------------------


def hit(found: Hit, link: Linker) -> Wire:
    """Present a hit: its list shape, what it is, and why it was found."""
    view = found.view
    wire = in_list(view, link)
    wire["assetId"] = view["assetId"]
    wire["jobId"] = view["jobId"]
    wire["type"] = view["type"]
    wire["name"] = view["name"]
    wire["status"] = view["status"]
    wire["score"] = found.score
    wire["highlights"] = [
        {"field": one.field, "snippet": one.snippet} for one in found.highlights
    ]
    if view["type"] == AssetType.TRANSCRIPT:
        wire["moments"] = [moment(one) for one in found.moments]
        if found.matches:
            wire["matches"] = found.matches
    return wire


def moment(found: Moment) -> Wire:
    """Present a place in a recording; times in milliseconds, ``null`` if unknown."""
    return {
        "startMs": found.start_ms,
        "endMs": found.end_ms,
        "atMs": found.at_ms,
        "speaker": found.speaker,
        "snippet": found.snippet,
        "segment": found.segment,
    }


def transcript_job(found: Hit, link: Linker) -> Wire:
    """Present a transcript that says it as the job that made it."""
    view = found.view
    return {
        "jobId": view["jobId"],
        "type": "transcription",
        "name": view["name"],
        "fileName": view.get("fileName"),
        "versions": [
            {
                "version": version["version"],
                "transcriptUrl": link.file(_file(version, FileRole.TRANSCRIPT)),
                "textUrl": link.file(_file(version, FileRole.TEXT)),
                "createdAt": version["createdAt"],
            }
            for version in view["versions"]
        ],
        "createdAt": view["createdAt"],
        "userId": view["userId"],
        "matches": found.matches,
        "moments": [moment(one) for one in found.moments],
    }


def facets(answer: SearchAnswer) -> Wire:
    """Present facet counts: ``{name: [{value, count}]}``."""
    return {
        name: [{"value": one.value, "count": one.count} for one in counts]
        for name, counts in answer.facets.items()
    }


def suggestions(found: Suggestions) -> Wire:
    """Present completions."""
    names = [
        {"assetId": view["assetId"], "type": view["type"], "name": view["name"]}
        for view in found.names
    ]
    counts = {"tags": found.tags, "speakers": found.speakers, "models": found.models}
    return {"names": names} | {
        kind: [{"value": one.value, "count": one.count} for one in values]
        for kind, values in counts.items()
    }


def standing(answered: Answered[Any], *, reached: bool | None = None) -> Wire:
    """Say how fresh the index is, and whether MongoDB answered in its stead.

    Args:
        answered: The answer.
        reached: Whether the index has what was waited for; ``None`` where nothing was.
    """
    index = answered.index
    facts: Wire = {"index": {"lagMs": index.lag_ms, "generation": index.generation}}
    if reached is not None:
        facts["index"]["reached"] = reached
    if answered.degraded_because is not None:
        facts |= {"degraded": True, "reason": answered.degraded_because}
    return facts
