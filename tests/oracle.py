"""The independent rebuild: what the index must hold, by a second, simple code path.

It shares no code with ``catalog.describe`` or ``catalog.search.projection``: it reads
job records, annotations and files as the seed lays them out and derives ids, texts,
rights and facets anew. It knows only what the tests write (words of ``[a-pr-z]``, no
shared assets, no foreign transcripts).
"""

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

Expected = dict[str, dict[str, Any]]
Facets = dict[str, dict[str, int]]

_BUCKET = "https://content-generation-assets.s3.amazonaws.com/"


def _hash(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()


def document_id(kind: str, asset_id: str) -> str:
    return kind + _hash(asset_id, 12)


def owner_key(user_id: str) -> str:
    return "u" + _hash(user_id, 10)


def _common(
    job: Mapping[str, Any], note: Mapping[str, Any], asset_id: str, kind: str
) -> dict[str, Any]:
    metadata = job.get("metadata") or {}
    is_public = note.get("isPublic", metadata.get("isPublic") is True)
    tags = [
        tag
        for tag in metadata.get("tags", [])
        if tag not in note.get("tagsRemoved", ())
    ]
    tags += note.get("tagsAdded", [])
    return {
        "assetId": asset_id,
        "type": kind,
        "userId": job["userId"],
        "status": job["status"],
        "tags": list(dict.fromkeys(tags)),
        "description": note.get("description", metadata.get("description")),
        "acl": sorted({owner_key(job["userId"])} | ({"pub"} if is_public else set())),
    }


def expected_documents(
    jobs: Iterable[Mapping[str, Any]],
    storage: Path,
    annotations: Iterable[Mapping[str, Any]] = (),
    objects: Iterable[Mapping[str, Any]] = (),
    extractions: Iterable[Mapping[str, Any]] = (),
) -> tuple[Expected, Expected]:
    """Derive all asset documents and all segment documents.

    ``objects`` and ``extractions`` are records: of what files say only their etag is
    believed, and nothing is read out of files here.
    """
    assertions = _assertions(objects, extractions)
    notes = {note["_id"]: note for note in annotations}
    assets: Expected = {}
    segments: Expected = {}
    for job in jobs:
        if not job.get("versions"):
            continue
        job_id = job["jobId"]
        note = notes.get(job_id, {})
        if job["type"] == "lora-training":
            said = assertions.get(_path(job["versions"][-1].get("modelUrl", "")), {})
            own = job["config"].get("trigger")
            called = [own] if own else []
            called += [word for word in said.get("triggerWords", ()) if word != own]
            assets[document_id("l", job_id)] = (
                _common(job, note, job_id, "lora")
                | {"name": job["config"]["loraName"], "trigger": ", ".join(called)}
                | {name: said.get(name) for name in _OF_FILES}
            )
        elif job["type"] == "image-generation":
            _add_images(assets, job, note, assertions)
        else:
            _add_transcript(assets, segments, job, note, storage)
            path = _path(job["versions"][-1]["transcriptUrl"])
            said = assertions.get(path, {})
            assets[document_id("t", job_id)] |= {k: said.get(k) for k in _OF_FILES}
    return assets, segments


_OF_FILES = ("family", "generator", "camera", "extraction", "rank", "steps", "seed")
_PROGRAMS = {"a1111": "automatic1111"}


def _path(url: str) -> str:
    return url.removeprefix(_BUCKET)


def _assertions(
    objects: Iterable[Mapping[str, Any]], extractions: Iterable[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Tell by key what each file says of itself, in the documents' words."""
    etags = {one["key"]: one.get("etag") for one in objects}
    assertions: dict[str, dict[str, Any]] = {}
    newest: dict[str, dict[str, Mapping[str, Any]]] = {}
    for one in sorted(extractions, key=lambda one: one["version"]):
        if one["etag"] == etags.get(one["key"]):
            newest.setdefault(one["key"], {})[one["extractor"]] = one
    for key, found in newest.items():
        facts = {name: one.get("facts", {}) for name, one in found.items()}
        weights, made = facts.get("safetensors", {}), facts.get("generation", {})
        photo = facts.get("exif", {})
        names = [photo.get("cameraMake"), photo.get("cameraModel")]
        failed = {
            f"failed:{one.get('cause')}" for one in found.values() if "error" in one
        }
        read = [one for name, one in found.items() if name != "transcript"]
        program = made.get("source")
        assertions[key] = {
            "family": weights.get("family"),
            "rank": weights.get("rank"),
            "triggerWords": weights.get("triggerWords", ()),
            "generator": _PROGRAMS.get(program, program),
            "steps": made.get("steps"),
            "seed": made.get("seed"),
            "prompt": made.get("prompt"),
            "camera": " ".join(name for name in names if name) or None,
            "extraction": sorted(failed) or (["ok"] if read else None),
        }
    return assertions


def _add_images(
    assets: Expected,
    job: Mapping[str, Any],
    note: Mapping[str, Any],
    assertions: Mapping[str, Mapping[str, Any]],
) -> None:
    number = 0
    for version in job["versions"]:
        for image in version["images"]:
            number += 1
            asset_id = f"{job['jobId']}-{number}"
            common = _common(job, note, asset_id, "image")
            said = assertions.get(image.get("s3Key") or _path(image.get("url", "")), {})
            common |= {name: said.get(name) for name in _OF_FILES}
            config = job["config"]
            common["prompt"] = config.get("prompt") or said.get("prompt")
            seeds = (image.get("seed"), config.get("seed"), said.get("seed"))
            common["seed"] = next((seed for seed in seeds if seed is not None), None)
            assets[document_id("i", asset_id)] = common


def _add_transcript(
    assets: Expected,
    segments: Expected,
    job: Mapping[str, Any],
    note: Mapping[str, Any],
    storage: Path,
) -> None:
    path = storage / job["versions"][-1]["transcriptUrl"].removeprefix(_BUCKET)
    is_there = path.exists()
    said = json.loads(path.read_bytes())["utterances"] if is_there else []
    own = document_id("t", job["jobId"])
    assets[own] = _common(job, note, job["jobId"], "transcript") | {
        "transcript": " ".join(one["text"] for one in said),
        "missing": not is_there,
    }
    for number, one in enumerate(said):
        segments[f"{own}x{number}"] = {
            "text": one["text"],
            "start": one["start"],
            "end": one["end"],
            "acl": assets[own]["acl"],
        }


def expected_facets(assets: Expected) -> Facets:
    """Count what the engine's facets must count."""
    facets = {
        "kind": Counter(asset["type"] for asset in assets.values()),
        "status": Counter(asset["status"] for asset in assets.values()),
        "tag_keys": Counter(tag for asset in assets.values() for tag in asset["tags"]),
        "visibility": Counter(
            "public" if "pub" in asset["acl"] else "private"
            for asset in assets.values()
        ),
        "owner": Counter(owner_key(asset["userId"]) for asset in assets.values()),
        "extraction": Counter(
            outcome
            for asset in assets.values()
            for outcome in asset.get("extraction") or ()
        ),
        "generator": Counter(
            asset["generator"] for asset in assets.values() if asset.get("generator")
        ),
    }
    return {name: dict(counts) for name, counts in facets.items()}


def indexed_documents(url: str, api_key: str, prefix: str) -> tuple[Expected, Expected]:
    """Export what readers reach, cut down to what the oracle knows."""
    return (
        known_assets(exported(url, api_key, f"{prefix}assets")),
        known_segments(exported(url, api_key, f"{prefix}segments")),
    )


def known_assets(documents: Iterable[Mapping[str, Any]]) -> Expected:
    """Cut documents of assets down to what the oracle knows, by id."""
    assets: Expected = {}
    for document in documents:
        view = document["view"]
        names = ("assetId", "type", "userId", "status", "tags", "description")
        kept = {name: view.get(name) for name in names}
        kept["acl"] = sorted(document["acl"])
        if view["type"] != "dataset":
            of_files = {"camera": "camera_key"}
            for name in _OF_FILES:
                kept[name] = document.get(of_files.get(name, name))
            for name in ("family", "generator", "camera"):
                kept[name] = _plain(kept[name])
            if kept["extraction"] is not None:
                kept["extraction"] = sorted(map(_plain, kept["extraction"]))
        match view["type"]:
            case "lora":
                kept["name"] = document["name"]
                kept["trigger"] = document.get("trigger", "")
            case "image":
                kept["prompt"] = document.get("prompt")
            case "transcript":
                kept["transcript"] = document.get("transcript", "")
                kept["missing"] = view.get("missing", False)
            case _:
                pass
        assets[document["id"]] = kept
    return assets


_ESCAPE = re.compile("qq|qs|q([0-9a-f]+)z")


def _plain(key: str | None) -> str | None:
    """Turn an exact key back into its value (``docs/adr/0002``)."""

    def meant(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return "q" if found[0] == "qq" else " "

    return None if key is None else _ESCAPE.sub(meant, key)


def known_segments(documents: Iterable[Mapping[str, Any]]) -> Expected:
    """Cut documents of segments down to what the oracle knows, by id."""
    return {
        document["id"]: {
            "text": document["text"],
            "start": document.get("start"),
            "end": document.get("end"),
            "acl": sorted(document["acl"]),
        }
        for document in documents
    }


def torn_assets(
    assets: Sequence[Mapping[str, Any]],
    segments: Sequence[Mapping[str, Any]],
    rows: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Name documents whose content hash is not that of the rest of the asset.

    All documents of one asset bear one ``_hash``, and the row of the read model, the
    proof of what was written, says the same one.
    """
    hashes = {document["id"]: document.get("_hash") for document in assets}
    torn = [
        document["id"]
        for document in segments
        if document.get("_hash") != hashes.get(document["transcript_id"])
    ]
    proven = {row["_id"]: row["docs"]["hash"] for row in rows if row["acl"]}
    return sorted(
        torn
        + [
            one
            for one in hashes.keys() | proven.keys()
            if hashes.get(one) != proven.get(one)
        ]
    )


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


@contextmanager
def answered(
    request: urllib.request.Request, *, seconds: float
) -> Iterator[http.client.HTTPResponse]:
    """Send a request, and leave no socket behind when it is refused.

    Raises:
        OSError: No answer, or not one with a status below 400.
    """
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        error.close()
        raise


def exported(
    url: str, api_key: str, index: str, fields: str = ""
) -> list[dict[str, Any]]:
    """Export an index without its barrier document."""
    query = f"?include_fields={fields}" if fields else ""
    request = urllib.request.Request(
        f"{url}/collections/{index}/documents/export{query}",
        headers={"X-TYPESENSE-API-KEY": api_key},
    )
    with answered(request, seconds=60) as answer:
        documents = [json.loads(line) for line in answer.read().splitlines() if line]
    return [document for document in documents if document.get("_seq", 0) >= 0]


def counted_facets(url: str, api_key: str, index: str) -> Facets:
    """Ask the engine for the counts that its facets show."""
    names = ("kind", "status", "tag_keys", "visibility", "owner")
    of_files = ("extraction", "generator")
    found = searched(
        url,
        api_key,
        index,
        q="*",
        filter_by="_seq:>=0",
        facet_by=",".join(names + of_files),
        max_facet_values="1000",
        per_page="0",
    )
    counted = {
        facet["field_name"]: {one["value"]: one["count"] for one in facet["counts"]}
        for facet in found["facet_counts"]
    }
    for name in of_files:
        counted[name] = {_plain(k) or "": n for k, n in counted[name].items()}
    return counted


def searched(url: str, api_key: str, index: str, **parameters: str) -> dict[str, Any]:
    """Search one index, by alias or physical name.

    Raises:
        OSError: The engine does not answer, or not with 200.
    """
    request = urllib.request.Request(
        f"{url}/collections/{index}/documents/search?"
        f"{urllib.parse.urlencode(parameters)}",
        headers={"X-TYPESENSE-API-KEY": api_key},
    )
    with answered(request, seconds=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
