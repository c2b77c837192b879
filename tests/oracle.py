"""The independent rebuild: what the index must hold, by a second, simple code path.

It shares no code with ``catalog.describe`` or ``catalog.search.projection``: it reads
job records and files as the seed lays them out and derives ids, texts and rights
anew. It knows only what the tests write (no annotations, no foreign URLs).
"""

import hashlib
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Expected = dict[str, dict[str, Any]]


def _hash(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def document_id(kind: str, asset_id: str) -> str:
    return kind + _hash(asset_id, 12)


def _common(job: Mapping[str, Any], asset_id: str, kind: str) -> dict[str, Any]:
    metadata = job.get("metadata") or {}
    acl = {"u" + _hash(job["userId"], 10)} | (
        {"pub"} if metadata.get("isPublic") else set()
    )
    return {
        "assetId": asset_id,
        "type": kind,
        "userId": job["userId"],
        "status": job["status"],
        "tags": list(metadata.get("tags", [])),
        "description": metadata.get("description"),
        "acl": sorted(acl),
    }


def expected_documents(
    jobs: list[dict[str, Any]], storage: Path
) -> tuple[Expected, Expected]:
    """Derive all asset documents and all segment documents."""
    assets: Expected = {}
    segments: Expected = {}
    for job in jobs:
        if not job.get("versions"):
            continue
        job_id, user, last = job["jobId"], job["userId"], job["versions"][-1]
        if job["type"] == "lora-training":
            assets[document_id("l", job_id)] = _common(job, job_id, "lora") | {
                "name": job["config"]["loraName"]
            }
        elif job["type"] == "image-generation":
            number = 0
            for version in job["versions"]:
                for _ in version["images"]:
                    number += 1
                    asset_id = f"{job_id}-{number}"
                    assets[document_id("i", asset_id)] = _common(
                        job, asset_id, "image"
                    ) | {"prompt": job["config"]["prompt"]}
        else:
            suffix = "" if last["version"] == 1 else f"v{last['version']}/"
            path = storage / f"transcripts/{user}/{job_id}/{suffix}transcript.json"
            content = (
                json.loads(path.read_bytes()) if path.exists() else {"utterances": []}
            )
            own = document_id("t", job_id)
            text = " ".join(u["text"] for u in content["utterances"])
            assets[own] = _common(job, job_id, "transcript") | {"transcript": text}
            for number, said in enumerate(content["utterances"]):
                segments[f"{own}x{number}"] = {
                    "text": said["text"],
                    "start": said["start"],
                    "end": said["end"],
                    "acl": assets[own]["acl"],
                }
    return assets, segments


def indexed_documents(url: str, api_key: str, prefix: str) -> tuple[Expected, Expected]:
    """Export what the index holds, cut down to what the oracle knows."""
    assets: Expected = {}
    for document in _export(url, api_key, f"{prefix}assets"):
        view = document["view"]
        names = ("assetId", "type", "userId", "status", "tags", "description")
        kept = {name: view.get(name) for name in names}
        kept["acl"] = sorted(document["acl"])
        match view["type"]:
            case "lora":
                kept["name"] = document["name"]
            case "image":
                kept["prompt"] = document["prompt"]
            case "transcript":
                kept["transcript"] = document.get("transcript", "")
            case _:
                pass
        assets[document["id"]] = kept
    segments = {
        document["id"]: {
            "text": document["text"],
            "start": document.get("start"),
            "end": document.get("end"),
            "acl": sorted(document["acl"]),
        }
        for document in _export(url, api_key, f"{prefix}segments")
    }
    return assets, segments


def differences(expected: Expected, found: Expected) -> dict[str, list[str]]:
    """Name what is missing, a ghost, or stale; all empty when the index is true."""
    return {
        "missing": sorted(expected.keys() - found.keys()),
        "ghosts": sorted(found.keys() - expected.keys()),
        "stale": sorted(
            key for key in expected.keys() & found.keys() if expected[key] != found[key]
        ),
    }


NO_DIFFERENCES: dict[str, list[str]] = {"missing": [], "ghosts": [], "stale": []}


def _export(url: str, api_key: str, index: str) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{url}/collections/{index}/documents/export",
        headers={"X-TYPESENSE-API-KEY": api_key},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        documents = [json.loads(line) for line in answer.read().splitlines() if line]
    return [document for document in documents if document.get("_seq", 0) >= 0]
