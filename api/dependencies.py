"""What endpoints take in: the catalog, who asks, and the shared parameters.

Parameters are ``Annotated`` types; each says in OpenAPI what it accepts and turns a
bad value into a problem that names the field and the fix.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from api.callers import NOBODY, caller_of, note_user
from api.membership import Memberships
from catalog.access import MACHINE_OWNER, Asker, Scope
from catalog.errors import ForbiddenError, NotFoundError
from catalog.graph import Catalog
from catalog.models.asset import AssetType
from catalog.models.ids import UserId
from catalog.models.job import JobType

MAX_WORDS_LENGTH = 512
"""Characters of ``q`` (issue, section 6)."""

MAX_LIST_ITEMS = 100
"""Values in one comma list."""

# --- the catalog and who asks ------------------------------------------------------


async def get_catalog(request: Request) -> Catalog:
    """Hand out what ``create_app`` was given (async: a plain one costs a thread)."""
    catalog: Catalog = request.app.state.catalog
    return catalog


CatalogDep = Annotated[Catalog, Depends(get_catalog)]

UserIdParam = Annotated[
    str | None,
    Query(
        alias="userId",
        min_length=1,
        max_length=512,
        description="Who asks; on lists also whose. Without it the machine's owner "
        "asks, who sees everything. With a token it must be the token's user; the "
        "admin may name anybody.",
        examples=["user123"],
    ),
]


async def get_asker(request: Request, user_id: UserIdParam = None) -> Asker:
    """Establish who asks (``api.md``, General).

    A token says who asks. The admin's sees everything; with a ``userId`` beside it,
    that user's lists. With anybody else's a foreign ``userId`` is answered like an
    unknown one. Where no token is required ``userId`` says who asks.

    Raises:
        UnauthenticatedError: The token is not good, or none came where one must.
        InvalidRequestError: The header can't be read.
        DependencyUnavailableError: Who would know did not answer; retryable.
    """
    caller = caller_of(request)
    if caller is None or caller.is_admin:
        note_user(user_id)
        if caller is not None:
            asker = Asker(UserId(user_id) if user_id else None, sees_everything=True)
        elif not user_id:
            return MACHINE_OWNER
        else:
            asker = Asker(UserId(user_id))
    else:
        note_user(caller.user_id)
        if user_id is not None and user_id != caller.user_id:
            return Asker(NOBODY)
        asker = Asker(caller.user_id, groups=caller.groups)
    memberships: Memberships = request.app.state.memberships
    is_fresh = "waitFor" in request.query_params
    return await memberships.of(asker, is_fresh=is_fresh)


AskerDep = Annotated[Asker, Depends(get_asker)]
"""Who asks; also documents ``userId``, so endpoints need not take it again."""


async def get_writer(request: Request, asker: AskerDep) -> Asker:
    """Establish who asks to change something: with a token, one that may write.

    Raises:
        ForbiddenError: The token may only read.
        NotFoundError: ``userId`` is foreign.
    """
    caller = caller_of(request)
    if caller is not None and not caller.may_write:
        message = "This token may only read; use one with the permission to write."
        raise ForbiddenError(message)
    if asker.user_id == NOBODY:
        raise NotFoundError("user", request.query_params["userId"])
    return asker


WriterDep = Annotated[Asker, Depends(get_writer)]
"""Who asks to change something; for every endpoint that writes."""

# --- pages and order ---------------------------------------------------------------

LimitParam = Annotated[
    int, Query(ge=1, le=200, description="Most items on a page, 1 to 200.")
]
JobLimitParam = Annotated[
    int, Query(ge=1, le=1000, description="Most jobs on a page, 1 to 1,000.")
]
PageTokenParam = Annotated[
    str | None,
    Query(
        alias="pageToken",
        max_length=2048,
        description="Opaque; `nextPageToken` of the previous page, with the same "
        "filters and order.",
    ),
]
PageParam = Annotated[int, Query(ge=1, le=10_000, description="Page, from 1.")]
PerPageParam = Annotated[
    int, Query(alias="perPage", ge=1, le=200, description="Hits on a page, 1 to 200.")
]
OrderParam = Annotated[
    Literal["asc", "desc"], Query(description="Direction of `sort`.")
]
JobSortParam = Annotated[
    Literal["createdAt", "completedAt", "status", "type", "name"],
    Query(description="What jobs are ordered by."),
]
ScopeParam = Annotated[
    Scope,
    Query(
        description="Whose: `own`, `shared` with the caller, `public`, or `visible`."
    ),
]
WordsParam = Annotated[
    str,
    Query(
        alias="q",
        max_length=MAX_WORDS_LENGTH,
        description='Words, with typos and unfinished; `"…"` for a phrase, `-word` '
        "excludes. At most 512 characters.",
        examples=["avatar"],
    ),
]

# --- times -------------------------------------------------------------------------

_TOO_LONG = 40
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def parse_since(text: object) -> datetime | None:
    """Read ``from``: a date means its first moment, in UTC."""
    return _moment(text, time.min, timedelta(0))


def parse_until(text: object) -> datetime | None:
    """Read ``to``, inclusive: a date means its last moment, a second all of it."""
    return _moment(text, time.max, timedelta(microseconds=999_999))


def _moment(text: object, of_day: time, of_second: timedelta) -> datetime | None:
    if text is None or text == "":
        return None
    if isinstance(text, datetime):
        return text
    # a `+` of an offset that was not percent-encoded arrives as a space
    value = re.sub(r" (?=\d{2}:?\d{2}\Z)", "+", str(text).strip())
    try:
        if _DATE.match(value):
            day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
            return datetime.combine(day.date(), of_day, tzinfo=UTC)
        # cut, because Python would read six hundred ones as a time
        found = datetime.fromisoformat(value if len(value) < _TOO_LONG else "")
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        return found if "." in value else found + of_second
    except (ValueError, OverflowError) as exc:
        raise PydanticCustomError(
            "invalid_time",
            "not a date (2025-12-31) or ISO time (2025-12-31T18:00:00Z)",
        ) from exc


SinceParam = Annotated[
    datetime | None,
    BeforeValidator(parse_since),
    Query(
        alias="from",
        description="Created at or after: a date, or an ISO time (UTC unless it says "
        "otherwise).",
        examples=["2025-01-01"],
    ),
]
UntilParam = Annotated[
    datetime | None,
    BeforeValidator(parse_until),
    Query(
        alias="to",
        description="Created at or before, inclusive: a date means all of that day.",
        examples=["2025-12-31"],
    ),
]

# --- comma lists -------------------------------------------------------------------


def split_commas(values: object) -> tuple[str, ...]:
    """Split ``a,b``, or repetitions of the parameter, into its parts, in order."""
    if values is None:
        return ()
    texts: Iterable[object] = [values] if isinstance(values, str) else _items(values)
    parts = (part.strip() for text in texts for part in str(text).split(","))
    unique = tuple(dict.fromkeys(part for part in parts if part))
    if len(unique) > MAX_LIST_ITEMS:
        raise PydanticCustomError(
            "too_many_values", f"more than {MAX_LIST_ITEMS} values; name fewer"
        )
    return unique


def _items(values: object) -> Iterable[object]:
    return values if isinstance(values, list | tuple) else [values]


CommaList = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
"""Use as ``Annotated[CommaList, Query(alias=…, description=…)]``, default ``()``."""

TagsParam = Annotated[
    CommaList,
    Query(
        alias="tags",
        description="All of these tags, comma-separated or repeated.",
        examples=["avatar,headshot"],
    ),
]
StatusesParam = Annotated[
    CommaList,
    Query(alias="status", description="Any of these statuses.", examples=["completed"]),
]
ModelsParam = Annotated[
    CommaList,
    Query(alias="model", description="Any of these models.", examples=["flux-pro"]),
]

# --- types: assets and jobs, each accepts the other's words ------------------------

_TO_ASSET = {
    JobType.LORA_TRAINING.value: AssetType.LORA,
    JobType.IMAGE_GENERATION.value: AssetType.IMAGE,
    JobType.TRANSCRIPTION.value: AssetType.TRANSCRIPT,
}
_TO_JOB = {kind.value: name for name, kind in _TO_ASSET.items()} | {
    AssetType.DATASET.value: JobType.LORA_TRAINING.value
}


def parse_asset_types(values: object) -> tuple[AssetType, ...]:
    """Read asset types; the seed's job types mean the asset that such a job makes."""
    names = split_commas(values)
    try:
        found = [_TO_ASSET.get(name) or AssetType(name) for name in names]
    except ValueError as exc:
        allowed = ", ".join([*AssetType, *_TO_ASSET])
        raise PydanticCustomError(
            "invalid_type", f"not a type of asset; use any of {allowed}"
        ) from exc
    return tuple(dict.fromkeys(found))


def job_type_named(name: str) -> str:
    """Translate an asset type to the job type; a foreign type stays as it is."""
    return _TO_JOB.get(name, name)


AssetTypesParam = Annotated[
    tuple[AssetType, ...],
    BeforeValidator(parse_asset_types),
    Query(
        alias="type",
        description="Any of `lora image transcript dataset`; the job types "
        "`lora-training image-generation transcription` mean the same.",
        examples=["lora"],
    ),
]


def _job_type(value: Any) -> Any:  # noqa: ANN401  (whatever a caller sent)
    return job_type_named(value) if isinstance(value, str) else value


JobTypeParam = Annotated[
    str | None,
    BeforeValidator(_job_type),
    Query(
        alias="type",
        max_length=100,
        description="Job type as the record has it; `lora image transcript` mean "
        "`lora-training image-generation transcription`.",
        examples=["lora-training"],
    ),
]
