"""``/api/admin/dead-letters``: what can't be indexed as it is, and trying again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from api import admin_presenters
from api.admin import ADMIN, AdministrationDep, IdempotencyKey, accepted
from api.dependencies import CatalogDep, LimitParam, PageTokenParam
from api.responses import JsonResponse
from api.schemas.admin import (
    ACCEPTED,
    DeadLetter,
    DeadLetterList,
    IndexRequest,
    RedriveBody,
)
from api.schemas.problems import admin_problems

router = APIRouter(
    prefix="/api/admin/dead-letters", tags=["admin"], dependencies=[ADMIN]
)

StageParam = Annotated[
    Literal["read", "describe", "extract", "index"] | None,
    Query(description="Where it failed."),
]
JobIdParam = Annotated[
    str | None,
    Query(alias="jobId", min_length=1, max_length=1024, description="Of this job."),
]
TextParam = Annotated[
    str | None,
    Query(
        alias="q",
        min_length=1,
        max_length=512,
        description="The error contains this, whatever its case.",
    ),
]


@router.get(
    "",
    summary="List dead letters",
    response_model=DeadLetterList,
    responses=admin_problems(400),
)
def list_letters(
    service: AdministrationDep,
    catalog: CatalogDep,
    stage: StageParam = None,
    job_id: JobIdParam = None,
    q: TextParam = None,
    limit: LimitParam = 50,
    page_token: PageTokenParam = None,
) -> JsonResponse:
    """Records that could not be indexed as they are, and why; the newest first.

    Their assets are found by type, owner and rights meanwhile, with `index_error`.
    """
    page = service.letters(
        limit, stage=stage, job_id=job_id, text=q, page_token=page_token or None
    )
    return JsonResponse(admin_presenters.letters(page, catalog.jsonable))


@router.post(
    "/redrive",
    summary="Try dead letters again",
    status_code=202,
    response_model=IndexRequest,
    responses=ACCEPTED | admin_problems(409, 422),
)
def redrive_letters(
    service: AdministrationDep, body: RedriveBody, key: IdempotencyKey = None
) -> JsonResponse:
    """Those that fit all of `stage`, `jobId` and `text`; `{"all": true}` means all.

    An empty body is refused, so that nobody means all by mistake.
    """
    request = service.redrive(
        stage=body.stage, job_id=body.job_id, text=body.text, key=key
    )
    return accepted(request)


@router.get(
    "/{letterId}",
    summary="Read one dead letter",
    response_model=DeadLetter,
    responses=admin_problems(404),
)
def read_letter(
    service: AdministrationDep,
    catalog: CatalogDep,
    letter_id: Annotated[str, Path(alias="letterId", description="Its id.")],
) -> JsonResponse:
    """What failed, how often, and the details that were kept."""
    found = service.letter(letter_id)
    return JsonResponse(admin_presenters.letter(found, catalog.jsonable))


@router.post(
    "/{letterId}/redrive",
    summary="Try one dead letter again",
    status_code=202,
    response_model=IndexRequest,
    responses=ACCEPTED | admin_problems(404, 409),
)
def redrive_letter(
    service: AdministrationDep,
    letter_id: Annotated[str, Path(alias="letterId", description="Its id.")],
    key: IdempotencyKey = None,
) -> JsonResponse:
    """Its root is looked at again; the letter goes when that succeeds."""
    return accepted(service.redrive_one(letter_id, key))
