"""The view of an asset: what lists and hits are presented from."""

from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite

from catalog.models.asset import (
    Asset,
    AssetFile,
    AssetVersion,
    AssetView,
    FileView,
    GrantView,
    VersionView,
)
from catalog.models.file_facts import NO_FILE_FACTS
from catalog.models.sharing import Grant, users_of
from catalog.search.file_fields import add_file_facts


def view_of(asset: Asset) -> AssetView:  # noqa: C901  (one field after the other)
    """Present an asset as JSON-ready data, the same for lists and hits."""
    view: AssetView = {
        "assetId": asset.asset_id,
        "jobId": asset.job_id,
        "type": asset.type.value,
        "name": asset.name,
        "userId": asset.user_id,
        "description": asset.description,
        "tags": list(asset.tags),
        "isPublic": asset.is_public,
        "status": asset.status,
        "createdAt": iso_time(asset.created_at),
        "versions": [_version_view(version) for version in asset.versions],
    }
    # Literal keys, so that the type checker holds them against ``AssetView``.
    if asset.shared_with:
        _add_sharing(view, asset)
    if asset.updated_at is not None:
        view["updatedAt"] = iso_time(asset.updated_at)
    if asset.completed_at is not None:
        view["completedAt"] = iso_time(asset.completed_at)
    if asset.uses:
        view["uses"] = list(asset.uses)
    if asset.file_name is not None:
        view["fileName"] = asset.file_name
    if asset.format is not None:
        view["format"] = asset.format
    if asset.size_bytes is not None:
        view["sizeBytes"] = asset.size_bytes
    if asset.thumbnail_key is not None:
        view["thumbnail"] = asset.thumbnail_key
    if asset.trashed_at is not None:
        view["trashedAt"] = iso_time(asset.trashed_at)
    if asset.is_missing:
        view["missing"] = True
    if asset.problems:
        view["problems"] = list(asset.problems)
    _add_generated(view, asset)
    _add_recorded(view, asset)
    if asset.file is not NO_FILE_FACTS:
        add_file_facts(view, asset.file)
    return view


def _add_generated(view: AssetView, asset: Asset) -> None:  # noqa: C901  (likewise)
    if asset.prompt is not None:
        view["prompt"] = asset.prompt
    if asset.negative_prompt is not None:
        view["negativePrompt"] = asset.negative_prompt
    if asset.trigger is not None:
        view["trigger"] = asset.trigger
    if asset.model is not None:
        view["model"] = asset.model
    if asset.base_model is not None:
        view["baseModel"] = asset.base_model
    if asset.seed is not None:
        view["seed"] = asset.seed
    if asset.lora_paths:
        view["loras"] = list(asset.lora_paths)
    if asset.width_px is not None:
        view["width"] = asset.width_px
    if asset.height_px is not None:
        view["height"] = asset.height_px
    if asset.image_count is not None:
        view["images"] = asset.image_count
    if asset.caption_count is not None:
        view["captions"] = asset.caption_count


def _add_recorded(view: AssetView, asset: Asset) -> None:
    if asset.duration_seconds is not None and isfinite(asset.duration_seconds):
        view["duration"] = asset.duration_seconds
    if asset.word_count is not None:
        view["wordCount"] = asset.word_count
    if asset.speakers:
        view["speakers"] = list(asset.speakers)
    if asset.language is not None:
        view["language"] = asset.language


def _add_sharing(view: AssetView, asset: Asset) -> None:
    users = users_of(asset.shared_with)
    if users:
        view["sharedWith"] = list(users)
    view["sharing"] = [grant_view(one) for one in asset.shared_with]


def grant_view(grant: Grant) -> GrantView:
    """Present whom something is shared with."""
    if grant.user is not None:
        return {"user": grant.user, "right": grant.right}
    return {"group": grant.group or "", "right": grant.right}


def _version_view(version: AssetVersion) -> VersionView:
    created = version.created_at
    return {
        "version": version.version,
        "createdAt": None if created is None else iso_time(created),
        "files": [_file_view(file) for file in version.files],
    }


def _file_view(file: AssetFile) -> FileView:
    view: FileView = {"role": file.role.value, "name": file.name}
    if file.key is not None:
        view["key"] = file.key
    elif file.url is not None:
        view["url"] = file.url
    if file.size_bytes is not None:
        view["sizeBytes"] = file.size_bytes
    if file.content_type is not None:
        view["contentType"] = file.content_type
    if file.is_missing:
        view["missing"] = True
    return view


@lru_cache(maxsize=4096)
def iso_time(time: datetime) -> str:
    """Write a time as ISO 8601 in UTC with ``Z``; milliseconds only where there are.

    Cached: the assets of a job share their times.
    """
    utc = time.astimezone(UTC)
    text = utc.isoformat(timespec="milliseconds") if utc.microsecond else str(utc)
    return f"{text[:10]}T{text[11:-6]}Z"
