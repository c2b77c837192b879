"""Has a recording written down by a job of ours, the way a user would: over HTTP."""

import json
from collections.abc import Callable
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import urllib3

from catalog.clock import Clock
from catalog.config import Settings
from catalog.demo.stage import Stage
from catalog.errors import DependencyUnavailableError
from catalog.models.ids import ObjectKey
from catalog.storage.base import ObjectStore

RECORDING = Path(__file__).parent / "recordings" / "wildfires.wav"
"""Seventeen seconds of synthetic speech; how it was made is written beside it."""

KEY = ObjectKey("temp/demo-recording/news-of-the-day.wav")
"""Where uploads go; like them it is removed after a day."""

USER = "user456"
WORD = "asthma"
"""Said in it, and nowhere else in the demo."""

LOCAL_ENGINE = ("pocketsphinx", "av", "numpy")


def why_not(
    settings: Settings, find: Callable[[str], object | None] = find_spec
) -> str | None:
    """Tell why no recording is written down; ``None`` when one can be.

    Args:
        settings: A provider's key there means that its owner would pay.
        find: Finds modules.
    """
    if settings.assemblyai_key is not None:
        return (
            "no recording is transcribed: CATALOG_ASSEMBLYAI_KEY is set, it would cost"
        )
    if any(find(name) is None for name in LOCAL_ENGINE):
        return "no recording is transcribed: the extra `processors` is not installed"
    return None


def submit(store: ObjectStore, api: str, admin_token: str | None, clock: Clock) -> str:
    """Upload the recording and submit its job, which a worker does by itself.

    Args:
        store: Takes the upload.
        api: Address of the API, without a final slash.
        admin_token: Used where the API wants to know who asks; ``None`` for none.
        clock: Of the demo.

    Returns:
        What comes of it and where to look, as a sentence.

    Raises:
        DependencyUnavailableError: The store or the API did not answer.
    """
    store.write(KEY, RECORDING.read_bytes(), content_type="audio/wav")
    job = _post(
        f"{api}/api/transcribe",
        admin_token,
        {
            "userId": USER,
            "upload": Stage(store, clock.now(), seed=0).s3_uri(KEY),
            "metadata": {
                "name": "News of the day",
                "tags": ["demo", "news"],
                "description": "Written down on this machine by a job of the catalog",
            },
        },
    )
    if "jobId" not in job:
        return f"no recording is transcribed: {job.get('detail', job)}"
    search = f"{api}/api/search/transcripts?userId={USER}&q={WORD}"
    return (
        f"a job transcribes a recording now ({api}/api/jobs/{job['jobId']}); "
        f"in some seconds try curl '{search}'"
    )


def _post(
    address: str, admin_token: str | None, body: dict[str, Any]
) -> dict[str, Any]:
    headers = {"Idempotency-Key": "catalog-demo-recording"}
    if admin_token is not None:
        headers["Authorization"] = f"Bearer {admin_token}"
    try:
        answer = urllib3.request(
            "POST",
            address,
            headers=headers,
            json=body,
            timeout=urllib3.Timeout(total=30),
            retries=urllib3.Retry(3, allowed_methods=None, redirect=False),
        )
        found = answer.json()
    except (urllib3.exceptions.HTTPError, json.JSONDecodeError) as exc:
        raise DependencyUnavailableError("api", str(exc)) from exc
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or not isinstance(found, dict):
        raise DependencyUnavailableError("api", f"it answered {answer.status}")
    return found
