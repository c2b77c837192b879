"""``/api/stream/job/{jobId}``: a job's status and progress as they change."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request
from starlette.responses import Response, StreamingResponse

from api.dependencies import AskerDep
from api.schemas.problems import problems
from api.streams import (
    JobStreams,
    Known,
    Subscription,
    events_between,
    stream_events,
)
from catalog.services.jobs import may_see_job

router = APIRouter(prefix="/api/stream", tags=["jobs"])

_EXAMPLE = """\
retry: 2000

event: status
id: processing/
data: {"jobId":"6f0c4c5e","status":"processing","progress":40}

event: progress
id: processing/40
data: {"jobId":"6f0c4c5e","status":"processing","progress":40}

: heartbeat

event: done
id: completed/100/done
data: {"jobId":"6f0c4c5e","status":"completed","progress":100}
"""


class EventStreamResponse(StreamingResponse):
    """Events as ``api.streams`` writes them.

    FastAPI's own event responses start a task group with two tasks per stream and
    cannot answer 204; five hundred open streams are better off without.
    """

    media_type = "text/event-stream"


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx must not hold events back
}


async def follow(
    request: Request,
    asker: AskerDep,
    job_id: Annotated[str, Path(alias="jobId", description="The job's id.")],
) -> AsyncIterator[Subscription]:
    """Subscribe before the answer starts, so that a stranger's job is a 404."""
    streams: JobStreams = request.app.state.streams
    async with streams.follow(job_id, partial(may_see_job, asker)) as subscription:
        yield subscription


@router.get(
    "/job/{jobId}",  # noqa: FAST003  (taken by the dependency)
    summary="Follow one job",
    response_class=EventStreamResponse,
    responses={
        200: {
            "description": "Events `status`, `progress` and, at last, `done`.",
            "content": {"text/event-stream": {"example": _EXAMPLE}},
        },
        204: {"description": "The client knows it all already; do not reconnect."},
        **problems(401, 404, 503),
    },
)
async def stream_job(
    subscription: Annotated[Subscription, Depends(follow)],
    last_event_id: Annotated[
        str | None,
        Header(description="Id of the last event seen; what it told is not repeated."),
    ] = None,
) -> Response:
    """Server-sent events: `status` and `progress` now and at each change, then `done`.

    Ends after `done` (completed, failed, cancelled, or the record is deleted). A
    comment comes every 15 seconds while nothing happens. A slow reader skips states,
    never the last one. Ids name the state told, so a client can resume at any process
    of the API.
    """
    known = Known.parse(last_event_id)
    events, _ = events_between(subscription.job_id, known, subscription.first)
    if subscription.first.is_final and not events:
        return Response(status_code=204)
    return EventStreamResponse(stream_events(subscription, known), headers=_HEADERS)
