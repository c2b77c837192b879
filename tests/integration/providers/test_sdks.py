"""The providers' own clients complete against the fake: it speaks their protocols."""

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import trustme

from catalog.clock import ManualClock
from tests.fakes import provider_assemblyai, provider_fal
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_fal import FalPlan
from tests.fakes.provider_files import transcript_facts


def run(
    script: str, *arguments: str, environment: dict[str, str] | None = None
) -> dict[str, Any]:
    """Run a script beside this one, in a process of its own."""
    names = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        [sys.executable, str(path), *arguments],
        env={**kept, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_fals_own_client_submits_watches_fetches_cancels_and_is_refused(
    clock: ManualClock, tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)

    with FakeProvider(clock, tls) as provider:
        provider.fal.plan = FalPlan(positions=(2, 0), running=1)
        seen = run(
            "sdk_fal.py",
            environment={
                "FAL_KEY": provider_fal.KEY,
                "FAL_QUEUE_RUN_HOST": f"localhost:{provider.port}",
                "SSL_CERT_FILE": str(certificate),
            },
        )
        first = provider.fal.submits[0]

    assert seen["events"] == ["Queued", "Queued", "InProgress", "Completed"]
    assert seen["request"] == first.request_id
    assert len(seen["result"]["images"]) == 2
    assert seen["again"] == seen["result"]
    assert seen["refusal"] == [422, "missing"]
    assert {"diffusers_lora_file", "config_file"} <= set(seen["training"])
    assert first.webhook == "https://catalog.example/hooks/n1"
    assert first.cancelled


def test_assemblyais_own_client_transcribes_uploads_lists_and_is_refused(
    provider: FakeProvider, tmp_path: Path
) -> None:
    provider.assemblyai.plan.polls = 2
    file = tmp_path / "talk.mp3"
    file.write_bytes(b"ID3")

    seen = run("sdk_assemblyai.py", provider.url, provider_assemblyai.KEY, str(file))

    first, second = provider.assemblyai.submits
    assert (seen["id"], seen["status"]) == (first.transcript_id, "completed")
    assert seen["text"] == transcript_facts()["text"]
    assert (seen["speakers"], seen["words"]) == (["A", "B"], 16)
    assert first.payload["webhook_auth_header_value"] == "n1"
    assert second.payload["audio_url"].startswith(provider.url)
    assert seen["uploaded"] == second.transcript_id
    assert seen["listed"] == [second.transcript_id]
    assert seen["older"] == [first.transcript_id]
    assert "Authentication error" in seen["refusal"]
