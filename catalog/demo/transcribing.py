"""Has a recording written down by a job of ours, the way a user would: over HTTP."""

import json
import threading
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
PATIENCE_SECONDS = 120.0

_LOOK_SECONDS = 0.5
_ENDED = ("completed", "failed", "cancelled")

Say = Callable[[str], None]


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


def transcribe(
    store: ObjectStore,
    api: str,
    admin_token: str | None,
    clock: Clock,
    say: Say,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
) -> str:
    """Upload the recording, submit its job, and wait for the end.

    Args:
        store: Takes the upload.
        api: Address of the API, without a final slash.
        admin_token: Used where the API wants to know who asks; ``None`` for none.
        clock: Times the patience.
        say: Told how far it is.
        patience_seconds: How long the job may take; a worker goes on with it afterwards.

    Returns:
        What became of it, as a sentence.

    Raises:
        DependencyUnavailableError: The store or the API did not answer.
    """
    store.write(KEY, RECORDING.read_bytes(), content_type="audio/wav")
    upload = Stage(store, clock.now(), seed=0).s3_uri(KEY)
    accepted = _ask(
        f"{api}/api/transcribe",
        admin_token,
        {
            "userId": USER,
            "upload": upload,
            "metadata": {
                "name": "News of the day",
                "tags": ["demo", "news"],
                "description": "Written down on this machine by a job of the catalog",
            },
        },
    )
    if "jobId" not in accepted:
        return f"the recording was refused: {accepted.get('detail', accepted)}"
    address = f"{api}/api/jobs/{accepted['jobId']}"
    begun, never = clock.monotonic(), threading.Event()
    while clock.monotonic() - begun < patience_seconds:
        job = _ask(address, admin_token)
        if job.get("status") in _ENDED:
            return _told(job, api)
        say(f"a recording is transcribed: {job.get('progress') or 0} %")
        clock.wait(never, _LOOK_SECONDS)
    return f"the recording still waits for a worker: {address}"


def _told(job: dict[str, Any], api: str) -> str:
    if job["status"] != "completed":
        error = job.get("error") or {}
        return (
            f"the recording was not transcribed: {error.get('message', job['status'])}"
        )
    address = f"{api}/api/search/transcripts?userId={USER}&q={WORD}"
    return f"a recording was transcribed by a job; try curl '{address}'"


def _ask(
    address: str, admin_token: str | None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    headers = {"Idempotency-Key": "catalog-demo-recording"} if body else {}
    if admin_token is not None:
        headers["Authorization"] = f"Bearer {admin_token}"
    try:
        answer = urllib3.request(
            "GET" if body is None else "POST",
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
