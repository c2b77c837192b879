from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from catalog.access import MACHINE_OWNER, Asker
from catalog.errors import (
    ConflictError,
    DependencyUnavailableError,
    IdempotencyConflictError,
    InvalidRequestError,
    NotFoundError,
    QuotaExceededError,
)
from catalog.models.generation import (
    ImageGeneration,
    JobRequest,
    LoraTraining,
    Transcription,
    request_from,
)
from catalog.models.ids import UserId
from catalog.models.job import JobType
from catalog.services.locations import LocationService
from catalog.services.submissions import SubmissionService
from tests.fakes.assets import FakeAssetRepository
from tests.fakes.catalog import NOW, FakeParts
from tests.unit.api.assets.samples import MODEL_KEY, lora

ANN, BOB = UserId("ann"), UserId("bob")
STORE = "memory://store/"

IMAGES = ImageGeneration.model_validate(
    {"model": "flux", "inputs": {"prompt": "a lighthouse", "cfg": "3"}}
)
TALK = Transcription.model_validate({"url": "https://x.test/talks/ep%2001.mp3?sig=1"})


@pytest.fixture
def parts() -> FakeParts:
    made = FakeParts()
    made.assets = FakeAssetRepository(lora())
    made.store.objects[MODEL_KEY] = b"model"
    made.store.objects["temp/up/talk.wav"] = b"12345"
    return made


@pytest.fixture
def ids() -> Iterator[str]:
    return (f"job-{number}" for number in count(1))


@pytest.fixture
def service(parts: FakeParts, ids: Iterator[str]) -> SubmissionService:
    return SubmissionService(
        parts.submissions,
        parts.jobs,
        LocationService(parts.assets, parts.jobs, parts.store),
        parts.clock,
        new_id=lambda: next(ids),
        quota=3,
    )


def training(**fields: Any) -> LoraTraining:  # noqa: ANN401
    return LoraTraining.model_validate({"loraName": "jesse"} | fields)


def generation(*paths: str) -> ImageGeneration:
    inputs = {"prompt": "x", "loras": [{"path": path} for path in paths]}
    return ImageGeneration.model_validate({"model": "flux-lora", "inputs": inputs})


# --- records -----------------------------------------------------------------------


def test_a_job_that_was_accepted_has_the_seeds_record(
    service: SubmissionService, parts: FakeParts
) -> None:
    parts.clock.advance(0.0123456)
    asked = {"metadata": {"tags": ["a"], "description": "d", "isPublic": True}}

    receipt = service.submit(
        ANN, ImageGeneration.model_validate(IMAGES.model_dump() | asked)
    )

    time = NOW + timedelta(milliseconds=12)
    assert receipt.record == {
        "jobId": "job-1",
        "userId": "ann",
        "type": "image-generation",
        "config": {
            "model": "flux",
            "inputs": {
                "prompt": "a lighthouse",
                "cfg": "3",
                "loras": [],
                "width": 1024,
                "height": 1024,
                "numImages": 1,
            },
        },
        "metadata": {"tags": ["a"], "description": "d", "isPublic": True},
        "versions": [],
        "status": "queued",
        "progress": 0,
        "createdAt": time,
        "updatedAt": time,
    }
    assert (receipt.status, receipt.is_repeated) == ("queued", False)
    [submission] = parts.submissions.submissions
    assert submission.record == receipt.record
    assert submission.quota == 3


@pytest.mark.parametrize(
    ("request_", "source"),
    [
        (IMAGES, None),
        (training(images=["https://x.test/1.jpg"] * 4), None),
        (
            TALK,
            {
                "url": "https://x.test/talks/ep%2001.mp3?sig=1",
                "filename": "ep 01.mp3",
            },
        ),
        (
            training(videoUrl="https://x.test/v%00%0a.mp4"),
            {"url": "https://x.test/v%00%0a.mp4", "filename": "v__.mp4"},
        ),
        (
            Transcription.model_validate({"url": "https://x.test/"}),
            {"url": "https://x.test/"},
        ),
        (
            Transcription.model_validate({"upload": STORE + "temp/up/talk.wav"}),
            {
                "url": STORE + "temp/up/talk.wav",
                "filename": "talk.wav",
                "sizeBytes": 5,
            },
        ),
    ],
    ids=["images", "pictures", "talk", "video", "nameless", "upload"],
)
def test_only_a_recording_is_the_source_of_a_job(
    service: SubmissionService, request_: JobRequest, source: dict[str, Any] | None
) -> None:
    record = service.submit(ANN, request_).record

    assert record.get("sourceVideo") == source
    assert request_from(JobType(record["type"]), record["config"]) == request_.evolve(
        metadata=type(request_.metadata)()
    )


def test_a_name_in_the_metadata_is_kept(service: SubmissionService) -> None:
    named = training(videoUrl="https://x.test/v", metadata={"name": " Jesse "})

    assert service.submit(ANN, named).record["metadata"] == {
        "name": "Jesse",
        "tags": [],
        "description": None,
        "isPublic": False,
    }


def test_a_file_name_of_any_length_is_cut(service: SubmissionService) -> None:
    long = Transcription.model_validate({"url": f"https://x.test/{'n' * 1500}.mp3"})

    name = service.submit(ANN, long).record["sourceVideo"]["filename"]

    assert len(name) == 255
    assert name.endswith("n.mp3")


# --- what it names -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (generation(STORE + MODEL_KEY, "nobodys"), "inputs.loras.1.path"),
        (training(videoUrl="http://x.test/v.mp4"), "videoUrl"),
        (
            training(images=["https://x.test/1"] * 3 + ["file:///etc/passwd"]),
            "images.3",
        ),
        (training(images=["https://x.test/1"] * 3), "images"),
        (
            training(videoUrl="https://x.test/v.mp4", captionStyle="poetic"),
            "captionStyle",
        ),
        (Transcription.model_validate({"url": "ftp://x.test/a"}), "url"),
        (Transcription.model_validate({"upload": STORE + "temp/no.wav"}), "upload"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_accepted(
    service: SubmissionService, parts: FakeParts, request_: JobRequest, field: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        service.submit(UserId("user123"), request_)

    assert caught.value.field == field
    assert parts.submissions.submissions == []


def test_a_refused_caption_style_is_told_which_there_are(
    service: SubmissionService,
) -> None:
    with pytest.raises(
        InvalidRequestError, match="natural, sentence, description, tags, trigger"
    ):
        service.submit(ANN, training(videoUrl="https://x.test/v", captionStyle="x"))


def test_a_caption_style_is_kept_as_it_was_written(service: SubmissionService) -> None:
    asked = training(videoUrl="https://x.test/v.mp4", captionStyle="Tags")

    assert service.submit(ANN, asked).record["config"]["captionStyle"] == "Tags"


def test_the_record_says_what_the_caller_wrote_not_what_it_led_to(
    service: SubmissionService,
) -> None:
    record = service.submit(UserId("user123"), generation("lora")).record

    assert record["config"]["inputs"]["loras"] == [{"path": "lora", "scale": 1.0}]


def test_it_is_the_rights_of_the_jobs_user_that_count(
    service: SubmissionService,
) -> None:
    with pytest.raises(InvalidRequestError, match="There is no LoRA"):
        service.submit(BOB, generation("lora"))


@pytest.mark.parametrize(
    "user", ["a/b", "..", "", "a\x00b", "x" * 1000, "\u00fc" * 500, "\ud800"]
)
def test_a_user_who_can_have_no_folder_can_have_no_jobs(
    service: SubmissionService, user: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        service.submit(UserId(user), IMAGES)

    assert caught.value.field == "userId"


# --- repetition and quota ----------------------------------------------------------


def test_a_repeated_request_is_answered_by_its_job_as_it_is_now(
    service: SubmissionService, parts: FakeParts
) -> None:
    first = service.submit(UserId("user123"), generation("lora"), key="k")
    parts.jobs.records[-1]["status"] = "completed"
    # What it needed is gone: it was accepted nevertheless.
    parts.assets.rows.clear()

    again = service.submit(UserId("user123"), generation("lora"), key="k")

    assert (again.job_id, again.is_repeated) == (first.job_id, True)
    assert again.status == "completed"
    assert len(parts.submissions.submissions) == 1


@pytest.mark.parametrize("other", [TALK, generation()], ids=["type", "body"])
def test_a_key_is_good_for_one_request(
    service: SubmissionService, other: JobRequest
) -> None:
    service.submit(ANN, IMAGES, key="k")

    with pytest.raises(IdempotencyConflictError):
        service.submit(ANN, other, key="k")
    assert service.submit(BOB, IMAGES, key="k").is_repeated is False


def test_defaults_that_are_written_out_ask_for_the_same(
    service: SubmissionService,
) -> None:
    service.submit(ANN, generation(), key="k")
    spelled = generation().evolve(
        inputs=generation().inputs.evolve(width=1024, num_images=1)
    )

    assert service.submit(ANN, spelled, key="k").is_repeated is True


def test_a_repetition_that_comes_while_the_first_is_accepted_is_one(
    parts: FakeParts, ids: Iterator[str]
) -> None:
    class Racing:
        """Another thread was first, between looking and submitting."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401
            if name == "recall":
                return lambda *_: None
            return getattr(parts.submissions, name)

    racing = SubmissionService(
        Racing(),
        parts.jobs,
        LocationService(parts.assets, parts.jobs, parts.store),
        parts.clock,
        new_id=lambda: next(ids),
        quota=3,
    )
    first = racing.submit(ANN, IMAGES, key="k")

    again = racing.submit(ANN, IMAGES, key="k")

    assert (again.job_id, again.is_repeated) == (first.job_id, True)


def test_the_key_of_a_job_that_was_deleted_says_so(
    service: SubmissionService, parts: FakeParts
) -> None:
    service.submit(ANN, IMAGES, key="k")
    parts.jobs.records.clear()

    with pytest.raises(ConflictError, match="deleted"):
        service.submit(ANN, IMAGES, key="k")


def test_a_user_has_only_so_many_open_jobs(service: SubmissionService) -> None:
    for _ in range(3):
        service.submit(ANN, IMAGES)

    with pytest.raises(QuotaExceededError, match="3 jobs"):
        service.submit(ANN, IMAGES)
    assert service.submit(BOB, IMAGES).status == "queued"


def test_a_database_that_is_away_is_told(
    service: SubmissionService, parts: FakeParts
) -> None:
    parts.submissions.fail_next(DependencyUnavailableError("mongodb", "away"))

    with pytest.raises(DependencyUnavailableError):
        service.submit(ANN, IMAGES)


# --- afterwards --------------------------------------------------------------------


def submitted(service: SubmissionService, parts: FakeParts, status: str) -> str:
    job_id = service.submit(ANN, IMAGES).job_id
    parts.jobs.records[-1]["status"] = status
    return job_id


def test_a_job_that_waits_is_cancelled_and_stays_so(
    service: SubmissionService, parts: FakeParts
) -> None:
    job_id = submitted(service, parts, "queued")

    first = service.cancel(Asker(ANN), job_id)
    again = service.cancel(Asker(ANN), job_id)

    assert (first.status, again.status) == ("cancelled", "cancelled")
    assert first.record["status"] == again.record["status"] == "cancelled"


def test_a_job_that_runs_is_asked_to_stop(
    service: SubmissionService, parts: FakeParts
) -> None:
    job_id = submitted(service, parts, "processing")

    assert service.cancel(Asker(ANN), job_id).status == "processing"
    assert service.cancel(Asker(ANN), job_id).status == "processing"
    assert parts.submissions.asked_to_stop == {job_id}


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_what_ended_otherwise_cannot_be_cancelled(
    service: SubmissionService, parts: FakeParts, status: str
) -> None:
    job_id = submitted(service, parts, status)

    with pytest.raises(ConflictError, match=status):
        service.cancel(Asker(ANN), job_id)


@pytest.mark.parametrize(
    ("call", "status"),
    [("retry", "failed"), ("retry", "cancelled"), ("again", "completed")],
)
def test_a_job_runs_again_after_the_end_that_allows_it(
    service: SubmissionService, parts: FakeParts, call: str, status: str
) -> None:
    job_id = submitted(service, parts, status)
    ask = getattr(service, call)

    first = ask(Asker(ANN), job_id, key="k")
    parts.jobs.records[-1]["status"] = "processing"
    again = ask(Asker(ANN), job_id, key="k")

    assert (first.status, first.is_repeated) == ("queued", False)
    assert (again.status, again.is_repeated) == ("processing", True)
    with pytest.raises(ConflictError):
        ask(Asker(ANN), job_id)


@pytest.mark.parametrize(
    ("call", "status"),
    [("retry", "completed"), ("again", "failed"), ("again", "queued")],
)
def test_no_other_end_does(
    service: SubmissionService, parts: FakeParts, call: str, status: str
) -> None:
    job_id = submitted(service, parts, status)

    with pytest.raises(ConflictError, match=status):
        getattr(service, call)(Asker(ANN), job_id)


def test_the_quota_counts_for_what_runs_again(
    service: SubmissionService, parts: FakeParts
) -> None:
    job_id = submitted(service, parts, "failed")
    for _ in range(3):
        service.submit(ANN, IMAGES)

    with pytest.raises(QuotaExceededError):
        service.retry(Asker(ANN), job_id)


@pytest.mark.parametrize("call", ["cancel", "retry", "again"])
def test_somebody_elses_job_is_not_found(
    service: SubmissionService, parts: FakeParts, call: str
) -> None:
    job_id = submitted(service, parts, "queued")

    for asker, target in ((Asker(BOB), job_id), (Asker(ANN), "nobodys")):
        with pytest.raises(NotFoundError) as caught:
            getattr(service, call)(asker, target)
        assert caught.value.identifier == target


@pytest.mark.parametrize("call", ["cancel", "retry", "again"])
@pytest.mark.parametrize("asker", [Asker(ANN), MACHINE_OWNER])
def test_a_job_of_another_platform_is_left_alone(
    service: SubmissionService, parts: FakeParts, call: str, asker: Asker
) -> None:
    parts.jobs.records.append(
        {"jobId": "gateway", "userId": "ann", "status": "completed"}
    )

    with pytest.raises(ConflictError, match="not submitted to this catalog"):
        getattr(service, call)(asker, "gateway")


def test_who_sees_everything_may_end_anybodys_job(
    service: SubmissionService, parts: FakeParts
) -> None:
    job_id = submitted(service, parts, "queued")

    assert service.cancel(MACHINE_OWNER, job_id).status == "cancelled"
