"""Drives a server with AssemblyAI's own client; run by ``test_sdks``, prints JSON.

Arguments: address of the server, key, a file to upload.
"""

import json
import sys
from typing import Any

import assemblyai


def main(base_url: str, key: str, file: str) -> None:
    """Transcribe an address and an upload, list, and be refused."""
    assemblyai.settings.base_url = base_url
    assemblyai.settings.api_key = key
    assemblyai.settings.polling_interval = 0.01
    seen: dict[str, Any] = {}
    config = assemblyai.TranscriptionConfig(
        speech_models=["universal-3-5-pro", "universal-2"],
        speaker_labels=True,
        webhook_url="https://catalog.example/hooks/n1",
        webhook_auth_header_name="X-Catalog-Webhook",
        webhook_auth_header_value="n1",
    )
    transcriber = assemblyai.Transcriber(config=config)
    transcript = transcriber.transcribe("https://talks.example/a.mp3")
    seen["id"] = transcript.id
    seen["status"] = transcript.status
    seen["text"] = transcript.text
    seen["speakers"] = sorted({one.speaker for one in transcript.utterances or []})
    seen["words"] = len(transcript.words or [])
    uploaded = transcriber.transcribe(file, config=assemblyai.TranscriptionConfig())
    listed = transcriber.list_transcripts(assemblyai.ListTranscriptParameters(limit=1))
    seen["uploaded"] = uploaded.id
    seen["listed"] = [one.id for one in listed.transcripts]
    older = transcriber.list_transcripts(
        assemblyai.ListTranscriptParameters(before_id=uploaded.id)
    )
    seen["older"] = [one.id for one in older.transcripts]
    assemblyai.settings.api_key = "wrong"
    refused = assemblyai.Transcriber(
        client=assemblyai.Client(settings=assemblyai.settings)
    )
    try:
        refused.transcribe("https://talks.example/a.mp3")
    except assemblyai.TranscriptError as exc:
        seen["refusal"] = str(exc)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
