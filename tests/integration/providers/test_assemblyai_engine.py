"""What AssemblyAI is asked, what is kept, and how a lost submit is found again."""

from datetime import timedelta

import orjson
import pytest

from catalog.clock import ManualClock
from catalog.models.asset import FileRole
from catalog.transcripts import parse_assemblyai
from processors.engine import EngineError, Waiting
from tests.fakes.provider import FakeProvider
from tests.fakes.provider_assemblyai import TranscriptPlan
from tests.fakes.provider_server import DROP_AFTER, DROP_BEFORE, Fault, answer
from tests.integration.providers.conftest import SOURCE, Workshop
from tests.integration.providers.harness import WEBHOOKS, failed, made


def test_the_answer_is_kept_byte_for_byte_with_text_and_captions_beside_it(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.assemblyai.plan = TranscriptPlan(polls=2)
    worker = workshop.transcript()

    result = made(worker)

    (submit,) = provider.assemblyai.submits
    nonce = worker.saved[0]["nonce"]
    assert submit.payload == {
        "audio_url": SOURCE,
        "speech_models": ["universal-3-5-pro", "universal-2"],
        "speaker_labels": True,
        "speakers_expected": 2,
        "language_detection": True,
        "webhook_url": WEBHOOKS + nonce,
        "webhook_auth_header_name": "X-Catalog-Webhook",
        "webhook_auth_header_value": nonce,
    }
    raw, text, srt, vtt = result.outputs
    assert [one.role for one in result.outputs] == [
        FileRole.TRANSCRIPT,
        FileRole.TEXT,
        FileRole.CAPTION,
        FileRole.CAPTION,
    ]
    assert raw.path.read_bytes() == provider.assemblyai.bodies[submit.transcript_id]
    assert b"nobody_has_heard_of_this" in raw.path.read_bytes()
    assert text.path.read_text().startswith("Smoke from hundreds of wildfires")
    assert "\n00:00:00,250 --> " in srt.path.read_text()
    assert vtt.path.read_text().startswith("WEBVTT\n\n00:00:00.250 --> ")
    assert result.provenance["requestId"] == submit.transcript_id
    assert result.provenance["model"] == "universal-3-5-pro"


def test_what_is_kept_is_what_the_catalog_reads(workshop: Workshop) -> None:
    content = parse_assemblyai(made(workshop.transcript()).outputs[0].path.read_bytes())

    assert content.speakers == ("A", "B")
    assert content.word_count == 16
    assert content.segments[0].start_ms == 250


def test_a_language_and_model_that_are_asked_for_are_passed_on(
    workshop: Workshop, provider: FakeProvider
) -> None:
    for code in ("pt-BR", "en-GB"):
        config = {"language": code, "model": "universal-2"}
        made(workshop.transcript(config=config))

    payloads = [one.payload for one in provider.assemblyai.submits]
    assert [one["language_code"] for one in payloads] == ["pt", "en_uk"]
    assert payloads[0]["speech_models"] == ["universal-2"]
    assert "language_detection" not in payloads[0]


def test_a_recording_without_an_address_can_t_be_transcribed(
    workshop: Workshop, provider: FakeProvider
) -> None:
    assert failed(workshop.transcript(source_url=None)).code == "source_missing"
    assert provider.requests == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "Download error, unable to access file at https://s.example/a?sig=secret",
            "source_unreadable",
        ),
        (
            "Transcoding failed. File does not appear to contain audio.",
            "source_unreadable",
        ),
        ("Your account has no credit left.", "provider_rejected"),
    ],
)
def test_a_failed_transcription_says_why(
    text: str, code: str, workshop: Workshop, provider: FakeProvider
) -> None:
    provider.assemblyai.plan = TranscriptPlan(error=text)

    error = failed(workshop.transcript())

    assert (error.code, error.is_retryable) == (code, False)
    assert "sig=secret" not in str(error)
    assert len(provider.assemblyai.submits) == 1


def test_their_own_server_error_is_submitted_again_as_they_advise(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.assemblyai.plan = TranscriptPlan(error="Server error, please try again")
    worker = workshop.transcript()
    worker.advance()
    with pytest.raises(EngineError) as caught:
        worker.advance()

    assert caught.value.is_retryable
    provider.assemblyai.plan = TranscriptPlan()
    made(worker)
    assert len(provider.assemblyai.submits) == 2


@pytest.mark.parametrize(
    ("status", "code", "is_final"),
    [(400, "invalid_input", False), (401, "not_configured", True)],
)
def test_a_refused_submit_is_a_plain_failure(
    status: int,
    code: str,
    is_final: bool,  # noqa: FBT001  (a parameter of the test)
    workshop: Workshop,
    provider: FakeProvider,
) -> None:
    provider.fail("aai.submit", Fault(reply=answer(status, {"error": "No, because"})))
    worker = workshop.transcript()

    error = failed(worker)

    assert (error.code, error.is_final) == (code, is_final)
    assert "No, because" in str(error)
    assert worker.step == {}


# --- a submit of unknown fate ------------------------------------------------------


@pytest.mark.parametrize("has_webhooks", [True, False])
def test_a_lost_submit_is_found_in_the_list(
    has_webhooks: bool,  # noqa: FBT001  (a parameter of the test)
    workshop: Workshop,
    provider: FakeProvider,
    clock: ManualClock,
) -> None:
    provider.assemblyai.accept({"audio_url": SOURCE})  # another one's, long ago
    clock.advance(3600)
    provider.fail("aai.submit", DROP_AFTER)
    worker = workshop.transcript(has_webhooks=has_webhooks)
    assert isinstance(worker.advance(), Waiting)
    for _ in range(450):  # what others submit meanwhile: three pages
        provider.assemblyai.accept({"audio_url": "https://other.example/b.mp3"})

    result = made(worker)

    assert (
        result.provenance["requestId"] == provider.assemblyai.submits[1].transcript_id
    )
    assert provider.count("aai.submit") == 1
    assert provider.count("aai.list") == 3


def test_another_jobs_transcript_of_the_same_address_is_not_taken(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("aai.submit", DROP_BEFORE)
    worker = workshop.transcript()
    worker.advance()
    provider.assemblyai.accept(
        {"audio_url": SOURCE, "webhook_url": WEBHOOKS + "of-another-job"}
    )

    assert failed(worker).code == "submission_unknown"


def test_a_submit_that_never_arrived_waits_its_time_and_is_left_to_a_person(
    workshop: Workshop, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.fail("aai.submit", DROP_BEFORE)
    began = clock.now()

    error = failed(workshop.transcript(has_webhooks=False))

    assert (error.code, error.is_final) == ("submission_unknown", True)
    assert clock.now() - began == timedelta(minutes=10)
    assert provider.count("aai.submit") == 1


def test_a_webhook_finds_a_lost_submit_without_the_list(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("aai.submit", DROP_AFTER)
    worker = workshop.transcript()
    worker.advance()
    headers, body = provider.assemblyai.webhook(provider.assemblyai.submits[0])
    assert headers == {"X-Catalog-Webhook": worker.step["nonce"]}

    worker.told = {"requestId": orjson.loads(body)["transcript_id"]}
    made(worker)

    assert provider.count("aai.list") == 0


def test_a_transcript_that_is_not_of_this_submit_is_not_taken(
    workshop: Workshop, provider: FakeProvider
) -> None:
    provider.fail("aai.submit", DROP_AFTER)
    worker = workshop.transcript()
    worker.advance()
    other = provider.assemblyai.accept({"audio_url": SOURCE})

    worker.told = {"requestId": other.transcript_id}
    result = made(worker)

    ours = provider.assemblyai.submits[0]
    assert result.provenance["requestId"] == ours.transcript_id


def test_a_transcript_that_is_gone_is_left_to_a_person(
    workshop: Workshop, provider: FakeProvider
) -> None:
    worker = workshop.transcript()
    worker.advance()
    provider.assemblyai.submits.clear()

    error = failed(worker)

    assert (error.code, error.is_final) == ("provider_rejected", True)


def test_a_cancel_sends_nothing_because_nothing_is_documented(
    workshop: Workshop, provider: FakeProvider
) -> None:
    worker = workshop.transcript()
    worker.advance()
    before = len(provider.requests)

    worker.engine.cancel(worker.work(), worker.step)

    assert len(provider.requests) == before
