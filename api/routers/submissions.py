"""Submitting jobs, and ending or repeating those that were submitted."""

from typing import Annotated, TypeVar
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Depends, Header, Path

from api.bodies import Body, BodyDep, json_object, validated
from api.dependencies import CatalogDep, WriterDep
from api.responses import JsonResponse
from api.schemas.problems import problems
from api.schemas.submissions import (
    ACCEPTED,
    ImageGenerationBody,
    LoraTrainingBody,
    SubmittedJob,
    TranscriptionBody,
    WhoAsks,
    documented,
)
from api.writers import named_asker, named_user
from catalog.access import Asker
from catalog.errors import InvalidRequestError
from catalog.models.generation import ImageGeneration, LoraTraining, Transcription
from catalog.models.ids import UserId
from catalog.services.locations import LocationService
from catalog.services.membership import MembershipService
from catalog.services.submissions import Receipt, SubmissionService

router = APIRouter(prefix="/api", tags=["jobs"])

Request = TypeVar("Request", LoraTraining, ImageGeneration, Transcription)

_SUBMITTING = ACCEPTED | problems(400, 401, 409, 413, 415, 429, 503)
_CANCELLING = ACCEPTED | problems(400, 401, 404, 409, 413, 415, 503)
_REPEATING = ACCEPTED | problems(400, 401, 404, 409, 413, 415, 429, 503)


async def get_submission_service(catalog: CatalogDep) -> SubmissionService:
    """Make the service for one request; it holds nothing but ports."""
    return SubmissionService(
        catalog.submissions,
        catalog.jobs,
        LocationService(
            catalog.assets,
            catalog.jobs,
            catalog.store,
            rights=MembershipService(catalog.groups, catalog.collections).asker,
        ),
        catalog.clock,
        new_id=lambda: uuid4().hex,
        quota=catalog.settings.jobs_per_user,
    )


SubmissionDep = Annotated[SubmissionService, Depends(get_submission_service)]

KeyParam = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[ -~]*$",
        description="Your name for this call, 1 to 255 printable characters: repeated "
        "with the same body within a week, it is answered by the same job.",
    ),
]

_JOB_ID = "The job's id."


@router.post(
    "/lora/train",
    summary="Train a LoRA",
    status_code=202,
    response_model=SubmittedJob,
    responses=_SUBMITTING,
    openapi_extra=documented(LoraTrainingBody),
)
def train_lora(
    service: SubmissionDep,
    catalog: CatalogDep,
    asker: WriterDep,
    body: BodyDep,
    key: KeyParam = None,
) -> JsonResponse:
    """Accepts a job that trains a LoRA on the frames of a video, or on images.

    `videoUrl` and `images` are `https://` addresses, or files of this catalog's
    storage (`s3://bucket/key`): in the user's own folders, in `temp/`, or of an asset
    that the user may see.
    """
    user_id, request = _read(body, asker, LoraTraining, "videoUrl")
    return _accepted(service.submit(user_id, request, key=key), catalog)


@router.post(
    "/images/generate",
    summary="Generate images",
    status_code=202,
    response_model=SubmittedJob,
    responses=_SUBMITTING,
    openapi_extra=documented(ImageGenerationBody),
)
def generate_images(
    service: SubmissionDep,
    catalog: CatalogDep,
    asker: WriterDep,
    body: BodyDep,
    key: KeyParam = None,
) -> JsonResponse:
    """Accepts a job that makes images from a prompt, with LoRAs if so asked.

    `path` of a LoRA is the id of its asset or job (its newest version then), the
    `s3://` address of its model file, or an `https://` address. The user must be
    allowed to see it.
    """
    user_id, request = _read(body, asker, ImageGeneration, "inputs")
    return _accepted(service.submit(user_id, request, key=key), catalog)


@router.post(
    "/transcribe",
    summary="Transcribe a recording",
    status_code=202,
    response_model=SubmittedJob,
    responses=_SUBMITTING,
    openapi_extra=documented(TranscriptionBody),
)
def transcribe(
    service: SubmissionDep,
    catalog: CatalogDep,
    asker: WriterDep,
    body: BodyDep,
    key: KeyParam = None,
) -> JsonResponse:
    """Accepts a job that writes down what is said in a recording.

    `url` or `upload`: what `videoUrl` of a training may be.
    """
    user_id, request = _read(body, asker, Transcription, "url")
    return _accepted(service.submit(user_id, request, key=key), catalog)


@router.post(
    "/jobs/{jobId}/cancel",
    summary="Cancel a job",
    status_code=202,
    response_model=SubmittedJob,
    responses=_CANCELLING,
    openapi_extra=documented(WhoAsks, is_required=False),
)
def cancel_job(
    service: SubmissionDep,
    catalog: CatalogDep,
    asker: WriterDep,
    body: BodyDep,
    job_id: Annotated[str, Path(alias="jobId", description=_JOB_ID)],
) -> JsonResponse:
    """Ends a job that waits, and asks the worker that has it to stop.

    For the job's owner and the admin. A job that was cancelled stays so; one that
    ended otherwise, or was never submitted here, is 409.
    """
    return _accepted(service.cancel(_asker(asker, body), job_id), catalog)


@router.post(
    "/jobs/{jobId}/retry",
    summary="Retry a job",
    status_code=202,
    response_model=SubmittedJob,
    responses=_REPEATING,
    openapi_extra=documented(WhoAsks, is_required=False),
)
def retry_job(
    service: SubmissionDep,
    catalog: CatalogDep,
    asker: WriterDep,
    body: BodyDep,
    job_id: Annotated[str, Path(alias="jobId", description=_JOB_ID)],
    key: KeyParam = None,
) -> JsonResponse:
    """Puts a job that failed or was cancelled back into the queue.

    It begins anew, as it was submitted; versions that it has stay.
    """
    return _accepted(service.retry(_asker(asker, body), job_id, key=key), catalog)


@router.post(
    "/jobs/{jobId}/versions",
    summary="Make a further version",
    status_code=202,
    response_model=SubmittedJob,
    responses=_REPEATING,
    openapi_extra=documented(WhoAsks, is_required=False),
)
def make_version(
    service: SubmissionDep,
    catalog: CatalogDep,
    asker: WriterDep,
    body: BodyDep,
    job_id: Annotated[str, Path(alias="jobId", description=_JOB_ID)],
    key: KeyParam = None,
) -> JsonResponse:
    """Puts a job that completed back into the queue: trains, or transcribes, again.

    What it makes is appended to `versions`; those that are there stay. Images of a
    further version are numbered on.
    """
    return _accepted(service.again(_asker(asker, body), job_id, key=key), catalog)


def _read(
    body: Body, asker: Asker, model: type[Request], source: str
) -> tuple[UserId, Request]:
    """Take a request apart: whose job it is, and what is asked for."""
    data = json_object(body)
    user_id = named_user(asker, data, has_token=body.has_token)
    if user_id is None:
        raise InvalidRequestError("userId", "Say whose job it is: send `userId`.")
    return user_id, validated(model, data, source=source)


def _asker(asker: Asker, body: Body) -> Asker:
    """Tell who asks where the body may say so, too."""
    if not body.content:
        return asker
    data = json_object(body)
    asked = named_asker(asker, data, body)
    validated(WhoAsks, data, source="body")
    return asked


def _accepted(receipt: Receipt, catalog: CatalogDep) -> JsonResponse:
    """Answer with the job and where to follow it."""
    job_id = quote(receipt.job_id, safe="")
    headers = {"Location": f"/api/jobs/{job_id}"}
    if receipt.is_repeated:
        headers["Idempotency-Replayed"] = "true"
    facts = {
        "jobId": receipt.job_id,
        "status": receipt.status,
        "streamUrl": f"/api/stream/job/{job_id}",
        "job": catalog.jsonable(receipt.record),
    }
    return JsonResponse(facts, 202, headers=headers)
